//! What a statement does, in the same terms for both dialects. Rules, hindrances and the set of
//! touched tables are all made from this, so that none of them knows a parser.

use std::collections::BTreeSet;
use std::fmt;

use crate::{Dialect, Hindrance, postgres};

/// One thing that a statement does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Act {
    /// 1-based.
    pub(crate) line: u32,
    /// False inside a block of code, which may not come to it.
    pub(crate) certain: bool,
    /// The engine does nothing and goes on where there is nothing of that name: IF EXISTS.
    pub(crate) if_exists: bool,
    pub(crate) what: What,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum What {
    CreateTable(CreateTable),
    RenameTable {
        from: Name,
        to: Name,
    },
    RenameColumn {
        table: Name,
        from: String,
        to: String,
    },
    AddColumn {
        table: Name,
        column: Column,
        if_not_exists: bool,
    },
    DropTable(Name),
    DropColumn {
        table: Name,
        column: String,
    },
    ChangeType {
        table: Name,
        column: String,
        to: Type,
        using: Using,
    },
    Truncate {
        table: Name,
        cascade: bool,
    },
    Delete {
        table: Name,
        every_row: bool,
    },
    Update {
        table: Name,
        every_row: bool,
        columns: Vec<String>,
    },
    Insert {
        table: Name,
        /// The tables that the rows are read from, as far as they are named.
        from: Vec<Name>,
        /// How it carries all rows of one table over, or what in it may not.
        copy: Result<Copy, &'static str>,
    },
    /// Anything else that concerns a table: an index, a trigger, a constraint.
    Touch(Name),
    /// A table gets another one's rows without reading them, as a parent or a partitioned table.
    Adopt {
        parent: Name,
        child: Name,
    },
    /// Gives a table something that acts with it unseen: a child, a foreign key, a policy, the right of
    /// others to write.
    Attach(Name),
    /// The same for all tables of a schema, or for those to come.
    AttachSchema(String),
    /// Keeps code for whoever calls it, in place of code under the same name for the same arguments.
    /// Nothing of it runs now.
    CreateRoutine {
        name: Name,
        /// The types of what it is called with; None if they can't be told.
        args: Option<Vec<String>>,
        is_function: bool,
        body: Vec<Act>,
    },
    DropRoutine {
        name: Name,
        /// None where the one function of that name is meant.
        args: Option<Vec<String>>,
    },
    RenameRoutine {
        from: Name,
        to: String,
    },
    /// Keeps code for whoever writes to the table.
    CreateTrigger {
        name: TriggerName,
        table: Name,
        body: Vec<Act>,
    },
    DropTrigger {
        name: TriggerName,
        /// None on SQLite, where its name is enough.
        table: Option<Name>,
    },
    RenameTrigger {
        table: Name,
        from: TriggerName,
        to: TriggerName,
    },
    /// Of a function or procedure.
    Call(Name),
    CreateSchema {
        schema: String,
        if_not_exists: bool,
    },
    DropSchema(String),
    DropDatabase(String),
    DropOwned(String),
    DropExtension(String),
    CreateExtension(String),
    /// A type or the like, together with the columns that use it.
    DropCascade {
        what: &'static str,
        name: Name,
    },
    CreateType {
        name: Name,
        is_enum: bool,
    },
    RenameType {
        from: Name,
        to: Name,
    },
    /// PostgreSQL: `ALTER TYPE … ADD VALUE`.
    AddEnumValue {
        ty: Name,
        value: String,
    },
    RenameEnumValue {
        from: String,
        to: String,
    },
    /// Makes something that ends with its transaction: `SET LOCAL`, `ON COMMIT DROP`.
    Bounded,
    /// Tables come, or get other names, and nobody can tell which.
    Unlisted,
    /// Rows of other databases come into reach.
    Foreign,
    /// Code whose statements can't be read.
    Unread {
        subject: String,
        message: String,
    },
    WritableSchema(String),
    /// PostgreSQL: a system catalog is written by hand.
    CatalogWrite(Name),
    /// SQLite: rows that stand in the way of new ones are deleted.
    ReplaceRows(Name),
    /// Names without a schema are looked for in these schemas from here on; None if they can't be
    /// told.
    SetPath(Option<Vec<String>>),
    /// Names without a schema may mean other tables from here on.
    ForgetPath,
    RenameSchema {
        from: String,
        to: String,
    },
    /// What was done before may be undone.
    ForgetAll,
    Hindered(Hindrance),
}

