//! What the tests and the benchmark run beside the programs themselves: PostgreSQL's server
//! programs, its pooler, the program that makes certificates, a reader of XML of its own, and the
//! clients that the programs are measured against.

use std::process::{Command, Stdio};

use crate::Outcome;

pub(crate) mod majors;

/// A program that is wanted, and the package that brings it.
struct Wanted {
    package: &'static str,
    is_there: fn() -> bool,
}

const WANTED: [Wanted; 6] = [
    Wanted {
        package: "postgresql",
        is_there: || tests::postgres_server::find_bin_dir().is_some(),
    },
    Wanted {
        package: "pgbouncer",
        is_there: || tests::pgbouncer::find().is_some(),
    },
    Wanted {
        package: "openssl",
        is_there: || runs("openssl", &["version"]),
    },
    Wanted {
        package: "python3",
        is_there: || runs("python3", &["--version"]),
    },
    Wanted {
        package: "sqlite3",
        is_there: || runs("sqlite3", &["--version"]),
    },
    Wanted {
        package: "zstd",
        is_there: || runs("zstd", &["--version"]),
    },
];

/// Finds them, installs those that are missing with apt where this user may, or says the one line
/// to type. What is installed already stays as it is.
pub(crate) fn ensure() -> Outcome {
    let packages = missing();
    if packages.is_empty() {
        return Ok(());
    }
    let by_hand = format!(
        "tests and benchmark need {}; type: sudo apt-get install {}",
        packages.join(", "),
        packages.join(" ")
    );
    let Some(mut apt) = apt_get() else {
        return Err(by_hand);
    };
    println!("xtask: not found: {}", packages.join(" "));
    // A list that is not fresh is no reason to stop; the install says what is missing.
    let _ = crate::run(apt.args(["update", "--quiet"]));
    install(&packages).map_err(|why| format!("{why}; {by_hand}"))?;
    match missing().is_empty() {
        true => Ok(()),
        false => Err(by_hand),
    }
}

fn missing() -> Vec<&'static str> {
    let missing = WANTED.iter().filter(|wanted| !(wanted.is_there)());
    missing.map(|wanted| wanted.package).collect()
}

/// Says what will be installed, and installs it, unless something would be changed that is there.
fn install(packages: &[&str]) -> Outcome {
    let simulated = apt(packages, &["--simulate"])
        .ok_or("apt-get is gone")?
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("cannot run apt-get: {error}"))?;
    if !simulated.status.success() {
        return Err(format!("apt-get can't install {}", packages.join(" ")));
    }
    let change = Change::read(&String::from_utf8_lossy(&simulated.stdout));
    if !change.to_others.is_empty() {
        return Err(format!(
            "installing {} would upgrade or remove {}",
            packages.join(" "),
            change.to_others.join(", ")
        ));
    }
    println!("xtask: apt-get will install {}", change.new.join(" "));
    crate::run(&mut apt(packages, &["--yes"]).ok_or("apt-get is gone")?)
}

fn apt(packages: &[&str], options: &[&str]) -> Option<Command> {
    let mut apt = apt_get()?;
    apt.args([
        "install",
        "--no-upgrade",
        "--no-remove",
        "--no-install-recommends",
    ])
    .args(options)
    .args(packages);
    Some(apt)
}

/// What apt-get would do.
#[derive(Debug, Default, PartialEq, Eq)]
struct Change {
    /// Packages that are not there yet.
    new: Vec<String>,
    /// Packages that are there, and would be others or none.
    to_others: Vec<String>,
}

impl Change {
    /// Reads what `apt-get --simulate` prints, as apt-get(8) has it: `Inst NAME (NEW …)`, with `[OLD]`
    /// before the parenthesis where a version is there already, and `Remv NAME`.
    fn read(simulated: &str) -> Change {
        let mut change = Change::default();
        for line in simulated.lines() {
            let mut words = line.split(' ');
            match (words.next(), words.next(), words.next()) {
                (Some("Inst"), Some(name), Some(version)) if version.starts_with('[') => {
                    change.to_others.push(name.to_owned());
                }
                (Some("Inst"), Some(name), _) => change.new.push(name.to_owned()),
                (Some("Remv" | "Purg"), Some(name), _) => change.to_others.push(name.to_owned()),
                _ => {}
            }
        }
        change
    }
}

/// apt-get as root, or through a sudo that asks for no password.
fn apt_get() -> Option<Command> {
    if !runs("apt-get", &["--version"]) {
        return None;
    }
    let mut command = if rustix::process::geteuid().is_root() {
        Command::new("apt-get")
    } else if runs("sudo", &["-n", "true"]) {
        let mut command = Command::new("sudo");
        // It keeps no variable of ours.
        command.args([
            "-n",
            "env",
            "DEBIAN_FRONTEND=noninteractive",
            "LC_ALL=C",
            "apt-get",
        ]);
        command
    } else {
        return None;
    };
    command
        .env("DEBIAN_FRONTEND", "noninteractive")
        .env("LC_ALL", "C");
    Some(command)
}

fn runs(program: &str, args: &[&str]) -> bool {
    Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

#[cfg(test)]
mod change_tests {
    use super::Change;

    #[test]
    fn what_apt_would_install_is_told_from_what_it_would_change() {
        let simulated = "\
Reading package lists...
The following NEW packages will be installed:
  libzstd2 zstd
Remv old-thing [1.0-1]
Inst zstd (1.5.4 Debian:12/stable [amd64])
Inst libc6 [2.36-9] (2.36-10 Debian:12/stable [amd64]) []
Inst libzstd2 (1.5.4 Debian:12/stable [amd64])
Conf zstd (1.5.4 Debian:12/stable [amd64])
";
        let expected = Change {
            new: vec!["zstd".to_owned(), "libzstd2".to_owned()],
            to_others: vec!["old-thing".to_owned(), "libc6".to_owned()],
        };
        assert_eq!(Change::read(simulated), expected);
        assert_eq!(
            Change::read("0 upgraded, 0 newly installed\n"),
            Change::default()
        );
    }
}
