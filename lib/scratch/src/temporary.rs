//! A PostgreSQL server of this run's own: from the programs of this machine, of the target's major
//! version, in a folder that nobody else may enter, reached through a socket there and by nothing
//! else. It goes with this run, however that ends.
//!
//! A shell waits for the end of a pipe that this process holds, and stops the server then. What a run
//! leaves whose shell was killed as well, the next run finds by the lock on its folder that nobody
//! holds any more.

use std::fs::{DirBuilder, File};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use contract::{Class, Failure, Report, Run};
use db_connect::{Link, program_folders};
use rustix::fs::FlockOperation;
use settings::target::Host;
use settings::{PostgresTarget, Target};

use crate::named::{connect, failed, is_in};
use crate::postgres::quoted;
use crate::stop::Stop;
use crate::{SCRATCH_DROPPED, ServerFacts, Wanted};

/// What the folder's name begins with; the server's user id and 32 hexadecimal digits follow.
const PREFIX: &str = "lockstep-scratch-";

/// The file in the folder whose lock says that the run still lives.
const LOCK: &str = "run";

/// The superuser that makes the database and its roles. No role of a target is called so.
const ADMIN: &str = "lockstep_scratch_admin";

/// The database.
const DATABASE: &str = "lockstep_scratch";

/// Longest path of a socket's folder, in bytes: the system's limit less the socket's own name.
const FOLDER_BYTES_MAX: usize = 80;

/// How often it is looked whether a program has ended.
const PAUSE: Duration = Duration::from_millis(10);

/// Which user the server runs as where this process may not run one: PostgreSQL refuses root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Unprivileged {
    uid: u32,
    gid: u32,
}

/// The running server. Dropping it stops it and removes its folder.
#[derive(Debug)]
pub(crate) struct Server {
    role: String,
    target: PostgresTarget,
    dir: PathBuf,
    // Before the lock, which lasts as long as there is something in the folder.
    _warden: Warden,
    _lock: File,
}

impl Server {
    pub(crate) fn start(wanted: &Wanted<'_>, stop: &Stop) -> Result<Server, Failure> {
        let facts = wanted.server.cloned().unwrap_or_default();
        let programs = programs(facts.major)?;
        let user = unprivileged()?;
        let base = base(user);
        for folder in remove_left(&base, user, &programs) {
            wanted.run.say(&format!(
                "removed {}, a scratch server that a killed run had left",
                folder.display()
            ));
        }
        let started = start(&programs, &base, user, stop);
        let (dir, lock, warden) = started.map_err(cannot_start)?;
        let server = Server {
            target: target(&dir)?,
            role: facts.role.clone(),
            dir,
            _warden: warden,
            _lock: lock,
        };
        server.make_database(&facts, wanted)?;
        Ok(server)
    }

    /// The session in the database, as a role of the target's name that may do what that one may.
    pub(crate) fn open(&self, application_name: &str) -> Result<Link, Failure> {
        let target = PostgresTarget {
            user: self.role.clone(),
            database: DATABASE.to_owned(),
            ..self.target.clone()
        };
        is_in(connect(&target, application_name)?, DATABASE)
    }

    pub(crate) fn end(self, run: &Run, report: &mut Report) {
        let dir = self.dir.clone();
        drop(self);
        let named = dir.display().to_string();
        if !dir.exists() {
            report.held(&SCRATCH_DROPPED, named);
            return;
        }
        run.say(&format!("the scratch server in {named} is still there"));
        report
            .warned(&SCRATCH_DROPPED, &named, "it is still there")
            .remedy(format!(
                "stop it with pg_ctl --pgdata {named}/data stop, and remove {named}; the next run \
                 does it too"
            ));
    }

