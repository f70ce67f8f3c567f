use tests::postgres_server::Server;

use crate::Dialect::Postgres;
use crate::{RECORDED, Treatment, parse, treatment};

/// What a session can have otherwise than another one: what the server says of it, PL/pgSQL loaded.
fn settings_of_sessions() -> Vec<(String, String)> {
    let mut client = Server::shared().connect("postgres");
    client.batch_execute("LOAD 'plpgsql'").unwrap();
    let rows = client.query(
        "SELECT name, category FROM pg_settings \
         WHERE context IN ('user', 'superuser', 'backend', 'superuser-backend') ORDER BY name",
        &[],
    );
    let rows = rows.unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

#[test]
fn every_setting_of_the_server_has_a_treatment() {
    let settings = settings_of_sessions();
    assert!(settings.len() > 150, "{}", settings.len());
    let unknown: Vec<_> = settings
        .iter()
        .filter(|(name, category)| treatment(name, category).is_none())
        .collect();
    assert!(
        unknown.is_empty(),
        "decide on these in server_settings.rs: {unknown:?}"
    );
    assert_eq!(
        treatment("a.setting_of_tomorrow", "Customized Options"),
        None
    );
    assert_eq!(
        treatment("standard_conforming_strings", ""),
        Some(Treatment::Pinned("on"))
    );
    assert_eq!(treatment("datestyle", ""), Some(Treatment::Recorded));
}

#[test]
fn a_recorded_setting_has_the_name_that_servers_know() {
    let settings = settings_of_sessions();
    // Of other majors.
    let elsewhere = [
        "createrole_self_grant",
        "event_triggers",
        "scram_iterations",
    ];
    for recorded in RECORDED {
        let known = settings.iter().any(|(name, _)| name == recorded);
        assert!(known || elsewhere.contains(&recorded), "{recorded}");
    }
}

#[test]
fn a_file_that_would_be_read_otherwise_after_a_statement_is_unreadable() {
    for sql in [
        "SET standard_conforming_strings = off",
        "SET LOCAL \"Standard_Conforming_Strings\" TO 'of'",
        "SET transform_null_equals = on",
        "SET client_encoding = 'LATIN1'",
        "SET client_encoding TO SJIS",
        "SELECT set_config('standard_conforming_strings', 'off', false)",
        "SELECT pg_catalog.set_config('client_encoding', 'SQL_ASCII', true)",
        "SELECT set_config('transform_null_equals', a, true) FROM t",
        "DO $$ BEGIN SET standard_conforming_strings = off; END $$",
        "DO $$ BEGIN PERFORM set_config('standard_conforming_strings', 'off', false); END $$",
        "ALTER FUNCTION f() SET standard_conforming_strings = off",
        "CREATE FUNCTION f() RETURNS text LANGUAGE sql SET standard_conforming_strings = off \
         AS $$ SELECT 'a' $$; SELECT f()",
    ] {
        let script = parse(Postgres, sql);
        let unread = script.errors.iter().any(|e| e.message.contains("after it"))
            || crate::tests::unread(&script, "after it");
        assert!(unread, "{sql}: {script:?}");
    }
    for sql in [
        "SET standard_conforming_strings = on; SET client_encoding = 'UTF8'",
        "SET standard_conforming_strings TO DEFAULT; RESET client_encoding; RESET ALL",
        "SELECT set_config('client_encoding', 'utf8', false)",
        "SET transform_null_equals = 'off'; SET session_replication_role = replica",
        "ALTER ROLE r SET standard_conforming_strings = off",
        "ALTER DATABASE d SET standard_conforming_strings = off",
        "CREATE FUNCTION f() RETURNS text LANGUAGE sql SET search_path = '' AS $$ SELECT 'a' $$",
    ] {
        let script = parse(Postgres, sql);
        assert!(script.errors.is_empty(), "{sql}: {:?}", script.errors);
        assert!(!crate::tests::unread(&script, "after it"), "{sql}");
    }
}
