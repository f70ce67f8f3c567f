//! What a released version wrote into a database is read for ever: samples of each format are
//! loaded, read by every program, and upgraded by the first action. What a newer version wrote is
//! refused by every program.

#![allow(clippy::unwrap_used, reason = "a test that can not go on fails")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tests::answer::Answer;
use tests::postgres_server::Server;
use tests::programs::{self, program, root};

/// A project whose database an earlier release deployed to.
struct Place {
    dir: tempfile::TempDir,
    url: String,
    /// The database on the shared server; nothing on SQLite.
    database: Option<String>,
}

fn sample(name: &str) -> String {
    std::fs::read_to_string(samples().join(name)).unwrap()
}

fn samples() -> PathBuf {
    root().join("tests/samples/format-1")
}

impl Place {
    /// The sample on either engine, one after the other, its ledger under the given name.
    fn both(ledger: &str) -> [Place; 2] {
        [Place::sqlite(ledger), Place::postgres(ledger)]
    }

    fn new(ledger: &str, url: &str, database: Option<String>) -> Place {
        let dir = tempfile::tempdir_in(programs::dir()).unwrap();
        let more = format!(
            "[environments.dev]\nprotected = false\n\n[environments.dev.require]\n\
             DATABASE_URL = true\n\n[migrations]\nledger = \"{ledger}\"\n\n\
             [backup]\ndir = \"backups\"\n"
        );
        std::fs::write(dir.path().join("lockstep.toml"), more).unwrap();
        std::fs::create_dir(dir.path().join("migrations")).unwrap();
        std::fs::create_dir(dir.path().join("backups")).unwrap();
        for entry in std::fs::read_dir(samples().join("migrations")).unwrap() {
            let entry = entry.unwrap();
            let to = dir.path().join("migrations").join(entry.file_name());
            std::fs::copy(entry.path(), to).unwrap();
        }
        Place {
            dir,
            url: url.to_owned(),
            database,
        }
    }

    fn sqlite(ledger: &str) -> Place {
        let place = Place::new(ledger, "sqlite:app.db", None);
        let sql = sample("sqlite.sql")
            .replace("lockstep_migrations", &format!("{ledger}_migrations"))
            .replace("lockstep_schema", &format!("{ledger}_schema"));
        place.execute(&sql);
        let path = place.dir.path().canonicalize().unwrap().join("app.db");
        place.execute(&format!(
            "UPDATE lockstep_environment SET endpoint = '{}'",
            path.display()
        ));
        place
    }

    fn postgres(ledger: &str) -> Place {
        let server = Server::shared();
        let database = server.create_database();
        let place = Place::new(ledger, &server.url(&database), Some(database));
        let sql = sample("postgres.sql")
            .replace("lockstep.migrations", &format!("{ledger}.migrations"))
            .replace("lockstep.schema", &format!("{ledger}.schema"));
        if ledger != "lockstep" {
            place.execute(&format!("CREATE SCHEMA {ledger}"));
        }
        place.execute(&sql);
        place.execute(&format!(
            "UPDATE lockstep.environment SET endpoint = 'localhost:{}', system_identifier = NULL, \
             database_oid = NULL",
            server.port()
        ));
        place
    }

    fn execute(&self, sql: &str) {
        match &self.database {
            None => rusqlite::Connection::open(self.path())
                .unwrap()
                .execute_batch(sql)
                .unwrap(),
            Some(database) => Server::shared()
                .connect(database)
                .batch_execute(sql)
                .unwrap(),
        }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("app.db")
    }

    /// Everything in the database.
    fn dump(&self) -> String {
        let Some(database) = &self.database else {
            let bytes = std::fs::read(self.path()).unwrap();
            return String::from_utf8_lossy(&bytes).into_owned();
        };
        let server = Server::shared();
        let mut command = Command::new(server.bin().join("pg_dump"));
        command.args(["--inserts", &server.url(database)]);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        // Two lines of pg_dump's are random.
        let lines = text.lines().filter(|line| !line.starts_with('\\'));
        lines.collect::<Vec<_>>().join("\n")
    }

    fn value(&self, sql: &str) -> String {
        match &self.database {
            None => rusqlite::Connection::open(self.path())
                .unwrap()
                .query_row(sql, [], |row| row.get(0))
                .unwrap(),
            Some(database) => Server::shared()
                .connect(database)
                .query_one(sql, &[])
                .unwrap()
                .get(0),
        }
    }

