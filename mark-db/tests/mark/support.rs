//! A folder, a database, and the program run on it.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use db_write::{Options, Stop, Writer};
use tests::answer::Answer;
use tests::postgres_server::Server;

pub(crate) const TOML: &str = "
[environments.dev]
protected = false

[environments.test]
protected = false

[environments.staging]

[environments.production]

[environments.production.require]
GITHUB_REF = \"refs/heads/main\"
";

pub(crate) const CI: [(&str, &str); 3] = [
    ("CI", "true"),
    ("LOCKSTEP_ENV", "production"),
    ("GITHUB_REF", "refs/heads/main"),
];
pub(crate) const STAGING: [(&str, &str); 2] = [("CI", "true"), ("LOCKSTEP_ENV", "staging")];

pub(crate) struct Place {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) url: String,
    pub(crate) database: Option<String>,
}

impl Place {
    pub(crate) fn empty() -> Place {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("lockstep.toml"), TOML).unwrap();
        Place {
            dir,
            url: "sqlite:app.db".to_owned(),
            database: None,
        }
    }

    pub(crate) fn sqlite() -> Place {
        let place = Place::empty();
        std::fs::write(place.file(), "").unwrap();
        place
    }

    pub(crate) fn postgres() -> Place {
        let database = Server::shared().create_database();
        Place {
            url: Server::shared().url(&database),
            database: Some(database),
            ..Place::empty()
        }
    }

    pub(crate) fn both() -> [Place; 2] {
        [Place::sqlite(), Place::postgres()]
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.dir.path().join("app.db")
    }

    pub(crate) fn run(&self, args: &[&str], variables: &[(&str, &str)]) -> Answer {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mark-db"));
        command
            .args(["--format", "json"])
            .args(args)
            .env_clear()
            .env("DATABASE_URL", &self.url)
            .envs(variables.iter().copied())
            .current_dir(self.dir.path())
            .stdin(Stdio::null());
        Answer::of(&mut command)
    }

    /// The target as the program prints it.
    pub(crate) fn confirm(&self) -> String {
        match &self.database {
            None => "sqlite:app.db".to_owned(),
            Some(name) => {
                let port = Server::shared().port();
                format!(
                    "postgres://{}@127.0.0.1:{port}/{name}",
                    tests::postgres_server::USER
                )
            }
        }
    }

    /// As [`Place::run`], with the target confirmed, as a job's definition has it.
    pub(crate) fn run_as_job(&self, args: &[&str], variables: &[(&str, &str)]) -> Answer {
        let confirm = self.confirm();
        self.run(&[args, &["--confirm", &confirm]].concat(), variables)
    }

    /// Marks as `dev` with the confirmation that the program itself asked for.
    pub(crate) fn mark_dev(&self, more: &[&str]) -> Answer {
        let confirm = self.run(&["--environment", "dev"], &[]).asked();
        let mut args = vec!["--environment", "dev", "--confirm", &confirm];
        args.extend(more);
        self.run(&args, &[])
    }

    /// A session of the library's own, with little patience.
    pub(crate) fn writer(&self, url: &str) -> Box<dyn Writer> {
        let options = Options {
            tool: "test",
            run_id: "test".to_owned(),
            actor: "test".to_owned(),
            ledger: records::LedgerName::default(),
            schema: None,
            lock_timeout: Duration::from_secs(5),
            patience: Duration::from_millis(300),
            sqlite: settings::file::SqliteSettings::default(),
            stop: Stop::default(),
            terms: None,
        };
        let target = settings::Target::parse(url, self.dir.path()).unwrap().0;
        db_write::open(&target, options).unwrap()
    }

    /// Environment and protection, as `dev/false/<uuid>`.
    pub(crate) fn mark(&self) -> Option<String> {
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

    /// What the mark stores of its environment's demands.
    pub(crate) fn terms(&self) -> String {
        match &self.database {
            None => rusqlite::Connection::open(self.file())
                .unwrap()
                .query_row("SELECT terms FROM lockstep_environment", [], |row| {
                    row.get(0)
                })
                .unwrap(),
            Some(database) => Server::shared()
                .connect(database)
                .query_one("SELECT terms FROM lockstep.environment", &[])
                .unwrap()
                .get(0),
        }
    }

    pub(crate) fn execute(&self, sql: &str) {
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

    pub(crate) fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(self.dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

/// What is asked of an answer of this program.
pub(crate) trait Asks {
    /// The target that it wants confirmed.
    fn asked(&self) -> String;
}

impl Asks for Answer {
    #[track_caller]
    fn asked(&self) -> String {
        let mut findings = self.findings();
        let finding = findings.find(|finding| finding["check"] == "target-confirmed");
        finding.unwrap()["subject"].as_str().unwrap().to_owned()
    }
}
