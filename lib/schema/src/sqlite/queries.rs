//! The rows of SQLite's schema table and pragmas: one query for each class of objects.

use std::collections::{BTreeMap, HashMap};

use rusqlite::{Connection, Row};

use super::definitions::Parents;
use crate::Error;

/// A table or view.
#[derive(Debug)]
pub(super) struct TableRow {
    pub(super) name: String,
    /// `table`, `view` or `virtual`.
    pub(super) kind: String,
    pub(super) without_rowid: bool,
    pub(super) strict: bool,
}

/// A column.
#[derive(Debug)]
pub(super) struct ColumnRow {
    pub(super) name: String,
    pub(super) data_type: String,
    pub(super) not_null: bool,
    pub(super) default: Option<String>,
    /// The place in the primary key, from 1; 0 outside it.
    pub(super) key_place: i64,
    pub(super) hidden: i64,
    pub(super) collation: String,
}

/// An index with what it orders by.
#[derive(Debug)]
pub(super) struct IndexRow {
    pub(super) name: String,
    pub(super) unique: bool,
    /// `c` for CREATE INDEX, `u` for a unique constraint, `pk` for the primary key.
    pub(super) origin: String,
    pub(super) parts: Vec<IndexPart>,
}

/// A column or expression of an index.
#[derive(Debug)]
pub(super) struct IndexPart {
    /// The column; nothing for an expression or the rowid.
    pub(super) column: Option<String>,
    pub(super) descending: bool,
    pub(super) collation: String,
}

/// A foreign key.
#[derive(Debug)]
pub(super) struct ForeignKeyRow {
    id: i64,
    pub(super) table: String,
    pub(super) from: Vec<String>,
    /// Nothing where the statement leaves it to the parent's primary key.
    pub(super) to: Vec<Option<String>>,
    pub(super) on_update: String,
    pub(super) on_delete: String,
}

/// Everything, by table.
#[derive(Debug, Default)]
pub(super) struct Rows {
    pub(super) tables: Vec<TableRow>,
    pub(super) columns: ByTable<ColumnRow>,
    pub(super) indexes: ByTable<IndexRow>,
    pub(super) foreign_keys: ByTable<ForeignKeyRow>,
    statements: HashMap<String, String>,
    triggers: ByTable<(String, String)>,
}

/// Rows by the table's name in lower case.
pub(super) type ByTable<T> = HashMap<String, Vec<T>>;

// A virtual table's columns are its module's affair, and the module may be missing here.
const TABLES: &str = "SELECT name, type, wr, strict FROM pragma_table_list \
     WHERE schema = 'main' AND type <> 'shadow' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'";

const STATEMENTS: &str = "SELECT type, name, tbl_name, sql FROM main.sqlite_schema \
     WHERE sql IS NOT NULL";

const COLUMNS: &str = "SELECT l.name, x.name, x.type, x.\"notnull\", x.dflt_value, x.pk, x.hidden \
     FROM pragma_table_list AS l, pragma_table_xinfo(l.name, 'main') AS x \
     WHERE l.schema = 'main' AND l.type = 'table' AND l.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' \
     ORDER BY l.name, x.cid";

const INDEXES: &str = "SELECT l.name, i.name, i.\"unique\", i.origin, x.name, x.\"desc\", x.coll \
     FROM pragma_table_list AS l, pragma_index_list(l.name, 'main') AS i, \
     pragma_index_xinfo(i.name, 'main') AS x \
     WHERE l.schema = 'main' AND l.type = 'table' AND l.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' \
     AND x.key ORDER BY l.name, i.name, x.seqno";

const FOREIGN_KEYS: &str = "SELECT l.name, f.id, f.\"table\", f.\"from\", f.\"to\", f.on_update, \
     f.on_delete FROM pragma_table_list AS l, pragma_foreign_key_list(l.name, 'main') AS f \
     WHERE l.schema = 'main' AND l.type = 'table' AND l.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' \
     ORDER BY l.name, f.id, f.seq";

