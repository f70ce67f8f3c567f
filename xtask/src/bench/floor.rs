//! The smallest runs: a process that prints a line is the floor.

use std::process::Command;

use tests::postgres_server::{PASSWORD, Server, USER};

use super::Row;
use super::timing::{folder, hello, medians, once, program, write};

const ROUNDS: usize = 41;

const SETTINGS: &str = r#"
[environments.dev]
database = "sqlite:app.db"
protected = false
[env.APP_URL]
kind = "url"
[env.PORT]
kind = "port"
[env.MODE]
one_of = ["fast", "safe"]
"#;

pub(crate) fn rows() -> Result<Vec<Row>, String> {
    let dir = folder("floor")?;
    write(&dir.join("lockstep.toml"), SETTINGS)?;
    let run = |name: &str, args: &[&str]| {
        let mut command = program(name, &dir);
        command
            .args(args)
            .env("LOCKSTEP_ENV", "dev")
            .env("APP_URL", "https://example.org")
            .env("PORT", "8000")
            .env("MODE", "safe");
        once(&mut command)
    };
    run("mark-db", &["--create", "--confirm", "sqlite:app.db"])?;
    let connection = rusqlite::Connection::open(dir.join("app.db"));
    connection
        .and_then(|connection| {
            connection.execute_batch("CREATE TABLE t (a); INSERT INTO t VALUES (1)")
        })
        .map_err(|error| format!("cannot make the database: {error}"))?;
    let times = medians(
        ROUNDS,
        &mut [
            &mut || once(&mut hello()),
            &mut || run("verify-guards", &[]),
            &mut || run("verify-env", &[]),
            &mut || run("verify-connection", &[]),
        ],
    )?;
    let mut rows: Vec<Row> = ["verify-guards", "verify-env", "verify-connection on SQLite"]
        .iter()
        .zip(&times[1..])
        .map(|(name, time)| Row::ratio(*name, *time, "a program that prints a line", times[0], 2.0))
        .collect();
    rows.push(postgres()?);
    Ok(rows)
}

fn postgres() -> Result<Row, String> {
    let dir = folder("floor-postgres")?;
    let server = Server::start(&[]);
    let database = server.create_database();
    let url = server.url(&database);
    let port = server.port().to_string();
    let times = medians(
        ROUNDS,
        &mut [
            &mut || {
                let mut psql = Command::new(server.bin().join("psql"));
                psql.args(["-h", "127.0.0.1", "-p", &port, "-U", USER, "-d", &database]);
                once(psql.args(["-c", "select 1"]).env("PGPASSWORD", PASSWORD))
            },
            &mut || once(program("verify-connection", &dir).env("DATABASE_URL", &url)),
        ],
    )?;
    Ok(Row::ratio(
        "verify-connection on PostgreSQL",
        times[1],
        "psql -c 'select 1'",
        times[0],
        1.1,
    ))
}