    /// A table of ours by its parts.
    fn table(&self, schema: &str, name: &str) -> String {
        match self.database {
            None => format!("{schema}_{name}"),
            Some(_) => format!("{schema}.{name}"),
        }
    }

    /// The formats of mark and ledger.
    fn formats(&self, ledger: &str) -> [String; 2] {
        [("lockstep", "environment"), (ledger, "ledger_format")].map(|(schema, name)| {
            let table = self.table(schema, name);
            self.value(&format!("SELECT CAST(format AS text) FROM {table}"))
        })
    }

    fn run(&self, name: &str, arguments: &[&str]) -> Answer {
        self.run_as(&self.url, name, arguments)
    }

    fn run_as(&self, url: &str, name: &str, arguments: &[&str]) -> Answer {
        Answer::of(
            program(name, self.dir.path())
                .args(["--format", "json"])
                .args(arguments)
                .env("LOCKSTEP_ENV", "dev")
                .env("DATABASE_URL", url)
                .stdin(Stdio::null()),
        )
    }

    fn write(&self, file: &str, sql: &str) {
        let path = Path::new("migrations").join(file);
        std::fs::write(self.dir.path().join(path), sql).unwrap();
    }

    /// How the target is confirmed.
    fn confirm(&self) -> String {
        let said = self.run("verify-guards", &[]);
        let target = &said.json["target"];
        match &self.database {
            None => "sqlite:app.db".to_owned(),
            Some(database) => format!(
                "postgres://{}@{}:{}/{database}",
                target["user"].as_str().unwrap(),
                target["host"].as_str().unwrap(),
                target["port"]
            ),
        }
    }
}

const BOTH_UPGRADED: &str = r#"["mark from format 1 to 2","ledger from format 1 to 2"]"#;

#[test]
fn what_the_first_release_wrote_is_read_and_left_as_it_is() {
    for ledger in ["lockstep", "shop"] {
        for place in Place::both(ledger) {
            let before = place.dump();
            for name in [
                "verify-guards",
                "verify-migrations",
                "verify-schema",
                "verify-connection",
                "record-schema",
                "backup-snapshot",
            ] {
                place.run(name, &[]).is(0, "no");
            }
            place
                .run("verify-migrations", &["--expect", "none"])
                .is(0, "no");
            assert_eq!(place.dump(), before);
        }
    }
}

#[test]
fn the_first_action_upgrades_it_in_its_own_transaction() {
    for ledger in ["lockstep", "shop"] {
        for place in Place::both(ledger) {
            place.write(
                "0003_bad.sql",
                "CREATE TABLE more (x int);\nSELECT no_such();",
            );
            let before = place.dump();
            let ran = place.run("deploy-db", &[]);
            ran.is(1, "no");
            assert_eq!(ran.json["facts"]["upgraded"], serde_json::Value::Null);
            assert_eq!(place.dump(), before);
            place.write("0003_bad.sql", "CREATE TABLE more (x int);");
            place
                .run("deploy-db", &[])
                .is(0, "yes")
                .says(BOTH_UPGRADED)
                .says("runs_in ci, DATABASE_URL set");
            assert_eq!(place.formats(ledger), ["2", "2"]);
            let table = place.table("lockstep", "environment");
            assert_eq!(
                place.value(&format!("SELECT terms FROM {table}")),
                r#"{"runs_in":"ci","require":{"DATABASE_URL":true},"endpoints":[]}"#
            );
            let ran = place.run("deploy-db", &[]);
            ran.is(0, "no").says("nothing is pending, 3 applied");
            assert_eq!(ran.json["facts"]["upgraded"], serde_json::Value::Null);
            place.run("verify-migrations", &[]).is(0, "no");
            place.run("verify-schema", &[]).is(0, "no");
        }
    }
}

#[test]
fn a_deployment_with_nothing_pending_upgrades_it_too() {
    for ledger in ["lockstep", "shop"] {
        for place in Place::both(ledger) {
            let ran = place.run("deploy-db", &[]);
            ran.is(0, "yes")
                .says(BOTH_UPGRADED)
                .says("upgraded Lockstep's own tables");
            assert_eq!(place.formats(ledger), ["2", "2"]);
            place.run("deploy-db", &[]).is(0, "no");
        }
    }
}

