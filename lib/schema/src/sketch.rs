//! A schema's sketch: its tables and views by name, with the number of the tables' columns.
//!
//! It is read after each of thousands of migrations, so it costs next to nothing: most versions of a
//! schema can be told from a given one by it. Schemas between which [`crate::diff`] finds nothing have
//! the same sketch; those that have the same sketch may differ, and are told apart by an
//! [`crate::Outline`].

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher as _};

use postgres::GenericClient;
use rusqlite::Connection;

use crate::name::qualified;
use crate::postgres::pinned;
use crate::{Engine, Error, Schema, Scope, Table};

/// A schema's sketch; it is comparable within one process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sketch {
    /// The sum of the hashes of the names of all tables.
    names: u64,
    tables: usize,
    /// Nothing where the names alone have shown that it is not the wanted schema.
    columns: Option<Columns>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Columns {
    /// The sum of the hashes of all tables, each of name and number of columns.
    hash: u64,
    count: usize,
}

/// What is known of single tables: which of them count, and what SQLite's were made by.
#[derive(Debug, Default)]
pub struct SketchCache {
    counts: HashMap<String, bool>,
    made_by: HashMap<String, (String, Option<usize>)>,
}

const SQLITE: &str = "SELECT name, sql FROM main.sqlite_schema \
     WHERE type IN ('table', 'view') AND sql IS NOT NULL \
        AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'";

const SQLITE_KIND: &str = "SELECT type FROM pragma_table_list(?1) WHERE schema = 'main'";

const SQLITE_COLUMNS: &str = "SELECT count(*) FROM pragma_table_xinfo(?1, 'main')";

const POSTGRES: &str = "
SELECT n.nspname::text, c.relname::text, c.oid
FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = ANY ($1::text[]) AND c.relkind IN ('r', 'p', 'f', 'v', 'm')
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend AS d
        WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')";

/// Of all tables at once, which takes less time than asking for each; but more than the names do.
const POSTGRES_COLUMNS: &str = "
SELECT a.attrelid, count(*) FROM pg_catalog.pg_attribute AS a
WHERE a.attrelid >= 16384 AND a.attnum > 0 AND NOT a.attisdropped
GROUP BY a.attrelid";

impl Sketch {
    /// Reads a SQLite database's.
    ///
    /// # Errors
    ///
    /// When SQLite's schema can't be read.
    pub fn read_sqlite(
        connection: &Connection,
        scope: &Scope,
        cache: &mut SketchCache,
    ) -> Result<Sketch, Error> {
        let failed = |source| Error::Sqlite {
            what: "the sketch",
            source,
        };
        let (mut sketch, mut counted) = (Sketch::default(), Columns::default());
        let mut statement = connection.prepare_cached(SQLITE).map_err(failed)?;
        let mut rows = statement.query([]).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            let text = |at| -> rusqlite::Result<&str> {
                Ok(row.get_ref(at)?.as_str().unwrap_or_default())
            };
            let (name, sql) = (text(0).map_err(failed)?, text(1).map_err(failed)?);
            let columns = match cache.made_by.get(name) {
                Some((of, columns)) if of == sql => *columns,
                _ => {
                    let columns = sqlite_columns(connection, name).map_err(failed)?;
                    let known = (sql.to_owned(), columns);
                    cache.made_by.insert(name.to_owned(), known);
                    columns
                }
            };
            let Some(columns) = columns else { continue };
            let folded = name.to_ascii_lowercase();
            if cache.counts(Engine::Sqlite, scope, &folded) {
                sketch.add(&folded);
                counted.add(&folded, columns);
            }
        }
        sketch.columns = Some(counted);
        Ok(sketch)
    }

    /// Reads a PostgreSQL database's, in a transaction as [`crate::read_postgres`] wants it. Columns are
    /// counted only where the tables have the names of `wanted`.
    ///
    /// # Errors
    ///
    /// What the server says, that there is no transaction, or a lost connection.
    pub fn read_postgres<C: GenericClient>(
        client: &mut C,
        scope: &Scope,
        cache: &mut SketchCache,
        wanted: Option<&Sketch>,
    ) -> Result<Sketch, Error> {
        pinned(client, |client| {
            let mut sketch = Sketch::default();
            let mut tables: HashMap<u32, String> = HashMap::new();
            let schemas = scope.read_schemas();
            let schemas = &schemas[..];
            let values = [crate::postgres::texts(&schemas)];
            for row in crate::postgres::query(client, "sketch", POSTGRES, &values)? {
                let row = row?;
                let name = qualified(row.get(0), row.get(1));
                if cache.counts(Engine::Postgres, scope, &name) {
                    sketch.add(&name);
                    tables.insert(row.get(2), name);
                }
            }
            if wanted.is_some_and(|wanted| wanted.names != sketch.names) {
                return Ok(sketch);
            }
            let mut counted = Columns::default();
            for row in crate::postgres::query(client, "sketch", POSTGRES_COLUMNS, &[])? {
                let row = row?;
                let (table, columns): (u32, i64) = (row.get(0), row.get(1));
                if let Some(name) = tables.get(&table) {
                    counted.add(name, usize::try_from(columns).unwrap_or_default());
                }
            }
            sketch.columns = Some(counted);
            Ok(sketch)
        })
    }

    fn add(&mut self, name: &str) {
        self.names = self.names.wrapping_add(hash(&name));
        self.tables += 1;
    }

    /// How far the two are from each other, by numbers alone; 0 where they are the same.
    pub fn distance(&self, other: &Sketch) -> usize {
        let tables = self.tables.abs_diff(other.tables);
        let columns = match (self.columns, other.columns) {
            (Some(one), Some(another)) => one.count.abs_diff(another.count),
            _ => 0,
        };
        (tables + columns).max(usize::from(self != other))
    }
}

