//! What a schema consists of. Every type is also the shape of the recorded file.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::Named;
use crate::name::part;
use crate::scope::{Counted, Scope};

/// The file form's name and version.
pub const FORMAT: &str = "lockstep-schema/1";

/// All of a database's schema that lies in a [`Scope`].
///
/// Names are `table` on SQLite and `schema.table` on PostgreSQL; a part that holds a dot, a quote,
/// white space or a control character stands in double quotes. The order of columns is not
/// recorded: a table rebuild and `ADD COLUMN` change it without anybody having ordered that.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schema {
    /// [`FORMAT`].
    pub format: String,
    /// The engine that printed the definitions.
    pub engine: Engine,
    /// PostgreSQL's major version; not compared, but the reason for differences that are only
    /// differently printed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_major: Option<u32>,
    /// What counted when the schema was recorded beside a ledger; not compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<Counted>,
    /// Which properties its reader knew: 1, or 2 for those that are marked so below. What a side
    /// was not asked for is not compared.
    #[serde(default = "first", skip_serializing_if = "is_first")]
    pub reading: u32,
    /// PostgreSQL: the schemas of the scope that exist.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub schemas: BTreeSet<String>,
    /// Ordinary, partitioned, foreign and virtual tables, and partitions.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tables: BTreeMap<String, Table>,
    /// Views and materialized views.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub views: BTreeMap<String, View>,
    /// Functions, procedures and aggregates, with the types of their arguments:
    /// `public.area(integer, integer)`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub functions: BTreeMap<String, Function>,
    /// Sequences that no column owns; an owned one is part of its [`Column`].
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sequences: BTreeMap<String, Sequence>,
    /// Labels in their order.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub enums: BTreeMap<String, Vec<String>>,
    /// Domains.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub domains: BTreeMap<String, Domain>,
    /// Composite and range types.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub types: BTreeMap<String, Type>,
    /// Extensions of the database, whatever schema they are in. `plpgsql` is left out: every
    /// database has it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub extensions: BTreeMap<String, Extension>,
}

impl Schema {
    /// A schema without objects.
    pub fn empty(engine: Engine) -> Schema {
        Schema {
            format: FORMAT.to_owned(),
            engine,
            server_major: None,
            scope: None,
            reading: match engine {
                Engine::Sqlite => 1,
                Engine::Postgres => 2,
            },
            schemas: BTreeSet::new(),
            tables: BTreeMap::new(),
            views: BTreeMap::new(),
            functions: BTreeMap::new(),
            sequences: BTreeMap::new(),
            enums: BTreeMap::new(),
            domains: BTreeMap::new(),
            types: BTreeMap::new(),
            extensions: BTreeMap::new(),
        }
    }

    /// The schema as it is recorded beside a ledger: with the scope that it was read in.
    pub fn recorded_in(&self, scope: &Scope) -> Schema {
        Schema {
            scope: Some(Counted {
                schemas: scope.schemas.clone(),
                ignore: scope.ignore.clone(),
            }),
            ..self.clone()
        }
    }

    /// Whether it has no object at all; schemas and extensions alone are none.
    pub fn is_empty(&self) -> bool {
        self.tables.is_empty()
            && self.views.is_empty()
            && self.functions.is_empty()
            && self.sequences.is_empty()
            && self.enums.is_empty()
            && self.domains.is_empty()
            && self.types.is_empty()
    }

    /// The indexes that are not valid, as `table.index`.
    pub fn invalid_indexes(&self) -> Vec<String> {
        let of_tables = self
            .tables
            .iter()
            .map(|(name, table)| (name, &table.indexes));
        let of_views = self.views.iter().map(|(name, view)| (name, &view.indexes));
        let all = of_tables.chain(of_views).flat_map(|(owner, indexes)| {
            let invalid = indexes.iter().filter(|(_, index)| !index.valid);
            invalid.map(move |(name, _)| format!("{owner}.{}", part(name)))
        });
        all.collect()
    }

    /// The schemas that the scope names and the database does not have.
    pub fn missing_schemas<'s>(&self, scope: &'s Scope) -> Vec<&'s str> {
        let named = scope.read_schemas().into_iter();
        match self.engine {
            Engine::Sqlite => Vec::new(),
            Engine::Postgres => named.filter(|name| !self.schemas.contains(*name)).collect(),
        }
    }
}

/// The engine that a schema was read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// SQLite; names compare without regard to ASCII case.
    Sqlite,
    /// PostgreSQL; names compare exactly.
    Postgres,
}

impl Engine {
    /// The name as it stands in the file.
    pub fn name(self) -> &'static str {
        match self {
            Engine::Sqlite => "sqlite",
            Engine::Postgres => "postgres",
        }
    }
}

