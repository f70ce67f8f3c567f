//! A mark's table that somebody else has made or put something on.

use tests::own_tables::Engine;

use crate::support::{CI, Place};

/// The table as Lockstep makes it, with what stands between the brackets and what follows it.
fn table(engine: Engine, protected: &str, more: &str) -> String {
    match engine {
        Engine::Sqlite => format!(
            "CREATE TABLE lockstep_environment (id INTEGER PRIMARY KEY, name TEXT NOT NULL,
                {protected}, uuid TEXT NOT NULL, endpoint TEXT NOT NULL,
                marked_at TEXT NOT NULL, marked_by TEXT NOT NULL); {more}"
        ),
        Engine::Postgres => format!(
            "CREATE SCHEMA lockstep; CREATE TABLE lockstep.environment (id int4 PRIMARY KEY,
                name text NOT NULL, {protected}, uuid text NOT NULL, system_identifier text,
                database_oid text, endpoint text NOT NULL, marked_at text NOT NULL,
                marked_by text NOT NULL); {more}"
        ),
    }
}

#[test]
fn a_mark_that_is_not_kept_as_it_was_written_is_not_written() {
    const SQLITE: &str = "protected INTEGER NOT NULL";
    const POSTGRES: &str = "protected bool NOT NULL";
    let function = "CREATE FUNCTION open() RETURNS trigger LANGUAGE plpgsql AS \
                    'BEGIN NEW.protected := false; RETURN NEW; END';";
    let late = "CREATE FUNCTION open() RETURNS trigger LANGUAGE plpgsql AS \
                'BEGIN UPDATE lockstep.environment SET protected = false WHERE protected; \
                RETURN NULL; END';";
    let cases = [
        (
            Engine::Sqlite,
            table(
                Engine::Sqlite,
                SQLITE,
                "CREATE TRIGGER open AFTER INSERT ON lockstep_environment
                 BEGIN UPDATE lockstep_environment SET protected = 0; END",
            ),
            "it says unprotected",
        ),
        (
            Engine::Sqlite,
            table(
                Engine::Sqlite,
                SQLITE,
                "CREATE TRIGGER gone AFTER INSERT ON lockstep_environment
                 BEGIN DELETE FROM lockstep_environment; END",
            ),
            "there is none",
        ),
        (
            Engine::Sqlite,
            table(
                Engine::Sqlite,
                SQLITE,
                "CREATE TRIGGER skipped BEFORE INSERT ON lockstep_environment
                 BEGIN SELECT RAISE(IGNORE); END",
            ),
            "there is none",
        ),
        (
            Engine::Sqlite,
            table(Engine::Sqlite, "protected INTEGER AS (0)", ""),
            "cannot INSERT into generated column",
        ),
        (
            Engine::Sqlite,
            "CREATE VIEW lockstep_environment AS SELECT 1 AS id".to_owned(),
            "lockstep_environment is a view",
        ),
        (
            Engine::Sqlite,
            table(
                Engine::Sqlite,
                "protected INTEGER CHECK (protected = 0)",
                "",
            ),
            "CHECK constraint failed",
        ),
        (
            Engine::Postgres,
            table(
                Engine::Postgres,
                POSTGRES,
                &format!(
                    "{function} CREATE TRIGGER open BEFORE INSERT ON lockstep.environment \
                     FOR EACH ROW EXECUTE FUNCTION open()"
                ),
            ),
            "it says unprotected",
        ),
        (
            Engine::Postgres,
            table(
                Engine::Postgres,
                POSTGRES,
                &format!(
                    "{late} CREATE CONSTRAINT TRIGGER open AFTER INSERT ON lockstep.environment \
                     DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION open()"
                ),
            ),
            "it says unprotected",
        ),
        (
            Engine::Postgres,
            table(
                Engine::Postgres,
                POSTGRES,
                "CREATE RULE gone AS ON INSERT TO lockstep.environment DO INSTEAD NOTHING",
            ),
            "",
        ),
        (
            Engine::Postgres,
            table(
                Engine::Postgres,
                "protected bool GENERATED ALWAYS AS (false) STORED",
                "",
            ),
            "cannot insert a non-DEFAULT value into column",
        ),
        (
            Engine::Postgres,
            "CREATE SCHEMA lockstep; CREATE VIEW lockstep.environment AS SELECT 1 AS id, \
             'dev'::text AS name, false AS protected, 'u'::text AS uuid, \
             NULL::text AS system_identifier, NULL::text AS database_oid, 'x:1'::text AS endpoint, \
             ''::text AS marked_at, ''::text AS marked_by"
                .to_owned(),
            "lockstep.environment is no table",
        ),
        (
            Engine::Postgres,
            table(
                Engine::Postgres,
                POSTGRES,
                "INSERT INTO lockstep.environment VALUES (1, 'dev', false, 'u', NULL, NULL, 'x:1', \
                 '', ''); CREATE RULE kept AS ON UPDATE TO lockstep.environment DO INSTEAD NOTHING",
            ),
            "another value has",
        ),
    ];
    for (engine, sql, says) in cases {
        let place = match engine {
            Engine::Sqlite => Place::sqlite(),
            Engine::Postgres => Place::postgres(),
        };
        place.execute(&sql);
        let before = place.mark();
        let ran = place.run_as_job(&[], &CI);
        assert_eq!(ran.code, Some(1), "{sql}\n{ran:?}");
        ran.is(1, "no").says(says);
        assert!(ran.text().contains("by hand"), "{sql}\n{ran:?}");
        assert_eq!(place.mark(), before, "{sql}");
    }
}
