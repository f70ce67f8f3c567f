//! A pgbouncer before a test server, pooling by transaction.

use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::postgres_server::{PASSWORD, PASSWORD_ENCODED, Server, USER, free_port};

/// A running pgbouncer. Dropping it, or the end of this process however it ends, stops it.
#[derive(Debug)]
pub struct Pgbouncer {
    dir: PathBuf,
    port: u16,
    warden: Child,
}

impl Pgbouncer {
    /// Starts one before `server`, with `settings` added to its `[pgbouncer]` section.
    pub fn start(server: &Server, settings: &[(&str, &str)]) -> Pgbouncer {
        let dir = tempfile::Builder::new()
            .prefix("lockstep-pgbouncer-")
            .tempdir()
            .unwrap()
            .keep();
        std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o755)).unwrap();
        let port = free_port();
        let users = dir.join("users");
        std::fs::write(
            &users,
            format!("\"{USER}\" \"{}\"\n", PASSWORD.replace('"', "\"\"")),
        )
        .unwrap();
        let mut ini = format!(
            "[databases]\n* = host=127.0.0.1 port={}\n\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
             listen_port = {port}\nunix_socket_dir =\nauth_type = scram-sha-256\n\
             auth_file = {}\npool_mode = transaction\ndefault_pool_size = 1\n\
             server_connect_timeout = 2\nserver_login_retry = 1\n",
            server.port(),
            users.display()
        );
        for (name, value) in settings {
            ini.push_str(&format!("{name} = {value}\n"));
        }
        std::fs::write(dir.join("ini"), ini).unwrap();
        let warden = warden(&dir);
        let pgbouncer = Pgbouncer { dir, port, warden };
        pgbouncer.wait();
        pgbouncer
    }

    /// The TCP port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The URL of a database through it, password included.
    pub fn url(&self, database: &str) -> String {
        format!(
            "postgres://{USER}:{PASSWORD_ENCODED}@127.0.0.1:{}/{database}",
            self.port
        )
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.join("log")).unwrap_or_default()
    }

    fn wait(&self) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while std::net::TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(Instant::now() < deadline, "no pgbouncer: {}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Pgbouncer {
    fn drop(&mut self) {
        drop(self.warden.stdin.take());
        let _ = self.warden.wait();
    }
}

/// The program's path.
pub fn find() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    folders(&path)
        .map(|dir| dir.join("pgbouncer"))
        .find(|program| program.is_file())
}

/// The folders of PATH and those that an ordinary user's PATH lacks: Debian puts it into /usr/sbin.
fn folders(path: &OsStr) -> impl Iterator<Item = PathBuf> {
    let system = ["/usr/sbin", "/usr/local/sbin", "/usr/bin", "/usr/local/bin"];
    std::env::split_paths(path).chain(system.map(PathBuf::from))
}

/// A shell that stops pgbouncer and removes its folder once our end of its standard input is
/// closed.
fn warden(dir: &Path) -> Child {
    let program = find().unwrap_or_else(|| {
        panic!("cannot find pgbouncer; install it: sudo apt-get install pgbouncer")
    });
    let script = r#"trap '' INT TERM HUP
        "$1" "$2/ini" </dev/null >/dev/null 2>"$2/log" & pid=$!
        cat >/dev/null; kill -KILL $pid; wait $pid; rm -rf "$2""#;
    // It refuses to run as root.
    let mut command = if rustix::process::geteuid().is_root() {
        let chown = Command::new("chown")
            .arg("-R")
            .arg("postgres")
            .arg(dir)
            .status();
        assert!(chown.is_ok_and(|status| status.success()));
        let mut command = Command::new("setpriv");
        command.args([
            "--reuid=postgres",
            "--regid=postgres",
            "--init-groups",
            "--",
            "/bin/sh",
        ]);
        command
    } else {
        Command::new("/bin/sh")
    };
    command.args(["-c", script, "warden"]).arg(program).arg(dir);
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    command
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_found_where_an_ordinary_users_path_does_not_look() {
        let found: Vec<PathBuf> = folders(OsStr::new("/home/user/bin:/usr/bin:/bin")).collect();
        assert_eq!(found[0], Path::new("/home/user/bin"));
        assert!(found.contains(&PathBuf::from("/usr/sbin")));
    }
}
