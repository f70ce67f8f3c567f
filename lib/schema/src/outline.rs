//! A schema in outline: the names of its objects and of tables' columns, on PostgreSQL types too.
//!
//! It is read in a fraction of the time, because nothing of it is printed by the engine's own
//! functions, so it can be read after each of thousands of migrations. Schemas between which
//! [`crate::diff`] finds nothing have the same outline; those that have the same outline may differ.

use std::collections::{BTreeMap, HashMap};

use db_connect::StatementError;
use postgres::GenericClient;
use rusqlite::Connection;
use sha2::{Digest as _, Sha256};

use crate::name::{part, qualified};
use crate::postgres::pinned;
use crate::{Engine, Error, Function, Index, Schema, Scope, Table, Trigger, Type, View};

/// A schema in outline.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outline(BTreeMap<String, String>);

/// What was read of SQLite's tables, by the statement that made each: the next outline of the same
/// database reads only what has changed.
#[derive(Debug, Default)]
pub struct OutlineCache(HashMap<String, (String, String)>);

const SQLITE: &str = "SELECT s.type, s.name, s.tbl_name, s.sql, l.type \
     FROM main.sqlite_schema AS s LEFT JOIN pragma_table_list AS l \
        ON l.schema = 'main' AND l.name = s.name AND s.type IN ('table', 'view') \
     WHERE s.sql IS NOT NULL AND s.name NOT LIKE 'sqlite\\_%' ESCAPE '\\'";

const SQLITE_COLUMNS: &str = "SELECT name FROM pragma_table_xinfo(?1, 'main')";

/// Tables with their columns and types, views, indexes, functions and types by name, with what tells
/// two of one name apart where that costs nothing.
const POSTGRES: &str = "
SELECT CASE WHEN c.relkind IN ('v', 'm') THEN 'view' ELSE 'table' END, n.nspname::text,
    c.relname::text, '', md5((SELECT string_agg(a.attname || ' ' || format_type(a.atttypid,
            a.atttypmod), ',' ORDER BY a.attname::text COLLATE \"C\")
        FROM pg_catalog.pg_attribute AS a
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped))
FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = ANY ($1::text[]) AND c.relkind IN ('r', 'p', 'f', 'v', 'm')
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend AS d
        WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
UNION ALL
SELECT 'index', n.nspname::text, t.relname::text, c.relname::text, NULL
FROM pg_catalog.pg_index AS i JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
JOIN pg_catalog.pg_class AS t ON t.oid = i.indrelid
JOIN pg_catalog.pg_namespace AS n ON n.oid = t.relnamespace
WHERE n.nspname = ANY ($1::text[]) AND t.relkind IN ('r', 'p') AND NOT c.relispartition
    AND i.indisvalid AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint AS k
        WHERE k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x'))
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend AS d
        WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = t.oid AND d.deptype = 'e')
UNION ALL
SELECT 'function', n.nspname::text, p.proname::text, oidvectortypes(p.proargtypes), NULL
FROM pg_catalog.pg_proc AS p JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
WHERE n.nspname = ANY ($1::text[]) AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend AS d
        WHERE d.classid = 'pg_catalog.pg_proc'::regclass AND d.objid = p.oid
            AND d.deptype IN ('e', 'i'))
UNION ALL
SELECT 'type', n.nspname::text, t.typname::text, '', (SELECT string_agg(e.enumlabel, ','
        ORDER BY e.enumsortorder) FROM pg_catalog.pg_enum AS e WHERE e.enumtypid = t.oid)
FROM pg_catalog.pg_type AS t JOIN pg_catalog.pg_namespace AS n ON n.oid = t.typnamespace
LEFT JOIN pg_catalog.pg_class AS c ON c.oid = t.typrelid
WHERE n.nspname = ANY ($1::text[])
    AND (t.typtype IN ('e', 'd', 'r') OR (t.typtype = 'c' AND c.relkind = 'c'))
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend AS d
        WHERE d.classid = 'pg_catalog.pg_type'::regclass AND d.objid = t.oid AND d.deptype = 'e')";