    /// Makes the roles of the target's server, which files may name, and the database.
    fn make_database(&self, facts: &ServerFacts, wanted: &Wanted<'_>) -> Result<(), Failure> {
        let mut link = connect(&self.target, &crate::named::application_name(wanted))?;
        let roles: String = facts
            .roles
            .iter()
            .map(|role| format!("CREATE ROLE {};", quoted(role)))
            .collect();
        let attributes: String = ["SUPERUSER", "CREATEDB", "CREATEROLE"]
            .iter()
            .zip(facts.may)
            .filter(|(_, may)| *may)
            .map(|(attribute, _)| format!(" {attribute}"))
            .collect();
        let role = quoted(&facts.role);
        let made = link
            .client
            .batch_execute(&format!("{roles} CREATE ROLE {role} LOGIN{attributes}"))
            .and_then(|()| {
                link.client.batch_execute(&format!(
                    "CREATE DATABASE {DATABASE} OWNER {role} TEMPLATE template0"
                ))
            });
        made.map_err(|error| failed("create a scratch database", error))
    }
}

/// Where the server listens.
fn target(dir: &Path) -> Result<PostgresTarget, Failure> {
    let url = format!("postgres://{ADMIN}@localhost:5432/postgres?sslmode=disable");
    match Target::parse(&url, Path::new("")) {
        Ok((Target::Postgres(mut target), _)) => {
            for endpoint in &mut target.endpoints {
                endpoint.host = Host::Socket(dir.to_owned());
            }
            Ok(target)
        }
        _ => Err(Failure::new(
            Class::Error,
            "cannot name the socket of a scratch server",
        )),
    }
}

/// The folder with `initdb` and `pg_ctl` of a major version.
fn programs(major: u32) -> Result<PathBuf, Failure> {
    let has_both = |dir: &PathBuf| dir.join("initdb").is_file() && dir.join("pg_ctl").is_file();
    let mut others = Vec::new();
    for folder in program_folders(major).filter(has_both) {
        let mut asked = Command::new(folder.join("initdb"));
        asked
            .arg("--version")
            .stdin(Stdio::null())
            .stderr(Stdio::null());
        let said = asked
            .output()
            .map(|output| output.stdout)
            .unwrap_or_default();
        let said = String::from_utf8_lossy(&said).into_owned();
        let version = db_connect::version_said(&said);
        match db_connect::major_of(version) == Some(major) {
            true => return Ok(folder),
            false => others.push(format!("{} ({version})", folder.display())),
        }
    }
    let found = match others.is_empty() {
        true => "none".to_owned(),
        false => others.join(", "),
    };
    Err(Failure::new(
        Class::Usage,
        format!(
            "cannot start a temporary server: it takes initdb and pg_ctl of PostgreSQL {major}, \
             found {found}"
        ),
    )
    .remedy(format!(
        "install PostgreSQL {major}'s server on this machine, or write `server = {{ env = \
         \"SCRATCH_URL\" }}` in [scratch]"
    )))
}

/// The user that the server runs as where this process is root's.
fn unprivileged() -> Result<Option<Unprivileged>, Failure> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let accounts = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let user = ["postgres", "nobody"]
        .iter()
        .find_map(|name| account(&accounts, name));
    user.map(Some).ok_or_else(|| {
        Failure::new(
            Class::Usage,
            "cannot start a temporary server: PostgreSQL does not run as root, and there is neither \
             a user postgres nor nobody",
        )
        .remedy(
            "run this as another user, or write `server = { env = \"SCRATCH_URL\" }` in [scratch]",
        )
    })
}

/// A user in the text of `/etc/passwd`, unless it is root by another name.
fn account(accounts: &str, name: &str) -> Option<Unprivileged> {
    let line = accounts.lines().find_map(|line| {
        let rest = line.strip_prefix(name)?;
        rest.strip_prefix(':')
    })?;
    let mut fields = line.split(':').skip(1);
    let uid = fields.next()?.parse().ok()?;
    let gid = fields.next()?.parse().ok()?;
    (uid != 0).then_some(Unprivileged { uid, gid })
}

/// The folder in which servers' folders are made: one that the server's user can reach, with a path
/// that leaves room for a socket's.
fn base(user: Option<Unprivileged>) -> PathBuf {
    let own = std::env::temp_dir();
    let fits = own.is_absolute() && own.as_os_str().len() + 60 <= FOLDER_BYTES_MAX;
    match user.is_none() && fits {
        true => own,
        false => PathBuf::from("/tmp"),
    }
}

