//! Statements that change more than the database that they run in.
//!
//! What a function of the file or a text made at run time does is not read: a role that may do
//! little is the answer to those.

use migrations::Migration;
use sql::{Dialect, Kind, Script, Statement};

/// What a server's databases share, or what leads out of it, as the word after CREATE, ALTER or DROP.
const SHARED: [&str; 7] = [
    "database",
    "role",
    "user",
    "group",
    "system",
    "tablespace",
    "subscription",
];

/// The first statement that changes what other databases of the server have a part in.
pub(crate) fn first<'s>(
    dialect: Dialect,
    script: &'s Script,
    migration: &Migration,
) -> Option<&'s Statement> {
    let changes_shared = |statement: &&Statement| {
        let text = &migration.up[statement.range.clone()];
        changes_shared(statement.kind, &words(text))
    };
    match dialect {
        Dialect::Sqlite => None,
        Dialect::Postgres => script.statements.iter().find(changes_shared),
    }
}

fn changes_shared(kind: Kind, words: &[String]) -> bool {
    if kind == Kind::Code {
        // Its body is a string, and read as words too.
        return (0..words.len()).any(|from| defines_shared(&words[from..]));
    }
    defines_shared(words) || grants_shared(words)
}

fn defines_shared(words: &[String]) -> bool {
    let words: Vec<&str> = words.iter().take(3).map(String::as_str).collect();
    match words[..] {
        ["create" | "alter" | "drop", "user", "mapping"] => false,
        ["create" | "alter" | "drop", what, ..] if SHARED.contains(&what) => true,
        ["drop" | "reassign", "owned", ..] => true,
        ["comment", "on", what] => SHARED.contains(&what),
        _ => false,
    }
}

/// Membership in a role, or a right on what all databases share.
fn grants_shared(words: &[String]) -> bool {
    if !matches!(words.first().map(String::as_str), Some("grant" | "revoke")) {
        return false;
    }
    let Some(on) = words.iter().position(|word| word == "on") else {
        return true;
    };
    let after: Vec<&str> = words[on + 1..].iter().map(String::as_str).collect();
    match after[..] {
        // A table of that name.
        [_, "to" | "from", ..] => false,
        [what, ..] => matches!(what, "database" | "tablespace" | "parameter"),
        [] => false,
    }
}

/// The words of a statement in lower case, without its comments.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        let in_word = |c: char| c.is_alphanumeric() || c == '_';
        if let Some(comment) = rest.strip_prefix("--") {
            rest = comment.split_once('\n').map_or("", |(_, after)| after);
        } else if let Some(comment) = rest.strip_prefix("/*") {
            rest = comment.split_once("*/").map_or("", |(_, after)| after);
        } else if in_word(next) {
            let end = rest.find(|c| !in_word(c)).unwrap_or(rest.len());
            words.push(rest[..end].to_lowercase());
            rest = &rest[end..];
        } else {
            rest = &rest[next.len_utf8()..];
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_shared(text: &str) -> bool {
        let script = sql::parse(Dialect::Postgres, text);
        assert!(script.errors.is_empty(), "{text}: {:?}", script.errors);
        let changes = |statement: &Statement| changes_shared(statement.kind, &words(text));
        script.statements.iter().any(changes)
    }

    #[test]
    fn what_databases_share_is_known() {
        for text in [
            "drop database if exists victim",
            "CREATE /* the */ DATABASE d",
            "ALTER ROLE app SET search_path = x",
            "create -- one\n user u",
            "DROP GROUP g",
            "ALTER SYSTEM SET work_mem = '1MB'",
            "CREATE TABLESPACE t LOCATION '/t'",
            "DROP SUBSCRIPTION s",
            "REASSIGN OWNED BY a TO b",
            "COMMENT ON DATABASE d IS 'x'",
            "GRANT a TO b",
            "REVOKE a FROM b",
            "GRANT CONNECT ON DATABASE d TO b",
            "DO $$ BEGIN IF true THEN CREATE ROLE app; END IF; END $$",
            "DO $$ BEGIN EXECUTE 'drop database x'; END $$",
        ] {
            assert!(is_shared(text), "{text}");
        }
        for text in [
            "CREATE TABLE role (a int)",
            "CREATE USER MAPPING FOR u SERVER s",
            "ALTER TABLE database ADD a int",
            "GRANT SELECT ON t TO b",
            "GRANT SELECT ON parameter TO b",
            "INSERT INTO help VALUES ('create role and drop database')",
            "DROP TABLE owned",
            "COMMENT ON TABLE t IS 'on database'",
            "DO $$ BEGIN CREATE TABLE t (a int); END $$",
        ] {
            assert!(!is_shared(text), "{text}");
        }
    }
}
