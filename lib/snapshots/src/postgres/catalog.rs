//! What the database holds, by its own catalog.

use std::collections::{BTreeMap, BTreeSet};

use postgres::GenericClient;

use crate::error::Error;
use crate::manifest::{Engine, Extension, Skipped};

/// Rows of a table that pg_dump writes, and what the digest needs to know of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// The relation's oid.
    pub oid: u32,
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// Partitioned: it has no rows of its own.
    pub partitioned: bool,
    /// Unlogged: a standby and a physical backup lack its rows.
    pub unlogged: bool,
    /// The partitioned table that it is a partition of.
    pub parent: Option<u32>,
    /// Lockstep's own: dumped, but not digested.
    pub own: bool,
    /// Its columns in order, without generated and dropped ones.
    pub columns: Vec<String>,
    /// The primary key's columns in the key's order; empty without one.
    pub key: Vec<String>,
    /// For an extension's configuration table: the condition of the rows that a dump holds (a
    /// `WHERE` clause from the extension's own script, or empty).
    pub condition: String,
}

impl Table {
    /// Schema and name, quoted.
    pub fn quoted(&self) -> String {
        format!("{}.{}", quoted(&self.schema), quoted(&self.name))
    }

    /// Schema and name, for people.
    pub fn full_name(&self) -> String {
        format!("{}.{}", self.schema, self.name)
    }

    /// The places of the key's columns among the columns.
    pub(super) fn key_places(&self) -> Vec<usize> {
        let place = |name| self.columns.iter().position(|column| column == name);
        self.key.iter().filter_map(place).collect()
    }
}

/// Everything with content, sorted by schema and name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// Tables whose rows a dump holds.
    pub tables: Vec<Table>,
    /// Sequences that a dump holds: oid, schema, name.
    pub sequences: Vec<(u32, String, String)>,
    /// What else has content, and why it is not digested.
    pub skipped: Vec<Skipped>,
    /// Tables, sequences and the first large objects that this role may not read.
    pub unreadable: Vec<String>,
    /// Tables of which row-level security hides rows from this role.
    pub row_secured: Vec<String>,
    /// The file of each table, by its oid: `TRUNCATE` and what rewrites a table give it another.
    pub(super) files: BTreeMap<u32, u32>,
}

impl Listing {
    /// The tables without what [`names`] leaves out.
    pub(super) fn same_tables(&self, other: &Listing) -> bool {
        let name = |table: &Table| {
            (
                table.oid,
                table.schema.clone(),
                table.name.clone(),
                table.own,
            )
        };
        self.tables
            .iter()
            .map(name)
            .eq(other.tables.iter().map(name))
    }
}

/// `{columns}` stands for [`COLUMNS`], or for [`NO_COLUMNS`].
const RELATIONS: &str = "
SELECT c.oid, n.nspname::text, c.relname::text, c.relkind::text, c.relpersistence = 'u',
       CASE WHEN c.relispartition
            THEN (SELECT i.inhparent FROM pg_catalog.pg_inherits i WHERE i.inhrelid = c.oid) END,
       e.extname::text,
       (SELECT e.extcondition[f.place] FROM unnest(e.extconfig) WITH ORDINALITY AS f (oid, place)
        WHERE f.oid = c.oid),
       c.oid = ANY (e.extconfig),
       CASE WHEN c.relkind = 'S' THEN pg_catalog.has_sequence_privilege(c.oid, 'SELECT')
            ELSE pg_catalog.has_table_privilege(c.oid, 'SELECT') END
         AND pg_catalog.has_schema_privilege(n.oid, 'USAGE'),
       c.relkind = 'r' AND pg_catalog.row_security_active(c.oid),
       c.relfilenode, {columns}
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_class'::regclass
     AND d.objid = c.oid AND d.objsubid = 0 AND d.deptype = 'e'
     AND d.refclassid = 'pg_catalog.pg_extension'::regclass
LEFT JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid
WHERE c.relkind IN ('r', 'p', 'S', 'f', 'm') AND c.relpersistence <> 't'
  AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
