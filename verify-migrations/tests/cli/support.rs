//! A folder with migrations, and a database with a ledger.

use std::path::PathBuf;
use std::process::Command;

use migrations::{Dialect, Set};
use serde_json::Value;
use tests::own_tables::{Engine, Mark, Row};
use tests::postgres_server::Server;
use tests::ran::Ran;

pub(crate) const ENGINES: [Engine; 2] = [Engine::Sqlite, Engine::Postgres];

pub(crate) struct Place {
    dir: tempfile::TempDir,
    pub(crate) engine: Engine,
    name: String,
    /// What `DATABASE_URL` is.
    pub(crate) url: String,
}

impl Place {
    /// An empty database, and these migrations.
    pub(crate) fn new(engine: Engine, files: &[(&str, &str)]) -> Place {
        let dir = tempfile::tempdir().unwrap();
        let (name, url) = match engine {
            Engine::Sqlite => {
                let database = rusqlite::Connection::open(dir.path().join("app.db")).unwrap();
                database.execute_batch("VACUUM").unwrap();
                (String::new(), "sqlite:app.db".to_owned())
            }
            Engine::Postgres => {
                let name = Server::shared().create_database();
                // The tests' role has the name of Lockstep's schema, which `"$user"` leads into.
                Server::shared()
                    .connect("postgres")
                    .batch_execute(&format!("ALTER DATABASE {name} SET search_path = public"))
                    .unwrap();
                let url = Server::shared().url(&name);
                (name, url)
            }
        };
        let place = Place {
            dir,
            engine,
            name,
            url,
        };
        std::fs::create_dir(place.path("migrations")).unwrap();
        for (name, text) in files {
            place.write(name, text);
        }
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a migration.
    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        self.write_beside(&format!("migrations/{name}"), text);
    }

    pub(crate) fn write_beside(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub(crate) fn remove(&self, name: &str) {
        std::fs::remove_file(self.path("migrations").join(name)).unwrap();
    }

    pub(crate) fn change(&self, sql: &str) {
        match self.engine {
            Engine::Sqlite => rusqlite::Connection::open(self.path("app.db"))
                .unwrap()
                .execute_batch(sql)
                .unwrap(),
            Engine::Postgres => Server::shared()
                .connect(&self.name)
                .batch_execute(sql)
                .unwrap(),
        }
    }

    pub(crate) fn set(&self) -> Set {
        let dialect = match self.engine {
            Engine::Sqlite => Dialect::Sqlite,
            Engine::Postgres => Dialect::Postgres,
        };
        migrations::discover(&self.path("migrations"), None, dialect).unwrap()
    }

    /// Writes a ledger in which the migrations that are there now are applied, the last one in a
    /// state of its own, and records the schema as it is.
    pub(crate) fn apply_all(&self, last: &str) {
        let set = self.set();
        let hashes: Vec<(String, Option<String>)> = set
            .migrations
            .iter()
            .map(|migration| {
                let tokens = migration.sha256_tokens.as_ref();
                (
                    migrations::hex(&migration.sha256),
                    tokens.map(|tokens| migrations::hex(tokens)),
                )
            })
            .collect();
        let count = set.migrations.len();
        let rows: Vec<Row<'_>> = set
            .migrations
            .iter()
            .zip(&hashes)
            .enumerate()
            .map(|(at, (migration, (sha256, tokens)))| Row {
                version: &migration.version,
                name: &migration.name,
                sha256,
                sha256_tokens: tokens.as_deref(),
                state: if at + 1 == count { last } else { "applied" },
            })
            .collect();
        self.change(&self.engine.ledger(&rows));
        self.record();
    }

    /// Records the schema as it is.
    pub(crate) fn record(&self) {
        let scope = schema::Scope::default();
        let (live, rows) = match self.set().dialect {
            Dialect::Sqlite => {
                let connection = rusqlite::Connection::open(self.path("app.db")).unwrap();
                let ledger = records::LedgerName::default();
                let records = records::SqliteRecords::new(&connection, &ledger);
                let live = schema::read_sqlite(&connection, &scope);
                (live.unwrap(), records.ledger().unwrap())
            }
            Dialect::Postgres => {
                let mut client = Server::shared().connect(&self.name);
                let ledger = records::LedgerName::default();
                let rows = records::PostgresRecords::new(&mut client, &ledger).ledger();
                let mut transaction = client.transaction().unwrap();
                let live = schema::read_postgres(&mut transaction, &scope);
                (live.unwrap(), rows.unwrap())
            }
        };
        let state = migrations::ledger_state(&rows.unwrap());
        let document = live.to_json().unwrap();
        self.change(&self.engine.recorded_schema(&document, &state));
    }

    pub(crate) fn mark(&self, uuid: &str) {
        // Where it is, so that it is no copy.
        let endpoint = match self.engine {
            Engine::Sqlite => {
                let path = std::fs::canonicalize(self.path("app.db")).unwrap();
                path.display().to_string()
            }
            Engine::Postgres => format!("localhost:{}", Server::shared().port()),
        };
        self.change(&self.engine.mark(&Mark {
            environment: "dev",
            protected: false,
            uuid,
            endpoint: &endpoint,
            system_identifier: None,
            database_oid: None,
        }));
    }

    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        let mut command = Command::new(env!("CARGO_BIN_EXE_verify-migrations"));
        command
            .args(args)
            .env_clear()
            .env("DATABASE_URL", &self.url)
            .current_dir(self.dir.path());
        Ran::of(&mut command)
    }

    pub(crate) fn json(&self, args: &[&str]) -> Value {
        let ran = self.run(&[args, &["--format", "json"]].concat());
        serde_json::from_str(&ran.stdout).unwrap()
    }

    /// The plan's hash.
    pub(crate) fn plan(&self) -> String {
        let json = self.json(&[]);
        let hash = json["facts"]["plan"].as_str();
        assert!(hash.is_some_and(|hash| hash.len() == 64), "{json}");
        hash.unwrap().to_owned()
    }

    /// The tables of the database.
    pub(crate) fn tables(&self) -> Vec<String> {
        match self.engine {
            Engine::Sqlite => {
                let connection = rusqlite::Connection::open(self.path("app.db")).unwrap();
                let mut statement = connection
                    .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY 1")
                    .unwrap();
                let rows = statement.query_map([], |row| row.get(0)).unwrap();
                rows.map(|row| row.unwrap()).collect()
            }
            Engine::Postgres => {
                let mut client = Server::shared().connect(&self.name);
                let rows = client.query(
                    "SELECT schemaname || '.' || tablename FROM pg_tables
                     WHERE schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1",
                    &[],
                );
                rows.unwrap().iter().map(|row| row.get(0)).collect()
            }
        }
    }

    pub(crate) fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.dir.path()).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}
