//! A project to back up, and what the program said of it.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use rusqlite::Connection;
use serde_json::Value;
use tempfile::TempDir;
use tests::own_tables::{Engine, Mark};
use tests::postgres_server::{PASSWORD, PASSWORD_ENCODED, Server};

pub(crate) const UUID: &str = "6f1c2a34-0000-4000-8000-000000000001";

pub(crate) const SETTINGS: &str = "[environments.dev]\nprotected = false\n[environments.production]\n\
    [backup]\ndir = \"backups\"\n";

/// A folder with settings and a SQLite database that is marked.
pub(crate) struct Project {
    pub(crate) dir: TempDir,
}

impl Project {
    pub(crate) fn new(environment: &str, protected: bool) -> Project {
        let dir = TempDir::new().unwrap();
        fs::write(dir.path().join("lockstep.toml"), SETTINGS).unwrap();
        let path = dir.path().join("app.db");
        let connection = Connection::open(&path).unwrap();
        connection
            .execute_batch(
                "CREATE TABLE note (id INTEGER PRIMARY KEY, text TEXT);
                 INSERT INTO note (text) VALUES ('one'), ('two'), ('three');",
            )
            .unwrap();
        let endpoint = fs::canonicalize(&path).unwrap();
        let mark = Mark {
            environment,
            protected,
            uuid: UUID,
            endpoint: endpoint.to_str().unwrap(),
            system_identifier: None,
            database_oid: None,
        };
        connection
            .execute_batch(&Engine::Sqlite.mark(&mark))
            .unwrap();
        Project { dir }
    }

    pub(crate) fn settings(&self, more: &str) {
        fs::write(
            self.dir.path().join("lockstep.toml"),
            format!("{SETTINGS}{more}"),
        )
        .unwrap();
    }

    pub(crate) fn database(&self) -> Connection {
        Connection::open(self.dir.path().join("app.db")).unwrap()
    }

    /// The program in the folder; every variable of this machine but PATH is kept away.
    pub(crate) fn command(&self, args: &[&str], variables: &[(&str, &str)]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_backup-snapshot"));
        command
            .current_dir(self.dir.path())
            .args(["--format", "json"])
            .args(args)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .envs(variables.iter().copied());
        command
    }

    /// Exit code and result.
    pub(crate) fn run(&self, args: &[&str], variables: &[(&str, &str)]) -> (i32, Value) {
        let (code, result) = ended(self.command(args, variables).output().unwrap());
        (code.unwrap(), result)
    }

    pub(crate) fn dev(&self, args: &[&str]) -> (i32, Value) {
        self.run(args, &[("LOCKSTEP_ENV", "dev")])
    }

    pub(crate) fn snapshots(&self) -> Vec<PathBuf> {
        let Ok(entries) = fs::read_dir(self.dir.path().join("backups")) else {
            return Vec::new();
        };
        entries.map(|entry| entry.unwrap().path()).collect()
    }
}

pub(crate) const CI: [(&str, &str); 2] = [("CI", "true"), ("LOCKSTEP_ENV", "production")];

/// The ids of the checks with a status.
pub(crate) fn checks(result: &Value, status: &str) -> Vec<String> {
    let findings = result["findings"].as_array().unwrap().iter();
    let found = findings.filter(|finding| finding["status"] == status);
    found
        .map(|finding| finding["check"].as_str().unwrap().to_owned())
        .collect()
}

/// Exit code, none where a signal killed it, and result, null where there is none. Neither stream has
/// the password.
pub(crate) fn ended(output: Output) -> (Option<i32>, Value) {
    let said = String::from_utf8_lossy(&output.stderr);
    let all = format!("{}{said}", String::from_utf8_lossy(&output.stdout));
    assert!(
        !all.contains(PASSWORD) && !all.contains(PASSWORD_ENCODED),
        "{all}"
    );
    let code = output.status.code();
    let result = serde_json::from_slice(&output.stdout);
    let result = if code.is_some() {
        result.unwrap_or_else(|_| panic!("{said}"))
    } else {
        result.unwrap_or_default()
    };
    (code, result)
}

/// A marked database on the shared server; its URL.
pub(crate) fn marked(server: &Server) -> String {
    let database = server.create_database();
    let mark = format!(
        "CREATE TABLE note (id int PRIMARY KEY, text text); INSERT INTO note VALUES (1, 'one');
         CREATE SCHEMA lockstep; CREATE TABLE lockstep.environment (id int, name text, protected
            bool, uuid text, system_identifier text, database_oid text, endpoint text,
            marked_at text, marked_by text);
         INSERT INTO lockstep.environment VALUES (1, 'dev', false, '{UUID}', NULL, NULL,
            'localhost:{}', 'then', 'somebody')",
        server.port()
    );
    server.connect(&database).batch_execute(&mark).unwrap();
    server.url(&database)
}

pub(crate) fn url_file(project: &Project, url: &str) -> String {
    let path = project.dir.path().join("url");
    fs::write(&path, url).unwrap();
    fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    path.to_str().unwrap().to_owned()
}
