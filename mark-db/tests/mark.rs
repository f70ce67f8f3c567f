//! The program as it is run, against real SQLite files and a real PostgreSQL server.

#![allow(
    clippy::unwrap_used,
    reason = "a fixture that cannot be had fails its test"
)]

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use db_write::{NewMark, Options, Stop, Writer};
use serde_json::Value;
use tests::pgbouncer::Pgbouncer;
use tests::postgres_server::Server;
use tests::proxy::{COMMIT, Cut, Proxy};

const TOML: &str = "
[environments.dev]
protected = false

[environments.test]
protected = false

[environments.staging]

[environments.production]

[environments.production.require]
GITHUB_REF = \"refs/heads/main\"
";

const CI: [(&str, &str); 3] = [
    ("CI", "true"),
    ("LOCKSTEP_ENV", "production"),
    ("GITHUB_REF", "refs/heads/main"),
];
const STAGING: [(&str, &str); 2] = [("CI", "true"), ("LOCKSTEP_ENV", "staging")];

struct Place {
    dir: tempfile::TempDir,
    url: String,
    database: Option<String>,
}

struct Ran {
    code: Option<i32>,
    json: Value,
    stderr: String,
}

impl Place {
    fn empty() -> Place {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("lockstep.toml"), TOML).unwrap();
        Place {
            dir,
            url: "sqlite:app.db".to_owned(),
            database: None,
        }
    }

    fn sqlite() -> Place {
        let place = Place::empty();
        std::fs::write(place.file(), "").unwrap();
        place
    }

    fn postgres() -> Place {
        let database = Server::shared().create_database();
        Place {
            url: Server::shared().url(&database),
            database: Some(database),
            ..Place::empty()
        }
    }

    fn both() -> [Place; 2] {
        [Place::sqlite(), Place::postgres()]
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("app.db")
    }

    fn run(&self, args: &[&str], variables: &[(&str, &str)]) -> Ran {
        let output = Command::new(env!("CARGO_BIN_EXE_mark-db"))
            .args(["--format", "json"])
            .args(args)
            .env_clear()
            .env("DATABASE_URL", &self.url)
            .envs(variables.iter().copied())
            .current_dir(self.dir.path())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        let stdout = String::from_utf8(output.stdout).unwrap();
        Ran {
            code: output.status.code(),
            json: serde_json::from_str(&stdout)
                .unwrap_or_else(|error| panic!("{error}: {stdout:?} {stderr}")),
            stderr,
        }
    }

    /// Marks as `dev` with the confirmation that the program itself asked for.
    fn mark_dev(&self, more: &[&str]) -> Ran {
        let confirm = self.run(&["--environment", "dev"], &[]).asked();
        let mut args = vec!["--environment", "dev", "--confirm", &confirm];
        args.extend(more);
        self.run(&args, &[])
    }

    /// A session of the library's own, with little patience.
    fn writer(&self, url: &str) -> Box<dyn Writer> {
        let options = Options {
            tool: "test",
            run_id: "test".to_owned(),
            actor: "test".to_owned(),
            ledger: records::LedgerName::default(),
            schema: None,
            lock_timeout: Duration::from_secs(5),
            patience: Duration::from_millis(300),
            stop: Stop::default(),
        };
        let target = settings::Target::parse(url, self.dir.path()).unwrap().0;
        db_write::open(&target, options).unwrap()
    }

    /// Environment and protection, as `dev/false/<uuid>`.
    fn mark(&self) -> Option<String> {
        match &self.database {
            None => rusqlite::Connection::open(self.file())
                .unwrap()
                .query_row(
                    "SELECT name || '/' || iif(protected, 'true', 'false') || '/' || uuid \
                     FROM lockstep_environment",
                    [],
                    |row| row.get(0),
                )
                .ok(),
            Some(database) => Server::shared()
                .connect(database)
                .query_one(
                    "SELECT name || '/' || protected || '/' || uuid FROM lockstep.environment",
                    &[],
                )
                .ok()
                .map(|row| row.get(0)),
        }
    }

    fn execute(&self, sql: &str) {
        match &self.database {
            None => rusqlite::Connection::open(self.file())
                .unwrap()
                .execute_batch(sql)
                .unwrap(),
            Some(database) => Server::shared()
                .connect(database)
                .batch_execute(sql)
                .unwrap(),
        }
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(self.dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

impl Ran {
    #[track_caller]
    fn is(&self, code: i32, changed: &str) -> &Ran {
        assert_eq!(
            (self.code, self.json["changed"].as_str()),
            (Some(code), Some(changed)),
            "{:#} {}",
            self.json,
            self.stderr
        );
        self
    }

    #[track_caller]
    fn says(&self, text: &str) -> &Ran {
        let said = self.json.to_string().replace("\\\"", "\"");
        assert!(said.contains(text), "{text}: {said}");
        self
    }

    fn failed(&self) -> Vec<&str> {
        self.json["findings"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|finding| finding["status"] == "fail")
            .map(|finding| finding["check"].as_str().unwrap())
            .collect()
    }

    /// The target that the program wants confirmed.
    #[track_caller]
    fn asked(&self) -> String {
        let findings = self.json["findings"].as_array().unwrap();
        let finding = findings
            .iter()
            .find(|finding| finding["check"] == "target-confirmed")
            .unwrap();
        finding["subject"].as_str().unwrap().to_owned()
    }
}

#[test]
fn an_unprotected_mark_wants_the_target_confirmed() {
    for place in Place::both() {
        let ran = place.run(&["--environment", "dev"], &[]);
        ran.is(1, "no").says("--confirm '");
        assert_eq!(ran.failed(), ["target-confirmed"]);
        assert!(!ran.asked().contains("p@ss"), "{}", ran.asked());
        let ran = place.run(&["--environment", "dev", "--confirm", "app"], &[]);
        assert_eq!(ran.failed(), ["target-confirmed"]);
        assert_eq!(place.mark(), None);
        let ran = place.mark_dev(&[]);
        ran.is(0, "yes");
        let uuid = ran.json["target"]["identity"].as_str().unwrap();
        assert_eq!(place.mark().unwrap(), format!("dev/false/{uuid}"));
        // The same name again keeps the identity, another one does not.
        let again = place.mark_dev(&[]);
        assert_eq!(again.json["target"]["identity"], uuid);
        let confirm = again.json["target"].clone();
        assert!(confirm.get("password").is_none());
    }
}

#[test]
fn nothing_is_left_of_a_refusal() {
    let place = Place::sqlite();
    let names = place.names();
    place.run(&["--environment", "dev"], &[]).is(1, "no");
    assert_eq!(std::fs::metadata(place.file()).unwrap().len(), 0);
    assert_eq!(place.names(), names);
    let place = Place::postgres();
    place.run(&["--environment", "dev"], &[]).is(1, "no");
    let database = place.database.as_deref().unwrap();
    let rows = Server::shared()
        .connect(database)
        .query("SELECT 1 FROM pg_namespace WHERE nspname = 'lockstep'", &[])
        .unwrap();
    assert!(rows.is_empty());
}

#[test]
fn a_protected_mark_is_written_by_its_ci_job_alone() {
    for place in Place::both() {
        let ran = place.run(&[], &[("LOCKSTEP_ENV", "production"), CI[2]]);
        ran.is(1, "no");
        assert_eq!(ran.failed(), ["ci-run", "target-confirmed"]);
        let ran = place.run(&[], &[("CI", "true"), CI[1]]);
        assert_eq!(ran.failed(), ["requirement-met"]);
        // The flag does not stand for the job's own variable.
        let ran = place.run(&["--environment", "production"], &[("CI", "true"), CI[2]]);
        assert_eq!(ran.failed(), ["variable-matches"]);
        assert_eq!(place.mark(), None);
        place.execute("CREATE TABLE t (x int)");
        place.run(&[], &CI).is(0, "yes");
        let marked = place.mark().unwrap();
        assert!(marked.starts_with("production/true/"), "{marked}");
        // Renewed, it stays the same target.
        place.run(&[], &CI).is(0, "yes");
        assert_eq!(place.mark().unwrap(), marked);
    }
}

#[test]
fn a_protected_mark_is_never_replaced_where_it_was_written() {
    for place in Place::both() {
        place.run(&[], &CI).is(0, "yes");
        let marked = place.mark();
        let ran = place.mark_dev(&[]);
        ran.is(1, "no").says("it is protected as production");
        assert_eq!(ran.failed(), ["mark-replaceable"]);
        let ran = place.run(&[], &STAGING);
        assert_eq!(ran.failed(), ["mark-replaceable"]);
        assert_eq!(place.mark(), marked);
        // Not by a file that calls production unprotected either.
        let toml = TOML.replace(
            "[environments.production]\n",
            "[environments.production]\nprotected = false\n",
        );
        std::fs::write(place.dir.path().join("lockstep.toml"), toml).unwrap();
        let ran = place.run(&[], &CI);
        assert_eq!(ran.failed(), ["mark-replaceable", "target-confirmed"]);
        assert_eq!(place.mark(), marked);
    }
}

#[test]
fn a_hard_link_to_production_is_not_marked() {
    let place = Place::sqlite();
    place.run(&[], &CI).is(0, "yes");
    let app = rusqlite::Connection::open(place.file()).unwrap();
    app.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE t (x)")
        .unwrap();
    let linked = Place::empty();
    std::fs::hard_link(place.file(), linked.file()).unwrap();
    for by in [&place, &linked] {
        for ran in [by.run(&["--environment", "dev"], &[]), by.run(&[], &CI)] {
            ran.is(1, "no").says("the file has 2 names (hard links)");
        }
    }
    assert_eq!(linked.names(), ["app.db", "lockstep.toml"]);
    std::fs::remove_file(linked.file()).unwrap();
    app.execute_batch("INSERT INTO t VALUES (1)").unwrap();
    place.run(&[], &CI).is(0, "yes");
}

#[test]
fn a_copy_gets_a_mark_and_an_identity_of_its_own() {
    let place = Place::sqlite();
    place.run(&[], &CI).is(0, "yes");
    let original = place.mark().unwrap();
    let copy = Place::empty();
    std::fs::copy(place.file(), copy.file()).unwrap();
    copy.mark_dev(&[]).is(0, "yes").says("a copy of production");
    assert!(copy.mark().unwrap().starts_with("dev/false/"));
    assert_eq!(place.mark().unwrap(), original);
    // The original, moved: its own CI job alone may say so, whatever stands in its place.
    let moved = Place::empty();
    std::fs::rename(place.file(), moved.file()).unwrap();
    for stands in [None, Some(copy.file())] {
        if let Some(other) = stands {
            std::fs::copy(other, place.file()).unwrap();
        }
        let ran = moved.mark_dev(&[]);
        ran.is(1, "no")
            .says("if it was moved, run mark-db in the CI job of production");
        assert_eq!(ran.failed(), ["mark-replaceable"]);
        assert_eq!(moved.mark().unwrap(), original);
    }
    moved
        .run(&[], &CI)
        .is(0, "yes")
        .says("moved, of production");
    assert_ne!(moved.mark().unwrap(), original);
    assert!(moved.mark().unwrap().starts_with("production/true/"));

    let place = Place::postgres();
    place.run(&[], &CI).is(0, "yes");
    let original = place.mark().unwrap();
    let database = place.database.clone().unwrap();
    let name = format!("{database}_copy");
    Server::shared()
        .connect("postgres")
        .batch_execute(&format!("CREATE DATABASE {name} TEMPLATE {database}"))
        .unwrap();
    let copy = Place {
        url: Server::shared().url(&name),
        database: Some(name),
        ..Place::empty()
    };
    copy.mark_dev(&[]).is(0, "yes").says("database oid was");
    assert!(copy.mark().unwrap().starts_with("dev/false/"));
    assert_eq!(place.mark().unwrap(), original);
}

#[test]
fn ci_true_in_a_shell_spares_an_unprotected_mark_nothing() {
    let ci = [("CI", "true"), ("LOCKSTEP_ENV", "dev")];
    for place in Place::both() {
        let asked = place.run(&[], &ci);
        assert_eq!(asked.is(1, "no").failed(), ["target-confirmed"]);
        let confirm = asked.asked();
        let ran = place.run(
            &["--environment", "dev", "--confirm", &confirm],
            &[("CI", "true")],
        );
        assert_eq!(ran.is(1, "no").failed(), ["variable-matches"]);
        place.run(&["--confirm", &confirm], &ci).is(0, "yes");
    }
    let place = Place::postgres();
    let confirm = place.run(&[], &ci).asked();
    let _app = Server::shared().connect(place.database.as_deref().unwrap());
    let ran = place.run(&["--confirm", &confirm], &ci);
    assert_eq!(ran.is(1, "no").failed(), ["no-other-session"]);
}

#[test]
fn outside_ci_a_database_in_use_is_not_marked() {
    let place = Place::postgres();
    let confirm = place.run(&["--environment", "dev"], &[]).asked();
    let args = ["--environment", "dev", "--confirm", &confirm];
    let mut app = Server::shared().connect(place.database.as_deref().unwrap());
    app.batch_execute("SET application_name = 'shop'").unwrap();
    let ran = place.run(&args, &[]);
    ran.is(1, "no").says("in use by shop as lockstep (process ");
    assert_eq!(ran.failed(), ["no-other-session"]);

    // A role that may not see what another role's session is, sees that it is there.
    place.execute(
        "CREATE ROLE marker LOGIN PASSWORD 'secret'; CREATE SCHEMA lockstep AUTHORIZATION marker",
    );
    let url = Server::shared().url_as("marker", "secret", place.database.as_deref().unwrap());
    let asked = place.run(&["--environment", "dev"], &[("DATABASE_URL", &url)]);
    assert!(asked.failed().contains(&"no-other-session"));
    drop(app);
    let confirm = asked.asked();
    let args = ["--environment", "dev", "--confirm", &confirm];
    // The server may still be busy with its end.
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    loop {
        let ran = place.run(&args, &[("DATABASE_URL", &url)]);
        if ran.code == Some(0) {
            break;
        }
        assert_eq!(ran.failed(), ["no-other-session"]);
        assert!(std::time::Instant::now() < deadline);
    }

    for mode in ["DELETE", "WAL"] {
        let place = Place::sqlite();
        place.execute(&format!("PRAGMA journal_mode = {mode}; CREATE TABLE t (x)"));
        let app = rusqlite::Connection::open(place.file()).unwrap();
        // One that has read and is idle now.
        app.query_row("SELECT count(*) FROM t", [], |_| Ok(()))
            .unwrap();
        let ran = place.mark_dev(&[]);
        ran.is(1, "no")
            .says(&format!("(process {})", std::process::id()));
        assert_eq!(ran.failed(), ["no-other-session"]);
        // In CI the application may well be at work.
        place.run(&[], &CI).is(0, "yes");
        drop(app);
        assert!(place.mark().unwrap().starts_with("production/true/"));
    }
}

#[test]
fn a_file_is_made_on_request_and_only_with_its_mark() {
    let place = Place::empty();
    let confirmed = ["--environment", "dev", "--confirm", "sqlite:app.db"];
    let ran = place.run(&confirmed, &[]);
    ran.is(1, "no")
        .says("does not exist")
        .says("mark-db --create");
    assert_eq!(place.names(), ["lockstep.toml"]);

    let refused = place.run(&["--environment", "dev", "--create"], &[]);
    assert_eq!(refused.failed(), ["target-confirmed"]);
    assert_eq!(place.names(), ["lockstep.toml"]);
    let confirm = refused.asked();
    let args = ["--environment", "dev", "--create", "--confirm", &confirm];
    let ran = place.run(&args, &[]);
    ran.is(0, "yes");
    assert_eq!(ran.json["facts"]["created"], true);
    assert_eq!(place.names(), ["app.db", "lockstep.toml"]);
    assert!(place.mark().unwrap().starts_with("dev/false/"));
    // What is there is not made anew.
    let marked = place.mark();
    let ran = place.run(&args, &[]);
    ran.is(0, "yes");
    assert_eq!(ran.json["facts"].get("created"), None);
    assert_eq!(place.mark(), marked);

    let place = Place::postgres();
    place
        .run(&["--environment", "dev", "--create"], &[])
        .is(2, "no")
        .says("createdb");
}

#[test]
fn a_file_that_can_not_be_marked_is_not_left_behind() {
    let place = Place::empty();
    let confirm = place
        .run(&["--environment", "dev", "--create"], &[])
        .asked();
    // The lock's place is taken by something that is no file.
    std::fs::create_dir(place.dir.path().join("app.db.lockstep-lock")).unwrap();
    let args = ["--environment", "dev", "--create", "--confirm", &confirm];
    place.run(&args, &[]).is(3, "no").says("lock file");
    assert!(!place.file().exists());
}

#[test]
fn of_several_makers_one_makes_the_file() {
    let args = [
        "--environment",
        "dev",
        "--create",
        "--confirm",
        "sqlite:app.db",
    ];
    for _ in 0..20 {
        let place = Place::empty();
        let codes: Vec<Option<i32>> = std::thread::scope(|scope| {
            let run = || scope.spawn(|| place.run(&args, &[]).code);
            let makers = [run(), run(), run()];
            makers.map(|maker| maker.join().unwrap()).into()
        });
        // Who comes later finds the lock held, the maker at work on the file, or the file.
        assert!(codes.contains(&Some(0)), "{codes:?}");
        assert!(place.mark().unwrap().starts_with("dev/false/"));
        assert_eq!(place.names(), ["app.db", "lockstep.toml"]);
    }
}

#[test]
fn what_somebody_else_puts_under_the_name_is_left_alone() {
    let args = [
        "--environment",
        "dev",
        "--create",
        "--confirm",
        "sqlite:app.db",
    ];
    let place = Place::empty();
    let lock = std::fs::File::create(place.dir.path().join("app.db.lockstep-lock")).unwrap();
    lock.lock().unwrap();
    place.run(&args, &[]).is(5, "no");
    place.execute("CREATE TABLE t (x)");
    let ran = place.run(&args, &[]);
    ran.is(5, "no");
    assert!(!ran.stderr.contains("give --wait-lock"), "{}", ran.stderr);
    drop(lock);
    assert!(place.file().exists());

    // What is left of a database that is gone would be taken for the new one's own.
    for suffix in ["-wal", "-journal"] {
        let place = Place::empty();
        let journal = place.dir.path().join(format!("app.db{suffix}"));
        std::fs::write(&journal, "x").unwrap();
        place.run(&args, &[]).is(1, "no").says("move it away");
        assert!(journal.exists() && !place.file().exists());
    }
    // A run that was killed in between is no hindrance.
    let place = Place::empty();
    std::fs::write(place.dir.path().join("app.db.lockstep-new"), "x").unwrap();
    place.run(&args, &[]).is(0, "yes");
    assert_eq!(place.names(), ["app.db", "lockstep.toml"]);

    let place = Place::empty();
    std::os::unix::fs::symlink("gone.db", place.file()).unwrap();
    place
        .run(&args, &[])
        .is(1, "no")
        .says("it is a symbolic link to gone.db, which does not exist");
    assert_eq!(place.names(), ["app.db", "lockstep.toml"]);
    let place = Place::empty();
    let args = ["sqlite:no/app.db", "--environment", "dev", "--create"];
    let confirmed = [&args[..], &["--confirm", "sqlite:no/app.db"]].concat();
    place
        .run(&confirmed, &[("DATABASE_URL", "")])
        .is(3, "no")
        .says("check that the folder exists");
}

#[test]
fn a_pooler_and_a_missing_right_are_told() {
    let place = Place::postgres();
    let database = place.database.clone().unwrap();
    let pooler = Pgbouncer::start(Server::shared(), &[]);
    let url = pooler.url(&database);
    place
        .run(&[], &[CI[0], CI[1], CI[2], ("DATABASE_URL", &url)])
        .is(1, "no")
        .says("give the direct URL");
    place.execute("CREATE ROLE nobody_much LOGIN PASSWORD 'secret'");
    let url = Server::shared().url_as("nobody_much", "secret", &database);
    place
        .run(&[], &[CI[0], CI[1], CI[2], ("DATABASE_URL", &url)])
        .is(1, "no")
        .says("permission denied")
        .says("GRANT ALL ON SCHEMA lockstep TO \"nobody_much\"");
    assert_eq!(place.mark(), None);
}

#[test]
fn a_running_deployment_is_not_disturbed() {
    let place = Place::sqlite();
    let lock = place.dir.path().join("app.db.lockstep-lock");
    let file = std::fs::File::create(&lock).unwrap();
    file.lock().unwrap();
    place.run(&[], &CI).is(5, "no").says("cannot lock");
    drop(file);
    place.run(&[], &CI).is(0, "yes");
}

#[test]
fn a_lost_commit_is_looked_up_before_the_answer() {
    for (cut, code, changed) in [(Cut::Before, 1, "no"), (Cut::AfterAnswer, 0, "yes")] {
        let place = Place::postgres();
        let proxy = Proxy::start(COMMIT, 0, cut, false);
        let url = proxy.url(&place.url);
        let through = [CI[0], CI[1], CI[2], ("DATABASE_URL", url.as_str())];
        let ran = place.run(&[], &through);
        ran.is(code, changed);
        assert_eq!(proxy.cuts(), 1);
        assert_eq!(place.mark().is_some(), code == 0);
        if code == 1 {
            ran.says("the connection was lost in COMMIT, and it was not committed");
        }
    }
    // A server that is gone leaves the question open.
    let place = Place::postgres();
    let proxy = Proxy::start(COMMIT, 0, Cut::AfterAnswer, true);
    let mut writer = place.writer(&proxy.url(&place.url));
    let error = writer.write_mark(&new_mark("dev", false), None);
    let failure = contract::Failure::from(error.unwrap_err());
    assert_eq!(failure.class, contract::Class::Partial, "{failure:?}");
    assert!(failure.line().contains("what was committed can't be read"));
    assert!(
        failure
            .remedy
            .unwrap()
            .contains("verify-guards shows the mark")
    );
}

fn new_mark(environment: &str, protected: bool) -> NewMark {
    NewMark {
        environment: environment.to_owned(),
        protected,
        uuid: contract::new_uuid(),
    }
}

#[test]
fn a_mark_that_came_meanwhile_is_not_written_over() {
    for place in Place::both() {
        let url = match place.database {
            None => format!("sqlite:{}", place.file().display()),
            Some(_) => place.url.clone(),
        };
        // First on a database without a mark, then on one whose mark another one has replaced.
        for other in ["staging", "production"] {
            let surveyed = place.writer(&url).survey().unwrap().mark;
            let mut writer = place.writer(&url);
            writer
                .write_mark(&new_mark(other, true), surveyed.as_ref())
                .unwrap();
            let written = place.mark();
            let late = writer.write_mark(&new_mark("dev", false), surveyed.as_ref());
            assert!(
                matches!(late, Err(db_write::Error::MarkChanged)),
                "{late:?}"
            );
            assert_eq!(place.mark(), written);
        }
    }
}
