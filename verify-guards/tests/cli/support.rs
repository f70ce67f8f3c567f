//! A folder, a database, and a mark in it.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;
use tests::own_tables::{Engine, Mark};
use tests::postgres_server::Server;
use tests::ran::Ran;

/// What is asked of a run of this program.
pub(crate) trait Judged {
    /// Asserts that these guards refused, or none and so it was allowed.
    fn refused_by(&self, guards: &[&str]) -> &Ran;

    /// The result of a run with `--format json`.
    fn json(&self) -> Value;
}

impl Judged for Ran {
    #[track_caller]
    fn refused_by(&self, guards: &[&str]) -> &Ran {
        self.exits(i32::from(!guards.is_empty()));
        let failures = self.failures().into_iter();
        let failed = failures.filter_map(|line| line.split([' ', ':']).next());
        assert_eq!(failed.collect::<Vec<_>>(), guards, "{}", self.stdout);
        self
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap()
    }
}

/// A folder with `lockstep.toml`, and a database that `DATABASE_URL` leads to.
pub(crate) struct Place {
    dir: tempfile::TempDir,
    engine: Engine,
    /// The database's name on the server.
    name: String,
    /// What `DATABASE_URL` is.
    pub(crate) url: String,
}

impl Place {
    pub(crate) fn new(engine: Engine) -> Place {
        let dir = tempfile::tempdir().unwrap();
        let (name, url) = match engine {
            Engine::Sqlite => {
                let path = dir.path().join("app.db");
                // As a first connection leaves it: empty, but a database.
                rusqlite::Connection::open(&path)
                    .unwrap()
                    .execute_batch("VACUUM")
                    .unwrap();
                (String::new(), format!("sqlite:{}", path.display()))
            }
            Engine::Postgres => {
                let name = Server::shared().create_database();
                let url = Server::shared().url(&name);
                (name, url)
            }
        };
        Place {
            dir,
            engine,
            name,
            url,
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
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

    /// Marks the database; a copy's mark remembers another place.
    pub(crate) fn mark(&self, environment: &str, protected: bool, is_copy: bool) {
        let path = std::fs::canonicalize(self.dir.path()).unwrap();
        let oid = match self.engine {
            Engine::Sqlite => None,
            Engine::Postgres => {
                let mut client = Server::shared().connect(&self.name);
                let row = client.query_one(
                    "SELECT oid::text FROM pg_database WHERE datname = current_database()",
                    &[],
                );
                Some(row.unwrap().get::<_, String>(0))
            }
        };
        let endpoint = match (self.engine, is_copy) {
            (Engine::Sqlite, false) => path.join("app.db").display().to_string(),
            (Engine::Sqlite, true) => "/srv/app.db".to_owned(),
            (Engine::Postgres, _) => format!("localhost:{}", Server::shared().port()),
        };
        self.change(&self.engine.mark(&Mark {
            environment,
            protected,
            uuid: "11111111-2222-4333-8444-555555555555",
            endpoint: &endpoint,
            system_identifier: None,
            database_oid: if is_copy { Some("1") } else { oid.as_deref() },
        }));
    }

    pub(crate) fn run(&self, args: &[&str], variables: &[(&str, &str)]) -> Ran {
        let mut command = Command::new(env!("CARGO_BIN_EXE_verify-guards"));
        command
            .args(args)
            .env_clear()
            .envs(variables.iter().copied())
            .current_dir(self.dir.path());
        Ran::of(&mut command)
    }

    /// Runs with the database in `DATABASE_URL`.
    pub(crate) fn run_here(&self, args: &[&str], variables: &[(&str, &str)]) -> Ran {
        let url = [("DATABASE_URL", self.url.as_str())];
        self.run(args, &[&url[..], variables].concat())
    }

    /// Every file of the folder with its bytes, and every table of the server's database with its
    /// rows.
    pub(crate) fn contents(&self) -> Vec<(String, Vec<u8>)> {
        let mut contents: Vec<(String, Vec<u8>)> = std::fs::read_dir(self.dir.path())
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                let bytes = std::fs::read(entry.path()).unwrap();
                (entry.file_name().into_string().unwrap(), bytes)
            })
            .collect();
        contents.sort();
        if self.engine == Engine::Postgres {
            let mut client = Server::shared().connect(&self.name);
            let rows = client.query(
                "SELECT c.oid::regclass::text, pg_relation_size(c.oid)
                 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                 WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema')
                 ORDER BY 1",
                &[],
            );
            contents.extend(rows.unwrap().iter().map(|row| {
                let size: i64 = row.get(1);
                (row.get(0), size.to_be_bytes().to_vec())
            }));
        }
        contents
    }
}