ORDER BY n.nspname COLLATE \"C\", c.relname COLLATE \"C\"";

/// The columns that a dump holds, and the primary key's.
const COLUMNS: &str = "
       ARRAY(SELECT a.attname::text FROM pg_catalog.pg_attribute a
             WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
               AND a.attgenerated = '' ORDER BY a.attnum),
       ARRAY(SELECT a.attname::text
             FROM pg_catalog.pg_index i,
                  unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, place),
                  pg_catalog.pg_attribute a
             WHERE i.indrelid = c.oid AND i.indisprimary AND k.place <= i.indnkeyatts
               AND a.attrelid = c.oid AND a.attnum = k.attnum ORDER BY k.place)";

const NO_COLUMNS: &str = "ARRAY[]::text[], ARRAY[]::text[]";

/// The server has a function for it from 18 on only. Membership in pg_read_all_data is not enough.
const UNREADABLE_OBJECTS: &str = "
SELECT 'large object ' || m.oid::text FROM pg_catalog.pg_largeobject_metadata m
WHERE current_setting('lo_compat_privileges') = 'off'
  AND NOT (SELECT r.rolsuper FROM pg_catalog.pg_roles r WHERE r.rolname = current_user)
  AND NOT pg_catalog.pg_has_role(m.lomowner, 'USAGE')
  AND NOT EXISTS (SELECT FROM pg_catalog.aclexplode(m.lomacl) a
      WHERE a.privilege_type = 'SELECT'
        AND CASE WHEN a.grantee = 0 THEN true
                 ELSE pg_catalog.pg_has_role(a.grantee, 'USAGE') END)
ORDER BY m.oid LIMIT 20";

/// Whether a table (schema and name) is Lockstep's own.
pub type Own<'a> = &'a dyn Fn(&str, &str) -> bool;

/// Lists what a dump of the whole database holds. Rows of tables that are Lockstep's own are not
/// digested.
///
/// # Errors
///
/// [`Error::Server`].
pub fn list(client: &mut impl GenericClient, own: Own<'_>) -> Result<Listing, Error> {
    list_with(client, own, COLUMNS)
}

/// As [`list`], without the columns: of many tables they take most of the time.
pub(super) fn names(client: &mut impl GenericClient, own: Own<'_>) -> Result<Listing, Error> {
    list_with(client, own, NO_COLUMNS)
}

fn list_with(
    client: &mut impl GenericClient,
    own: Own<'_>,
    columns: &str,
) -> Result<Listing, Error> {
    let query = RELATIONS.replace("{columns}", columns);
    let rows = client
        .query(&query, &[])
        .map_err(server("the list of its tables"))?;
    let mut listing = Listing::default();
    for row in rows {
        let (oid, schema, name): (u32, String, String) = (row.get(0), row.get(1), row.get(2));
        let kind: String = row.get(3);
        let full_name = format!("{schema}.{name}");
        let extension: Option<String> = row.get(6);
        let condition: Option<String> = row.get(7);
        let configures = row.get::<_, Option<bool>>(8) == Some(true);
        let mut skip = |reason: String| {
            listing.skipped.push(Skipped {
                name: full_name.clone(),
                reason,
            });
        };
        match (kind.as_str(), &extension) {
            ("m", _) => skip("a materialized view: a restore computes it anew".to_owned()),
            ("f", _) => skip("a foreign table: its rows are on another server".to_owned()),
            ("S", Some(_)) if !configures => {}
            (_, Some(extension)) if !configures => {
                skip(format!(
                    "belongs to the extension {extension}, which makes it anew"
                ));
            }
            _ => {
                if !row.get::<_, bool>(9) {
                    listing.unreadable.push(full_name.clone());
                }
                if row.get(10) {
                    listing.row_secured.push(full_name.clone());
                }
                let own = own(&schema, &name);
                if kind == "S" {
                    if !own {
                        listing.sequences.push((oid, schema, name));
                    }
                    continue;
                }
                let columns: Vec<String> = row.get(12);
                let mut key: Vec<String> = row.get(13);
                // A generated column can be part of a key, but stands in no line of COPY.
                if key.iter().any(|name| !columns.contains(name)) {
                    key.clear();
                }
                if own {
                    skip("a table of Lockstep's own".to_owned());
                }
                listing.files.insert(oid, row.get(11));
                listing.tables.push(Table {
                    oid,
                    schema,
                    name,
                    partitioned: kind == "p",
                    unlogged: row.get(4),
                    parent: row.get(5),
                    own,
                    columns,
                    key,
                    condition: condition.unwrap_or_default(),
                });
            }
        }
    }
    let rows = client
        .query(UNREADABLE_OBJECTS, &[])
        .map_err(server("the list of its large objects"))?;
    listing.unreadable.extend(rows.iter().map(|row| row.get(0)));
    Ok(listing)
}

