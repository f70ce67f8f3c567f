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
            Engine::Sqlite => ("", String::new()),
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
                protected {} NOT NULL, uuid TEXT NOT NULL, {columns} endpoint TEXT NOT NULL,
                marked_at TEXT NOT NULL, marked_by TEXT NOT NULL);
             INSERT INTO {table} VALUES
                (1, {}, {}, {}, {places} {}, '2026-01-02T03:04:05.000Z', 'test');",
            self.schema(),
            match self {
                Engine::Sqlite => "INTEGER",
                Engine::Postgres => "boolean",
            },
            text(Some(mark.environment)),
            self.bool(mark.protected),
            text(Some(mark.uuid)),
            text(Some(mark.endpoint)),
        )
    }

    /// Writes the ledger, in place of another, with an empty record of the schema beside it.
    pub fn ledger(self, rows: &[Row<'_>]) -> String {
        let (table, record) = (self.table("migrations"), self.table("schema"));
        let mut sql = format!(
            "{}DROP TABLE IF EXISTS {table};
             CREATE TABLE {table} (position BIGINT PRIMARY KEY, version TEXT NOT NULL UNIQUE,
                name TEXT NOT NULL, sha256 TEXT NOT NULL, sha256_tokens TEXT, state TEXT NOT NULL,
                applied_at TEXT NOT NULL, duration_ms BIGINT NOT NULL, applied_by TEXT NOT NULL,
                run_id TEXT NOT NULL, because TEXT);
             CREATE TABLE IF NOT EXISTS {record} (id INTEGER PRIMARY KEY, document TEXT NOT NULL,
                ledger_state TEXT NOT NULL, recorded_at TEXT NOT NULL, run_id TEXT NOT NULL);\n",
            self.schema()
        );
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

fn text(value: Option<&str>) -> String {
    match value {
        Some(value) => format!("'{}'", value.replace('\'', "''")),
        None => "NULL".to_owned(),
    }
}
