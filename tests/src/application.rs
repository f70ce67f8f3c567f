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
    let settings = std::fs::read_to_string(sample.join("lockstep.toml")).unwrap();
    // As its schema lies from the repository's demo/.
    let settings = settings.replace("#:schema ../", "#:schema ../pipelines/");
    std::fs::write(dir.join("lockstep.toml"), settings).unwrap();
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

/// Makes the application's database production's: marked so by a CI job of that environment.
pub fn make_production(dir: &Path, program: &dyn Fn(&str) -> Command) {
    rusqlite::Connection::open(dir.join("app.db"))
        .unwrap()
        .execute_batch("DROP TABLE lockstep_environment")
        .unwrap();
    succeed(in_production(&mut program("mark-db")).args(["--confirm", "sqlite:app.db"]));
    // Its snapshots outlive the test's machine by a command of the user's; here it is a copy.
    let settings = dir.join("lockstep.toml");
    let mut text = std::fs::read_to_string(&settings).unwrap();
    let elsewhere = dir.join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    text = text.replace(
        "max_age = \"1h\"\n",
        &format!(
            "max_age = \"1h\"\npublish = [\"cp\", \"-r\", \"{{snapshot}}\", \"{}/\"]\n",
            elsewhere.display()
        ),
    );
    std::fs::write(&settings, text).unwrap();
}

/// What the CI job of production has set.
pub fn in_production(command: &mut Command) -> &mut Command {
    command
        .envs(VARIABLES)
        .env("CI", "true")
        .env("LOCKSTEP_ENV", "production")
        .env("DATABASE_URL", "sqlite:app.db")
        .env("SECRET_KEY", "0123456789abcdef0123456789abcdef01")
}

/// How many migrations its ledger has.
pub fn migrations_applied(dir: &Path) -> i64 {
    rusqlite::Connection::open(dir.join("app.db"))
        .unwrap()
        .query_row("SELECT count(*) FROM lockstep_migrations", [], |row| {
            row.get(0)
        })
        .unwrap()
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
