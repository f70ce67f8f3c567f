//! A PostgreSQL server that belongs to one test process: own data folder, own port and socket,
//! stopped by its own `pg_ctl`.

use std::io::Read as _;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// The superuser of every test server.
pub const USER: &str = "lockstep";
/// Its password, with every character that a URL has to escape.
pub const PASSWORD: &str = "p@ss:w/rd %41é";
/// [`PASSWORD`] as it stands in a URL.
pub const PASSWORD_ENCODED: &str = "p%40ss%3Aw%2Frd%20%2541%C3%A9";

/// The variable that names the folder of the server's programs, where it is not to be the machine's
/// own server.
pub const BIN_VARIABLE: &str = "LOCKSTEP_TEST_POSTGRES_BIN";

static DATABASES: AtomicU32 = AtomicU32::new(0);

/// A running server. Dropping it, or the end of this process however it ends, stops the server and
/// removes its folder.
#[derive(Debug)]
pub struct Server {
    bin: PathBuf,
    dir: PathBuf,
    port: u16,
    warden: Child,
}

impl Server {
    /// The server that the tests of this process share; started by the first that asks.
    pub fn shared() -> &'static Server {
        static SHARED: OnceLock<Server> = OnceLock::new();
        SHARED.get_or_init(|| Server::start(&[]))
    }

    /// A server of one's own, with `settings` appended to its `postgresql.conf`
    /// (values as they stand in that file, text in single quotes).
    pub fn start(settings: &[(&str, &str)]) -> Server {
        let bin = bin_dir();
        let dir = tempfile::Builder::new()
            .prefix("lockstep-pg-")
            .tempdir()
            .unwrap()
            .keep();
        std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o755)).unwrap();
        own(&dir);
        let data = dir.join("data");
        std::fs::write(dir.join("password"), PASSWORD).unwrap();
        run(server_command(&bin.join("initdb"))
            .arg("--pgdata")
            .arg(&data)
            .args(["--no-sync", "--encoding=UTF8", "--locale=C.UTF-8"])
            .args(["--auth-local=trust", "--auth-host=scram-sha-256"])
            .args(["--username", USER])
            .arg("--pwfile")
            .arg(dir.join("password")));
        let port = free_port();
        let mut conf = format!(
            "listen_addresses = '127.0.0.1'\nport = {port}\nunix_socket_directories = '{}'\n\
             fsync = off\nmax_connections = 60\nlogging_collector = off\n",
            dir.display()
        );
        for (name, value) in settings {
            conf.push_str(&format!("{name} = {value}\n"));
        }
        append(&data.join("postgresql.conf"), &conf);
        let warden = warden(&bin, &dir, &data);
        let server = Server {
            bin,
            dir,
            port,
            warden,
        };
        server.boot();
        server
    }

    /// Starts the stopped server and waits until it takes connections.
    pub fn boot(&self) {
        run(self
            .pg_ctl()
            .args(["--wait", "--silent", "--log"])
            .arg(self.dir.join("log"))
            .arg("start"));
    }

    /// Stops the server; `mode` is one of `pg_ctl`'s: smart, fast, immediate.
    pub fn stop(&self, mode: &str) {
        run(self
            .pg_ctl()
            .args(["--wait", "--silent", "--mode", mode, "stop"]));
    }

    fn pg_ctl(&self) -> Command {
        let mut command = server_command(&self.bin.join("pg_ctl"));
        command.arg("--pgdata").arg(self.data());
        command
    }

    /// The server's data folder.
    pub fn data(&self) -> PathBuf {
        self.dir.join("data")
    }

    /// The folder with the data folder, the socket and the server's log.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The folder of the server's own programs (`pg_dump`, `psql`, …).
    pub fn bin(&self) -> &Path {
        &self.bin
    }

    /// The server's major version.
    pub fn major(&self) -> u32 {
        let version: i32 = self
            .connect("postgres")
            .query_one("SELECT current_setting('server_version_num')::int4", &[])
            .unwrap()
            .get(0);
        u32::try_from(version / 10_000).unwrap()
    }

    /// The TCP port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What the server has logged so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.join("log")).unwrap_or_default()
    }

    /// Creates an empty database with a name of its own and returns that name.
    pub fn create_database(&self) -> String {
        let name = format!("app_{}", DATABASES.fetch_add(1, Ordering::Relaxed));
        self.connect("postgres")
            .batch_execute(&format!("CREATE DATABASE {name}"))
            .unwrap();
        name
    }

    /// The URL of a database over TCP, password included.
    pub fn url(&self, database: &str) -> String {
        self.url_as(USER, PASSWORD_ENCODED, database)
    }

    /// The URL for another role.
    pub fn url_as(&self, user: &str, password_encoded: &str, database: &str) -> String {
        format!(
            "postgres://{user}:{password_encoded}@127.0.0.1:{}/{database}",
            self.port
        )
    }

    /// A superuser's connection through the socket.
    pub fn connect(&self, database: &str) -> postgres::Client {
        postgres::Config::new()
            .host_path(&self.dir)
            .port(self.port)
            .user(USER)
            .dbname(database)
            .connect(postgres::NoTls)
            .unwrap()
    }

    /// Gives a file the owner and mode that the server asks of a private key.
    pub fn adopt_key(&self, path: &Path) {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
        own(path);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.warden.stdin.take());
        let _ = self.warden.wait();
    }
}