/// What makes the new values of a column whose type changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Using {
    /// The cast of the column itself.
    Cast,
    /// The same by way of its text: `c::text::t`.
    Text,
    /// `c AT TIME ZONE '…'`.
    Zone(String),
    Other,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CreateTable {
    pub(crate) table: Name,
    pub(crate) temporary: bool,
    pub(crate) if_not_exists: bool,
    /// Columns that hold values of their own; None if some come from elsewhere.
    pub(crate) columns: Option<Vec<Column>>,
    /// Rows can come to it from others without being written to it, as with a partition.
    pub(crate) dependent: bool,
    /// The tables that `AS SELECT` reads.
    pub(crate) from: Vec<Name>,
    /// SQLite: a constraint of its own leaves rows out, ON CONFLICT IGNORE or REPLACE.
    pub(crate) loses_rows: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) name: String,
    /// None if it can't be told.
    pub(crate) ty: Option<Type>,
}

/// A type as [`crate::rules`] compares them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Type {
    /// PostgreSQL: lower-cased, with the standard's long names, without `pg_catalog`. SQLite: as it
    /// is declared, in lower case; empty where none is.
    pub(crate) name: String,
    pub(crate) args: Vec<u32>,
    pub(crate) array: bool,
}

/// `INSERT INTO a SELECT … FROM source`, with every row of the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Copy {
    pub(crate) source: Name,
    /// The columns that are written; none for all.
    pub(crate) into: Vec<String>,
    pub(crate) values: Vec<Value>,
}

/// What a copy puts into a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    /// `*`: every column of the source.
    All,
    /// One column of the source, or something else only where it is NULL.
    Column {
        name: String,
        /// By CAST.
        cast: Option<Type>,
    },
    /// Something made of these columns of the source.
    Made(BTreeSet<String>),
}

/// The name of what runs with a write to a table. Triggers and rules don't share names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TriggerName {
    Trigger(String),
    Rule(String),
}

/// A table's name as its engine compares it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Name {
    pub(crate) schema: Option<String>,
    pub(crate) name: String,
}

impl Name {
    /// The name beside this one: in the same schema.
    pub(crate) fn sibling(&self, name: String) -> Name {
        Name {
            schema: self.schema.clone(),
            name,
        }
    }

    /// The table of that name in a schema.
    pub(crate) fn within(&self, schema: &str) -> Name {
        Name {
            schema: Some(schema.to_owned()),
            name: self.name.clone(),
        }
    }

    /// Whether the name itself says that the table ends with its session.
    pub(crate) fn is_temporary(&self, dialect: Dialect) -> bool {
        let schema = self.schema.as_deref().unwrap_or_default();
        match dialect {
            Dialect::Sqlite => schema == "temp",
            Dialect::Postgres => schema == "pg_temp" || schema.starts_with("pg_temp_"),
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(schema) = &self.schema {
            write!(f, "{schema}.")?;
        }
        f.write_str(&self.name)
    }
}

impl Type {
    /// A type as the engine prints it, or as it was declared.
    pub(crate) fn printed(dialect: Dialect, text: &str) -> Type {
        match dialect {
            Dialect::Sqlite => Type {
                name: text.to_ascii_lowercase(),
                args: Vec::new(),
                array: false,
            },
            Dialect::Postgres => postgres::printed_type(text),
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if !self.args.is_empty() {
            let args: Vec<String> = self.args.iter().map(u32::to_string).collect();
            write!(f, "({})", args.join(","))?;
        }
        if self.array {
            f.write_str("[]")?;
        }
        Ok(())
    }
}

impl What {
    /// The tables that the act changes, by name.
    pub(crate) fn tables(&self) -> Vec<&Name> {
        match self {
            What::CreateTable(create) => vec![&create.table],
            What::RenameTable { from, to } => vec![from, to],
            What::RenameColumn { table, .. }
            | What::AddColumn { table, .. }
            | What::DropColumn { table, .. }
            | What::ChangeType { table, .. }
            | What::Truncate { table, .. }
            | What::Delete { table, .. }
            | What::Update { table, .. }
            | What::Insert { table, .. }
            | What::DropTable(table)
            | What::Touch(table)
            | What::CreateTrigger { table, .. } => vec![table],
            What::Adopt { parent, child } => vec![parent, child],
            What::Attach(_)
            | What::AttachSchema(_)
            | What::CreateSchema { .. }
            | What::DropSchema(_)
            | What::DropDatabase(_)
            | What::DropOwned(_)
            | What::DropExtension(_)
            | What::DropCascade { .. }
            | What::Unread { .. }
            | What::WritableSchema(_)
            | What::CreateRoutine { .. }
            | What::DropRoutine { .. }
            | What::RenameRoutine { .. }
            | What::DropTrigger { .. }
            | What::RenameTrigger { .. }
            | What::CreateExtension(_)
            | What::CreateType { .. }
            | What::RenameType { .. }
            | What::AddEnumValue { .. }
            | What::RenameEnumValue { .. }
            | What::Bounded
            | What::Unlisted
            | What::Foreign
            | What::Call(_)
            | What::SetPath(_)
            | What::RenameSchema { .. }
            | What::CatalogWrite(_)
            | What::ReplaceRows(_)
            | What::ForgetPath
            | What::ForgetAll
            | What::Hindered(_) => Vec::new(),
        }
    }
}