/// A table and everything that goes when it goes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// What is not the default: `STRICT`, `WITHOUT ROWID`; `UNLOGGED`, `ROW LEVEL SECURITY`,
    /// `PARTITION BY …`, `PARTITION OF …`, `INHERITS …`, `SERVER …`, `USING …`; since reading 2 `OF
    /// …`, `DETACH PENDING`.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub options: BTreeSet<String>,
    /// The statement itself, of a virtual table, or of a table whose text can't be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub definition: Option<String>,
    /// Columns. Those that a partition or child has exactly as its parent are the parent's alone.
    #[serde(default, skip_serializing_if = "Named::is_empty")]
    pub columns: Named<Column>,
    /// The primary key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub primary_key: Option<Constraint>,
    /// Unique constraints.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unique: Vec<Constraint>,
    /// Check constraints.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<Constraint>,
    /// Foreign keys.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub foreign_keys: Vec<Constraint>,
    /// Exclusion constraints.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclusions: Vec<Constraint>,
    /// Indexes that no constraint made.
    #[serde(default, skip_serializing_if = "Named::is_empty")]
    pub indexes: Named<Index>,
    /// Triggers.
    #[serde(default, skip_serializing_if = "Named::is_empty")]
    pub triggers: Named<Trigger>,
    /// Row security policies.
    #[serde(default, skip_serializing_if = "Named::is_empty")]
    pub policies: Named<String>,
    /// Rewrite rules.
    #[serde(default, skip_serializing_if = "Named::is_empty")]
    pub rules: Named<String>,
}

/// A table's column.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Column {
    /// The type with its modifiers; empty where SQLite has none.
    #[serde(rename = "type")]
    pub data_type: String,
    /// Whether NULL is refused.
    #[serde(default, skip_serializing_if = "is_false")]
    pub not_null: bool,
    /// The default's expression.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    /// The expression of a generated column and `STORED` or `VIRTUAL`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generated: Option<String>,
    /// `ALWAYS` or `BY DEFAULT`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    /// What differs from the type's own collation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collation: Option<String>,
    /// What the owned sequence has otherwise than a plain serial or identity column of this type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<String>,
    /// PostgreSQL 18, since reading 2: the name of the NOT NULL constraint, where it is not the one
    /// that PostgreSQL gives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_null_name: Option<String>,
    /// PostgreSQL 18, since reading 2: `NO INHERIT` and `NOT VALID` of that constraint; rows from
    /// before one that is not valid may hold NULL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_null_state: Option<String>,
    /// PostgreSQL 15, since reading 2: `LOGGED` or `UNLOGGED` where the owned sequence is not as its
    /// table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence_persistence: Option<String>,
    /// SQLite: what `NOT NULL ON CONFLICT` says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_conflict: Option<String>,
}

/// A primary key, unique, check, foreign key or exclusion constraint.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Constraint {
    /// PostgreSQL's name. SQLite's are not recorded: most constraints have none, and nothing can
    /// address one by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE`.
    pub definition: String,
}

/// An index that no constraint made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Index {
    /// PostgreSQL's `CREATE INDEX` statement; for SQLite `UNIQUE INDEX (a, lower(b)) WHERE …`.
    pub definition: String,
    /// False for what a failed `CREATE INDEX CONCURRENTLY` leaves behind.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub valid: bool,
}

/// A trigger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trigger {
    /// The `CREATE TRIGGER` statement.
    pub definition: String,
    /// PostgreSQL: `DISABLED`, `REPLICA` or `ALWAYS`; nothing for the ordinary state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<String>,
}

/// A view or materialized view.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct View {
    /// `MATERIALIZED`, and options such as `security_barrier=true`.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub options: BTreeSet<String>,
    /// PostgreSQL's query; SQLite's statement.
    pub definition: String,
    /// Since reading 2: the defaults of its columns, for what is inserted through it.
    #[serde(default, skip_serializing_if = "Named::is_empty")]
    pub defaults: Named<String>,
    /// Indexes of a materialized view.
    #[serde(default, skip_serializing_if = "Named::is_empty")]
    pub indexes: Named<Index>,
    /// `INSTEAD OF` triggers and others.
    #[serde(default, skip_serializing_if = "Named::is_empty")]
    pub triggers: Named<Trigger>,
    /// Rewrite rules but the view's own.
    #[serde(default, skip_serializing_if = "Named::is_empty")]
    pub rules: Named<String>,
}

/// A function, procedure or aggregate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Function {
    /// The `CREATE OR REPLACE` statement, its body trimmed.
    pub definition: String,
    /// Since reading 2: what of an aggregate does not stand in its definition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<String>,
}

/// A sequence that no column owns. Its current value is data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sequence {
    /// The type and what is not its default: `bigint INCREMENT BY 10`.
    pub definition: String,
    /// PostgreSQL 15, since reading 2: whether a crash empties it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub unlogged: bool,
}

/// A domain.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Domain {
    /// The underlying type.
    #[serde(rename = "type")]
    pub data_type: String,
    /// Whether NULL is refused.
    #[serde(default, skip_serializing_if = "is_false")]
    pub not_null: bool,
    /// The default's expression.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    /// What differs from the type's own collation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collation: Option<String>,
    /// PostgreSQL 17, since reading 2: the name of the NOT NULL constraint, where it is not the one
    /// that PostgreSQL gives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_null_name: Option<String>,
    /// Check constraints.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<Constraint>,
}

/// A composite or range type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Type {
    /// `(x integer, y integer)` or `RANGE (subtype = numeric)`.
    pub definition: String,
    /// Since reading 2: collations of attributes that are not their type's own; a range's operator
    /// class, collation and functions, where they are not the subtype's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<String>,
}

/// An extension.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Extension {
    /// The schema that its objects are in.
    pub schema: String,
    /// Its version, if [`Scope::extension_versions`] asked for it; compared if both sides have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

fn first() -> u32 {
    1
}

fn is_first(reading: &u32) -> bool {
    *reading == 1
}

fn is_false(value: &bool) -> bool {
    !value
}

fn is_true(value: &bool) -> bool {
    *value
}

fn yes() -> bool {
    true
}