/// A shell that outlives this process, stops the server and removes its folder once our end of its
/// standard input is closed; so a killed test leaves no server behind.
fn warden(bin: &Path, dir: &Path, data: &Path) -> Child {
    let script = r#"trap '' INT TERM HUP; cat >/dev/null
        "$1/pg_ctl" --pgdata "$3" --silent --wait --mode immediate stop >/dev/null 2>&1
        rm -rf "$2""#;
    let mut command = server_command(Path::new("/bin/sh"));
    command
        .args(["-c", script, "warden"])
        .args([bin, dir, data]);
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// PostgreSQL refuses to run as root; as root, its programs run as the user `postgres`.
pub fn server_command(program: &Path) -> Command {
    let mut command = if rustix::process::geteuid().is_root() {
        let mut command = Command::new("setpriv");
        command.args([
            "--reuid=postgres",
            "--regid=postgres",
            "--init-groups",
            "--",
        ]);
        command.arg(program);
        command
    } else {
        Command::new(program)
    };
    command
        .current_dir("/")
        .env_remove("PGDATA")
        .env("LC_ALL", "C.UTF-8");
    command
}

/// Gives a file or folder to whom the server's programs run as.
pub fn own(path: &Path) {
    if rustix::process::geteuid().is_root() {
        run(Command::new("chown").arg("postgres:postgres").arg(path));
    }
}

fn run(command: &mut Command) {
    // Not `output()`: the server inherits the pipes and would keep them open.
    let log = tempfile::NamedTempFile::new().unwrap();
    let status = command
        .stdin(Stdio::null())
        .stdout(log.reopen().unwrap())
        .stderr(log.reopen().unwrap())
        .status()
        .unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
    let mut said = String::new();
    log.reopen().unwrap().read_to_string(&mut said).unwrap();
    assert!(status.success(), "{command:?}: {status}\n{said}");
}

fn append(path: &Path, text: &str) {
    use std::io::Write as _;
    std::fs::OpenOptions::new()
        .append(true)
        .open(path)
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
}

/// A TCP port that nobody listens on at the moment of asking.
pub fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0))
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

/// Where the server's programs are: what [`BIN_VARIABLE`] names, `pg_config --bindir`, Debian's
/// versioned folders (newest first), PATH.
///
/// # Panics
///
/// When there are none, with the line to type.
pub fn bin_dir() -> PathBuf {
    find_bin_dir().unwrap_or_else(|| {
        panic!("cannot find PostgreSQL's server programs; install them: sudo apt-get install postgresql")
    })
}

/// As [`bin_dir`], or nothing.
pub fn find_bin_dir() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os(BIN_VARIABLE) {
        return Some(PathBuf::from(named));
    }
    let asked = Command::new("pg_config").arg("--bindir").output().ok();
    let asked = asked
        .filter(|output| output.status.success())
        .map(|output| PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()));
    let mut versioned: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let major = entry.file_name().to_str()?.parse().ok()?;
            Some((major, entry.path().join("bin")))
        })
        .collect();
    versioned.sort();
    let path = std::env::var_os("PATH").unwrap_or_default();
    asked
        .into_iter()
        .chain(versioned.into_iter().rev().map(|(_, dir)| dir))
        .chain(std::env::split_paths(&path))
        .find(|dir| dir.join("initdb").is_file() && dir.join("pg_ctl").is_file())
}