/// How many rows there are that migrations can have made, and the sum of the transactions that wrote
/// them: a row that is added, changed or taken away changes one of the two.
const STAMP: &str = "SELECT string_agg(one.rows || ':' || one.writers, ' ') FROM (
    SELECT count(*) AS rows, coalesce(sum(xmin::text::int8), 0) AS writers
        FROM pg_catalog.pg_class WHERE oid >= 16384
    UNION ALL SELECT count(*), coalesce(sum(xmin::text::int8), 0)
        FROM pg_catalog.pg_attribute WHERE attrelid >= 16384
    UNION ALL SELECT count(*), coalesce(sum(xmin::text::int8), 0)
        FROM pg_catalog.pg_attrdef
    UNION ALL SELECT count(*), coalesce(sum(xmin::text::int8), 0)
        FROM pg_catalog.pg_constraint WHERE oid >= 16384
    UNION ALL SELECT count(*), coalesce(sum(xmin::text::int8), 0)
        FROM pg_catalog.pg_index WHERE indexrelid >= 16384
    UNION ALL SELECT count(*), coalesce(sum(xmin::text::int8), 0)
        FROM pg_catalog.pg_inherits
    UNION ALL SELECT count(*), coalesce(sum(xmin::text::int8), 0)
        FROM pg_catalog.pg_trigger
    UNION ALL SELECT count(*), coalesce(sum(xmin::text::int8), 0)
        FROM pg_catalog.pg_policy
    UNION ALL SELECT count(*), coalesce(sum(xmin::text::int8), 0)
        FROM pg_catalog.pg_rewrite WHERE oid >= 16384
    UNION ALL SELECT count(*), coalesce(sum(xmin::text::int8), 0)
        FROM pg_catalog.pg_sequence
    UNION ALL SELECT count(*), coalesce(sum(xmin::text::int8), 0)
        FROM pg_catalog.pg_proc WHERE oid >= 16384
    UNION ALL SELECT count(*), coalesce(sum(xmin::text::int8), 0)
        FROM pg_catalog.pg_aggregate WHERE aggfnoid >= 16384
    UNION ALL SELECT count(*), coalesce(sum(xmin::text::int8), 0)
        FROM pg_catalog.pg_type WHERE oid >= 16384
    UNION ALL SELECT count(*), coalesce(sum(xmin::text::int8), 0)
        FROM pg_catalog.pg_enum
    UNION ALL SELECT count(*), coalesce(sum(xmin::text::int8), 0)
        FROM pg_catalog.pg_range WHERE rngtypid >= 16384
    UNION ALL SELECT count(*), coalesce(sum(xmin::text::int8), 0)
        FROM pg_catalog.pg_foreign_table
    UNION ALL SELECT count(*), coalesce(sum(xmin::text::int8), 0)
        FROM pg_catalog.pg_foreign_server
    UNION ALL SELECT count(*), coalesce(sum(xmin::text::int8), 0)
        FROM pg_catalog.pg_collation WHERE oid >= 16384
    UNION ALL SELECT count(*), coalesce(sum(xmin::text::int8), 0)
        FROM pg_catalog.pg_partitioned_table
    UNION ALL SELECT count(*), coalesce(sum(xmin::text::int8), 0)
        FROM pg_catalog.pg_extension
    UNION ALL SELECT count(*), coalesce(sum(xmin::text::int8), 0)
        FROM pg_catalog.pg_namespace) AS one";

/// Names a state of the catalog of one PostgreSQL database: as long as it is the same, no migration
/// has changed a schema of it in between. It says nothing across databases.
///
/// # Errors
///
/// What the server says, or a lost connection.
pub fn catalog_stamp<C: GenericClient>(client: &mut C) -> Result<String, Error> {
    let rows = client
        .query_typed(STAMP, &[])
        .map_err(|error| StatementError::new("read PostgreSQL's catalog", error))?;
    Ok(rows.first().map(|row| row.get(0)).unwrap_or_default())
}

