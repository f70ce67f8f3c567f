//! A folder with settings, migrations and a database, and the program run in it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tests::answer::Answer;
use tests::postgres_server::Server;

pub(crate) const TOML: &str = "
[environments.dev]
protected = false

[environments.production]

[migrations]
dir = \"migrations\"
";

pub(crate) struct Place {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) url: String,
    engine: Engine,
}

#[derive(Clone)]
enum Engine {
    Sqlite(PathBuf),
    Postgres {
        server: &'static Server,
        database: String,
    },
}

impl Place {
    /// With an empty SQLite file.
    pub(crate) fn sqlite() -> Place {
        Place::sqlite_in(tempfile::tempdir().unwrap())
    }

    /// The same in memory, where the system has such a place: for what is about many commits, and
    /// not about the disk.
    pub(crate) fn sqlite_in_memory() -> Place {
        let memory = Path::new("/dev/shm");
        Place::sqlite_in(match memory.is_dir() {
            true => tempfile::tempdir_in(memory).unwrap(),
            false => tempfile::tempdir().unwrap(),
        })
    }

    fn sqlite_in(dir: tempfile::TempDir) -> Place {
        let path = dir.path().join("app.db");
        std::fs::write(&path, "").unwrap();
        Place::new(dir, "sqlite:app.db".to_owned(), Engine::Sqlite(path))
    }

    /// With an empty database on the shared server.
    pub(crate) fn postgres() -> Place {
        let server = Server::shared();
        Place::on(server, server.create_database())
    }

    /// With an empty database on either engine, one after the other.
    pub(crate) fn both() -> [Place; 2] {
        [Place::sqlite(), Place::postgres()]
    }

    pub(crate) fn on(server: &'static Server, database: String) -> Place {
        let url = server.url(&database);
        let engine = Engine::Postgres { server, database };
        Place::new(tempfile::tempdir().unwrap(), url, engine)
    }

