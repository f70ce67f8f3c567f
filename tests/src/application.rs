//! The application of the demonstration: a SQLite database with rows, and a second release that is
//! pending.

use std::path::Path;
use std::process::Command;

use crate::programs::root;

/// The migration that the application's first release brought.
const FIRST: &str = "0001_application.sql";

/// The variables that the application's environment wants, beside `LOCKSTEP_ENV`.
pub const VARIABLES: [(&str, &str); 2] = [("APP_URL", "https://rfc.example.org"), ("PORT", "8001")];

/// Makes the application in a new folder as it stands before its second release: marked `dev`, one
/// migration applied, a few thousand rows, three migrations pending. `program` gives the command
/// of a program that runs in that folder.
pub fn make(dir: &Path, program: &dyn Fn(&str) -> Command) {
    let sample = root().join("pipelines/demo");
    let migrations = dir.join("migrations");
    std::fs::create_dir_all(&migrations).unwrap();
    std::fs::create_dir_all(dir.join("backups")).unwrap();
    std::fs::copy(sample.join("lockstep.toml"), dir.join("lockstep.toml")).unwrap();
    std::fs::copy(
        sample.join("migrations").join(FIRST),
        migrations.join(FIRST),
    )
    .unwrap();
    succeed(
        program("mark-db")
            .args(["--create", "--confirm", "sqlite:app.db"])
            .env("LOCKSTEP_ENV", "dev"),
    );
    succeed(program("deploy-db").env("LOCKSTEP_ENV", "dev"));
    let rows = std::fs::read_to_string(sample.join("rows.sql")).unwrap();
    rusqlite::Connection::open(dir.join("app.db"))
        .unwrap()
        .execute_batch(&format!("BEGIN; {rows} COMMIT;"))
        .unwrap();
    let mut names: Vec<_> = std::fs::read_dir(sample.join("migrations"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    // In order: whoever finds the last one knows that the application is made.
    names.sort();
    for name in names {
        std::fs::copy(
            sample.join("migrations").join(&name),
            migrations.join(&name),
        )
        .unwrap();
    }
}

/// Runs a command that has to end in success.
pub fn succeed(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(
        output.status.success(),
        "{command:?}: {}\n{said}",
        output.status
    );
    said
}
