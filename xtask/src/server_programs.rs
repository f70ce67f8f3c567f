//! What the tests and the benchmark run beside the programs themselves: PostgreSQL's server
//! programs, its pooler, the program that makes certificates, a reader of XML of its own, and the
//! clients that the programs are measured against.

use std::process::{Command, Stdio};

use crate::Outcome;

pub(crate) mod majors;

const PACKAGES: [&str; 6] = [
    "postgresql",
    "pgbouncer",
    "openssl",
    "python3",
    "sqlite3",
    "zstd",
];

/// Finds them, installs them with apt where this user may, or says the one line to type.
pub(crate) fn ensure() -> Outcome {
    if found() {
        return Ok(());
    }
    if let Some(mut apt) = apt_get() {
        println!("xtask: installing {}", PACKAGES.join(" "));
        // A list that is not fresh is no reason to stop; the install says what is missing.
        let _ = crate::run(apt.arg("update"));
        if let Some(mut apt) = apt_get() {
            crate::run(
                apt.args(["install", "--yes", "--no-install-recommends"])
                    .args(PACKAGES),
            )?;
        }
    }
    if found() {
        Ok(())
    } else {
        Err(format!(
            "tests and benchmark need {}; type: sudo apt-get install {}",
            PACKAGES.join(", "),
            PACKAGES.join(" ")
        ))
    }
}

fn found() -> bool {
    tests::postgres_server::find_bin_dir().is_some()
        && tests::pgbouncer::find().is_some()
        && runs("openssl", &["version"])
        && ["python3", "sqlite3", "zstd"]
            .iter()
            .all(|program| runs(program, &["--version"]))
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
        command.args(["-n", "apt-get"]);
        command
    } else {
        return None;
    };
    command.env("DEBIAN_FRONTEND", "noninteractive");
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