/// One program of the server, as its user, with nothing of our environment.
fn program(path: &Path, user: Option<Unprivileged>) -> Command {
    let mut command = Command::new(path);
    command
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("LC_ALL", "C")
        .current_dir("/")
        .stdin(Stdio::null())
        .process_group(0);
    if let Some(user) = user {
        command.uid(user.uid).gid(user.gid);
    }
    command
}

/// Why no server runs.
enum Unstarted {
    /// The system refused something.
    System(&'static str, PathBuf, io::Error),
    /// A program ended badly, with what it said last.
    Program(&'static str, String),
    Stopped,
}

fn cannot_start(why: Unstarted) -> Failure {
    let failure = match why {
        Unstarted::Stopped => {
            return Failure::new(Class::Error, "cannot replay: stopped by a signal");
        }
        Unstarted::System(act, path, error) => Failure::caused_by(
            Class::Error,
            format!(
                "cannot start a temporary server: cannot {act} {}",
                path.display()
            ),
            &error,
        ),
        Unstarted::Program(name, said) => Failure::new(
            Class::Error,
            format!("cannot start a temporary server: {name} failed: {said}"),
        ),
    };
    failure.remedy(
        "see whether that program runs by hand, or write `server = { env = \"SCRATCH_URL\" }` in \
         [scratch]",
    )
}

fn start(
    programs: &Path,
    base: &Path,
    user: Option<Unprivileged>,
    stop: &Stop,
) -> Result<(PathBuf, File, Warden), Unstarted> {
    let dir = base.join(format!(
        "{PREFIX}{}_{}",
        owner(user),
        contract::new_uuid().replace('-', "")
    ));
    let system = |act: &'static str, path: &Path| {
        let path = path.to_owned();
        move |error| Unstarted::System(act, path, error)
    };
    let made = DirBuilder::new().mode(0o700).create(&dir);
    made.map_err(system("make", &dir))?;
    // From here on the warden takes the folder away.
    let held = hold(&dir, user);
    let warden = Warden::new(programs, &dir, user);
    let warden = warden.map_err(|error| {
        let _ = std::fs::remove_dir_all(&dir);
        Unstarted::System("start /bin/sh for", dir.clone(), error)
    })?;
    let lock = held.map_err(system("lock", &dir))?;
    let data = dir.join("data");
    let mut initdb = program(&programs.join("initdb"), user);
    initdb
        .arg("--pgdata")
        .arg(&data)
        .args(["--no-sync", "--encoding=UTF8", "--locale=C", "--auth=trust"])
        .args(["--username", ADMIN]);
    finish("initdb", &mut initdb, &dir, stop)?;
    let conf = format!(
        "listen_addresses = ''\nport = 5432\nunix_socket_directories = '{}'\n\
         unix_socket_permissions = 0700\nfsync = off\nfull_page_writes = off\nmax_connections = 20\n\
         autovacuum = off\nlogging_collector = off\n",
        dir.display().to_string().replace('\'', "''")
    );
    append(&data.join("postgresql.conf"), &conf).map_err(system("write into", &data))?;
    let mut pg_ctl = program(&programs.join("pg_ctl"), user);
    pg_ctl
        .args(["--wait", "--silent", "--pgdata"])
        .arg(&data)
        .arg("--log")
        .arg(dir.join("log"))
        .arg("start");
    finish("pg_ctl", &mut pg_ctl, &dir, stop)?;
    Ok((dir, lock, warden))
}

fn owner(user: Option<Unprivileged>) -> u32 {
    user.map_or_else(|| rustix::process::geteuid().as_raw(), |user| user.uid)
}

/// Locks the folder for as long as the file is open, and gives it to the server's user.
fn hold(dir: &Path, user: Option<Unprivileged>) -> io::Result<File> {
    // Locked before it has its name, so that nobody finds it unlocked.
    let new = dir.join("new");
    let file = File::create_new(&new)?;
    rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive)?;
    std::fs::rename(&new, dir.join(LOCK))?;
    if let Some(user) = user {
        std::os::unix::fs::chown(dir.join(LOCK), Some(user.uid), Some(user.gid))?;
        std::os::unix::fs::chown(dir, Some(user.uid), Some(user.gid))?;
    }
    Ok(file)
}

