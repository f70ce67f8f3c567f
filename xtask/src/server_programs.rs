//! What the tests start themselves: PostgreSQL's server programs, its pooler, and the program that
//! makes certificates.

use std::process::{Command, Stdio};

use crate::Outcome;

const PACKAGES: [&str; 3] = ["postgresql", "pgbouncer", "openssl"];

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
            "the tests need PostgreSQL's server programs, pgbouncer and openssl; type: sudo apt-get install {}",
            PACKAGES.join(" ")
        ))
    }
}

fn found() -> bool {
    tests::postgres_server::find_bin_dir().is_some()
        && runs("pgbouncer", &["--version"])
        && runs("openssl", &["version"])
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
