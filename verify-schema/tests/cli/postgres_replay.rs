//! Replays on a scratch server.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tests::own_tables::{Engine, Mark};
use tests::pgbouncer::Pgbouncer;
use tests::postgres_server::Server;

use crate::postgres::Database;
use tests::ran::Ran;

use crate::support::Place;

/// A server of its own for scratch databases: the shared one is the target's.
pub(crate) fn scratch() -> &'static Server {
    static SCRATCH: OnceLock<Server> = OnceLock::new();
    SCRATCH.get_or_init(|| Server::start(&[]))
}

pub(crate) const SETTINGS: &str = "[scratch]\nserver = { env = \"SCRATCH_URL\" }\n";

pub(crate) struct Replay {
    pub(crate) place: Place,
    pub(crate) target: Database,
    /// Where the scratch databases are made.
    pub(crate) scratch: String,
}

impl Replay {
    /// A target on the shared server on which the files were applied as they stand.
    pub(crate) fn applied(files: &[(&str, &str)]) -> Replay {
        let mut replay = Replay::recorded(files);
        for (_, text) in files {
            replay.target.change("DISCARD ALL");
            replay.target.change(text);
        }
        replay
    }

    /// A target whose ledger says that the files were applied, and that has none of it.
    pub(crate) fn recorded(files: &[(&str, &str)]) -> Replay {
        let place = Place::new();
        place.write("lockstep.toml", SETTINGS);
        place.migrations(files);
        let target = Database::new(&place.ledger(Engine::Postgres));
        Replay {
            place,
            target,
            scratch: scratch().url("postgres"),
        }
    }

    pub(crate) fn run(&self) -> Ran {
        self.place.run_with(&["--replay"], &self.variables())
    }

    pub(crate) fn variables(&self) -> [(&str, &str); 2] {
        [
            ("DATABASE_URL", self.target.url.as_str()),
            ("SCRATCH_URL", self.scratch.as_str()),
        ]
    }
}