fn append(path: &Path, text: &str) -> io::Result<()> {
    let mut file = std::fs::OpenOptions::new().append(true).open(path)?;
    file.write_all(text.as_bytes())
}

/// Runs a program to its end, or until somebody asks for one.
fn finish(
    name: &'static str,
    command: &mut Command,
    dir: &Path,
    stop: &Stop,
) -> Result<(), Unstarted> {
    let system = |error| Unstarted::System("run", PathBuf::from(name), error);
    // No pipe: the server that it starts would keep that open.
    let mut said = tempfile::tempfile_in(dir).map_err(system)?;
    let handle = |file: &File| file.try_clone().map(Stdio::from).map_err(system);
    let mut child = command
        .stdout(handle(&said)?)
        .stderr(handle(&said)?)
        .spawn()
        .map_err(system)?;
    let status = loop {
        if let Some(status) = child.try_wait().map_err(system)? {
            break status;
        }
        if stop.asked() {
            let _ = child.kill();
            let _ = child.wait();
            return Err(Unstarted::Stopped);
        }
        std::thread::sleep(PAUSE);
    };
    if status.success() {
        return Ok(());
    }
    let mut text = String::new();
    let read = said.rewind().and_then(|()| said.read_to_string(&mut text));
    let log = std::fs::read_to_string(dir.join("log")).unwrap_or_default();
    text.push_str(&log);
    let last = text.lines().rev().find(|line| !line.trim().is_empty());
    let said = match (read, last) {
        (Ok(_), Some(line)) => line.trim().to_owned(),
        _ => status.to_string(),
    };
    Err(Unstarted::Program(name, said))
}

/// A shell that stops the server and removes its folder once our end of its standard input is closed,
/// be it by the system after a SIGKILL.
#[derive(Debug)]
struct Warden(Child);

const WARDEN: &str = r#"trap '' INT TERM HUP QUIT
cat > /dev/null
"$1/pg_ctl" --pgdata "$2/data" --silent --wait --mode immediate stop > /dev/null 2>&1
rm -rf -- "$2""#;

impl Warden {
    fn new(programs: &Path, dir: &Path, user: Option<Unprivileged>) -> io::Result<Warden> {
        program(Path::new("/bin/sh"), user)
            .args(["-c", WARDEN, "lockstep-scratch"])
            .args([programs, dir])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map(Warden)
    }
}

impl Drop for Warden {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// Stops servers of killed runs and removes their folders: those of the same user whose lock nobody
/// holds.
fn remove_left(base: &Path, user: Option<Unprivileged>, programs: &Path) -> Vec<PathBuf> {
    let prefix = format!("{PREFIX}{}_", owner(user));
    let entries = std::fs::read_dir(base).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(&prefix))
        .map(|entry| entry.path())
        .filter(|dir| remove_one(dir, user, programs).unwrap_or(false))
        .collect()
}

fn remove_one(dir: &Path, user: Option<Unprivileged>, programs: &Path) -> io::Result<bool> {
    let found = std::fs::symlink_metadata(dir)?;
    if !found.is_dir() || found.uid() != owner(user) || found.mode() & 0o077 != 0 {
        return Ok(false);
    }
    let lock = File::open(dir.join(LOCK))?;
    if rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
        return Ok(false);
    }
    if dir.join("data/postmaster.pid").exists() {
        let mut pg_ctl = program(&programs.join("pg_ctl"), user);
        // One that does not run any more is no hindrance.
        let _ = pg_ctl
            .arg("--pgdata")
            .arg(dir.join("data"))
            .args(["--silent", "--wait", "--mode", "immediate", "stop"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
    }
    std::fs::remove_dir_all(dir)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_unless_it_is_root() {
        let accounts = "root:x:0:0:root:/root:/bin/sh\npostgres2:x:9:9::/:/bin/sh\n\
                        postgres:x:101:104:PostgreSQL,,,:/var/lib:/bin/bash\ntoor:x:0:0::/:/bin/sh\n";
        assert_eq!(
            account(accounts, "postgres"),
            Some(Unprivileged { uid: 101, gid: 104 })
        );
        assert_eq!(account(accounts, "toor"), None);
        assert_eq!(account(accounts, "nobody"), None);
    }
}
