//! Which objects a migration may have changed, as far as its text tells.

use std::collections::BTreeSet;

use schema::Difference;
use sql::{Dialect, Kind};

/// Words of statements that change what they do not name: what depends on a dropped or renamed
/// object, what inherits, everything in a schema.
const REACHING: [&str; 9] = [
    "cascade",
    "rename",
    "inherit",
    "inherits",
    "attach",
    "detach",
    "schema",
    "owned",
    "writable_schema",
];

/// What a file may have changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// What has one of these names.
    Names(BTreeSet<String>),
    /// Anything: it runs code, or its statements reach what they do not name.
    Everything,
}

impl Reach {
    /// What the SQL of a file may have changed.
    pub fn of(dialect: Dialect, up: &str) -> Reach {
        let script = sql::parse(dialect, up);
        let runs_code = |kind: Kind| match kind {
            Kind::Code => true,
            // A query of PostgreSQL may call a function that makes tables.
            Kind::Query => dialect == Dialect::Postgres,
            _ => false,
        };
        let names = sql::names(dialect, up);
        let reaches = !script.errors.is_empty()
            || script
                .statements
                .iter()
                .any(|statement| runs_code(statement.kind))
            || REACHING.iter().any(|word| names.contains(*word));
        match reaches {
            true => Reach::Everything,
            false => Reach::Names(names),
        }
    }

    /// Whether the file may account for a difference.
    pub(crate) fn accounts_for(&self, difference: &Difference, in_schemas: bool) -> bool {
        let Reach::Names(names) = self else {
            return true;
        };
        let mut parts = schema::name_parts(&difference.subject);
        // A schema's name stands before everything in it.
        if in_schemas && parts.len() > 1 {
            parts.remove(0);
        }
        // Columns are called alike in many tables; indexes, triggers and constraints are dropped and
        // made by names of their own.
        if difference.kind.id.starts_with("column-") {
            parts.truncate(1);
        }
        parts
            .iter()
            .any(|part| names.contains(&part.to_lowercase()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn difference(id: &'static str, subject: &str) -> Difference {
        Difference {
            kind: contract::Check {
                id,
                holds: "",
                remedy: "",
            },
            subject: subject.to_owned(),
            message: String::new(),
            expected: None,
            actual: None,
        }
    }

    #[test]
    fn a_file_accounts_for_what_it_names() {
        let reach = Reach::of(
            Dialect::Postgres,
            "CREATE TABLE public.orders (id int, note text);\nDROP INDEX users_email;",
        );
        for (id, subject, expected) in [
            ("table-declared", "public.orders", true),
            ("column-declared", "public.orders.extra", true),
            ("index-present", "public.users.users_email", true),
            ("table-declared", "public.notes", false),
            ("column-declared", "public.users.note", false),
            ("index-present", "public.users.users_name", false),
            ("function-declared", "public.orders(integer)", true),
            ("schema-declared", "public", true),
        ] {
            let found = reach.accounts_for(&difference(id, subject), true);
            assert_eq!(found, expected, "{id} {subject}");
        }
        let reach = Reach::of(Dialect::Sqlite, "ALTER TABLE Users ADD COLUMN nick TEXT");
        for (subject, expected) in [("users.nick", true), ("posts.nick", false)] {
            let found = reach.accounts_for(&difference("column-declared", subject), false);
            assert_eq!(found, expected, "{subject}");
        }
    }

    #[test]
    fn a_file_that_runs_code_or_reaches_further_accounts_for_anything() {
        for sql in [
            "DO $$ BEGIN EXECUTE 'create table x (a int)'; END $$",
            "CALL make_tables()",
            "SELECT make_tables()",
            "DROP TABLE a CASCADE",
            "ALTER TABLE a RENAME TO b",
            "CREATE TABLE a () INHERITS (b)",
            "ALTER TABLE a SET SCHEMA b",
            "CREATE TABLE (",
        ] {
            assert_eq!(
                Reach::of(Dialect::Postgres, sql),
                Reach::Everything,
                "{sql}"
            );
        }
        for sql in [
            "ALTER TABLE a RENAME COLUMN b TO c",
            "PRAGMA writable_schema = 1",
        ] {
            assert_eq!(Reach::of(Dialect::Sqlite, sql), Reach::Everything, "{sql}");
        }
        let reads = Reach::of(Dialect::Sqlite, "SELECT 1");
        assert_ne!(reads, Reach::Everything);
    }
}
