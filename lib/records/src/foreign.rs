//! Ledgers of other migration tools, known by table name and columns.

mod known;
mod named;

use crate::{Error, PostgresRecords, SqliteRecords, server, sqlite};
use known::{BESIDE, KNOWN, Known};
pub use named::NamedTool;

const WHAT: &str = "whether another tool keeps a ledger";

/// A ledger that another tool keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForeignLedger {
    /// The tool, or those that write such a table.
    pub tool: &'static str,
    /// Its table, as the database names it.
    pub table: String,
    /// What runs that tool's migrations.
    pub runs: &'static str,
}

/// A table of the database.
struct Table {
    /// None in SQLite.
    schema: Option<String>,
    name: String,
    shown: String,
    columns: Vec<String>,
}

impl Known {
    /// Its schema, where it has to be in one, and its name, where it has one.
    fn place(&self) -> (Option<&str>, Option<&str>) {
        match self.table.split_once('.') {
            _ if self.table == "*" => (None, None),
            Some((schema, table)) => (Some(schema), Some(table)),
            None => (None, Some(self.table)),
        }
    }

    fn columns(&self) -> impl Iterator<Item = &'static str> {
        self.columns.split(' ').filter(|column| *column != "=")
    }

    fn fits(&self, table: &Table) -> bool {
        let (schema, name) = self.place();
        // SQLite has no schemas: a ledger that a tool keeps in one has another name there.
        let in_place = schema.is_none_or(|schema| Some(schema) == table.schema.as_deref())
            && name.is_none_or(|name| name.eq_ignore_ascii_case(&table.name));
        let has = |column: &str| {
            let mut columns = table.columns.iter();
            columns.any(|known| known.eq_ignore_ascii_case(column))
        };
        let is_whole =
            !self.columns.starts_with("= ") || self.columns().count() == table.columns.len();
        in_place && is_whole && self.columns().all(has)
    }
}

/// The ledgers among tables. A table beside a ledger says nothing more than the ledger does.
fn recognise(tables: &[Table]) -> Vec<ForeignLedger> {
    let found: Vec<(&Table, &Known)> = tables
        .iter()
        .filter_map(|table| Some((table, KNOWN.iter().find(|known| known.fits(table))?)))
        .collect();
    let is_beside = |known: &Known| BESIDE.contains(&known.table);
    found
        .iter()
        .filter(|(table, known)| {
            !is_beside(known)
                || !found.iter().any(|(other, main)| {
                    // Rails shares its ledger's shape with others.
                    let shares = known.table == "ar_internal_metadata"
                        && other.name.eq_ignore_ascii_case("schema_migrations");
                    !is_beside(main)
                        && other.schema == table.schema
                        && (main.tool == known.tool || shares)
                })
        })
        .map(|(table, known)| ForeignLedger {
            tool: known.tool,
            table: table.shown.clone(),
            runs: known.runs,
        })
        .collect()
}

/// Lower-case names of the tables that have one.
fn names() -> Vec<String> {
    let names = KNOWN.iter().filter_map(|known| known.place().1);
    names.map(str::to_ascii_lowercase).collect()
}

/// The columns by which a ledger of any name is found, as PostgreSQL keeps them: unquoted ones are in
/// lower case.
fn telltale() -> Vec<String> {
    let of_any_name = KNOWN.iter().filter(|known| known.table == "*");
    of_any_name
        .filter_map(|known| known.columns().next())
        .flat_map(|column| {
            [
                column.to_owned(),
                column.to_ascii_lowercase(),
                column.to_ascii_uppercase(),
            ]
        })
        .collect()
}

