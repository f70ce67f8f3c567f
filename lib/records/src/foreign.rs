//! Ledgers of other migration tools, known by table name and columns.
//!
//! Table shapes as the tools create them: sqlx `_sqlx_migrations`, Prisma `_prisma_migrations`,
//! diesel `__diesel_schema_migrations`, refinery `refinery_schema_history`, Flyway
//! `flyway_schema_history`, goose `goose_db_version`, Alembic `alembic_version`, Django
//! `django_migrations`, Atlas `atlas_schema_revisions`, Liquibase `databasechangelog`, pgroll
//! `pgroll.migrations`, Sqitch `sqitch.changes`. dbmate, Rails and golang-migrate share the name
//! `schema_migrations`: a column `dirty` tells golang-migrate's apart.

use crate::{Error, PostgresRecords, SqliteRecords, server, sqlite};

const WHAT: &str = "whether another tool keeps a ledger";

/// A ledger that another tool keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForeignLedger {
    /// The tool.
    pub tool: &'static str,
    /// Its table, as the database names it.
    pub table: String,
    /// What runs that tool's migrations.
    pub runs: &'static str,
}

/// Table, a column that it must have, tool, the command that runs its migrations. The first that
/// fits a table counts.
const KNOWN: [(&str, &str, &str, &str); 13] = [
    ("_sqlx_migrations", "checksum", "sqlx", "sqlx migrate run"),
    (
        "_prisma_migrations",
        "migration_name",
        "Prisma",
        "prisma migrate deploy",
    ),
    (
        "__diesel_schema_migrations",
        "version",
        "diesel",
        "diesel migration run",
    ),
    (
        "refinery_schema_history",
        "checksum",
        "refinery",
        "refinery migrate",
    ),
    (
        "flyway_schema_history",
        "installed_rank",
        "Flyway",
        "flyway migrate",
    ),
    ("schema_migrations", "dirty", "golang-migrate", "migrate up"),
    (
        "schema_migrations",
        "version",
        "dbmate or Rails",
        "dbmate up or rails db:migrate",
    ),
    ("goose_db_version", "version_id", "goose", "goose up"),
    (
        "alembic_version",
        "version_num",
        "Alembic",
        "alembic upgrade head",
    ),
    ("django_migrations", "app", "Django", "manage.py migrate"),
    (
        "atlas_schema_revisions",
        "version",
        "Atlas",
        "atlas migrate apply",
    ),
    (
        "databasechangelog",
        "md5sum",
        "Liquibase",
        "liquibase update",
    ),
    ("changes", "change_id", "Sqitch", "sqitch deploy"),
];

/// The ledgers among `(table as shown, bare name, column names)`.
fn recognise(tables: &[(String, String, Vec<String>)]) -> Vec<ForeignLedger> {
    tables
        .iter()
        .filter_map(|(shown, name, columns)| {
            let (_, _, tool, runs) = KNOWN.iter().find(|(table, column, ..)| {
                name.eq_ignore_ascii_case(table)
                    && columns
                        .iter()
                        .any(|known| known.eq_ignore_ascii_case(column))
            })?;
            Some(ForeignLedger {
                tool,
                table: shown.clone(),
                runs,
            })
        })
        .collect()
}

/// Sqitch keeps its ledger in a file beside a SQLite database; `changes` in it is somebody else's.
fn is_known(name: &str) -> bool {
    name != "changes"
        && KNOWN
            .iter()
            .any(|(table, ..)| name.eq_ignore_ascii_case(table))
}

impl SqliteRecords<'_> {
    /// The ledgers that other tools keep in this database.
    ///
    /// # Errors
    ///
    /// When the schema can't be read.
    pub fn foreign_ledgers(&self) -> Result<Vec<ForeignLedger>, Error> {
        let mut tables = Vec::new();
        let names = self.names(WHAT)?.iter().filter(|known| known.is_table);
        for name in names.map(|known| &known.name).filter(|name| is_known(name)) {
            let columns = self
                .connection
                .prepare_cached("SELECT name FROM pragma_table_info(?1)")
                .and_then(|mut statement| statement.query_map([name], |row| row.get(0))?.collect())
                .map_err(sqlite(WHAT))?;
            tables.push((name.clone(), name.clone(), columns));
        }
        Ok(recognise(&tables))
    }
}

impl<C: postgres::GenericClient> PostgresRecords<'_, C> {
    /// The ledgers that other tools keep in this database, in whatever schema: a dump used as
    /// baseline empties `search_path` and hides them from a look-up by name.
    ///
    /// # Errors
    ///
    /// When the catalog can't be read.
    pub fn foreign_ledgers(&mut self) -> Result<Vec<ForeignLedger>, Error> {
        let names: Vec<String> = KNOWN
            .iter()
            .map(|(table, ..)| (*table).to_owned())
            .collect();
        let rows = self
            .client
            .query_typed(
                "SELECT pg_catalog.format('%I.%I', n.nspname, c.relname), c.relname::pg_catalog.text, \
                    (SELECT pg_catalog.array_agg(a.attname::pg_catalog.text) \
                     FROM pg_catalog.pg_attribute a \
                     WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped), \
                    n.nspname::pg_catalog.text \
                 FROM pg_catalog.pg_class c \
                 JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
                 WHERE c.relkind IN ('r', 'p') \
                 AND (pg_catalog.lower(c.relname) = ANY ($1) \
                    OR n.nspname = 'pgroll' AND c.relname = 'migrations')",
                &[(&names, postgres::types::Type::TEXT_ARRAY)],
            )
            .map_err(server(WHAT))?;
        let mut found = Vec::new();
        let mut tables = Vec::new();
        for row in &rows {
            let (shown, name, schema): (String, String, String) =
                (row.get(0), row.get(1), row.get(3));
            if schema == "pgroll" {
                found.push(ForeignLedger {
                    tool: "pgroll",
                    table: shown,
                    runs: "pgroll migrate",
                });
            } else if name != "changes" || schema == "sqitch" {
                tables.push((
                    shown,
                    name,
                    row.get::<_, Option<Vec<String>>>(2).unwrap_or_default(),
                ));
            }
        }
        found.extend(recognise(&tables));
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tools_that_share_a_name_are_told_apart_by_columns() {
        let table = |columns: &[&str]| {
            let columns = columns.iter().map(|name| (*name).to_owned()).collect();
            recognise(&[("x".into(), "schema_migrations".into(), columns)])
        };
        assert_eq!(table(&["version", "dirty"])[0].tool, "golang-migrate");
        assert_eq!(table(&["version"])[0].tool, "dbmate or Rails");
        assert!(table(&["id"]).is_empty());
    }
}
