//! What only the text of a `CREATE TABLE` statement holds.
//!
//! SQLite has accepted the text, so this reads it as tokens and needs no grammar: everything of
//! interest starts with a reserved word outside any inner parenthesis, and a reserved word can't be
//! a name without quotes. The order in which constraints stand, and whether they stand with their
//! column or with the table, is lost here on purpose.

use std::collections::BTreeMap;

use super::text::{Token, by_commas, closing, tidy, tokens};

/// The parts of a table that no pragma tells. Names are in lower case.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct TableText {
    /// Expressions of the check constraints, in the order of the text.
    pub(super) checks: Vec<String>,
    /// Expression of each generated column.
    pub(super) generated: BTreeMap<String, String>,
    /// Columns and referenced table of each foreign key that is checked at COMMIT.
    pub(super) deferred: Vec<(Vec<String>, String)>,
    /// `ON CONFLICT` of the primary key.
    pub(super) primary_key_conflict: Option<String>,
    /// `ON CONFLICT` of unique constraints, by their columns.
    pub(super) unique_conflicts: BTreeMap<Vec<String>, String>,
    /// `ON CONFLICT` of NOT NULL constraints, by column.
    pub(super) not_null_conflicts: BTreeMap<String, String>,
    /// Whether the primary key is `AUTOINCREMENT`.
    pub(super) autoincrement: bool,
}

/// Reads the statement, or nothing if it is none that this can read.
pub(super) fn read(sql: &str) -> Option<TableText> {
    let tokens = tokens(sql)?;
    let open = tokens.iter().position(|token| token.is("("))?;
    let close = closing(&tokens, open)?;
    let mut text = TableText::default();
    for item in by_commas(&tokens[open + 1..close]) {
        Item::default().read(item, &mut text)?;
    }
    Some(text)
}

/// A column with its constraints, or table constraints: SQLite lets the comma between two of those
/// be left out.
#[derive(Default)]
struct Item {
    column: Option<String>,
    columns: Vec<String>,
    conflict_of: Option<ConflictOf>,
    reference: Option<(Vec<String>, String)>,
}

enum ConflictOf {
    PrimaryKey,
    Unique(Vec<String>),
    NotNull(String),
    Check,
}

