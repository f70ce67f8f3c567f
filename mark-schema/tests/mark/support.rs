//! A folder with settings, migrations and a database to which they were deployed.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use db_write::{NewMark, NewSchema, Options, Stop, Writer};
use migrations::Dialect;
use schema::Scope;
use serde_json::{Value, json};
use tests::answer::Answer;
use tests::postgres_server::Server;

const TOML: &str = "
[environments.dev]
protected = false

[environments.production]
";

/// What was accepted and what was kept: `digest because`, and the former documents.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) accepted: Vec<String>,
    pub(crate) history: Vec<String>,
}

pub(crate) struct Place {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) url: String,
    /// The URL that leads to the server itself; nothing on SQLite.
    server_url: Option<String>,
}

impl Place {
    /// An empty database on either engine, marked `dev`.
    pub(crate) fn empty() -> [Place; 2] {
        let server = Server::shared();
        let database = server.create_database();
        let owner = format!("owner_of_{database}");
        server
            .connect("postgres")
            .batch_execute(&format!(
                "CREATE ROLE \"{owner}\" LOGIN PASSWORD 'secret'; \
                 ALTER DATABASE \"{database}\" OWNER TO \"{owner}\""
            ))
            .unwrap();
        let url = server.url_as(&owner, "secret", &database);
        let places = [
            Place::new("sqlite:app.db".to_owned(), None),
            Place::new(url.clone(), Some(url)),
        ];
        for place in &places {
            let mark = NewMark {
                environment: "dev".to_owned(),
                protected: false,
                uuid: contract::new_uuid(),
                terms: None,
            };
            place.writer().write_mark(&mark, None).unwrap();
        }
        places
    }

    /// The same with two migrations deployed.
    pub(crate) fn both() -> [Place; 2] {
        let places = Place::empty();
        for place in &places {
            place.deploy();
        }
        places
    }

