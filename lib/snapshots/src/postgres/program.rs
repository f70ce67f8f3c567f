//! Which `pg_dump` to run, and how it reaches the server.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use db_connect::{major_of, program_folders, version_said};

use crate::error::Error;
use crate::publish::new_file;
use crate::stop::Stop;

/// How long a program may take to say its version: one in a container has to be reached first.
const VERSION_LIMIT: Duration = Duration::from_secs(30);

/// A `pg_dump` of the server's major version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PgDump {
    /// Program and first arguments.
    pub command: Vec<String>,
    /// Its version, as it says itself: `15.18`.
    pub version: String,
}

/// Finds a `pg_dump` of the server's major version: `configured`, if there is one, and no other;
/// else the first of the versioned folders of the usual packages and of PATH.
///
/// An older one can't read the server, a newer one writes dumps that the server can't load.
///
/// # Errors
///
/// [`Error::WrongPgDump`], [`Error::NoPgDump`], [`Error::StartPgDump`].
pub fn find(configured: Option<&[String]>, major: u32, stop: &Stop) -> Result<PgDump, Error> {
    if let Some(command) = configured.filter(|command| !command.is_empty()) {
        let version = version(command, stop)?;
        if major_of(&version) == Some(major) {
            return Ok(PgDump {
                command: command.to_vec(),
                version,
            });
        }
        let found = if version.is_empty() {
            "an unknown version".to_owned()
        } else {
            version
        };
        return Err(Error::WrongPgDump {
            command: command.join(" "),
            wanted: major,
            found,
        });
    }
    let mut others = Vec::new();
    for path in candidates(major) {
        let command = vec![path.to_string_lossy().into_owned()];
        match version(&command, stop) {
            Ok(version) if major_of(&version) == Some(major) => {
                return Ok(PgDump { command, version });
            }
            Ok(version) => others.push(format!("{} ({version})", path.display())),
            Err(_) => {}
        }
    }
    let found = if others.is_empty() {
        "none".to_owned()
    } else {
        others.join(", ")
    };
    Err(Error::NoPgDump {
        wanted: major,
        found,
    })
}

fn candidates(major: u32) -> Vec<PathBuf> {
    let programs = program_folders(major).map(|dir| dir.join("pg_dump"));
    programs.filter(|program| program.is_file()).collect()
}

/// What `pg_dump --version` says, without its name: "pg_dump (PostgreSQL) 15.18 (Debian …)".
fn version(command: &[String], stop: &Stop) -> Result<String, Error> {
    let (program, arguments) = command.split_first().ok_or(Error::NoPgDump {
        wanted: 0,
        found: "an empty command".to_owned(),
    })?;
    let ask = || {
        let mut asking = Command::new(program);
        asking
            .args(arguments)
            .arg("--version")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        without_passwords(&mut asking);
        let mut running = stop.spawn(&mut asking)?;
        if running.wait_for(VERSION_LIMIT)?.is_none() {
            let message = format!("it said no version within {} s", VERSION_LIMIT.as_secs());
            return Err(io::Error::other(message));
        }
        let mut said = Vec::new();
        if let Some(stdout) = running.child.stdout.take() {
            // One line: it fits into the pipe, and was written before the end.
            stdout.take(1 << 12).read_to_end(&mut said)?;
        }
        Ok(said)
    };
    let said = ask().map_err(|source| Error::StartPgDump {
        command: command.join(" "),
        source,
    })?;
    let said = String::from_utf8_lossy(&said);
    Ok(version_said(&said).to_owned())
}

/// Takes out of a command's environment what libpq would read, and every variable that shows a
/// password, as one with the database's URL does. The program is whatever the settings name.
pub(super) fn without_passwords(command: &mut Command) {
    for (name, value) in std::env::vars_os() {
        let of_libpq = name.to_string_lossy().starts_with("PG");
        if of_libpq || secrets::shows_password(&value.to_string_lossy()) {
            command.env_remove(name);
        }
    }
}

/// How to reach the server that the session speaks to.
pub struct Server {
    /// libpq's connection parameters (`host`, `port`, `user`, `dbname`, `sslmode`, …), without the
    /// password.
    pub parameters: Vec<(String, String)>,
    /// The password, if the server asks for one.
    pub password: Option<String>,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server")
            .field("parameters", &self.parameters)
            .finish_non_exhaustive()
    }
}

