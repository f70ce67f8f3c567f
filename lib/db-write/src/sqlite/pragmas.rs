//! What a file may set in the session, and what is put back behind it.
//!
//! Before the next file the session is made anew, so only two kinds matter: what would keep the
//! runner from its own statements in the file's transaction, and what outlives a session.

use rusqlite::Connection;

/// Whether a file may not set this: why not, as the end of a sentence that begins with the pragma.
pub(super) fn refused(name: &str, value: &str) -> Option<&'static str> {
    let value = value.trim_matches(['\'', '"']).to_ascii_lowercase();
    match name.to_ascii_lowercase().as_str() {
        "query_only" if !matches!(value.as_str(), "0" | "off" | "no" | "false") => {
            Some("keeps everything from being written, the file's row in the ledger too")
        }
        "journal_mode" if matches!(value.as_str(), "off" | "memory") => {
            Some("takes away what a rollback, or the next start after a crash, needs")
        }
        "hard_heap_limit" | "soft_heap_limit" | "temp_store_directory" | "data_store_directory" => {
            Some("stays for the whole run, also where the file is rolled back")
        }
        _ => None,
    }
}

/// Puts back what a file may have set and what our own statements in its transaction feel: what
/// they read, write and compare.
pub(super) fn put_back(connection: &Connection) -> Result<(), rusqlite::Error> {
    connection.execute_batch(
        "PRAGMA ignore_check_constraints = 0; PRAGMA recursive_triggers = 0; \
         PRAGMA case_sensitive_like = 0; PRAGMA reverse_unordered_selects = 0; \
         PRAGMA legacy_alter_table = 0; PRAGMA count_changes = 0; \
         PRAGMA max_page_count = 4294967294",
    )
}

/// Reads the schema anew, as the next connection will: a file that wrote the schema table changed
/// what this connection knows from before only if it said so itself.
pub(super) fn read_anew(connection: &Connection) -> Result<(), rusqlite::Error> {
    connection.execute_batch("PRAGMA writable_schema = RESET")?;
    connection.query_row("SELECT count(*) FROM main.sqlite_schema", [], |_| Ok(()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// They belong to the file, and go with its transaction.
    const DATA: &[&str] = &[
        "application_id",
        "auto_vacuum",
        "default_cache_size",
        "encoding",
        "incremental_vacuum",
        "page_size",
        "schema_version",
        "user_version",
        "journal_mode",
    ];

    /// They end with the session, and our own statements in it don't feel them.
    const SESSION: &[&str] = &[
        "analysis_limit",
        "automatic_index",
        "busy_timeout",
        "cache_size",
        "cache_spill",
        "cell_size_check",
        "checkpoint_fullfsync",
        "defer_foreign_keys",
        "empty_result_callbacks",
        "foreign_keys",
        "full_column_names",
        "fullfsync",
        "journal_size_limit",
        "locking_mode",
        "mmap_size",
        "read_uncommitted",
        "secure_delete",
        "short_column_names",
        "synchronous",
        "temp_store",
        "threads",
        "trusted_schema",
        "wal_autocheckpoint",
        "writable_schema",
    ];

    /// They only read, or do their work at once.
    const DEEDS: &[&str] = &[
        "collation_list",
        "compile_options",
        "data_version",
        "database_list",
        "foreign_key_check",
        "foreign_key_list",
        "freelist_count",
        "function_list",
        "index_info",
        "index_list",
        "index_xinfo",
        "integrity_check",
        "lock_proxy_file",
        "module_list",
        "optimize",
        "page_count",
        "pragma_list",
        "quick_check",
        "shrink_memory",
        "table_info",
        "table_list",
        "table_xinfo",
        "wal_checkpoint",
    ];

    const PUT_BACK: &[(&str, &str)] = &[
        ("ignore_check_constraints", "1"),
        ("recursive_triggers", "1"),
        ("reverse_unordered_selects", "1"),
        ("legacy_alter_table", "1"),
        ("count_changes", "1"),
        ("max_page_count", "7"),
    ];

    const REFUSED: &[&str] = &[
        "query_only",
        "hard_heap_limit",
        "soft_heap_limit",
        "temp_store_directory",
        "data_store_directory",
    ];

    #[test]
    fn every_pragma_of_this_sqlite_is_known() {
        let connection = Connection::open_in_memory().unwrap();
        let mut statement = connection.prepare("PRAGMA pragma_list").unwrap();
        let there: BTreeSet<String> = statement
            .query_map([], |row| row.get(0))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        let put_back = PUT_BACK.iter().map(|(name, _)| *name);
        let known: BTreeSet<String> = [DATA, SESSION, DEEDS, REFUSED, &["case_sensitive_like"]]
            .concat()
            .into_iter()
            .chain(put_back)
            .map(str::to_owned)
            .collect();
        let unknown: Vec<&String> = there.difference(&known).collect();
        assert_eq!(unknown, Vec::<&String>::new());
    }

    #[test]
    fn what_is_put_back_is_as_in_a_new_session() {
        let read = |connection: &Connection, name: &str| {
            connection
                .query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, i64>(0))
                .unwrap()
        };
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("BEGIN IMMEDIATE").unwrap();
        for (name, value) in PUT_BACK {
            let new = read(&connection, name);
            connection
                .execute_batch(&format!("PRAGMA {name} = {value}"))
                .unwrap();
            assert_ne!(read(&connection, name), new, "{name}");
            put_back(&connection).unwrap();
            assert_eq!(read(&connection, name), new, "{name}");
        }
        connection
            .execute_batch("PRAGMA case_sensitive_like = 1")
            .unwrap();
        put_back(&connection).unwrap();
        let likes = |connection: &Connection| {
            connection.query_row("SELECT 'A' LIKE 'a'", [], |row| row.get::<_, i64>(0))
        };
        assert_eq!(likes(&connection), Ok(1));
    }

    #[test]
    fn what_would_stay_or_keep_the_runner_out_is_refused() {
        for name in REFUSED {
            assert!(refused(name, "1").is_some(), "{name}");
        }
        assert!(refused("Query_Only", "'ON'").is_some());
        for (name, value) in [
            ("query_only", "OFF"),
            ("query_only", "0"),
            ("journal_mode", "WAL"),
            ("journal_mode", "delete"),
            ("foreign_keys", "off"),
            ("user_version", "7"),
        ] {
            assert_eq!(refused(name, value), None, "{name} = {value}");
        }
        assert!(refused("journal_mode", "MEMORY").is_some());
    }
}
