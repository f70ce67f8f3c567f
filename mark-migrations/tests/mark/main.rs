//! The program as it is run, against real SQLite files and a real PostgreSQL server.

#![allow(
    clippy::unwrap_used,
    reason = "a fixture that cannot be had fails its test"
)]

mod adoption;

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use db_write::{ApplyError, NewMark, NewSchema, Options, Stop, Writer};
use migrations::Dialect;
use tests::answer::Answer;
use tests::postgres_server::Server;
use tests::proxy::{COMMIT, Cut, Proxy};

const TOML: &str = r#"
[environments.dev]
protected = false

[environments.production]

[scratch]
server = { env = "DATABASE_URL" }
same_server = true
"#;

/// The folder of the chain.
const EVIDENCE: &str = "evidence";

struct Place {
    dir: tempfile::TempDir,
    url: String,
    database: Option<String>,
}

impl Place {
    fn both() -> [Place; 2] {
        let place = || {
            let dir = tempfile::tempdir().unwrap();
            std::fs::write(dir.path().join("lockstep.toml"), TOML).unwrap();
            std::fs::create_dir(dir.path().join("migrations")).unwrap();
            std::fs::write(dir.path().join("app.db"), "").unwrap();
            for (name, sql) in [
                ("0001_a.sql", "CREATE TABLE a (x int);"),
                ("0002_b.sql", "CREATE TABLE b (x int);"),
                ("0003_c.sql", "CREATE TABLE c (x int);"),
            ] {
                std::fs::write(dir.path().join("migrations").join(name), sql).unwrap();
            }
            Place {
                dir,
                url: "sqlite:app.db".to_owned(),
                database: None,
            }
        };
        let database = Server::shared().create_database();
        let postgres = Place {
            url: Server::shared().url(&database),
            database: Some(database),
            ..place()
        };
        [place(), postgres]
    }

    /// Both with the tables of the first two migrations, marked `dev`.
    fn both_with_tables() -> [Place; 2] {
        let places = Place::both();
        for place in &places {
            place.execute("CREATE TABLE a (x int); CREATE TABLE b (x int)");
            place.mark("dev", false);
        }
        places
    }

    fn dialect(&self) -> Dialect {
        match self.database {
            None => Dialect::Sqlite,
            Some(_) => Dialect::Postgres,
        }
    }

    fn file(&self, name: &str, sql: &str) {
        std::fs::write(self.dir.path().join("migrations").join(name), sql).unwrap();
    }

    fn run(&self, args: &[&str]) -> Answer {
        self.run_with(args, &[("LOCKSTEP_ENV", "dev")])
    }

    fn run_with(&self, args: &[&str], variables: &[(&str, &str)]) -> Answer {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mark-migrations"));
        command
            .args(["--format", "json"])
            .args(args)
            .env_clear()
            .env("DATABASE_URL", &self.url)
            .env("LOCKSTEP_EVIDENCE", EVIDENCE)
            .envs(variables.iter().copied())
            .current_dir(self.dir.path())
            .stdin(Stdio::null());
        Answer::of(&mut command)
    }

    /// Has verify-migrations look for the version, as the step before in the same chain would.
    fn prove(&self) {
        self.prove_in("dev");
    }

    fn prove_in(&self, environment: &str) {
        tests::programs::program("verify-migrations", self.dir.path())
            .env("DATABASE_URL", &self.url)
            .env("LOCKSTEP_ENV", environment)
            .env("LOCKSTEP_EVIDENCE", self.dir.path().join(EVIDENCE))
            .output()
            .unwrap();
    }

    fn writer(&self) -> Box<dyn Writer> {
        let url = match self.database {
            None => format!("sqlite:{}", self.dir.path().join("app.db").display()),
            Some(_) => self.url.clone(),
        };
        let options = Options {
            tool: "test",
            run_id: "test".to_owned(),
            actor: "test".to_owned(),
            ledger: records::LedgerName::default(),
            schema: None,
            lock_timeout: Duration::from_secs(5),
            patience: Duration::from_secs(5),
            sqlite: settings::file::SqliteSettings::default(),
            stop: Stop::default(),
            terms: None,
        };
        let target = settings::Target::parse(&url, Path::new("")).unwrap().0;
        db_write::open(&target, options).unwrap()
    }