    fn new(url: String, server_url: Option<String>) -> Place {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("lockstep.toml"), TOML).unwrap();
        std::fs::create_dir(dir.path().join("migrations")).unwrap();
        std::fs::write(dir.path().join("app.db"), "").unwrap();
        for (name, sql) in [
            ("0001_a.sql", "CREATE TABLE a (x int);"),
            ("0002_b.sql", "CREATE TABLE b (x int);"),
        ] {
            std::fs::write(dir.path().join("migrations").join(name), sql).unwrap();
        }
        Place {
            dir,
            url,
            server_url,
        }
    }

    fn is_sqlite(&self) -> bool {
        self.server_url.is_none()
    }

    fn database(&self) -> PathBuf {
        self.dir.path().join("app.db")
    }

    /// Applies what is pending and records the schema, as `deploy-db` does.
    pub(crate) fn deploy(&self) {
        let dialect = match self.is_sqlite() {
            true => Dialect::Sqlite,
            false => Dialect::Postgres,
        };
        let set = migrations::discover(&self.dir.path().join("migrations"), None, dialect);
        let mut writer = self.writer();
        writer.lock(Duration::ZERO, &mut |_| {}).unwrap();
        let mut ledger = writer.survey().unwrap().rows().to_vec();
        for migration in &set.unwrap().migrations[ledger.len()..] {
            let applied = writer.apply(migration, &ledger, &mut |_| {}).unwrap();
            ledger.push(applied.row);
        }
        self.record(writer.as_mut());
    }

    fn record(&self, writer: &mut dyn Writer) {
        let scope = Scope::default();
        let live = writer.read_schema(&scope).unwrap();
        let state = migrations::ledger_state(writer.survey().unwrap().rows());
        let record = NewSchema::new(&live, &scope, state).unwrap();
        writer.record_schema(&record).unwrap();
    }

    pub(crate) fn toml(&self, more: &str) {
        std::fs::write(
            self.dir.path().join("lockstep.toml"),
            format!("{TOML}{more}"),
        )
        .unwrap();
    }

    /// Writes a line that excuses a digest.
    pub(crate) fn line(&self, digest: &str, because: &str) -> String {
        format!(
            "\n[[accept]]\ncheck = \"schema-as-recorded\"\ntarget = \"{}\"\n\
             digest = \"{digest}\"\nbecause = \"{because}\"\n",
            self.identity()
        )
    }

    pub(crate) fn identity(&self) -> String {
        self.writer().survey().unwrap().identity()
    }

    /// The digest of the schema as it is, as findings print it.
    pub(crate) fn digest(&self) -> String {
        let live = self.writer().read_schema(&Scope::default()).unwrap();
        accept::shown(&schema::digest(&live))
    }

    pub(crate) fn run(&self, args: &[&str]) -> Answer {
        self.run_with(args, &[])
    }

    pub(crate) fn run_with(&self, args: &[&str], variables: &[(&str, &str)]) -> Answer {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mark-schema"));
        command
            .args(["--format", "json"])
            .args(args)
            .env_clear()
            .env("DATABASE_URL", &self.url)
            .env("LOCKSTEP_ENV", "dev")
            .envs(variables.iter().copied())
            .current_dir(self.dir.path())
            .stdin(Stdio::null());
        Answer::of(&mut command)
    }

    pub(crate) fn accept(&self, digest: &str) -> Answer {
        self.run(&["--accept", digest])
    }

    pub(crate) fn renew(&self) -> Answer {
        self.run(&["--renew", "--evidence", "evidence"])
    }

    pub(crate) fn writer(&self) -> Box<dyn Writer> {
        let url = match &self.server_url {
            None => format!("sqlite:{}", self.database().display()),
            Some(url) => url.clone(),
        };
        let options = Options {
            tool: "test",
            run_id: "test".to_owned(),
            actor: "test".to_owned(),
            ledger: records::LedgerName::default(),
            schema: None,
            terms: None,
            lock_timeout: Duration::from_secs(5),
            patience: Duration::from_secs(5),
            sqlite: settings::file::SqliteSettings::default(),
            stop: Stop::default(),
        };
        let target = settings::Target::parse(&url, Path::new("")).unwrap().0;
        db_write::open(&target, options).unwrap()
    }

    pub(crate) fn execute(&self, sql: &str) {
        match &self.server_url {
            None => rusqlite::Connection::open(self.database())
                .unwrap()
                .execute_batch(sql)
                .unwrap(),
            Some(url) => self.client(url).batch_execute(sql).unwrap(),
        }
    }

    fn client(&self, url: &str) -> postgres::Client {
        postgres::Client::connect(url, postgres::NoTls).unwrap()
    }

    /// The first column of every row, which is text.
    fn rows(&self, sql: &str) -> Vec<String> {
        match &self.server_url {
            None => {
                let connection = rusqlite::Connection::open(self.database()).unwrap();
                let mut statement = connection.prepare(sql).unwrap();
                let rows = statement.query_map([], |row| row.get(0)).unwrap();
                rows.collect::<Result<_, _>>().unwrap()
            }
            Some(url) => {
                let rows = self.client(url).query(sql, &[]).unwrap();
                rows.iter().map(|row| row.get(0)).collect()
            }
        }
    }

    pub(crate) fn table(&self, name: &str) -> String {
        match self.is_sqlite() {
            true => format!("lockstep_{name}"),
            false => format!("lockstep.{name}"),
        }
    }

    /// The recorded schema, with the state of the ledger.
    pub(crate) fn recorded(&self) -> String {
        let table = self.table("schema");
        let sql = format!("SELECT ledger_state || ' ' || document FROM {table}");
        self.rows(&sql).remove(0)
    }

    pub(crate) fn kept(&self) -> Kept {
        let mut writer = self.writer();
        let accepted = writer.accepted().unwrap();
        let table = self.table("schema_history");
        let is_there = match self.is_sqlite() {
            true => format!("SELECT name FROM sqlite_schema WHERE name = '{table}'"),
            false => format!("SELECT 'y' WHERE to_regclass('{table}') IS NOT NULL"),
        };
        let history = match self.rows(&is_there).is_empty() {
            true => Vec::new(),
            false => self.rows(&format!(
                "SELECT ledger_state || ' ' || document FROM {table} ORDER BY position"
            )),
        };
        Kept {
            accepted: accepted
                .iter()
                .map(|entry| format!("{} {}", entry.digest, entry.because))
                .collect(),
            history,
        }
    }

    /// What `verify-schema --replay` says of the schema as it is, with some of it otherwise.
    pub(crate) fn replayed(&self, pointer: &str, value: Value) {
        let mut writer = self.writer();
        let survey = writer.survey().unwrap();
        let live = writer.read_schema(&Scope::default()).unwrap();
        let mut line = json!({
            "tool": "verify-schema",
            "class": "pass",
            "started_at": contract::now(),
            "target": { "identity": survey.identity() },
            "facts": {
                "expected_by": "replay",
                "ledger_state": migrations::ledger_state(survey.rows()),
                "digest": schema::digest(&live),
                "server_major": live.server_major,
            },
        });
        if let Some(member) = line.pointer_mut(pointer) {
            *member = value;
        }
        let evidence = contract::evidence::Evidence::open(&self.dir.path().join("evidence"));
        evidence.unwrap().append(&line).unwrap();
    }
}