impl Columns {
    fn add(&mut self, name: &str, columns: usize) {
        self.hash = self.hash.wrapping_add(hash(&(name, columns)));
        self.count += columns;
    }
}

fn hash(of: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    hasher.finish()
}

/// The number of a table's columns; nothing where the table is part of a virtual one.
fn sqlite_columns(connection: &Connection, name: &str) -> rusqlite::Result<Option<usize>> {
    let kind: String = connection
        .prepare_cached(SQLITE_KIND)?
        .query_row([name], |row| row.get(0))?;
    Ok(match kind.as_str() {
        "shadow" => None,
        // A view of all columns has more once its table has: its own text does not say so.
        "virtual" | "view" => Some(0),
        _ => connection
            .prepare_cached(SQLITE_COLUMNS)?
            .query_row([name], |row| row.get::<_, i64>(0))
            .map(|columns| usize::try_from(columns).ok())?,
    })
}

impl SketchCache {
    /// Whether a table counts by its name.
    fn counts(&mut self, engine: Engine, scope: &Scope, name: &str) -> bool {
        if let Some(counts) = self.counts.get(name) {
            return *counts;
        }
        let mut alone = Schema::empty(engine);
        alone.tables.insert(name.to_owned(), Table::default());
        let counts = !scope.within(&alone).tables.is_empty();
        self.counts.insert(name.to_owned(), counts);
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Place {
        connection: Connection,
        cache: SketchCache,
    }

    impl Place {
        fn after(&mut self, sql: &str) -> Sketch {
            self.connection.execute_batch(sql).unwrap();
            let scope = Scope {
                ignore: vec!["tmp_*".to_owned()],
                ..Scope::default()
            };
            Sketch::read_sqlite(&self.connection, &scope, &mut self.cache).unwrap()
        }
    }

    fn place() -> Place {
        Place {
            connection: Connection::open_in_memory().unwrap(),
            cache: SketchCache::default(),
        }
    }

    #[test]
    fn what_is_read_again_is_what_is_read_at_once() {
        let mut place = place();
        let first = place.after("CREATE TABLE a (x, y); CREATE VIEW v AS SELECT * FROM a");
        assert_eq!(first, place.after(""));
        for (sql, tables, columns) in [
            ("ALTER TABLE a ADD COLUMN z", 2, 3),
            ("CREATE TABLE Tmp_1 (a); CREATE TABLE lockstep_x (a)", 2, 3),
            ("CREATE INDEX i ON a (x)", 2, 3),
            ("ALTER TABLE a RENAME TO b", 2, 3),
            ("CREATE VIRTUAL TABLE f USING fts5 (words)", 3, 3),
            ("DROP TABLE f", 2, 3),
            ("DROP VIEW v", 1, 3),
        ] {
            let sketch = place.after(sql);
            let counted = sketch.columns.unwrap().count;
            assert_eq!((sketch.tables, counted), (tables, columns), "{sql}");
            place.cache = SketchCache::default();
            assert_eq!(sketch, place.after(""), "{sql}");
        }
    }

    #[test]
    fn two_of_the_same_numbers_are_told_apart_by_name() {
        let one = place().after("CREATE TABLE a (x); CREATE TABLE b (x, y)");
        let other = place().after("CREATE TABLE a (x, y); CREATE TABLE b (x)");
        assert_eq!(one.distance(&one), 0);
        assert_eq!(one.distance(&other), 1);
        let larger = place().after("CREATE TABLE a (x); CREATE TABLE c (x, y, z)");
        assert_eq!(one.distance(&larger), 1);
        assert_eq!(one.distance(&place().after("")), 5);
        // Columns that were not counted tell nothing.
        assert_eq!(one.distance(&Sketch::default()), 2);
    }
}
