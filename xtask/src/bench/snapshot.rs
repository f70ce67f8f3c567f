//! A snapshot of half a gigabyte, beside the tools that people chain for one.

use std::path::Path;
use std::process::Command;

use tests::postgres_server::{PASSWORD, Server, USER};

use super::Row;
use super::timing::{folder, medians, once, peak_memory, program, write};

const ROUNDS: usize = 5;
const MEMORY_MIB_MAX: f64 = 64.0;

const SETTINGS: &str = "[environments.dev]\nprotected = false\n[backup]\ndir = \"backups\"\n";

/// About 500 MB: half of it text that compresses, half random hexadecimal digits.
const SQLITE_ROWS: &str = "
CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT NOT NULL, email TEXT NOT NULL, note TEXT);
CREATE TABLE orders (id INTEGER PRIMARY KEY, customer_id INTEGER NOT NULL, amount REAL, at TEXT, code TEXT);
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 600000)
INSERT INTO customers SELECT i, 'Customer number ' || i, 'customer' || i || '@example.org',
    hex(randomblob(120)) FROM n;
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2600000)
INSERT INTO orders SELECT i, 1 + i % 600000, i * 0.25, datetime('2026-01-01', '+' || i || ' seconds'),
    hex(randomblob(12)) FROM n;
CREATE INDEX orders_by_customer ON orders (customer_id);
CREATE INDEX customers_by_email ON customers (email);
";

/// pgbench's accounts beside a million rows of the kinds that cost something.
const POSTGRES_ROWS: &str = "
CREATE TABLE accounts AS SELECT i AS aid, i % 20 AS bid, 0 AS abalance, repeat(' ', 84) AS filler
    FROM generate_series(1, 2000000) i;
ALTER TABLE accounts ADD PRIMARY KEY (aid);
CREATE TABLE events (id bigint PRIMARY KEY, at timestamptz NOT NULL, amount numeric(12, 4) NOT NULL,
    weight float8 NOT NULL, payload jsonb NOT NULL, note text NOT NULL);
INSERT INTO events SELECT i, timestamptz '2026-01-01' + i * interval '1 second', i * 1.0371,
    sqrt(i), jsonb_build_object('kind', 'event', 'number', i, 'tags', jsonb_build_array('a', i % 7)),
    md5(i::text) || md5((i * 7)::text) || md5((i * 13)::text) FROM generate_series(1, 1000000) i;
";

pub(crate) fn rows() -> Result<Vec<Row>, String> {
    let mut rows = sqlite()?;
    rows.extend(postgres()?);
    rows.extend(many_tables()?);
    Ok(rows)
}

fn clear(backups: &Path) -> Result<(), String> {
    let _ = std::fs::remove_dir_all(backups);
    std::fs::create_dir_all(backups).map_err(|error| error.to_string())
}

fn sqlite() -> Result<Vec<Row>, String> {
    let dir = folder("snapshot-sqlite")?;
    write(&dir.join("lockstep.toml"), SETTINGS)?;
    rusqlite::Connection::open(dir.join("app.db"))
        .and_then(|connection| {
            connection.execute_batch(&format!(
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; BEGIN; {SQLITE_ROWS} COMMIT;"
            ))
        })
        .map_err(|error| format!("cannot make the database: {error}"))?;
    let mut mark = program("mark-db", &dir);
    once(
        mark.args(["sqlite:app.db", "--confirm", "sqlite:app.db"])
            .env("LOCKSTEP_ENV", "dev"),
    )?;
    let backups = dir.join("backups");
    let snapshot = || {
        let mut command = program("backup-snapshot", &dir);
        command.arg("sqlite:app.db").env("LOCKSTEP_ENV", "dev");
        command
    };
    let chain = "sqlite3 app.db \".backup backups/copy.db\" && sha256sum backups/copy.db > backups/sum \
                 && zstd -q -3 backups/copy.db -o backups/copy.db.zst && sync backups/copy.db.zst";
    let times = medians(
        ROUNDS,
        &mut [
            &mut || {
                clear(&backups)?;
                once(Command::new("sh").args(["-c", chain]).current_dir(&dir))
            },
            &mut || {
                clear(&backups)?;
                once(&mut snapshot())
            },
        ],
    )?;
    clear(&backups)?;
    let (memory, _) = peak_memory(&mut snapshot())?;
    let size = std::fs::metadata(dir.join("app.db")).map_or(0, |meta| meta.len()) / 1_000_000;
    let _ = std::fs::remove_dir_all(&dir);
    Ok(vec![
        Row::ratio(
            format!("backup-snapshot of SQLite, {size} MB"),
            times[1],
            "sqlite3 .backup, sha256sum, zstd -3",
            times[0],
            0.9,
        ),
        Row::at_most("its memory", memory, MEMORY_MIB_MAX, "MiB"),
    ])
}