    fn new(dir: tempfile::TempDir, url: String, engine: Engine) -> Place {
        std::fs::write(dir.path().join("lockstep.toml"), TOML).unwrap();
        std::fs::create_dir(dir.path().join("migrations")).unwrap();
        Place { dir, url, engine }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn toml(&self, more: &str) {
        std::fs::write(self.path("lockstep.toml"), format!("{TOML}{more}")).unwrap();
    }

    /// Writes a migration; returns the place for the next one.
    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> &Place {
        std::fs::write(self.path("migrations").join(name), content).unwrap();
        self
    }

    /// The program, to be run in this folder for the environment `dev`, outside CI.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_deploy-db"));
        command
            .args(["--format", "json"])
            .env_clear()
            .env("DATABASE_URL", &self.url)
            .env("LOCKSTEP_ENV", "dev")
            .current_dir(self.dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    pub(crate) fn deploy(&self) -> Answer {
        self.deploy_with(&[], &[])
    }

    /// The program, which waits for a lock on the server for at most so long.
    pub(crate) fn waiting(&self, lock_timeout: &str) -> Child {
        let mut command = self.command();
        let child = command.args(["--lock-timeout", lock_timeout]).spawn();
        until("the wait", || {
            self.rows("SELECT count(*) FROM pg_locks WHERE NOT granted") == ["1"]
        });
        child.unwrap()
    }

    pub(crate) fn deploy_with(&self, args: &[&str], variables: &[(&str, &str)]) -> Answer {
        let mut command = self.command();
        command.args(args).envs(variables.iter().copied());
        Answer::of(&mut command)
    }

    /// Deploys what has to succeed.
    #[track_caller]
    pub(crate) fn deployed(&self) -> Answer {
        let ran = self.deploy();
        assert_eq!(ran.code, Some(0), "{ran:#?}");
        ran
    }

    pub(crate) fn is_sqlite(&self) -> bool {
        matches!(self.engine, Engine::Sqlite(_))
    }

    pub(crate) fn database(&self) -> &Path {
        match &self.engine {
            Engine::Sqlite(path) => path,
            Engine::Postgres { .. } => panic!("no file"),
        }
    }

    pub(crate) fn connect_sqlite(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.database()).unwrap()
    }

    pub(crate) fn connect_postgres(&self) -> postgres::Client {
        match &self.engine {
            Engine::Sqlite(_) => panic!("no server"),
            Engine::Postgres { server, database } => server.connect(database),
        }
    }

    pub(crate) fn execute(&self, sql: &str) {
        match &self.engine {
            Engine::Sqlite(_) => self.connect_sqlite().execute_batch(sql).unwrap(),
            Engine::Postgres { .. } => self.connect_postgres().batch_execute(sql).unwrap(),
        }
    }

    /// What somebody does where the files' tables are. The tests' role is called like the ledger's
    /// schema, which `"$user"` leads to.
    pub(crate) fn by_hand(&self, sql: &str) {
        let path = if self.is_sqlite() {
            ""
        } else {
            "SET search_path = public; "
        };
        self.execute(&format!("{path}{sql}"));
    }

    /// The first column of every row, as text.
    pub(crate) fn rows(&self, sql: &str) -> Vec<String> {
        match &self.engine {
            Engine::Sqlite(_) => {
                let connection = self.connect_sqlite();
                let mut statement = connection.prepare(sql).unwrap();
                let rows = statement.query_map([], |row| row.get::<_, rusqlite::types::Value>(0));
                rows.unwrap()
                    .map(|value| match value.unwrap() {
                        rusqlite::types::Value::Integer(number) => number.to_string(),
                        rusqlite::types::Value::Text(text) => text,
                        other => format!("{other:?}"),
                    })
                    .collect()
            }
            Engine::Postgres { .. } => {
                let messages = self.connect_postgres().simple_query(sql).unwrap();
                messages
                    .iter()
                    .filter_map(|message| match message {
                        postgres::SimpleQueryMessage::Row(row) => {
                            Some(row.get(0).unwrap_or("NULL").to_owned())
                        }
                        _ => None,
                    })
                    .collect()
            }
        }
    }

    pub(crate) fn table(&self, table: &str) -> String {
        match &self.engine {
            Engine::Sqlite(_) => format!("lockstep_{table}"),
            Engine::Postgres { .. } => format!("lockstep.{table}"),
        }
    }

    /// The versions in the ledger in their order, with `!` after a dirty one.
    pub(crate) fn ledger(&self) -> Vec<String> {
        self.rows(&format!(
            "SELECT version || CASE state WHEN 'applied' THEN '' ELSE '!' END FROM {} ORDER BY position",
            self.table("migrations")
        ))
    }

    /// Every table that there is, Lockstep's too.
    pub(crate) fn tables(&self) -> Vec<String> {
        self.rows(match &self.engine {
            Engine::Sqlite(_) => {
                "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name"
            }
            Engine::Postgres { .. } => {
                "SELECT n.nspname || '.' || c.relname FROM pg_class c \
                 JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p') \
                 AND n.nspname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1"
            }
        })
    }

    /// Everything that a refusal must leave as it was: files with their bytes; schemas, tables.
    pub(crate) fn state(&self) -> Vec<(String, Vec<u8>)> {
        let mut state: Vec<(String, Vec<u8>)> = std::fs::read_dir(self.dir.path())
            .unwrap()
            .map(|entry| entry.unwrap())
            .filter(|entry| entry.file_type().unwrap().is_file())
            .map(|entry| {
                let name = entry.file_name().into_string().unwrap();
                (name, std::fs::read(entry.path()).unwrap())
            })
            .collect();
        if !self.is_sqlite() {
            let schemas = self.rows("SELECT nspname FROM pg_namespace ORDER BY 1");
            state.push((schemas.join(" "), Vec::new()));
            state.push((self.tables().join(" "), Vec::new()));
        }
        state.sort();
        state
    }

    pub(crate) fn target(&self) -> settings::Target {
        let target = match &self.engine {
            Engine::Sqlite(path) => {
                settings::Target::parse(&format!("sqlite:{}", path.display()), Path::new(""))
            }
            Engine::Postgres { .. } => settings::Target::parse(&self.url, Path::new("")),
        };
        target.unwrap().0
    }

    /// A session of the library's own.
    pub(crate) fn writer(&self) -> Box<dyn db_write::Writer> {
        let options = db_write::Options {
            tool: "test",
            run_id: "test".to_owned(),
            actor: "test".to_owned(),
            ledger: records::LedgerName::default(),
            schema: None,
            lock_timeout: Duration::from_secs(5),
            patience: Duration::from_secs(10),
            sqlite: settings::file::SqliteSettings::default(),
            stop: db_write::Stop::default(),
            terms: None,
        };
        db_write::open(&self.target(), options).unwrap()
    }

    /// Records the schema as it is, so that what a test made by hand is none that nobody ordered.
    pub(crate) fn as_recorded(&self) {
        let mut writer = self.writer();
        let rows = writer.survey().unwrap().rows().to_vec();
        let scope = schema::Scope::default();
        let live = writer.read_schema(&scope).unwrap();
        let state = migrations::ledger_state(&rows);
        let record = db_write::NewSchema::new(&live, &scope, state).unwrap();
        writer.lock(Duration::from_secs(5), &mut |_| {}).unwrap();
        writer.record_schema(&record).unwrap();
    }

    /// Marks the database, as `mark-db` would.
    pub(crate) fn mark(&self, environment: &str, protected: bool) {
        let mark = db_write::NewMark {
            environment: environment.to_owned(),
            protected,
            uuid: contract::new_uuid(),
            terms: None,
        };
        let mut writer = self.writer();
        let surveyed = writer.survey().unwrap().mark;
        writer.write_mark(&mark, surveyed.as_ref()).unwrap();
    }
}

/// Waits for something that will be, and gives up late.
#[track_caller]
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !is_so() {
        assert!(Instant::now() < deadline, "{what} never came");
        std::thread::sleep(Duration::from_millis(5));
    }
}
