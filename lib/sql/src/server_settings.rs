//! PostgreSQL's settings that may differ from session to session, and what becomes of each while
//! files are read and run.
//!
//! A role, a database, a connection's options and a login trigger may each set them. What changes how
//! a text is read is pinned; what a file's author may have meant it to run under is left as it is and
//! recorded, so that what was verified and what is deployed run under the same; the rest says
//! nothing about a file, and the reason stands beside it.

/// What becomes of a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Treatment {
    /// Every session that reads or runs files has this value, whatever else is set.
    Pinned(&'static str),
    /// A file runs under the session's own value, and the plan names it.
    Recorded,
    /// It is left alone, for this reason.
    Left(&'static str),
}

/// Pinned settings with their values: the parser reads a text, and Lockstep a printed name, as the
/// server does under these.
pub const PINNED: [(&str, &str); 6] = [
    ("backslash_quote", "safe_encoding"),
    ("client_encoding", "UTF8"),
    ("quote_all_identifiers", "off"),
    // Under any other value no foreign key holds and no trigger fires.
    ("session_replication_role", "origin"),
    ("standard_conforming_strings", "on"),
    ("transform_null_equals", "off"),
];

/// The statements that make the server read a text as the parser did, of the pinned settings those that
/// every role may set: whether triggers fire, few may.
pub fn reading_pins() -> String {
    let read = PINNED
        .into_iter()
        .filter(|(name, _)| *name != "session_replication_role");
    let sets: Vec<String> = read
        .map(|(name, value)| format!("SET {name} = {value}"))
        .collect();
    sets.join("; ")
}

/// Recorded settings, in the order of their names. What a server does not know has no value.
pub const RECORDED: [&str; 32] = [
    "DateStyle",
    "IntervalStyle",
    "TimeZone",
    "allow_system_table_mods",
    "array_nulls",
    "bytea_output",
    "check_function_bodies",
    "createrole_self_grant",
    "default_table_access_method",
    "default_tablespace",
    "default_text_search_config",
    "default_toast_compression",
    "default_transaction_isolation",
    "event_triggers",
    "extra_float_digits",
    "gin_fuzzy_search_limit",
    "ignore_checksum_failure",
    "lc_monetary",
    "lc_numeric",
    "lc_time",
    "lo_compat_privileges",
    "password_encryption",
    "plpgsql.check_asserts",
    "plpgsql.extra_errors",
    "plpgsql.variable_conflict",
    "restrict_nonsystem_relation_kind",
    "row_security",
    "scram_iterations",
    "timezone_abbreviations",
    "xmlbinary",
    "xmloption",
    "zero_damaged_pages",
];

const LIMIT: &str = "a limit that ends a statement with an error, or none at all";
const UPKEEP: &str = "when and how the server tidies up; no row's content depends on it";
const PRINTED: &str = "what is told or logged, not what is done";
const CODE: &str =
    "which libraries are loaded; not every role may see it, and hooks are the server's owner's";
const SPEED: &str = "how a statement is carried out, not what it comes to";
const TRANSACTION: &str = "each transaction of ours says it itself";

/// Settings that are left alone although others of their category are not.
const LEFT: [(&str, &str); 33] = [
    ("client_min_messages", PRINTED),
    // A role that only verifies is often read-only, and one that deploys fails with a word on it.
    ("default_transaction_read_only", "a file fails under it"),
    (
        "default_transaction_deferrable",
        "it concerns read-only transactions",
    ),
    ("dynamic_library_path", CODE),
    (
        "escape_string_warning",
        "it warns of what the pinned settings rule out",
    ),
    ("extension_control_path", CODE),
    ("extension_destdir", CODE),
    ("gin_pending_list_limit", UPKEEP),
    ("idle_in_transaction_session_timeout", LIMIT),
    ("idle_session_timeout", LIMIT),
    ("lc_messages", PRINTED),
    ("local_preload_libraries", CODE),
    ("lock_timeout", LIMIT),
    ("md5_password_warnings", PRINTED),
    ("operator_precedence_warning", PRINTED),
    ("plpgsql.extra_warnings", PRINTED),
    ("plpgsql.print_strict_params", PRINTED),
    // In the plan by itself, with the role's own schema in the place of "$user".
    ("search_path", "the plan names it by itself"),
    ("session_preload_libraries", CODE),
    ("statement_timeout", LIMIT),
    (
        "synchronize_seqscans",
        "rows without ORDER BY have no order",
    ),
    ("temp_tablespaces", "where temporary files lie"),
    ("transaction_deferrable", TRANSACTION),
    ("transaction_isolation", TRANSACTION),
    ("transaction_read_only", TRANSACTION),
    ("transaction_timeout", LIMIT),
    ("vacuum_failsafe_age", UPKEEP),
    ("vacuum_freeze_min_age", UPKEEP),
    ("vacuum_freeze_table_age", UPKEEP),
    ("vacuum_cleanup_index_scale_factor", UPKEEP),
    ("vacuum_multixact_failsafe_age", UPKEEP),
    ("vacuum_multixact_freeze_min_age", UPKEEP),
    ("vacuum_multixact_freeze_table_age", UPKEEP),
];

/// The beginnings of categories (`pg_settings.category`) whose settings are left alone where nothing
/// above names one.
const LEFT_CATEGORIES: [(&str, &str); 14] = [
    ("Autovacuum", UPKEEP),
    (
        "Connections and Authentication / Connection Settings",
        "how a connection is kept",
    ),
    (
        "Connections and Authentication / SSL",
        "how a connection is encrypted",
    ),
    (
        "Connections and Authentication / TCP Settings",
        "how a connection is kept",
    ),
    ("Developer Options", SPEED),
    (
        "Error Handling",
        "what an error ends: the statement or the session, and neither commits",
    ),
    ("Lock Management", LIMIT),
    ("Query Tuning", SPEED),
    ("Replication", "how changes reach other servers"),
    ("Reporting and Logging", PRINTED),
    ("Resource Usage", SPEED),
    ("Statistics", PRINTED),
    ("Vacuuming", UPKEEP),
    // A transaction and its ledger row are kept or lost together.
    ("Write-Ahead Log", "how soon a commit outlives a crash"),
];

/// What becomes of a setting of a category; None for one that nobody has looked at yet.
pub fn treatment(name: &str, category: &str) -> Option<Treatment> {
    let is = |known: &str| known.eq_ignore_ascii_case(name);
    if let Some((_, value)) = PINNED.iter().find(|(pinned, _)| is(pinned)) {
        return Some(Treatment::Pinned(value));
    }
    if RECORDED.iter().any(|recorded| is(recorded)) {
        return Some(Treatment::Recorded);
    }
    let by_name = LEFT.iter().find(|(left, _)| is(left));
    let by_category = || {
        LEFT_CATEGORIES
            .iter()
            .find(|(left, _)| category.starts_with(left))
    };
    by_name
        .or_else(by_category)
        .map(|(_, why)| Treatment::Left(why))
}

/// What changes if a file gives a setting this value, where it makes the server read the text in
/// another way than it was read here. `DEFAULT` is no value here: it leads to the pinned one.
pub(crate) fn misread_by(name: &str, value: &str) -> Option<&'static str> {
    let value = value.to_ascii_lowercase();
    let (harmless, what): (&[&str], _) = match name.to_ascii_lowercase().as_str() {
        "standard_conforming_strings" => (
            &["on", "true", "t", "yes", "y", "1"],
            "standard_conforming_strings off changes how every string after it is read",
        ),
        "transform_null_equals" => (
            &["off", "false", "f", "no", "n", "0"],
            "transform_null_equals changes what `= NULL` means after it",
        ),
        "client_encoding" => (
            &["utf8", "utf-8", "unicode"],
            "another client_encoding changes how every letter after it is read: the file is UTF-8",
        ),
        _ => return None,
    };
    (!harmless.contains(&value.as_str())).then_some(what)
}
