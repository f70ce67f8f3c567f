//! 100 small migrations, beside the engine's own client fed the same files; 1,000 files read.

use std::path::Path;
use std::process::{Command, Stdio};

use tests::postgres_server::{PASSWORD, Server, USER};

use super::Row;
use super::timing::{folder, medians, once, program, write};

const MIGRATIONS: usize = 100;
const ROUNDS: usize = 31;

const SETTINGS: &str =
    "[environments.dev]\nprotected = false\n[migrations]\ndir = \"migrations\"\n";

/// What the client's side keeps as a ledger: the columns of ours.
const LEDGER: &str = "CREATE TABLE ledger (position INTEGER PRIMARY KEY, version TEXT NOT NULL UNIQUE, \
    name TEXT NOT NULL, sha256 TEXT NOT NULL, sha256_tokens TEXT, state TEXT NOT NULL, \
    applied_at TEXT NOT NULL, duration_ms INTEGER NOT NULL, applied_by TEXT NOT NULL, \
    run_id TEXT NOT NULL);\n";

pub(crate) fn rows() -> Result<Vec<Row>, String> {
    Ok(vec![sqlite()?, postgres()?, many_files()?])
}

/// A migration of the size that people write.
fn migration(number: usize) -> String {
    if number.is_multiple_of(4) {
        return format!("ALTER TABLE t{} ADD COLUMN note TEXT;\n", number - 1);
    }
    format!(
        "CREATE TABLE t{number} (id INTEGER PRIMARY KEY, name TEXT NOT NULL, amount INTEGER);\n\
         CREATE INDEX t{number}_by_name ON t{number} (name);\n\
         INSERT INTO t{number} (id, name, amount) VALUES (1, 'first', 10);\n"
    )
}

fn make_files(dir: &Path, count: usize) -> Result<(), String> {
    let migrations = dir.join("migrations");
    std::fs::create_dir_all(&migrations).map_err(|error| error.to_string())?;
    for number in 1..=count {
        write(
            &migrations.join(format!("{number:04}_change.sql")),
            &migration(number),
        )?;
    }
    write(&dir.join("lockstep.toml"), SETTINGS)
}

/// The same files for the engine's client, each in a transaction with a ledger row.
fn script() -> String {
    let mut script = LEDGER.to_owned();
    for number in 1..=MIGRATIONS {
        script.push_str(&format!(
            "BEGIN;\n{}INSERT INTO ledger VALUES ({number}, '{number}', 'change', '{}', '{}', \
             'applied', '2026-01-01T00:00:00.000Z', 1, 'somebody@somewhere', 'run');\nCOMMIT;\n",
            migration(number),
            "a".repeat(64),
            "b".repeat(64),
        ));
    }
    script
}

fn sqlite() -> Result<Row, String> {
    let dir = folder("deploy-sqlite")?;
    make_files(&dir, MIGRATIONS)?;
    write(&dir.join("script.sql"), &script())?;
    let fresh = |name: &str| {
        for file in ["", "-journal", "-wal", "-shm"] {
            let _ = std::fs::remove_file(dir.join(format!("{name}{file}")));
        }
    };
    let times = medians(
        ROUNDS,
        &mut [
            &mut || {
                fresh("peer.db");
                let script =
                    std::fs::File::open(dir.join("script.sql")).map_err(|e| e.to_string())?;
                let mut client = Command::new("sqlite3");
                client.args(["-bail", "peer.db"]).current_dir(&dir);
                fed(&mut client, script)
            },
            &mut || {
                fresh("app.db");
                let mut mark = program("mark-db", &dir);
                mark.args(["sqlite:app.db", "--create", "--confirm", "sqlite:app.db"]);
                once(mark.env("LOCKSTEP_ENV", "dev"))?;
                once(
                    program("deploy-db", &dir)
                        .arg("sqlite:app.db")
                        .env("LOCKSTEP_ENV", "dev"),
                )
            },
        ],
    )?;
    Ok(Row::ratio(
        "deploy-db, 100 migrations on SQLite",
        times[1],
        "sqlite3",
        times[0],
        1.15,
    ))
}

/// Like [`once`], with a file for stdin.
fn fed(command: &mut Command, input: std::fs::File) -> Result<f64, String> {
    let started = std::time::Instant::now();
    let status = command
        .stdin(input)
        .stdout(Stdio::null())
        .status()
        .map_err(|error| format!("cannot run {}: {error}", command.get_program().display()))?;
    if status.success() {
        Ok(started.elapsed().as_secs_f64() * 1000.0)
    } else {
        Err(format!(
            "{} ended with {status}",
            command.get_program().display()
        ))
    }
}

fn postgres() -> Result<Row, String> {
    let dir = folder("deploy-postgres")?;
    make_files(&dir, MIGRATIONS)?;
    write(&dir.join("script.sql"), &script())?;
    // As production has it: the commits are most of the time.
    let server = Server::start(&[("fsync", "on")]);
    let port = server.port().to_string();
    let times = medians(
        ROUNDS,
        &mut [
            &mut || {
                let database = server.create_database();
                let mut psql = Command::new(server.bin().join("psql"));
                psql.args(["-h", "127.0.0.1", "-p", &port, "-U", USER, "-d", &database])
                    .args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-f"])
                    .arg(dir.join("script.sql"))
                    .env("PGPASSWORD", PASSWORD);
                once(&mut psql)
            },
            &mut || {
                let database = server.create_database();
                let url = server.url(&database);
                let mut mark = program("mark-db", &dir);
                let named = format!("postgres://{USER}@127.0.0.1:{port}/{database}");
                mark.args(["--confirm", &named]);
                once(mark.env("DATABASE_URL", &url).env("LOCKSTEP_ENV", "dev"))?;
                once(
                    program("deploy-db", &dir)
                        .env("DATABASE_URL", &url)
                        .env("LOCKSTEP_ENV", "dev"),
                )
            },
        ],
    )?;
    Ok(Row::ratio(
        "deploy-db, 100 migrations on PostgreSQL",
        times[1],
        "psql",
        times[0],
        1.15,
    ))
}

fn many_files() -> Result<Row, String> {
    let dir = folder("many-files")?;
    make_files(&dir, 1000)?;
    rusqlite::Connection::open(dir.join("app.db"))
        .and_then(|connection| connection.execute_batch("PRAGMA user_version = 1"))
        .map_err(|error| error.to_string())?;
    let times = medians(
        ROUNDS,
        &mut [&mut || once(program("verify-migrations", &dir).arg("sqlite:app.db"))],
    )?;
    Ok(Row::at_most(
        "verify-migrations over 1,000 pending files",
        times[0],
        150.0,
        "ms",
    ))
}