    fn mark(&self, environment: &str, protected: bool) {
        let mark = NewMark {
            environment: environment.to_owned(),
            protected,
            uuid: contract::new_uuid(),
            terms: None,
        };
        let mut writer = self.writer();
        let surveyed = writer.survey().unwrap().mark;
        writer.write_mark(&mark, surveyed.as_ref()).unwrap();
    }

    /// Applies the first migrations, as `deploy-db` would, until one fails.
    fn apply(&self, count: usize) -> Result<(), ApplyError> {
        let set = migrations::discover(&self.dir.path().join("migrations"), None, self.dialect());
        let mut writer = self.writer();
        writer.lock(Duration::ZERO, &mut |_| {}).unwrap();
        let mut ledger = Vec::new();
        for migration in &set.unwrap().migrations[..count] {
            let applied = writer.apply(migration, &ledger, &mut |_| {})?;
            ledger.push(applied.row);
        }
        Ok(())
    }

    fn execute(&self, sql: &str) {
        match &self.database {
            None => rusqlite::Connection::open(self.dir.path().join("app.db"))
                .unwrap()
                .execute_batch(sql)
                .unwrap(),
            Some(database) => Server::shared()
                .connect(database)
                .batch_execute(&format!("SET search_path = public; {sql}"))
                .unwrap(),
        }
    }

    /// The ledger's rows as `version state because`.
    fn ledger(&self) -> Vec<String> {
        let columns = "version || ' ' || state || ' ' || coalesce(because, '-')";
        match &self.database {
            None => {
                let connection =
                    rusqlite::Connection::open(self.dir.path().join("app.db")).unwrap();
                let sql = format!("SELECT {columns} FROM lockstep_migrations ORDER BY position");
                let Ok(mut statement) = connection.prepare(&sql) else {
                    return Vec::new();
                };
                let rows = statement.query_map([], |row| row.get(0)).unwrap();
                rows.map(Result::unwrap).collect()
            }
            Some(database) => {
                let sql = format!("SELECT {columns} FROM lockstep.migrations ORDER BY position");
                let rows = Server::shared().connect(database).query(&sql, &[]);
                let rows = rows.unwrap_or_default();
                rows.iter().map(|row| row.get(0)).collect()
            }
        }
    }
}

#[test]
fn a_database_is_adopted_up_to_a_version() {
    for place in Place::both_with_tables() {
        place.prove();
        let ran = place.run(&[
            "--applied-through",
            "0002",
            "--because",
            "from the old tool",
        ]);
        ran.is(0, "yes").says("adopted with 2 migrations applied");
        assert_eq!(
            place.ledger(),
            ["1 applied from the old tool", "2 applied from the old tool"]
        );
        let survey = place.writer().survey().unwrap();
        assert!(!survey.not_adopted());
        assert_eq!(
            ran.json["facts"]["ledger_state"],
            migrations::ledger_state(survey.rows())
        );
        // The digests are those of the files, so nothing has drifted and one is pending.
        let settings = settings::Settings::read(None, place.dir.path()).unwrap();
        let plan = plan::make(&settings, place.dialect(), &survey).unwrap();
        assert_eq!(plan.state.problems, []);
        assert_eq!(plan.pending().count(), 1);
        place
            .run(&["--applied-through", "3"])
            .is(1, "no")
            .says("it has 2 rows already");
    }
}

#[test]
fn a_database_of_somebody_elses_tables_is_adopted_with_nothing() {
    for place in Place::both() {
        place.execute("CREATE TABLE theirs (x int)");
        place.mark("dev", false);
        assert!(place.writer().survey().unwrap().not_adopted());
        place
            .run(&["--applied-through", "none"])
            .is(0, "yes")
            .says("adopted with 0 migrations applied");
        assert_eq!(place.ledger(), Vec::<String>::new());
        assert!(!place.writer().survey().unwrap().not_adopted());
    }
}

#[test]
fn what_can_not_be_adopted_is_left_alone() {
    for place in Place::both() {
        place.mark("dev", false);
        place
            .run(&["--applied-through", "1"])
            .is(1, "no")
            .says("it has no table")
            .says("deploy with deploy-db");
        assert_eq!(place.ledger(), Vec::<String>::new());
    }
    for place in Place::both_with_tables() {
        place
            .run(&["--applied-through", "9"])
            .is(1, "no")
            .says("the newest is 3");
        place.file("0003_c.sql", "");
        std::fs::write(place.dir.path().join("migrations/0002_b.sql"), b"\xff").unwrap();
        place
            .run(&["--applied-through", "2"])
            .is(1, "no")
            .says("is not UTF-8");
        assert_eq!(place.ledger(), Vec::<String>::new());
    }
}