pub(crate) fn databases(server: &Server) -> Vec<String> {
    let mut client = server.connect("postgres");
    let rows = client
        .query(
            "SELECT datname::text FROM pg_database WHERE datname LIKE 'lockstep%'",
            &[],
        )
        .unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

/// Tests of one process share the scratch server: each looks only for what its own run made.
#[track_caller]
fn check_dropped(ran: &Ran) {
    let line = ran
        .stdout
        .lines()
        .find_map(|line| line.strip_prefix("PASS scratch-dropped "));
    let name = line.unwrap_or_else(|| panic!("{}{}", ran.stdout, ran.stderr));
    assert!(name.starts_with("lockstep_scratch_"), "{name}");
    assert!(!databases(scratch()).contains(&name.to_owned()));
}

#[test]
fn the_applied_migrations_make_what_is_there() {
    let mut replay = Replay::applied(&[
        (
            "0001_users.sql",
            "CREATE TABLE users (id serial PRIMARY KEY, email text);
             INSERT INTO users (email) VALUES ('a'), ('b')",
        ),
        // As a dump begins: what it sets must not reach the next file.
        (
            "0002_dump.sql",
            "SELECT pg_catalog.set_config('search_path', '', false);
             SET lock_timeout = 1; CREATE TABLE public.dumped (a int)",
        ),
        ("0003_next.sql", "CREATE TABLE next (a int)"),
        (
            "0004_index.sql",
            "-- lockstep: no-transaction\nCREATE INDEX CONCURRENTLY users_email ON users (email)",
        ),
        (
            "0005_own.sql",
            "BEGIN; CREATE TABLE own (a int); COMMIT; CREATE VIEW v AS SELECT 1 AS a",
        ),
    ]);
    replay.place.write(
        "migrations/0006_pending.sql",
        "CREATE TABLE pending (a int)",
    );
    let ran = replay.run();
    ran.exits(0)
        .says("PASS migrations-replayable 5 applied\n")
        .says("pass: as expected by the replay of 5 migrations\n");
    check_dropped(&ran);

    replay
        .target
        .change("DROP INDEX users_email; CREATE TABLE by_hand (a int)");
    let ran = replay.run();
    ran.exits(1);
    assert_eq!(
        ran.failures(),
        [
            "table-declared public.by_hand: not expected",
            "index-present public.users.users_email: not found",
        ]
    );
    check_dropped(&ran);
}

#[test]
fn what_needs_a_transaction_has_one() {
    let replay = Replay::recorded(&[(
        "0001_t.sql",
        "CREATE TABLE t (a int); SAVEPOINT s; CREATE TABLE gone (a int); ROLLBACK TO s; LOCK TABLE t",
    )]);
    let ran = replay.run();
    ran.exits(1).says("PASS migrations-replayable 1 applied");
    assert_eq!(ran.failures(), ["table-present public.t: not found"]);
}

#[test]
fn a_file_that_fails_is_named_with_its_line_and_nothing_is_left() {
    for (text, line, said) in [
        (
            "CREATE TABLE t (a int);\n\nINSERT INTO missing VALUES (1);\n",
            3,
            "relation \"missing\" does not exist (SQLSTATE 42P01)",
        ),
        (
            "-- lockstep: no-transaction\nCREATE TABLE t (a int);\nVACUUM t;\n  VACUUM nowhere;\n",
            0,
            "relation \"nowhere\" does not exist (SQLSTATE 42P01)",
        ),
        (
            "CREATE TABLE t (a int);\nCOPY t FROM STDIN;\n1\n\\.\n",
            2,
            "COPY t FROM STDIN: it can't be run here",
        ),
        ("\\connect other\n", 1, "it can't be run here"),
        (
            "CREATE TABLE t (a int);\nGRANT SELECT ON t TO nobody_here;\n",
            0,
            "role \"nobody_here\" does not exist",
        ),
        // Deferred to the COMMIT.
        (
            "CREATE TABLE t (a int PRIMARY KEY, b int REFERENCES t DEFERRABLE INITIALLY DEFERRED);
             INSERT INTO t VALUES (1, 2);",
            0,
            "violates foreign key constraint",
        ),
    ] {
        let replay = Replay::recorded(&[
            ("0001_ok.sql", "CREATE TABLE ok (a int)"),
            ("0002_it.sql", text),
        ]);
        let ran = replay.run();
        let at = match line {
            0 => String::new(),
            line => format!("migrations/0002_it.sql:{line}\n"),
        };
        ran.exits(1)
            .says("FAIL migrations-replayable migrations/0002_it.sql: ")
            .says(said)
            .says(&format!(
                "  at: {}",
                if at.is_empty() {
                    "migrations/0002_it.sql"
                } else {
                    &at
                }
            ))
            .says_not("table-");
        check_dropped(&ran);
    }
}

#[test]
fn a_signal_takes_the_scratch_database_away() {
    for (at, signal) in [Signal::TERM, Signal::INT, Signal::HUP]
        .into_iter()
        .enumerate()
    {
        // What is run names the test's own session among those of the server.
        let mark = format!("sleeper_{at}");
        let replay = Replay::recorded(&[(
            "0001_sleep.sql",
            &format!("CREATE TABLE {mark} (a int); SELECT pg_sleep(600), '{mark}'"),
        )]);
        let mut admin = scratch().connect("postgres");
        let child = replay.place.start(&["--replay"], &replay.variables());
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
        let name = wait_for(|| {
            let rows = admin.query(
                "SELECT datname::text FROM pg_stat_activity
                 WHERE query LIKE '%pg_sleep(600)%' || $1 || '%' AND datname LIKE 'lockstep_scratch_%'",
                &[&mark],
            );
            rows.unwrap().first().map(|row| row.get::<_, String>(0))
        });
        kill_process(pid, signal).unwrap();
        let ran = Ran::from(child.wait_with_output().unwrap());
        ran.exits(3).says("cannot replay: stopped by a signal");
        assert!(!databases(scratch()).contains(&name), "{signal:?}");
    }
}

pub(crate) fn wait_for<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_protected_databases_own_server_is_no_scratch_server() {
    let server = Server::shared();
    let mut replay = Replay::applied(&[("0001_t.sql", "CREATE TABLE t (a int)")]);
    replay.scratch = server.url("postgres");
    let mark = |protected| {
        Engine::Postgres.mark(&Mark {
            environment: "dev",
            protected,
            uuid: "u-1",
            endpoint: "localhost:1",
            system_identifier: None,
            database_oid: None,
        })
    };
    // Without a mark, and with one that says so.
    for sql in ["SELECT 1", &mark(true)] {
        replay.target.change(sql);
        replay
            .run()
            .exits(2)
            .says("cannot replay on the scratch server: it is the server of the target")
            .says("name a server that no protected database is on");
    }
    // On one's own machine one server is enough.
    replay.target.change(&mark(false));
    replay.run().exits(0).says("the replay of 1 migration\n");
    assert_eq!(databases(server), Vec::<String>::new());

    // The database that is named may be production on a server of its own.
    let mut production = Database::on(scratch(), "SELECT 1");
    production.change(&mark(true));
    replay.scratch = production.url.clone();
    replay
        .run()
        .exits(2)
        .says("the database that it names is protected");

    // It may be somebody's who never marked it.
    let unmarked = Database::on(scratch(), "CREATE TABLE t (a int)");
    replay.scratch = unmarked.url.clone();
    replay
        .run()
        .exits(2)
        .says("has tables, and no mark that says unprotected")
        .says("name an empty database");
    let unprotected = Database::on(
        scratch(),
        &format!("CREATE TABLE t (a int); {}", mark(false)),
    );
    replay.scratch = unprotected.url.clone();
    replay.run().exits(0);
}

#[test]
fn what_reaches_beyond_its_database_is_not_run() {
    let victim = scratch().create_database();
    let mut admin = scratch().connect("postgres");
    admin.batch_execute("CREATE ROLE bystander").unwrap();
    for text in [
        format!("-- lockstep: no-transaction\nDROP DATABASE IF EXISTS {victim};\n"),
        "CREATE TABLE t (a int);\nALTER ROLE bystander SET work_mem = '1MB';\n".to_owned(),
        "\nDO $$ BEGIN ALTER ROLE bystander LOGIN; END $$;\n".to_owned(),
    ] {
        let replay = Replay::recorded(&[("0001_it.sql", &text)]);
        let ran = replay.run();
        ran.exits(1)
            .says("FAIL migrations-replayable migrations/0001_it.sql: ")
            .says("it can't be replayed, for it reaches beyond its database")
            .says("  at: migrations/0001_it.sql:2\n");
        check_dropped(&ran);
    }
    let row = admin
        .query_one(
            "SELECT rolconfig IS NULL AND NOT rolcanlogin,
                EXISTS (SELECT FROM pg_database WHERE datname = $1::text)
             FROM pg_roles WHERE rolname = 'bystander'",
            &[&victim],
        )
        .unwrap();
    assert!(row.get::<_, bool>(0) && row.get::<_, bool>(1));
}

#[test]
fn a_scratch_server_that_cannot_be_used_is_said() {
    let mut replay = Replay::applied(&[("0001_t.sql", "CREATE TABLE t (a int)")]);
    replay.scratch = "sqlite:app.db".to_owned();
    replay.run().exits(2).says("names a SQLite file");
    replay.scratch = format!(
        "postgres://u:hunter2secret@127.0.0.1:{}/x",
        tests::postgres_server::free_port()
    );
    replay
        .run()
        .exits(4)
        .says("cannot replay on the scratch server: ")
        .says_not("hunter2");
    scratch()
        .connect("postgres")
        .batch_execute("CREATE ROLE powerless LOGIN PASSWORD 'p'")
        .unwrap();
    replay.scratch = scratch().url_as("powerless", "p", "postgres");
    replay
        .run()
        .exits(1)
        .says("permission denied to create database")
        .says("grant the role on the scratch server CREATEDB");
    let pgbouncer = Pgbouncer::start(scratch(), &[]);
    replay.scratch = pgbouncer.url("postgres");
    replay.run().exits(2).says("pooler");

    let unset = [("DATABASE_URL", replay.target.url.as_str())];
    replay
        .place
        .run_with(&["--replay"], &unset)
        .exits(2)
        .says("SCRATCH_URL");
    replay.place.write("lockstep.toml", "");
    replay.run().exits(2).says("no scratch server is named");
}

#[test]
fn a_server_that_ends_idle_sessions_is_rid_of_its_scratch_database_too() {
    let server = Server::start(&[("idle_session_timeout", "300ms")]);
    let mut replay = Replay::recorded(&[(
        "0001_slow.sql",
        "CREATE TABLE t (a int); SELECT pg_sleep(1)",
    )]);
    replay.scratch = server.url("postgres");
    replay
        .run()
        .exits(1)
        .says("PASS scratch-dropped lockstep_scratch_");
    assert_eq!(databases(&server), Vec::<String>::new());
}

#[test]
fn what_the_last_file_leaves_in_its_session_is_no_hindrance() {
    let replay = Replay::applied(&[
        ("0001_t.sql", "CREATE TABLE t (a int)"),
        (
            "0002_left.sql",
            "CREATE TABLE u (a int); SET statement_timeout = 1; SET search_path = '';
             SET default_transaction_read_only = on",
        ),
    ]);
    replay
        .run()
        .exits(0)
        .says("PASS table-as-expected 2 tables");
    // Begun and never ended: nothing of it stays.
    let replay = Replay::recorded(&[(
        "0001_open.sql",
        "CREATE TABLE t (a int); BEGIN; CREATE TABLE gone (a int)",
    )]);
    let ran = replay.run();
    ran.exits(1);
    assert_eq!(ran.failures(), ["table-present public.t: not found"]);
}

#[test]
fn a_role_that_may_create_databases_is_enough() {
    scratch()
        .connect("postgres")
        .batch_execute("CREATE ROLE builder LOGIN CREATEDB PASSWORD 'b'")
        .unwrap();
    let mut replay = Replay::applied(&[("0001_t.sql", "CREATE TABLE t (a int)")]);
    replay.scratch = scratch().url_as("builder", "b", "postgres");
    let ran = replay.run();
    ran.exits(0);
    check_dropped(&ran);
}

#[test]
fn files_run_in_the_targets_search_path() {
    // The role's own schema, made by the first file: the scratch server's role has another name.
    let server = Server::shared();
    let mut admin = server.connect("postgres");
    admin
        .batch_execute(
            "CREATE ROLE shop LOGIN SUPERUSER PASSWORD 's';
             ALTER ROLE shop SET search_path = \"$user\", public",
        )
        .unwrap();
    let files = [
        ("0001_schema.sql", "CREATE SCHEMA shop"),
        ("0002_t.sql", "CREATE TABLE t (a int)"),
    ];
    let mut replay = Replay::recorded(&files);
    replay.target.url = server.url_as("shop", "s", &replay.target.name);
    replay
        .target
        .change("CREATE SCHEMA shop; CREATE TABLE shop.t (a int)");
    let schemas = "schemas = [\"public\", \"shop\"]\n";
    replay
        .place
        .write("lockstep.toml", format!("{SETTINGS}[schema]\n{schemas}"));
    replay.run().exits(0).says("PASS table-as-expected 1 table");

    // As the settings say.
    replay
        .target
        .change("DROP TABLE shop.t; CREATE SCHEMA \"od\"\"d\"; CREATE TABLE \"od\"\"d\".t (a int)");
    replay.place.write(
        "migrations/0001_schema.sql",
        "CREATE SCHEMA shop; CREATE SCHEMA \"od\"\"d\"",
    );
    replay.target.change(&replay.place.ledger(Engine::Postgres));
    let schemas = "schemas = [\"public\", \"shop\", 'od\"d']\n[migrations]\nschema = 'od\"d'\n";
    replay
        .place
        .write("lockstep.toml", format!("{SETTINGS}[schema]\n{schemas}"));
    replay.run().exits(0).says("PASS table-as-expected 1 table");

    // Made by its owner before the first migration ran, as deploy-db asks for.
    std::fs::remove_file(replay.place.path("migrations/0001_schema.sql")).unwrap();
    replay.target.change("DROP SCHEMA shop");
    replay.target.change(&replay.place.ledger(Engine::Postgres));
    replay.place.write(
        "lockstep.toml",
        format!(
            "{SETTINGS}[schema]\nschemas = [\"public\", 'od\"d']\n[migrations]\nschema = 'od\"d'\n"
        ),
    );
    replay.run().exits(0).says("PASS table-as-expected 1 table");
}

#[test]
fn no_timeout_of_the_server_ends_a_replay() {
    let settings = [
        ("statement_timeout", "100ms", 0),
        ("lock_timeout", "100ms", 0),
        ("idle_in_transaction_session_timeout", "100ms", 0),
        ("transaction_timeout", "100ms", 17),
    ];
    let major = scratch().major();
    let of_this_major: Vec<(&str, &str)> = settings
        .iter()
        .filter(|(_, _, since)| *since <= major)
        .map(|(name, value, _)| (*name, *value))
        .collect();
    let server = Server::start(&of_this_major);
    let mut replay = Replay::recorded(&[(
        "0001_slow.sql",
        "CREATE TABLE t (a int); SELECT pg_sleep(0.5)",
    )]);
    replay.scratch = server.url("postgres");
    replay
        .run()
        .exits(1)
        .says("PASS migrations-replayable 1 applied");
}

#[test]
fn files_are_read_as_a_deployment_reads_them() {
    // Under the role's own settings the file would mean another check and another text.
    scratch()
        .connect("postgres")
        .batch_execute(
            "CREATE ROLE reader LOGIN CREATEDB PASSWORD 'r';
             ALTER ROLE reader SET transform_null_equals = on;
             ALTER ROLE reader SET standard_conforming_strings = off",
        )
        .unwrap();
    let mut replay = Replay::applied(&[(
        "0001_t.sql",
        "CREATE TABLE t (a int CHECK (a = NULL), b text DEFAULT 'a\\b')",
    )]);
    replay.scratch = scratch().url_as("reader", "r", "postgres");
    replay.run().exits(0);
}