/// Version, encoding and collation.
pub(super) fn engine(client: &mut impl GenericClient) -> Result<Engine, Error> {
    let query = "SELECT current_setting('server_version'), current_setting('server_encoding'),
            d.datcollate::text, to_jsonb(d) ->> 'datcollversion'
         FROM pg_catalog.pg_database d WHERE d.datname = current_database()";
    let row = client
        .query_one(query, &[])
        .map_err(server("its version"))?;
    let mut collation: String = row.get(2);
    if let Some(version) = row.get::<_, Option<String>>(3) {
        collation = format!("{collation} ({version})");
    }
    Ok(Engine {
        kind: "postgres".to_owned(),
        version: row.get(0),
        client_version: None,
        encoding: row.get(1),
        collation: Some(collation),
        journal_mode: None,
        page_size: None,
    })
}

/// The major version, as 15.
pub(super) fn major(client: &mut impl GenericClient) -> Result<u32, Error> {
    let query = "SELECT current_setting('server_version_num')::int4 / 10000";
    let row = client
        .query_one(query, &[])
        .map_err(server("its version"))?;
    Ok(row.get::<_, i32>(0).unsigned_abs())
}

/// Bytes of what is dumped, without indexes: more than it takes compressed.
#[derive(Debug, Default)]
pub(super) struct Sizes {
    /// By the table's oid.
    pub(super) tables: BTreeMap<u32, u64>,
    pub(super) large_objects: u64,
}

impl Sizes {
    pub(super) fn total(&self) -> u64 {
        self.tables.values().sum::<u64>() + self.large_objects
    }
}

/// Sizes of the tables of a listing and of the large objects. Waits where somebody rewrites a table
/// that nobody holds.
pub(super) fn sizes(client: &mut impl GenericClient, listing: &Listing) -> Result<Sizes, Error> {
    let oids: Vec<u32> = listing.tables.iter().map(|table| table.oid).collect();
    // Nothing for one that was dropped since.
    let query = "SELECT t.oid, coalesce(pg_catalog.pg_table_size(t.oid), 0)
         FROM unnest($1::oid[]) AS t (oid)
         UNION ALL SELECT 0, pg_catalog.pg_table_size('pg_catalog.pg_largeobject')";
    let rows = client.query(query, &[&oids]).map_err(server("its size"))?;
    let mut sizes = Sizes::default();
    for row in rows {
        let bytes = row.get::<_, i64>(1).unsigned_abs();
        match row.get(0) {
            0 => sizes.large_objects = bytes,
            oid => {
                sizes.tables.insert(oid, bytes);
            }
        }
    }
    Ok(sizes)
}

pub(super) fn extensions(client: &mut impl GenericClient) -> Result<Vec<Extension>, Error> {
    let query = "SELECT e.extname::text, e.extversion, n.nspname::text
         FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace
         ORDER BY e.extname";
    let rows = client.query(query, &[]).map_err(server("its extensions"))?;
    let extension = |row: &postgres::Row| Extension {
        name: row.get(0),
        version: row.get(1),
        schema: row.get(2),
    };
    Ok(rows.iter().map(extension).collect())
}