impl SqliteRecords<'_> {
    /// The ledgers that other tools keep in this database.
    ///
    /// # Errors
    ///
    /// When the schema can't be read.
    pub fn foreign_ledgers(&self) -> Result<Vec<ForeignLedger>, Error> {
        let by_name = names();
        let by_text = self.tables_that_say(&telltale())?;
        let mut tables = Vec::new();
        let known = self.names(WHAT)?.iter().filter(|known| known.is_table);
        for name in known
            .map(|known| &known.name)
            .filter(|name| by_name.contains(&name.to_ascii_lowercase()) || by_text.contains(name))
        {
            let columns = self
                .connection
                .prepare_cached("SELECT name FROM pragma_table_info(?1)")
                .and_then(|mut statement| statement.query_map([name], |row| row.get(0))?.collect())
                .map_err(sqlite(WHAT))?;
            tables.push(Table {
                schema: None,
                name: name.clone(),
                shown: name.clone(),
                columns,
            });
        }
        Ok(recognise(&tables))
    }

    /// The tables in whose definition one of these words occurs: the columns of every table would be
    /// thousands of look-ups.
    fn tables_that_say(&self, words: &[String]) -> Result<Vec<String>, Error> {
        let words = serde_json::Value::from(words).to_string();
        self.connection
            .prepare_cached(
                "SELECT s.name FROM sqlite_schema s WHERE s.type = 'table' AND EXISTS ( \
                    SELECT 1 FROM json_each(?1) word WHERE instr(s.sql, word.value) > 0)",
            )
            .and_then(|mut statement| statement.query_map([words], |row| row.get(0))?.collect())
            .map_err(sqlite(WHAT))
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
        let (names, telltale) = (names(), telltale());
        let rows = self
            .client
            .query_typed(
                "SELECT n.nspname::pg_catalog.text, c.relname::pg_catalog.text, \
                    pg_catalog.format('%I.%I', n.nspname, c.relname), \
                    (SELECT pg_catalog.array_agg(a.attname::pg_catalog.text) \
                     FROM pg_catalog.pg_attribute a \
                     WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) \
                 FROM pg_catalog.pg_class c \
                 JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
                 WHERE c.relkind IN ('r', 'p') \
                 AND (pg_catalog.lower(c.relname) = ANY ($1) OR EXISTS ( \
                    SELECT FROM pg_catalog.pg_attribute t \
                    WHERE t.attrelid = c.oid AND t.attname = ANY ($2) AND NOT t.attisdropped)) \
                 AND NOT (n.nspname = 'pg_catalog' OR n.nspname = 'information_schema') \
                 ORDER BY 3",
                &[
                    (&names, postgres::types::Type::TEXT_ARRAY),
                    (&telltale, postgres::types::Type::NAME_ARRAY),
                ],
            )
            .map_err(server(WHAT))?;
        let tables: Vec<Table> = rows
            .iter()
            .map(|row| Table {
                schema: Some(row.get(0)),
                name: row.get(1),
                shown: row.get(2),
                columns: row.get::<_, Option<Vec<String>>>(3).unwrap_or_default(),
            })
            .collect();
        Ok(recognise(&tables))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tools(tables: &[(&str, &str, &str)]) -> Vec<&'static str> {
        let tables: Vec<Table> = tables
            .iter()
            .map(|(schema, name, columns)| Table {
                schema: (!schema.is_empty()).then(|| (*schema).to_owned()),
                name: (*name).to_owned(),
                shown: (*name).to_owned(),
                columns: columns.split(' ').map(str::to_owned).collect(),
            })
            .collect();
        let found = recognise(&tables);
        found.into_iter().map(|ledger| ledger.tool).collect()
    }

    #[test]
    fn every_ledger_of_the_list_is_recognised_as_its_tool() {
        for known in KNOWN {
            let (schema, name) = known.place();
            let columns: Vec<&str> = known.columns().collect();
            let table = (
                schema.unwrap_or_default(),
                name.unwrap_or("renamed"),
                &*columns.join(" "),
            );
            assert_eq!(
                tools(&[table]),
                [known.tool],
                "{} {}",
                known.table,
                known.columns
            );
            assert!(!known.source.is_empty() && !known.runs.is_empty());
        }
    }

    #[test]
    fn tools_that_share_a_name_are_told_apart_by_columns() {
        for (name, columns, tool) in [
            (
                "schema_migrations",
                "version dirty",
                "golang-migrate (or Encore)",
            ),
            (
                "schema_migrations",
                "version",
                "dbmate, Rails or a tool like them",
            ),
            ("schema_migrations", "version inserted_at", "Ecto"),
            ("Schema_Migrations", "filename", "Sequel"),
            ("schema_migrations", "version statements name", "Supabase"),
            ("migrations", "id migration batch", "Laravel"),
            ("migrations", "id timestamp name", "TypeORM"),
            ("migrations", "id name run_on", "db-migrate"),
            ("migrations", "migration", "rambler"),
            ("migrations", "id", "gormigrate"),
            (
                "changelog",
                "ID APPLIED_AT DESCRIPTION",
                "MyBatis Migrations",
            ),
            ("schema_version", "version", "tern"),
            (
                "schema_version",
                "installed_rank version installed_on checksum script",
                "Flyway",
            ),
            ("our_goose", "id version_id is_applied tstamp", "goose"),
            (
                "app_migrations",
                "version description installed_on success checksum execution_time",
                "sqlx",
            ),
        ] {
            assert_eq!(tools(&[("", name, columns)]), [tool], "{name} {columns}");
        }
    }

    #[test]
    fn a_table_of_the_application_is_no_ledger() {
        for (name, columns) in [
            ("migrations", "id bird route season"),
            ("migration", "id country year"),
            ("changes", "id what"),
            ("changelog", "id text"),
            ("schema_migrations", "id"),
            ("schema_version", "major minor"),
            ("aerich", "id"),
            ("documents", "id version dirty text"),
            ("orders", "id version checksum"),
        ] {
            assert_eq!(
                tools(&[("public", name, columns)]),
                [] as [&str; 0],
                "{name} {columns}"
            );
        }
        assert_eq!(
            tools(&[("graphile_worker", "migrations", "id ts breaking")]),
            [] as [&str; 0]
        );
    }

    #[test]
    fn a_table_beside_a_ledger_is_not_named_with_it() {
        let knex = ("public", "knex_migrations", "id name batch migration_time");
        let lock = ("public", "knex_migrations_lock", "index is_locked");
        assert_eq!(tools(&[knex, lock]), ["Knex"]);
        assert_eq!(tools(&[lock]), ["Knex"]);
        let rails = ("public", "ar_internal_metadata", "key value created_at");
        let versions = ("public", "schema_migrations", "version");
        assert_eq!(
            tools(&[rails, versions]),
            ["dbmate, Rails or a tool like them"]
        );
    }
}