#[test]
fn the_ledger_of_another_tool_is_left_to_it() {
    for place in Place::both_with_tables() {
        let toml = format!("{TOML}\n[migrations]\ntool = \"alembic\"\n");
        std::fs::write(place.dir.path().join("lockstep.toml"), toml).unwrap();
        place
            .run(&["--applied-through", "2"])
            .is(2, "no")
            .says("[migrations] tool names Alembic, which deploys here")
            .says("run `alembic upgrade head`");
    }
}

#[test]
fn the_guards_are_asked() {
    for place in Place::both_with_tables() {
        place.mark("production", true);
        let adopt = ["--applied-through", "2"];
        place
            .run(&adopt)
            .is(1, "no")
            .says("it belongs to production");
        place
            .run_with(&adopt, &[("LOCKSTEP_ENV", "production")])
            .is(1, "no")
            .says("no CI=true");
        assert_eq!(place.ledger(), Vec::<String>::new());
        place.prove_in("production");
        place
            .run_with(&adopt, &[("LOCKSTEP_ENV", "production"), ("CI", "true")])
            .is(0, "yes");
    }
    for place in Place::both() {
        place.execute("CREATE TABLE a (x int)");
        place
            .run(&["--applied-through", "1"])
            .is(1, "no")
            .says("it has tables and no mark");
    }
}

/// A place whose second migration is dirty.
#[test]
fn a_row_that_is_kept_out_of_the_ledger_is_no_adoption() {
    for place in Place::both_with_tables() {
        let nothing = NewSchema {
            document: "{}".to_owned(),
            ledger_state: String::new(),
        };
        place.writer().adopt(&[], &nothing, None).unwrap();
        let (record, keeps_out, message) = match place.database {
            None => (
                "lockstep_schema",
                "CREATE TRIGGER t BEFORE INSERT ON lockstep_migrations WHEN new.position = 2 \
                 BEGIN SELECT raise(ignore); END",
                "it carries the trigger t, which is not Lockstep's",
            ),
            Some(_) => (
                "lockstep.schema",
                "CREATE RULE r AS ON INSERT TO lockstep.migrations WHERE new.position = 2 \
                 DO INSTEAD NOTHING",
                "rule r on table lockstep.migrations",
            ),
        };
        place.execute(&format!("DELETE FROM {record}"));
        place.prove();
        place.execute(keeps_out);
        place
            .run(&["--applied-through", "0002", "--because", "x"])
            .is(1, "no")
            .says(message);
        assert_eq!(place.ledger(), Vec::<String>::new());
        assert_eq!(place.writer().survey().unwrap().recorded_state, None);
    }
}

fn dirty(place: &Place) {
    place.mark("dev", false);
    place.file(
        "0002_b.sql",
        "-- lockstep: no-transaction\nCREATE TABLE b (x int);\nINSERT INTO nowhere VALUES (1);\n",
    );
    let ended = place.apply(2);
    assert!(matches!(ended, Err(ApplyError::Dirty(_))), "{ended:?}");
}

#[test]
fn a_dirty_row_is_ended_either_way() {
    for place in Place::both() {
        dirty(&place);
        assert_eq!(place.ledger(), ["1 applied -", "2 started -"]);
        let ran = place.run(&[
            "--resolve",
            "0002",
            "applied",
            "--because",
            "rows put in by hand",
        ]);
        ran.is(0, "yes").says("2 is applied, nothing was run");
        assert_eq!(
            place.ledger(),
            ["1 applied -", "2 applied rows put in by hand"]
        );
        assert!(!place.writer().survey().unwrap().record_is_stale());
    }
    for place in Place::both() {
        dirty(&place);
        let file = "migrations/0002_b.sql";
        let ran = place.run(&["--resolve", file, "pending", "--because", "table dropped"]);
        ran.is(0, "yes").says("2 is pending");
        assert_eq!(place.ledger(), ["1 applied -"]);
        assert!(!place.writer().survey().unwrap().record_is_stale());
    }
}

#[test]
fn what_somebody_else_did_is_not_recorded_with_it() {
    for state in ["applied", "pending"] {
        for place in Place::both() {
            dirty(&place);
            let recorded = |place: &Place| {
                let schema = place.writer().recorded_schema().unwrap();
                schema.map(|schema| schema.document)
            };
            place.execute("CREATE TABLE by_hand (x int)");
            let before = recorded(&place);
            let ran = place.run(&["--resolve", "2", state, "--because", "looked"]);
            ran.is(0, "yes").says("which 2 does not name");
            assert_eq!(recorded(&place), before);
        }
    }
}

