//! The version of a database that is not adopted, found among 2,000 files.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Instant;

use tests::postgres_server::Server;

use super::Row;
use super::timing::{folder, program, write};

const FILES: usize = 2000;

/// The bound for an operator who waits at a terminal, in seconds.
const SECONDS_MAX: f64 = 60.0;

const SETTINGS: &str = "[environments.dev]\nprotected = false\n\
                        [scratch]\nserver = { env = \"DATABASE_URL\" }\nsame_server = true\n";

pub(crate) fn rows() -> Result<Vec<Row>, String> {
    let dir = folder("adoption")?;
    let all = make_files(&dir)?;
    rusqlite::Connection::open(dir.join("app.db"))
        .and_then(|connection| connection.execute_batch(&all))
        .map_err(|error| error.to_string())?;
    let server = Server::start(&[]);
    let database = server.create_database();
    server
        .connect(&database)
        .batch_execute(&all)
        .map_err(|error| error.to_string())?;
    Ok(vec![
        row(&dir, "SQLite", "sqlite:app.db")?,
        row(&dir, "PostgreSQL", &server.url(&database))?,
    ])
}

/// Writes the files; all of their SQL.
fn make_files(dir: &Path) -> Result<String, String> {
    let migrations = dir.join("migrations");
    std::fs::create_dir_all(&migrations).map_err(|error| error.to_string())?;
    write(&dir.join("lockstep.toml"), SETTINGS)?;
    let mut all = String::new();
    for number in 0..FILES {
        // Each third table gets an index; the last tenth of the files adds columns alone, so that the
        // names of the tables tell none of those versions apart.
        let of = number / 3;
        let sql = match number % 3 {
            _ if number >= FILES / 10 * 9 => {
                format!(
                    "ALTER TABLE t{} ADD COLUMN late_{number} TEXT;\n",
                    number % 100
                )
            }
            0 => format!("CREATE TABLE t{of} (id INTEGER PRIMARY KEY, name TEXT, amount INT);\n"),
            1 => format!("CREATE INDEX t{of}_by_name ON t{of} (name);\n"),
            _ => format!("ALTER TABLE t{of} ADD COLUMN note TEXT;\n"),
        };
        write(&migrations.join(format!("{number:04}_change.sql")), &sql)?;
        let _ = write!(all, "{sql}");
    }
    Ok(all)
}

fn row(dir: &Path, engine: &str, url: &str) -> Result<Row, String> {
    let started = Instant::now();
    let output = program("verify-migrations", dir)
        .args(["--format", "json"])
        .env("DATABASE_URL", url)
        .env("LOCKSTEP_ENV", "dev")
        .output()
        .map_err(|error| format!("cannot run verify-migrations: {error}"))?;
    let took = started.elapsed();
    let said = String::from_utf8_lossy(&output.stdout);
    let found = format!("\"versions\":[\"{}\"]", FILES - 1);
    if !said.replace([' ', '\n'], "").contains(&found) {
        return Err(format!(
            "the version was not found on {engine}: {said:.500}"
        ));
    }
    Ok(Row::at_most(
        format!("the version of a database among 2,000 files, {engine}"),
        took.as_secs_f64(),
        SECONDS_MAX,
        "s",
    ))
}
