//! The schema table's rows: read whenever the schema has changed, and taken over where they are the
//! same as before.

use std::cell::OnceCell;
use std::collections::HashSet;
use std::rc::Rc;

use records::LedgerName;
use rusqlite::Connection;

use super::census::{self, OwnObjects};

/// The rows of the schema table.
#[derive(Debug, Default)]
pub(super) struct Entries {
    /// In the order of their rowids.
    rows: Vec<Row>,
    /// Whether all that was there before still is.
    pub(super) grown: bool,
    /// The names of tables and views, in lower case; gathered when one is first asked for.
    tables: OnceCell<HashSet<String>>,
}

#[derive(Debug)]
struct Row {
    rowid: i64,
    /// Whether it was not there before.
    is_new: bool,
    entry: Rc<Entry>,
}

/// What a row says, but for the root page.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) table: String,
    sql: Option<String>,
    /// A table's own.
    pub(super) keys: Vec<Key>,
    is_own: bool,
}

/// A foreign key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) child: String,
    pub(super) columns: Vec<String>,
    pub(super) parent: String,
    /// Empty where the key refers to the parent's primary key without naming it.
    pub(super) parent_columns: Vec<String>,
}

impl Entry {
    fn of(
        row: &rusqlite::Row<'_>,
        connection: &Connection,
        own: &[String],
    ) -> Result<Entry, rusqlite::Error> {
        let mut entry = Entry {
            kind: row.get(1)?,
            name: row.get(2)?,
            table: row.get(3)?,
            sql: row.get(4)?,
            keys: Vec::new(),
            is_own: false,
        };
        entry.is_own = census::is_about_own(&entry.name, &entry.table, own);
        // Without the word there is no key.
        if entry.kind == "table" && has_keyword(entry.text()) {
            entry.keys = keys_of(connection, &entry.name)?;
        }
        Ok(entry)
    }

    /// Whether a row says the same.
    fn is_that_of(&self, row: &rusqlite::Row<'_>) -> Result<bool, rusqlite::Error> {
        let sql = row.get_ref(4)?.as_bytes_or_null()?;
        let same = sql == self.sql.as_deref().map(str::as_bytes)
            && row.get_ref(2)?.as_bytes()? == self.name.as_bytes()
            && row.get_ref(3)?.as_bytes()? == self.table.as_bytes()
            && row.get_ref(1)?.as_bytes()? == self.kind.as_bytes();
        Ok(same)
    }

    /// Its definition.
    pub(super) fn text(&self) -> &str {
        self.sql.as_deref().unwrap_or_default()
    }
}

impl Entries {
    /// Reads them all, and makes anew what `former` does not have.
    pub(super) fn read(
        connection: &Connection,
        ledger: &LedgerName,
        former: Option<&Entries>,
    ) -> Result<Entries, rusqlite::Error> {
        let own = census::own_names(ledger);
        let mut former = former
            .map_or(&[][..], |former| &former.rows)
            .iter()
            .peekable();
        let mut entries = Entries {
            grown: true,
            ..Entries::default()
        };
        let mut statement = connection.prepare_cached(
            "SELECT rowid, type, name, tbl_name, sql FROM main.sqlite_schema ORDER BY rowid",
        )?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let rowid = row.get(0)?;
            while former.next_if(|row| row.rowid < rowid).is_some() {
                entries.grown = false;
            }
            let known = former.next_if(|row| row.rowid == rowid);
            let same = match known {
                Some(known) if known.entry.is_that_of(row)? => Some(Rc::clone(&known.entry)),
                _ => None,
            };
            entries.grown &= known.is_some() == same.is_some();
            let is_new = same.is_none();
            let entry = match same {
                Some(entry) => entry,
                None => Rc::new(Entry::of(row, connection, &own)?),
            };
            entries.rows.push(Row {
                rowid,
                is_new,
                entry,
            });
        }
        entries.grown &= former.next().is_none();
        Ok(entries)
    }

    /// Each with whether it was not there before.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Entry, bool)> {
        self.rows.iter().map(|row| (&*row.entry, row.is_new))
    }

    /// Whether any table has a foreign key.
    pub(super) fn have_keys(&self) -> bool {
        self.iter().any(|(entry, _)| !entry.keys.is_empty())
    }

    /// The keys of a table.
    pub(super) fn keys_of(&self, child: &str) -> &[Key] {
        self.iter()
            .find(|(entry, _)| entry.kind == "table" && entry.name == child)
            .map_or(&[], |(entry, _)| &entry.keys)
    }

    /// Whether there is a table or a view of this name.
    pub(super) fn has(&self, table: &str) -> bool {
        let tables = self.tables.get_or_init(|| {
            self.iter()
                .filter(|(entry, _)| matches!(entry.kind.as_str(), "table" | "view"))
                .map(|(entry, _)| entry.name.to_ascii_lowercase())
                .collect()
        });
        tables.contains(&table.to_ascii_lowercase())
    }

    /// What of them is Lockstep's own, or stands on it.
    pub(super) fn own(&self) -> OwnObjects {
        self.iter()
            .filter(|(entry, _)| entry.is_own)
            .map(|(entry, _)| (entry.kind.clone(), entry.name.clone(), entry.sql.clone()))
            .collect()
    }
}