#[test]
fn only_a_dirty_row_is_ended_and_only_with_a_reason() {
    for place in Place::both() {
        dirty(&place);
        let before = place.ledger();
        let because = ["--because", "x"];
        let resolve = |version, state| {
            let mut args = vec!["--resolve", version, state];
            args.extend(because);
            place.run(&args)
        };
        resolve("1", "applied")
            .is(1, "no")
            .says("its row is not dirty");
        resolve("7", "pending")
            .is(1, "no")
            .says("the ledger has no row for it");
        resolve("2", "done")
            .is(2, "no")
            .says("give applied or pending");
        place.run(&["--resolve", "2", "applied"]).is(2, "no");
        place
            .run(&["--resolve", "2", "applied", "--because", " "])
            .is(2, "no")
            .says("without a reason");
        place.run(&[]).is(2, "no");
        assert_eq!(place.ledger(), before);
    }
}

#[test]
fn a_dirty_row_without_a_file_is_ended_too() {
    for place in Place::both() {
        dirty(&place);
        std::fs::remove_file(place.dir.path().join("migrations/0002_b.sql")).unwrap();
        place
            .run(&["--resolve", "2", "pending", "--because", "withdrawn"])
            .is(0, "yes");
        assert_eq!(place.ledger(), ["1 applied -"]);
    }
}

#[test]
fn a_running_deployment_is_waited_for_or_named() {
    for place in Place::both() {
        dirty(&place);
        let mut holder = place.writer();
        holder.lock(Duration::ZERO, &mut |_| {}).unwrap();
        let args = ["--resolve", "2", "pending", "--because", "x"];
        place.run(&args).is(5, "no").says("held by test");
        drop(holder);
        place.run(&args).is(0, "yes");
    }
}

#[test]
fn a_role_without_the_right_is_told() {
    let [_, place] = Place::both_with_tables();
    place.prove();
    place.execute(
        "CREATE ROLE adopter LOGIN PASSWORD 'secret'; GRANT USAGE ON SCHEMA lockstep TO adopter; \
         GRANT SELECT ON ALL TABLES IN SCHEMA lockstep TO adopter",
    );
    let database = place.database.as_deref().unwrap();
    let url = Server::shared().url_as("adopter", "secret", database);
    place
        .run_with(
            &["--applied-through", "2"],
            &[("LOCKSTEP_ENV", "dev"), ("DATABASE_URL", &url)],
        )
        .is(1, "no")
        .says("permission denied for schema lockstep")
        .says("let the database's owner");
    assert_eq!(place.ledger(), Vec::<String>::new());
}

#[test]
fn a_lost_commit_is_looked_up_before_the_answer() {
    let resolve = |to| vec!["--resolve", "2", to, "--because", "looked"];
    let tasks = [
        vec!["--applied-through", "2"],
        vec!["--applied-through", "none"],
        vec!["--undo-adoption", "--because", "wrong"],
        resolve("applied"),
        resolve("pending"),
    ];
    for args in tasks {
        for (cut, code, changed) in [(Cut::Before, 1, "no"), (Cut::AfterAnswer, 0, "yes")] {
            let [_, mut place] = Place::both();
            if args[0] == "--resolve" {
                dirty(&place);
            } else {
                let is_theirs = args[1] == "none";
                place.execute(match is_theirs {
                    true => "CREATE TABLE theirs (x int)",
                    false => "CREATE TABLE a (x int); CREATE TABLE b (x int)",
                });
                place.mark("dev", false);
                place.prove();
            }
            if args[0] == "--undo-adoption" {
                place.run(&["--applied-through", "2"]).is(0, "yes");
            }
            let before = place.ledger();
            let proxy = Proxy::start(COMMIT, 0, cut, false);
            place.url = proxy.url(&place.url);
            place.execute(&format!(
                "UPDATE lockstep.environment SET endpoint = 'localhost:{}'",
                proxy.port()
            ));
            let ran = place.run(&args);
            ran.is(code, changed);
            assert_eq!(proxy.cuts(), 1, "{args:?}");
            if code == 1 {
                ran.says("the connection was lost in COMMIT, and it was not committed");
                assert_eq!(place.ledger(), before, "{args:?}");
            }
        }
    }
}