impl Server {
    /// libpq's connection string; it stands in the process list, so it holds no password.
    /// `options` are settings that the session is to begin with.
    pub(super) fn connection_string(&self, settings: &[(&str, &str)]) -> String {
        let quoted =
            |value: &str| format!("'{}'", value.replace('\\', "\\\\").replace('\'', "\\'"));
        // The parameters go with the command and not as variables, so that they reach a pg_dump
        // that runs in a container too.
        let given = self.parameters.iter().filter(|(name, _)| name != "options");
        let mut parts: Vec<String> = given
            .map(|(name, value)| format!("{name}={}", quoted(value)))
            .collect();
        let theirs = self.parameters.iter().filter(|(name, _)| name == "options");
        let mut options: Vec<String> = theirs.map(|(_, value)| value.clone()).collect();
        // Later options win. None of our values holds a blank or a backslash.
        options.extend(
            settings
                .iter()
                .map(|(name, value)| format!("-c {name}={value}")),
        );
        parts.push(format!("options={}", quoted(&options.join(" "))));
        parts.join(" ")
    }

    /// Writes the password file, readable by its owner alone: in memory, so that nothing is left
    /// of it however this process ends; in `folder` where the system can't.
    pub(super) fn write_password(&self, folder: &Path) -> Result<Option<PasswordFile>, Error> {
        let Some(password) = &self.password else {
            return Ok(None);
        };
        if password.contains(['\n', '\r', '\0']) {
            return Err(Error::Password);
        }
        let mut password_file = match in_memory() {
            Some(in_memory) => in_memory,
            None => {
                let path = folder.join(".pgpass");
                PasswordFile {
                    file: new_file(&path)?,
                    path,
                    on_disk: true,
                }
            }
        };
        let escaped = password.replace('\\', "\\\\").replace(':', "\\:");
        let written = password_file
            .file
            .write_all(format!("*:*:*:*:{escaped}\n").as_bytes());
        written.map_err(Error::write(&password_file.path))?;
        Ok(Some(password_file))
    }
}

/// A password file that is gone when this is dropped.
#[derive(Debug)]
pub(super) struct PasswordFile {
    pub(super) path: PathBuf,
    file: File,
    on_disk: bool,
}

impl Drop for PasswordFile {
    fn drop(&mut self) {
        if self.on_disk {
            // It lies in the temporary folder, which is removed, or not published with it: what is
            // read back before has no file that the manifest does not name.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// An empty file without a name on any disk. Its path is good for processes of the same user as
/// long as it is open here.
#[cfg(target_os = "linux")]
fn in_memory() -> Option<PasswordFile> {
    use std::os::fd::AsRawFd as _;
    use std::os::unix::fs::MetadataExt as _;

    use rustix::fs::{MemfdFlags, Mode, fchmod, memfd_create};

    let file = File::from(memfd_create("pgpass", MemfdFlags::CLOEXEC).ok()?);
    // libpq reads no password file that others may read.
    fchmod(&file, Mode::RUSR | Mode::WUSR).ok()?;
    let path = PathBuf::from(format!(
        "/proc/{}/fd/{}",
        std::process::id(),
        file.as_raw_fd()
    ));
    let identity = |meta: fs::Metadata| (meta.dev(), meta.ino());
    // Without /proc, or with that of another container, the path leads nowhere or elsewhere.
    let found = fs::metadata(&path).ok().map(identity);
    (found == file.metadata().ok().map(identity)).then_some(PasswordFile {
        path,
        file,
        on_disk: false,
    })
}

#[cfg(not(target_os = "linux"))]
fn in_memory() -> Option<PasswordFile> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_string_quotes_every_value_and_has_no_password() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let server = Server {
            parameters: vec![
                pair("dbname", r"it's a \ name"),
                pair("options", "-c work_mem=4MB"),
                pair("host", "db"),
            ],
            password: Some("secret".to_owned()),
        };
        assert_eq!(
            server.connection_string(&[("TimeZone", "UTC")]),
            r"dbname='it\'s a \\ name' host='db' options='-c work_mem=4MB -c TimeZone=UTC'"
        );
        assert!(!format!("{server:?}").contains("secret"));
    }
}
