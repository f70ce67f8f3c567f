//! The database that the pending files will run on, as far as the rules have to know it.

use std::collections::BTreeSet;

use crate::Dialect;
use crate::lex::{Class, lex};

/// What is there before the pending files run. The caller reads it; the default is a database of which
/// nothing is known, on PostgreSQL with the schema `public` in the path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Before {
    /// PostgreSQL: where names without a schema are looked for when a file begins, whether or not
    /// each schema is there yet.
    pub search_path: Vec<String>,
    /// PostgreSQL: the schemas that there are.
    pub schemas: BTreeSet<String>,
    /// Tables and views, and on PostgreSQL composite types. Lockstep's own are left out.
    pub tables: Vec<Table>,
    /// PostgreSQL: types that somebody made, but for those of tables.
    pub types: Vec<UserType>,
    /// PostgreSQL: the extensions that are installed.
    pub extensions: BTreeSet<String>,
    /// PostgreSQL: the names of functions and procedures in SQL or another language that somebody wrote.
    pub routines: BTreeSet<String>,
    /// Whether these are all that there are: what is not among them is not there.
    pub is_complete: bool,
}

/// A type of the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserType {
    /// Its schema.
    pub schema: String,
    /// As the server keeps it.
    pub name: String,
    /// Whether it is an enum.
    pub is_enum: bool,
}

/// A table of the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// None on SQLite.
    pub schema: Option<String>,
    /// As the engine keeps it.
    pub name: String,
    /// Those that hold values of their own, in order: the name, and the type as the engine prints it
    /// (`format_type` on PostgreSQL) or as it was declared. None where nobody reads them, as of a
    /// virtual table.
    pub columns: Option<Vec<(String, String)>>,
}

impl Default for Before {
    fn default() -> Before {
        Before {
            search_path: vec!["public".to_owned()],
            schemas: BTreeSet::from(["public".to_owned()]),
            tables: Vec::new(),
            types: Vec::new(),
            extensions: BTreeSet::new(),
            routines: BTreeSet::new(),
            is_complete: false,
        }
    }
}

/// The schemas that a setting of `search_path` names, with `role` in place of `"$user"`.
pub fn search_path(setting: &str, role: &str) -> Vec<String> {
    let lexed = lex(Dialect::Postgres, setting);
    let named = lexed.tokens().filter_map(|token| {
        let text = token.text(setting);
        let quoted = |quote| text.strip_prefix(quote)?.strip_suffix(quote);
        match (quoted('"').or_else(|| quoted('\'')), token.class) {
            (Some(name), _) => Some(name.replace("\"\"", "\"")),
            (None, Class::Word) => Some(text.to_ascii_lowercase()),
            (None, _) => None,
        }
    });
    named
        .map(|name| match name.as_str() {
            "$user" => role.to_owned(),
            _ => name,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_path_is_a_list_of_names() {
        let path = |setting| search_path(setting, "clerk");
        assert_eq!(path("\"$user\", public"), ["clerk", "public"]);
        assert_eq!(path("Shop,\"My \"\"S\""), ["shop", "My \"S"]);
        assert_eq!(path("\"\""), [""]);
        assert_eq!(path(""), [""; 0]);
    }
}