impl Outline {
    /// Reads a SQLite database's.
    ///
    /// # Errors
    ///
    /// When SQLite's schema can't be read.
    pub fn read_sqlite(
        connection: &Connection,
        scope: &Scope,
        cache: &mut OutlineCache,
    ) -> Result<Outline, Error> {
        let failed = |source| Error::Sqlite {
            what: "the outline",
            source,
        };
        let mut schema = Schema::empty(Engine::Sqlite);
        let mut under: Vec<(String, String, String)> = Vec::new();
        let mut statement = connection.prepare_cached(SQLITE).map_err(failed)?;
        let mut rows = statement.query([]).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            let text = |at| row.get::<_, String>(at).map_err(failed);
            let (kind, name) = (text(0)?, text(1)?);
            match (
                kind.as_str(),
                row.get::<_, Option<String>>(4).map_err(failed)?,
            ) {
                ("table", Some(kind)) if kind == "shadow" => {}
                ("table", listed) => {
                    let is_virtual = listed.is_some_and(|kind| kind == "virtual");
                    let columns = match is_virtual {
                        true => String::new(),
                        false => cache.columns(connection, &name, text(3)?).map_err(failed)?,
                    };
                    schema.tables.insert(name, table(columns));
                }
                ("view", _) => {
                    schema.views.insert(name, View::default());
                }
                _ => under.push((kind, text(2)?, name)),
            }
        }
        add_under(&mut schema, under);
        Ok(Outline::of(&scope.within(&schema)))
    }

    /// Reads a PostgreSQL database's, in a transaction as [`crate::read_postgres`] wants it.
    ///
    /// # Errors
    ///
    /// What the server says, that there is no transaction, or a lost connection.
    pub fn read_postgres<C: GenericClient>(
        client: &mut C,
        scope: &Scope,
    ) -> Result<Outline, Error> {
        pinned(client, |client| {
            let mut schema = Schema::empty(Engine::Postgres);
            let schemas = scope.read_schemas();
            let schemas = &schemas[..];
            let values = [crate::postgres::texts(&schemas)];
            let rows = crate::postgres::query(client, "outline", POSTGRES, &values)?;
            for row in rows {
                let row = row?;
                let (kind, name): (&str, String) = (row.get(0), qualified(row.get(1), row.get(2)));
                let (detail, digest): (String, Option<String>) = (row.get(3), row.get(4));
                match kind {
                    "table" => {
                        schema
                            .tables
                            .insert(name, table(digest.unwrap_or_default()));
                    }
                    "view" => {
                        schema.views.insert(name, View::default());
                    }
                    "index" => {
                        if let Some(table) = schema.tables.get_mut(&name) {
                            table.indexes.insert(detail, index());
                        }
                    }
                    "function" => {
                        let definition = String::new();
                        let name = format!("{name}({detail})");
                        let function = Function {
                            definition,
                            details: None,
                        };
                        schema.functions.insert(name, function);
                    }
                    _ => {
                        let definition = digest.unwrap_or_default();
                        let described = Type {
                            definition,
                            details: None,
                        };
                        schema.types.insert(name, described);
                    }
                }
            }
            Ok(Outline::of(&scope.within(&schema)))
        })
    }

    fn of(schema: &Schema) -> Outline {
        let fold = |name: &str| match schema.engine {
            Engine::Sqlite => name.to_ascii_lowercase(),
            Engine::Postgres => name.to_owned(),
        };
        let mut all = BTreeMap::new();
        for (name, table) in &schema.tables {
            let columns = table.definition.clone().unwrap_or_default();
            all.insert(format!("table {}", fold(name)), columns);
            for under in table.indexes.keys().chain(table.triggers.keys()) {
                let key = format!("under {}.{}", fold(name), fold(&part(under)));
                all.insert(key, String::new());
            }
        }
        for name in schema.views.keys() {
            all.insert(format!("view {}", fold(name)), String::new());
        }
        for name in schema.functions.keys() {
            all.insert(format!("function {name}"), String::new());
        }
        for (name, described) in &schema.types {
            all.insert(format!("type {name}"), described.definition.clone());
        }
        Outline(all)
    }

    /// How many objects only one of the two has, or both have otherwise.
    pub fn distance(&self, other: &Outline) -> usize {
        let differs = |(name, is): (&String, &String)| other.0.get(name) != Some(is);
        let of_self = self.0.iter().filter(|entry| differs(*entry)).count();
        let only_other = other.0.keys().filter(|name| !self.0.contains_key(*name));
        of_self + only_other.count()
    }
}

fn table(columns: String) -> Table {
    Table {
        definition: Some(columns),
        ..Table::default()
    }
}

fn index() -> Index {
    Index {
        definition: String::new(),
        valid: true,
    }
}

fn trigger() -> Trigger {
    Trigger {
        definition: String::new(),
        enabled: None,
    }
}

/// Puts indexes and triggers under their tables and views, whose names they may spell otherwise.
fn add_under(schema: &mut Schema, under: Vec<(String, String, String)>) {
    let folded: HashMap<String, String> = schema
        .tables
        .keys()
        .chain(schema.views.keys())
        .map(|name| (name.to_ascii_lowercase(), name.clone()))
        .collect();
    for (kind, owner, name) in under {
        let Some(owner) = folded.get(&owner.to_ascii_lowercase()) else {
            continue;
        };
        if let Some(table) = schema.tables.get_mut(owner) {
            match kind.as_str() {
                "index" => drop(table.indexes.insert(name, index())),
                _ => drop(table.triggers.insert(name, trigger())),
            }
        } else if let Some(view) = schema.views.get_mut(owner) {
            view.triggers.insert(name, trigger());
        }
    }
}

impl OutlineCache {
    /// A digest of the names and types of a table's columns.
    fn columns(
        &mut self,
        connection: &Connection,
        table: &str,
        made_by: String,
    ) -> rusqlite::Result<String> {
        if let Some((of, columns)) = self.0.get(table)
            && *of == made_by
        {
            return Ok(columns.clone());
        }
        let mut statement = connection.prepare_cached(SQLITE_COLUMNS)?;
        let rows = statement.query_map([table], |row| row.get::<_, String>(0))?;
        let mut columns = rows.collect::<rusqlite::Result<Vec<_>>>()?;
        for column in &mut columns {
            column.make_ascii_lowercase();
        }
        columns.sort();
        let mut digest = String::new();
        for byte in &Sha256::digest(columns.join("\n"))[..16] {
            use std::fmt::Write as _;
            // Writing to a String can't fail.
            let _ = write!(digest, "{byte:02x}");
        }
        self.0.insert(table.to_owned(), (made_by, digest.clone()));
        Ok(digest)
    }
}