impl Rows {
    pub(super) fn read(conn: &Connection) -> Result<Rows, Error> {
        let mut rows = Rows::default();
        each(conn, "tables", TABLES, |row| {
            rows.tables.push(TableRow {
                name: row.get(0)?,
                kind: row.get(1)?,
                without_rowid: row.get(2)?,
                strict: row.get(3)?,
            });
            Ok(())
        })?;
        each(conn, "statements", STATEMENTS, |row| {
            let (kind, name, sql): (String, String, String) =
                (row.get(0)?, row.get(1)?, row.get(3)?);
            if kind == "trigger" {
                let table: String = row.get(2)?;
                rows.triggers
                    .entry(fold(&table))
                    .or_default()
                    .push((name, sql));
            } else {
                rows.statements.insert(fold(&name), sql);
            }
            Ok(())
        })?;
        each(conn, "columns", COLUMNS, |row| rows.column(conn, row))?;
        each(conn, "indexes", INDEXES, |row| rows.index(row))?;
        each(conn, "foreign keys", FOREIGN_KEYS, |row| {
            rows.foreign_key(row)
        })?;
        Ok(rows)
    }

    fn column(&mut self, conn: &Connection, row: &Row<'_>) -> rusqlite::Result<()> {
        let (table, name): (String, String) = (row.get(0)?, row.get(1)?);
        let (_, collation, ..) =
            conn.column_metadata(Some("main"), table.as_str(), name.as_str())?;
        let collation =
            collation.map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let columns = self.columns.entry(fold(&table)).or_default();
        columns.push(ColumnRow {
            name,
            data_type: row.get(2)?,
            not_null: row.get(3)?,
            default: row.get(4)?,
            key_place: row.get(5)?,
            hidden: row.get(6)?,
            collation,
        });
        Ok(())
    }

    fn index(&mut self, row: &Row<'_>) -> rusqlite::Result<()> {
        let (table, name): (String, String) = (row.get(0)?, row.get(1)?);
        let part = IndexPart {
            column: row.get(4)?,
            descending: row.get(5)?,
            collation: row.get(6)?,
        };
        let indexes = self.indexes.entry(fold(&table)).or_default();
        match indexes.last_mut() {
            Some(last) if last.name == name => last.parts.push(part),
            _ => indexes.push(IndexRow {
                name,
                unique: row.get(2)?,
                origin: row.get(3)?,
                parts: vec![part],
            }),
        }
        Ok(())
    }

    fn foreign_key(&mut self, row: &Row<'_>) -> rusqlite::Result<()> {
        let (table, id): (String, i64) = (row.get(0)?, row.get(1)?);
        let (from, to): (String, Option<String>) = (row.get(3)?, row.get(4)?);
        let keys = self.foreign_keys.entry(fold(&table)).or_default();
        match keys.last_mut() {
            Some(last) if last.id == id => {
                last.from.push(from);
                last.to.push(to);
            }
            _ => keys.push(ForeignKeyRow {
                id,
                table: row.get(2)?,
                from: vec![from],
                to: vec![to],
                on_update: row.get(5)?,
                on_delete: row.get(6)?,
            }),
        }
        Ok(())
    }

    /// The rows of one table.
    pub(super) fn of<'r, T>(&self, rows: &'r ByTable<T>, table: &str) -> &'r [T] {
        rows.get(&fold(table)).map_or(&[], Vec::as_slice)
    }

    /// The statement that made a table, view or index.
    pub(super) fn statement(&self, name: &str) -> Option<&str> {
        self.statements.get(&fold(name)).map(String::as_str)
    }

    /// Name and statement of a table's triggers.
    pub(super) fn triggers(&self, table: &str) -> impl Iterator<Item = (&str, &str)> {
        let triggers = self.of(&self.triggers, table);
        triggers
            .iter()
            .map(|(name, sql)| (name.as_str(), sql.as_str()))
    }

    /// The primary key of every table.
    pub(super) fn primary_keys(&self) -> Parents {
        let of = |columns: &Vec<ColumnRow>| {
            let mut key: BTreeMap<i64, String> = BTreeMap::new();
            for column in columns.iter().filter(|column| column.key_place > 0) {
                key.insert(column.key_place, column.name.clone());
            }
            key.into_values().collect()
        };
        self.columns
            .iter()
            .map(|(table, columns)| (table.clone(), of(columns)))
            .collect()
    }
}

fn each(
    conn: &Connection,
    what: &'static str,
    sql: &str,
    mut take: impl FnMut(&Row<'_>) -> rusqlite::Result<()>,
) -> Result<(), Error> {
    let run = || {
        let mut statement = conn.prepare(sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            take(row)?;
        }
        Ok(())
    };
    let mut run = run;
    run().map_err(|source| Error::Sqlite { what, source })
}

fn fold(name: &str) -> String {
    name.to_ascii_lowercase()
}