impl Item {
    fn read(mut self, item: &[Token<'_>], text: &mut TableText) -> Option<()> {
        let first = item.first()?;
        let table_constraint = ["CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN"];
        let mut at = 0;
        if !table_constraint.iter().any(|word| first.is(word)) {
            let column = first.name().to_ascii_lowercase();
            self.columns = vec![column.clone()];
            self.column = Some(column);
            at = 1;
        }
        while at < item.len() {
            at = self.constraint(item, at, text)?;
        }
        Some(())
    }

    /// Reads what starts at `at` and returns where the next begins.
    fn constraint(&mut self, item: &[Token<'_>], at: usize, text: &mut TableText) -> Option<usize> {
        let token = &item[at];
        let is =
            |ahead: usize, word: &str| item.get(at + ahead).is_some_and(|token| token.is(word));
        if token.is("(") {
            return Some(closing(item, at)? + 1);
        }
        if token.is("CONSTRAINT") || token.is("COLLATE") {
            return Some(at + 2);
        }
        if token.is("PRIMARY") && is(1, "KEY") {
            self.conflict_of = Some(ConflictOf::PrimaryKey);
            if is(2, "(") {
                let close = closing(item, at + 2)?;
                let inner = &item[at + 2..close];
                text.autoincrement |= inner.iter().any(|token| token.is("AUTOINCREMENT"));
                return Some(close + 1);
            }
            return Some(at + 2);
        }
        if token.is("AUTOINCREMENT") {
            text.autoincrement = true;
        }
        if token.is("UNIQUE") {
            let (columns, next) = self.column_list(item, at + 1)?;
            self.conflict_of = Some(ConflictOf::Unique(columns));
            return Some(next);
        }
        if token.is("FOREIGN") && is(1, "KEY") {
            let (columns, next) = self.column_list(item, at + 2)?;
            self.columns = columns;
            return Some(next);
        }
        if token.is("NOT") && is(1, "NULL") {
            self.conflict_of = self.column.clone().map(ConflictOf::NotNull);
            return Some(at + 2);
        }
        if token.is("NOT") && is(1, "DEFERRABLE") {
            self.reference = None;
            return Some(at + 2);
        }
        if token.is("CHECK") && is(1, "(") {
            self.conflict_of = Some(ConflictOf::Check);
            let close = closing(item, at + 1)?;
            text.checks.push(tidy(&item[at + 2..close]));
            return Some(close + 1);
        }
        if token.is("AS") && is(1, "(") {
            let close = closing(item, at + 1)?;
            let expression = tidy(&item[at + 2..close]);
            text.generated.insert(self.column.clone()?, expression);
            return Some(close + 1);
        }
        if token.is("REFERENCES") {
            let table = item.get(at + 1)?.name().to_ascii_lowercase();
            self.reference = Some((self.columns.clone(), table));
            return Some(at + 2);
        }
        if token.is("INITIALLY") && is(1, "DEFERRED") {
            text.deferred.extend(self.reference.take());
            return Some(at + 2);
        }
        if token.is("ON") && is(1, "CONFLICT") {
            let resolution = item.get(at + 2)?.text.to_ascii_uppercase();
            self.conflict(resolution, text);
            return Some(at + 3);
        }
        Some(at + 1)
    }

    fn conflict(&mut self, resolution: String, text: &mut TableText) {
        match self.conflict_of.take() {
            // What a constraint does anyway is as if it had not been written.
            _ if resolution == "ABORT" => {}
            Some(ConflictOf::PrimaryKey) => text.primary_key_conflict = Some(resolution),
            Some(ConflictOf::Unique(columns)) => {
                text.unique_conflicts.insert(columns, resolution);
            }
            Some(ConflictOf::NotNull(column)) => {
                text.not_null_conflicts.insert(column, resolution);
            }
            // SQLite reads the clause of a check and ignores it.
            Some(ConflictOf::Check) | None => {}
        }
    }

    /// The columns in the parentheses at `at`, or the column that the constraint stands with.
    fn column_list(&self, item: &[Token<'_>], at: usize) -> Option<(Vec<String>, usize)> {
        if !item.get(at).is_some_and(|token| token.is("(")) {
            return Some((vec![self.column.clone()?], at));
        }
        let close = closing(item, at)?;
        let names = by_commas(&item[at + 1..close])
            .iter()
            .filter_map(|column| Some(column.first()?.name().to_ascii_lowercase()))
            .collect();
        Some((names, close + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(all: &[&str]) -> Vec<String> {
        all.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn column_and_table_constraints_read_alike() {
        let with_columns = read(
            "CREATE TABLE t(a INT UNIQUE ON CONFLICT REPLACE CHECK (a > 0) REFERENCES P(x) \
             ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED, b INTEGER PRIMARY KEY AUTOINCREMENT)",
        );
        let with_table = read(
            "CREATE TABLE \"t\" (\"a\" INT, b INTEGER, PRIMARY KEY (b AUTOINCREMENT), \
             CONSTRAINT \"check\" CHECK (a > 0) UNIQUE (a) ON CONFLICT REPLACE, -- no, comma\n \
             FOREIGN KEY ([A]) REFERENCES 'p' (x) DEFERRABLE INITIALLY DEFERRED)",
        );
        assert_eq!(with_columns, with_table);
        let text = with_table.unwrap();
        assert!(text.autoincrement);
        assert_eq!(text.checks, ["a > 0"]);
        assert_eq!(text.deferred, [(names(&["a"]), "p".to_owned())]);
        assert_eq!(text.unique_conflicts[&names(&["a"])], "REPLACE");
    }

    #[test]
    fn reserved_words_inside_expressions_and_quotes_are_not_constraints() {
        let text = read(
            "CREATE TABLE t(\"check\" TEXT DEFAULT ('CHECK (1)'), \"unique\" INT NOT NULL ON CONFLICT \
             IGNORE CHECK (\"check\" IN ('a', 'b,c')), g GENERATED ALWAYS AS (CAST(a AS int)) STORED)",
        )
        .unwrap();
        assert_eq!(text.checks, ["\"check\" IN ('a', 'b,c')"]);
        assert_eq!(text.generated["g"], "CAST(a AS int)");
        assert_eq!(text.not_null_conflicts["unique"], "IGNORE");
        assert!(text.unique_conflicts.is_empty());
    }

    #[test]
    fn only_initially_deferred_is_deferred() {
        let text = read(
            "CREATE TABLE t(a REFERENCES p NOT DEFERRABLE INITIALLY DEFERRED, b REFERENCES p \
             DEFERRABLE, c REFERENCES p DEFERRABLE INITIALLY IMMEDIATE)",
        );
        assert_eq!(text, Some(TableText::default()));
    }
}