fn postgres() -> Result<Vec<Row>, String> {
    let dir = folder("snapshot-postgres")?;
    write(&dir.join("lockstep.toml"), SETTINGS)?;
    let server = Server::start(&[("shared_buffers", "'512MB'"), ("max_wal_size", "'4GB'")]);
    let database = server.create_database();
    let mut client = server.connect(&database);
    client
        .batch_execute(POSTGRES_ROWS)
        .and_then(|()| client.batch_execute("VACUUM ANALYZE"))
        .map_err(|error| format!("cannot make the database: {error}"))?;
    let size: i64 = client
        .query_one("SELECT pg_database_size(current_database())", &[])
        .map_err(|error| error.to_string())?
        .get(0);
    let url = server.url(&database);
    let shown = format!("postgres://{USER}@127.0.0.1:{}/{database}", server.port());
    drop(client);
    let mut mark = program("mark-db", &dir);
    mark.args(["--confirm", &shown])
        .env("DATABASE_URL", &url)
        .env("LOCKSTEP_ENV", "dev");
    once(&mut mark)?;
    let backups = dir.join("backups");
    let snapshot = || {
        let mut command = program("backup-snapshot", &dir);
        command.env("DATABASE_URL", &url).env("LOCKSTEP_ENV", "dev");
        command
    };
    let dump = |form: &str| {
        format!(
            "{}/pg_dump -h 127.0.0.1 -p {} -U {USER} {form}",
            server.bin().display(),
            server.port()
        )
    };
    let chain = format!(
        "{} {database} | zstd -q -3 -o backups/dump.zst",
        dump("-Fc -Z0")
    );
    let plain = format!("{} {database} -f backups/dump", dump("-Fc"));
    let shell = |line: &str| {
        once(
            Command::new("sh")
                .args(["-c", line])
                .current_dir(&dir)
                .env("PGPASSWORD", PASSWORD),
        )
    };
    let times = medians(
        ROUNDS,
        &mut [
            &mut || {
                clear(&backups)?;
                shell(&chain)
            },
            &mut || {
                clear(&backups)?;
                once(&mut snapshot())
            },
            &mut || {
                clear(&backups)?;
                shell(&plain)
            },
        ],
    )?;
    clear(&backups)?;
    let (memory, _) = peak_memory(&mut snapshot())?;
    let _ = std::fs::remove_dir_all(&dir);
    Ok(vec![
        Row::ratio(
            format!("backup-snapshot of PostgreSQL, {} MB", size / 1_000_000),
            times[1],
            "pg_dump -Fc -Z0 | zstd -3",
            times[0],
            1.25,
        ),
        Row::ratio("the same", times[1], "pg_dump -Fc", times[2], 1.0 / 3.0),
        Row::at_most("its memory", memory, MEMORY_MIB_MAX, "MiB"),
    ])
}

const MANY: u32 = 20_000;

/// Tables enough for what is done once for each to count.
fn many_tables() -> Result<Vec<Row>, String> {
    let dir = folder("snapshot-many-tables")?;
    write(&dir.join("lockstep.toml"), SETTINGS)?;
    let server = Server::start(&[("max_locks_per_transaction", "1024")]);
    let database = server.create_database();
    server
        .connect(&database)
        .batch_execute(&format!(
            "DO $$ BEGIN FOR i IN 1..{MANY} LOOP
                 EXECUTE 'CREATE TABLE t' || i || ' (id int PRIMARY KEY, note text)';
                 IF i % 500 = 0 THEN COMMIT; END IF;
             END LOOP; END $$"
        ))
        .map_err(|error| format!("cannot make the tables: {error}"))?;
    let url = server.url(&database);
    let shown = format!("postgres://{USER}@127.0.0.1:{}/{database}", server.port());
    once(
        program("mark-db", &dir)
            .args(["--confirm", &shown])
            .env("DATABASE_URL", &url)
            .env("LOCKSTEP_ENV", "dev"),
    )?;
    let backups = dir.join("backups");
    let dump = format!(
        "{}/pg_dump -h 127.0.0.1 -p {} -U {USER} -Fc -Z0 {database} -f backups/dump",
        server.bin().display(),
        server.port()
    );
    let times = medians(
        3,
        &mut [
            &mut || {
                clear(&backups)?;
                once(
                    Command::new("sh")
                        .args(["-c", &dump])
                        .current_dir(&dir)
                        .env("PGPASSWORD", PASSWORD),
                )
            },
            &mut || {
                clear(&backups)?;
                once(
                    program("backup-snapshot", &dir)
                        .env("DATABASE_URL", &url)
                        .env("LOCKSTEP_ENV", "dev"),
                )
            },
        ],
    )?;
    let _ = std::fs::remove_dir_all(&dir);
    Ok(vec![Row::ratio(
        format!("backup-snapshot of {MANY} tables"),
        times[1],
        "pg_dump -Fc -Z0",
        times[0],
        1.2,
    )])
}
