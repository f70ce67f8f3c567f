//! A schema of twenty thousand tables, compared with what was recorded.

use std::process::Command;

use tests::postgres_server::{PASSWORD, Server, USER};

use super::Row;
use super::timing::{folder, medians, once, peak_memory, program, write};

const TABLES: usize = 20_000;
const ROUNDS: usize = 3;
const MEMORY_MIB_MAX: f64 = 128.0;

pub(crate) fn rows() -> Result<Vec<Row>, String> {
    let dir = folder("schema")?;
    write(
        &dir.join("lockstep.toml"),
        "[environments.dev]\ndatabase = { env = \"DATABASE_URL\" }\nprotected = false\n",
    )?;
    std::fs::create_dir(dir.join("migrations")).map_err(|error| error.to_string())?;
    let made = format!(
        "DO $$ BEGIN FOR i IN 1..{TABLES} LOOP EXECUTE format('CREATE TABLE t%1$s (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL, amount numeric(12, 2),
            created timestamptz NOT NULL DEFAULT now());
            CREATE INDEX t%1$s_name ON t%1$s (name);', i); END LOOP; END $$;"
    );
    write(&dir.join("migrations/0001_tables.sql"), &made)?;
    // One transaction holds a lock on everything that it makes.
    let server = Server::start(&[("max_locks_per_transaction", "4096")]);
    let database = server.create_database();
    let run = |name: &str| {
        let mut command = program(name, &dir);
        command
            .env("LOCKSTEP_ENV", "dev")
            .env("DATABASE_URL", server.url(&database));
        command
    };
    once(&mut run("deploy-db"))?;
    let times = medians(
        ROUNDS,
        &mut [
            &mut || {
                let mut dump = Command::new(server.bin().join("pg_dump"));
                dump.args(["--schema-only", "-h", "127.0.0.1", "-U", USER, "-p"])
                    .args([&server.port().to_string(), &database])
                    .env("PGPASSWORD", PASSWORD);
                once(&mut dump)
            },
            &mut || once(&mut run("verify-schema")),
        ],
    )?;
    let (memory, _) = peak_memory(&mut run("verify-schema"))?;
    let (recording, _) = peak_memory(&mut run("record-schema"))?;
    Ok(vec![
        Row::ratio(
            format!("verify-schema, {TABLES} tables on PostgreSQL"),
            times[1],
            "pg_dump --schema-only",
            times[0],
            1.0,
        ),
        Row::at_most("its memory", memory, MEMORY_MIB_MAX, "MiB"),
        Row::at_most("record-schema's memory", recording, MEMORY_MIB_MAX, "MiB"),
    ])
}