fn has_keyword(sql: &str) -> bool {
    const KEYWORD: &[u8] = b"references";
    sql.as_bytes()
        .windows(KEYWORD.len())
        .any(|word| word.eq_ignore_ascii_case(KEYWORD))
}

fn keys_of(connection: &Connection, child: &str) -> Result<Vec<Key>, rusqlite::Error> {
    let mut statement = connection.prepare_cached(
        "SELECT id, \"table\", \"from\", \"to\" FROM pragma_foreign_key_list(?1, 'main') \
         ORDER BY id, seq",
    )?;
    let mut rows = statement.query([child])?;
    let mut keys: Vec<Key> = Vec::new();
    let mut last = None;
    while let Some(row) = rows.next()? {
        let id: i64 = row.get(0)?;
        if last != Some(id) {
            keys.push(Key {
                child: child.to_owned(),
                columns: Vec::new(),
                parent: row.get(1)?,
                parent_columns: Vec::new(),
            });
            last = Some(id);
        }
        if let Some(key) = keys.last_mut() {
            key.columns.push(row.get(2)?);
            key.parent_columns.extend(row.get::<_, Option<String>>(3)?);
        }
    }
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(connection: &Connection, former: Option<&Entries>) -> Entries {
        Entries::read(connection, &LedgerName::default(), former).unwrap()
    }

    fn new(entries: &Entries) -> Vec<&str> {
        let new = entries.iter().filter(|(_, is_new)| *is_new);
        new.map(|(entry, _)| entry.name.as_str()).collect()
    }

    #[test]
    fn what_is_the_same_is_taken_over_and_the_rest_is_read() {
        const MADE: &str = "CREATE TABLE p (id INTEGER PRIMARY KEY); \
            CREATE TABLE c (p REFERENCES p, q REFERENCES P (id)); CREATE INDEX i ON c (p); \
            CREATE VIEW v AS SELECT * FROM c";
        for (change, grown, found) in [
            (
                "CREATE TABLE d (x); CREATE INDEX j ON d (x)",
                true,
                &["d", "j"][..],
            ),
            ("DROP INDEX i", false, &[]),
            ("DROP VIEW v", false, &[]),
            // The same words are those of another entry.
            (
                "DROP TABLE p; CREATE TABLE p (id INTEGER PRIMARY KEY)",
                false,
                &["p"],
            ),
            ("ALTER TABLE p ADD COLUMN more", false, &["p"]),
            ("ALTER TABLE c RENAME COLUMN q TO r", false, &["c"]),
            ("ALTER TABLE p RENAME TO o", false, &["o", "c"]),
            ("INSERT INTO p VALUES (1)", true, &[]),
        ] {
            let connection = Connection::open_in_memory().unwrap();
            connection.execute_batch(MADE).unwrap();
            let before = read(&connection, None);
            assert_eq!(new(&before), ["p", "c", "i", "v"]);
            assert_eq!(before.keys_of("c").len(), 2);
            connection.execute_batch(change).unwrap();
            let after = read(&connection, Some(&before));
            assert_eq!(after.grown, grown, "{change}");
            let mut names = new(&after);
            names.sort_unstable();
            let mut found = found.to_vec();
            found.sort_unstable();
            assert_eq!(names, found, "{change}");
            let anew = read(&connection, None);
            assert_eq!(after.keys_of("c"), anew.keys_of("c"), "{change}");
            assert_eq!(after.own(), anew.own());
        }
    }

    #[test]
    fn whether_there_are_keys_and_tables_is_told_of_all() {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch("CREATE TABLE P (id); CREATE TABLE x (a /* references */)")
            .unwrap();
        let none = read(&connection, None);
        assert!(!none.have_keys());
        assert!(none.has("p") && !none.has("c"));
        connection
            .execute_batch("CREATE TABLE c (p References P)")
            .unwrap();
        let one = read(&connection, Some(&none));
        assert!(one.have_keys() && one.has("C"));
        connection.execute_batch("CREATE TABLE d (x)").unwrap();
        assert!(read(&connection, Some(&one)).have_keys());
    }
}