/// Roles that own something, were granted something or stand in a policy, without the server's own
/// (`pg_…`). What the first superuser owns stands in no list of the server's dependencies.
pub(super) fn roles(client: &mut impl GenericClient) -> Result<Vec<String>, Error> {
    let query = "
        WITH schemas AS (SELECT * FROM pg_catalog.pg_namespace
             WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'),
        named (role) AS (
            SELECT datdba FROM pg_catalog.pg_database WHERE datname = current_database()
            UNION SELECT nspowner FROM schemas
            UNION SELECT (aclexplode(nspacl)).grantee FROM schemas
            UNION SELECT relowner FROM pg_catalog.pg_class c JOIN schemas s ON s.oid = relnamespace
            UNION SELECT (aclexplode(relacl)).grantee
                  FROM pg_catalog.pg_class c JOIN schemas s ON s.oid = relnamespace
            UNION SELECT proowner FROM pg_catalog.pg_proc p JOIN schemas s ON s.oid = pronamespace
            UNION SELECT (aclexplode(proacl)).grantee
                  FROM pg_catalog.pg_proc p JOIN schemas s ON s.oid = pronamespace
            UNION SELECT d.refobjid FROM pg_catalog.pg_shdepend d
                  JOIN pg_catalog.pg_database b ON b.oid = d.dbid
                  WHERE d.refclassid = 'pg_catalog.pg_authid'::regclass
                    AND b.datname = current_database()
            UNION SELECT typowner FROM pg_catalog.pg_type t JOIN schemas s ON s.oid = typnamespace)
        SELECT r.rolname::text FROM named JOIN pg_catalog.pg_roles r ON r.oid = named.role
        WHERE r.rolname !~ '^pg_' ORDER BY 1";
    let rows = client.query(query, &[]).map_err(server("its roles"))?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// What a dump has no content of, although the database has it: generated columns, settings of the
/// database, tablespaces.
pub(super) fn left_out(client: &mut impl GenericClient) -> Result<Vec<Skipped>, Error> {
    let query = "
        SELECT n.nspname::text || '.' || c.relname::text,
               'its generated columns: a restore computes them anew: '
                   || string_agg(a.attname::text, ', ' ORDER BY a.attnum)
        FROM pg_catalog.pg_attribute a
        JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE a.attgenerated <> '' AND NOT a.attisdropped AND c.relkind IN ('r', 'p')
          AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
        GROUP BY n.nspname, c.relname
        UNION ALL
        SELECT CASE WHEN s.setrole = 0 THEN 'database ' || b.datname::text
                    ELSE 'role ' || pg_catalog.pg_get_userbyid(s.setrole)::text END,
               'its settings in this database are not in a dump: ' || (
                   SELECT string_agg(split_part(name, '=', 1), ', ') FROM unnest(s.setconfig) AS name)
        FROM pg_catalog.pg_db_role_setting s
        JOIN pg_catalog.pg_database b ON b.oid = s.setdatabase
        WHERE b.datname = current_database()
        UNION ALL
        SELECT 'tablespace ' || t.spcname::text, 'a dump names it, and does not make it'
        FROM pg_catalog.pg_tablespace t
        WHERE t.oid IN (SELECT c.reltablespace FROM pg_catalog.pg_class c
                        WHERE c.reltablespace <> 0 AND c.relkind IN ('r', 'p', 'i', 'I', 'm'))
          AND t.spcname !~ '^pg_'
        ORDER BY 1, 2";
    let rows = client
        .query(query, &[])
        .map_err(server("what a dump leaves out"))?;
    let skipped = |row: &postgres::Row| Skipped {
        name: row.get(0),
        reason: row.get(1),
    };
    Ok(rows.iter().map(skipped).collect())
}

/// The partitioned tables above a leaf, by the parent of each table.
pub(super) fn ancestors(parents: &BTreeMap<u32, Option<u32>>, leaf: &Table) -> BTreeSet<u32> {
    let mut seen = BTreeSet::new();
    let mut next = leaf.parent;
    while let Some(parent) = next.filter(|parent| seen.insert(*parent)) {
        next = parents.get(&parent).copied().flatten();
    }
    seen
}

pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

pub(super) fn server(act: &'static str) -> impl FnOnce(postgres::Error) -> Error {
    move |source| Error::Server { act, source }
}
