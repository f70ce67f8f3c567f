//! A folder that the program runs in, and ledgers that fit its migrations.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use migrations::{Dialect, RowState, Set};
use serde_json::Value;
use tests::own_tables::{Engine, Row};
use tests::ran::Ran;

/// A folder from which the program is run, without variables but those named.
pub(crate) struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Place {
        Place {
            dir: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub(crate) fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.dir.path()).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    pub(crate) fn command(&self, args: &[&str], variables: &[(&str, &str)]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_verify-schema"));
        command
            .args(args)
            .env_clear()
            .envs(variables.iter().copied())
            .current_dir(self.dir.path());
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        self.run_with(args, &[])
    }

    pub(crate) fn run_with(&self, args: &[&str], variables: &[(&str, &str)]) -> Ran {
        Ran::of(&mut self.command(args, variables))
    }

    pub(crate) fn start(&self, args: &[&str], variables: &[(&str, &str)]) -> Child {
        let mut command = self.command(args, variables);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    }

    /// The migrations of the folder, as the ledger would know them.
    pub(crate) fn set(&self, engine: Engine) -> Set {
        let dialect = match engine {
            Engine::Sqlite => Dialect::Sqlite,
            Engine::Postgres => Dialect::Postgres,
        };
        migrations::discover(&self.path("migrations"), None, dialect).unwrap()
    }

    /// Statements for a ledger in which every migration of the folder is applied.
    pub(crate) fn ledger(&self, engine: Engine) -> String {
        ledger(engine, &self.set(engine), RowState::Applied)
    }

    /// Writes migrations and returns their text in one piece, as if they had been applied.
    pub(crate) fn migrations(&self, files: &[(&str, &str)]) -> String {
        for (name, text) in files {
            self.write(&format!("migrations/{name}"), text);
        }
        files.iter().map(|(_, text)| format!("{text};\n")).collect()
    }
}

/// The result of a run with `--format json`.
pub(crate) fn json(ran: &Ran) -> Value {
    serde_json::from_str(&ran.stdout).unwrap()
}

/// Statements for a ledger of a set whose last row is in a state.
pub(crate) fn ledger(engine: Engine, set: &Set, last: RowState) -> String {
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
            state: match last {
                RowState::Started if at + 1 == set.migrations.len() => "started",
                _ => "applied",
            },
        })
        .collect();
    engine.ledger(&rows)
}