#[test]
fn a_file_outside_a_transaction_finds_it_upgraded() {
    for place in Place::both("lockstep") {
        place.write(
            "0003_more.sql",
            "-- lockstep: no-transaction\nCREATE TABLE more (x int);",
        );
        place.run("deploy-db", &[]).is(0, "yes").says(BOTH_UPGRADED);
        assert_eq!(place.formats("lockstep"), ["2", "2"]);
    }
}

#[test]
fn a_mark_and_the_end_of_a_dirty_row_upgrade_it_too() {
    for place in Place::both("lockstep") {
        let confirm = place.confirm();
        let ran = place.run("mark-db", &["--confirm", &confirm]);
        ran.is(0, "yes").says(BOTH_UPGRADED);
        assert_eq!(place.formats("lockstep"), ["2", "2"]);
    }
    for place in Place::both("lockstep") {
        place.execute(&format!(
            "UPDATE {} SET state = 'started' WHERE position = 2",
            place.table("lockstep", "migrations")
        ));
        let ran = place.run(
            "mark-migrations",
            &["--resolve", "2", "applied", "--because", "looked"],
        );
        ran.is(0, "yes").says(BOTH_UPGRADED);
        assert_eq!(place.formats("lockstep"), ["2", "2"]);
    }
}

#[test]
fn what_a_newer_release_wrote_is_refused_by_every_program() {
    for (schema, name, what) in [
        ("lockstep", "environment", "the database's mark"),
        ("lockstep", "ledger_format", "the ledger"),
    ] {
        for place in Place::both("lockstep") {
            place.run("deploy-db", &[]).is(0, "yes");
            let table = place.table(schema, name);
            place.execute(&format!(
                "UPDATE {table} SET format = 3, lockstep = '7.8.9'"
            ));
            let before = place.dump();
            let mut asked = vec![
                ("verify-guards", vec![]),
                ("verify-migrations", vec![]),
                ("verify-schema", vec![]),
                ("backup-snapshot", vec![]),
                ("deploy-db", vec![]),
                ("mark-migrations", vec!["--applied-through", "2"]),
                ("mark-schema", vec!["--renew"]),
                ("mark-db", vec!["--confirm", "x"]),
            ];
            // What does not read the ledger is not refused by its format.
            if name == "environment" {
                asked.push(("verify-connection", vec![]));
                asked.push(("record-schema", vec![]));
            }
            for (program, arguments) in asked {
                let ran = place.run(program, &arguments);
                ran.is(3, "no")
                    .says(&format!(
                        "cannot read {what}: it was written by a newer Lockstep (7.8.9; it has \
                         format 3, and this one, {}, knows formats up to 2)",
                        env!("CARGO_PKG_VERSION")
                    ))
                    .says("install Lockstep 7.8.9 or newer");
            }
            assert_eq!(place.dump(), before);
        }
    }
}

#[test]
fn a_role_that_does_not_own_the_tables_is_told_what_their_owner_has_to_do() {
    let place = Place::postgres("lockstep");
    let database = place.database.as_ref().unwrap();
    place.execute(
        "CREATE ROLE old_deployer LOGIN PASSWORD 'secret';
         GRANT CREATE ON SCHEMA public TO old_deployer;
         GRANT ALL ON SCHEMA lockstep TO old_deployer;
         GRANT ALL ON ALL TABLES IN SCHEMA lockstep TO old_deployer;",
    );
    let url = Server::shared().url_as("old_deployer", "secret", database);
    place.write("0003_more.sql", "CREATE TABLE more (x int);");
    let before = place.dump();
    let ran = place.run_as(&url, "deploy-db", &[]);
    ran.is(1, "no").says("must be owner of table environment");
    assert_eq!(place.dump(), before);
    let remedy = ran
        .findings()
        .find_map(|finding| finding["remedy"].as_str()?.split_once("run: "))
        .unwrap();
    place.execute(remedy.1);
    place
        .run_as(&url, "deploy-db", &[])
        .is(0, "yes")
        .says(BOTH_UPGRADED);
    assert_eq!(place.formats("lockstep"), ["2", "2"]);
}
