//! Lockstep's own tables as statements that a test runs on any connection: written a second time,
//! so that a change of their shape in `lib/db-write` shows.

/// An engine's spelling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// Tables with the prefix `lockstep_`.
    Sqlite,
    /// Tables in the schema `lockstep`.
    Postgres,
}

/// A mark. Places that are `None` are not remembered, so that they can't differ.
#[derive(Clone, Debug)]
pub struct Mark<'a> {
    /// The environment.
    pub environment: &'a str,
    /// Whether it is protected.
    pub protected: bool,
    /// The database's identity.
    pub uuid: &'a str,
    /// `localhost:5432`, or a file's canonical path.
    pub endpoint: &'a str,
    /// PostgreSQL's system identifier.
    pub system_identifier: Option<&'a str>,
    /// PostgreSQL's oid of the database.
    pub database_oid: Option<&'a str>,
}

/// A row of the ledger.
#[derive(Clone, Debug)]
pub struct Row<'a> {
    /// Canonical version.
    pub version: &'a str,
    /// Name.
    pub name: &'a str,
    /// 64 hexadecimal digits.
    pub sha256: &'a str,
    /// The same of the tokens.
    pub sha256_tokens: Option<&'a str>,
    /// `applied` or `started`.
    pub state: &'a str,
}

impl Engine {
    fn table(self, name: &str) -> String {
        match self {
            Engine::Sqlite => format!("lockstep_{name}"),
            Engine::Postgres => format!("lockstep.{name}"),
        }
    }

    fn schema(self) -> &'static str {
        match self {
            Engine::Sqlite => "",
            Engine::Postgres => "CREATE SCHEMA IF NOT EXISTS lockstep;\n",
        }
    }

    fn bool(self, value: bool) -> &'static str {
        match (self, value) {
            (Engine::Sqlite, false) => "0",
            (Engine::Sqlite, true) => "1",
            (Engine::Postgres, false) => "false",
            (Engine::Postgres, true) => "true",
        }
    }

    /// Writes the mark, in place of another.
    pub fn mark(self, mark: &Mark<'_>) -> String {
        let table = self.table("environment");
        let (columns, places) = match self {
            Engine::Sqlite => return sqlite_mark(mark),
            Engine::Postgres => (
                "system_identifier text, database_oid text,",
                format!(
                    "{}, {},",
                    text(mark.system_identifier),
                    text(mark.database_oid)
                ),
            ),
        };
        format!(
            "{}DROP TABLE IF EXISTS {table};
             CREATE TABLE {table} (id INTEGER PRIMARY KEY, name TEXT NOT NULL,
                protected boolean NOT NULL, uuid TEXT NOT NULL, {columns} endpoint TEXT NOT NULL,
                marked_at TEXT NOT NULL, marked_by TEXT NOT NULL);
             INSERT INTO {table} VALUES
                (1, {}, {}, {}, {places} {}, '2026-01-02T03:04:05.000Z', 'test');",
            self.schema(),
            text(Some(mark.environment)),
            self.bool(mark.protected),
            text(Some(mark.uuid)),
            text(Some(mark.endpoint)),
        )
    }

    /// Writes the ledger, in place of another, with an empty record of the schema beside it.
    pub fn ledger(self, rows: &[Row<'_>]) -> String {
        let (table, record) = (self.table("migrations"), self.table("schema"));
        let made = match self {
            Engine::Sqlite => SQLITE_LEDGER.to_owned(),
            Engine::Postgres => format!(
                "{}DROP TABLE IF EXISTS {table};
             CREATE TABLE {table} (position BIGINT PRIMARY KEY, version TEXT NOT NULL UNIQUE,
                name TEXT NOT NULL, sha256 TEXT NOT NULL, sha256_tokens TEXT, state TEXT NOT NULL,
                applied_at TEXT NOT NULL, duration_ms BIGINT NOT NULL, applied_by TEXT NOT NULL,
                run_id TEXT NOT NULL, because TEXT);
             CREATE TABLE IF NOT EXISTS {record} (id INTEGER PRIMARY KEY, document TEXT NOT NULL,
                ledger_state TEXT NOT NULL, recorded_at TEXT NOT NULL, run_id TEXT NOT NULL);\n",
                self.schema()
            ),
        };
        let mut sql = made;
        for (at, row) in rows.iter().enumerate() {
            sql.push_str(&format!(
                "INSERT INTO {table} VALUES ({}, {}, {}, {}, {}, {}, '2026-01-02T03:04:05.000Z', 7, \
                 'test', 'run-1', NULL);\n",
                at + 1,
                text(Some(row.version)),
                text(Some(row.name)),
                text(Some(row.sha256)),
                text(row.sha256_tokens),
                text(Some(row.state)),
            ));
        }
        sql
    }

    /// Records a schema beside a ledger that is there.
    pub fn recorded_schema(self, document: &str, ledger_state: &str) -> String {
        let table = self.table("schema");
        format!(
            "DELETE FROM {table};
             INSERT INTO {table} VALUES (1, {}, {}, '2026-01-02T03:04:05.000Z', 'run-1');",
            text(Some(document)),
            text(Some(ledger_state))
        )
    }
}

/// Letter for letter as the first release made them: another form is not ours.
const SQLITE_MARK: &str = "DROP TABLE IF EXISTS lockstep_environment;
CREATE TABLE lockstep_environment (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    name TEXT NOT NULL,
    protected INTEGER NOT NULL CHECK (protected IN (0, 1)),
    uuid TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    marked_at TEXT NOT NULL,
    marked_by TEXT NOT NULL
) STRICT;
";

const SQLITE_LEDGER: &str = "DROP TABLE IF EXISTS lockstep_migrations;
CREATE TABLE \"lockstep_migrations\" (
    position INTEGER PRIMARY KEY,
    version TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    sha256 TEXT NOT NULL CHECK (length(sha256) = 64),
    sha256_tokens TEXT CHECK (length(sha256_tokens) = 64),
    state TEXT NOT NULL CHECK (state IN ('applied', 'started')),
    applied_at TEXT NOT NULL,
    duration_ms INTEGER NOT NULL,
    applied_by TEXT NOT NULL,
    run_id TEXT NOT NULL,
    because TEXT
) STRICT;
CREATE TABLE IF NOT EXISTS \"lockstep_schema\" (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    document TEXT NOT NULL,
    ledger_state TEXT NOT NULL,
    recorded_at TEXT NOT NULL,
    run_id TEXT NOT NULL
) STRICT;
";

fn sqlite_mark(mark: &Mark<'_>) -> String {
    format!(
        "{SQLITE_MARK}INSERT INTO lockstep_environment VALUES
            (1, {}, {}, {}, {}, '2026-01-02T03:04:05.000Z', 'test');",
        text(Some(mark.environment)),
        Engine::Sqlite.bool(mark.protected),
        text(Some(mark.uuid)),
        text(Some(mark.endpoint)),
    )
}

fn text(value: Option<&str>) -> String {
    match value {
        Some(value) => format!("'{}'", value.replace('\'', "''")),
        None => "NULL".to_owned(),
    }
}
