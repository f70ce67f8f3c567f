//! Mark and ledger, which a file must not change, whatever way it takes.

use crate::place::Place;

/// A place whose first migration is applied.
fn deployed(place: Place) -> Place {
    place.file("1_a.sql", "CREATE TABLE a (x int);");
    place.deployed();
    place
}

/// SQL that no parser sees before it runs: it is put together then.
pub(crate) fn unseen(sql: &str) -> String {
    let mut text = sql.replace('\'', "''");
    for (whole, parts) in [
        ("mi", "m' || 'i"),
        ("nm", "n' || 'm"),
        ("lock", "lo' || 'ck"),
    ] {
        text = text.replace(whole, parts);
    }
    format!("DO $do$ BEGIN EXECUTE '{text}'; END $do$;")
}

#[test]
fn no_way_to_the_ledger_is_committed_on_postgres() {
    let ways = [
        "DELETE FROM lockstep.migrations WHERE version = '1'",
        "UPDATE lockstep.migrations SET name = 'b'",
        "UPDATE lockstep.migrations SET sha256_tokens = NULL",
        "INSERT INTO lockstep.migrations SELECT 7, '7', name, sha256, sha256_tokens, state, \
            applied_at, duration_ms, applied_by, run_id, because FROM lockstep.migrations",
        "CREATE RULE r AS ON INSERT TO a DO ALSO DELETE FROM lockstep.migrations; \
         INSERT INTO a VALUES (1)",
    ];
    for way in ways {
        let place = deployed(Place::postgres());
        let way = unseen(way);
        place.file("2_b.sql", format!("CREATE TABLE b (x int);\n{way}\n"));
        let before = place.rows("SELECT m::text FROM lockstep.migrations m");
        place
            .deploy()
            .is(1, "no")
            .says("the ledger was changed meanwhile, by the file or by somebody else");
        assert_eq!(
            place.rows("SELECT m::text FROM lockstep.migrations m"),
            before
        );
        assert_eq!(place.rows("SELECT to_regclass('b') IS NULL"), ["t"]);
    }
}

#[test]
fn of_a_long_ledger_the_end_and_the_number_of_rows_are_held() {
    let place = Place::postgres();
    for version in 1..=502 {
        place.file(&format!("{version}_a.sql"), "SELECT 1;");
    }
    place.deployed();
    for way in [
        "DELETE FROM lockstep.migrations WHERE position = 1",
        "UPDATE lockstep.migrations SET name = 'b' WHERE position = 400",
    ] {
        place.file("503_b.sql", unseen(way));
        place.deploy().is(1, "no").says("the ledger was changed");
        assert_eq!(place.ledger().len(), 502);
    }
}

#[test]
fn a_ledger_of_another_name_is_held_too() {
    let place = Place::postgres();
    place.toml("ledger = \"billing\"\n");
    let place = deployed(place);
    place.file("2_b.sql", unseen("DELETE FROM billing.migrations"));
    place.deploy().is(1, "no").says("the ledger was changed");
    assert_eq!(place.rows("SELECT version FROM billing.migrations"), ["1"]);
}

#[test]
fn outside_a_transaction_such_a_file_stays_dirty() {
    let ways = [
        (
            "DELETE FROM lockstep.migrations WHERE version = '1'",
            "every statement ran, but the ledger was changed",
        ),
        (
            "UPDATE lockstep.environment SET name = 'other'",
            "every statement ran, but it changed the database's mark",
        ),
        (
            "SELECT pg_advisory_unlock_all()",
            "every statement ran, but this session does not hold the deployment lock",
        ),
    ];
    for (way, message) in ways {
        let place = deployed(Place::postgres());
        let way = unseen(way);
        place.file("2_b.sql", format!("-- lockstep: no-transaction\n{way}\n"));
        place.deploy().is(6, "yes").says(message);
        assert_eq!(place.ledger().last().unwrap(), "2!");
    }
}

#[test]
fn a_trigger_that_changes_the_ledger_behind_its_own_row_is_rolled_back() {
    let place = deployed(Place::postgres());
    // It does its work when the row of its own file is written, after everything was compared.
    place.file(
        "2_b.sql",
        unseen(
            "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
                DELETE FROM lockstep.migrations WHERE position = 1; RETURN NULL; END $$; \
             CREATE TRIGGER t AFTER INSERT ON lockstep.migrations EXECUTE FUNCTION f()",
        ),
    );
    place
        .deploy()
        .is(1, "no")
        .says("something hangs on Lockstep's own tables: lockstep.migrations: trigger t");
    assert_eq!(place.ledger(), ["1"]);
}

#[test]
fn a_record_that_is_older_than_the_ledger_is_made_anew() {
    for place in Place::both() {
        let place = deployed(place);
        let table = place.table("schema");
        let state = format!("SELECT ledger_state FROM {table}");
        let before = place.rows(&state);
        for older in [
            format!("UPDATE {table} SET ledger_state = 'older'"),
            format!("DELETE FROM {table}"),
        ] {
            place.execute(&older);
            place
                .deploy()
                .is(0, "yes")
                .says("nothing is pending, 1 applied; recorded the schema");
            assert_eq!(place.rows(&state), before);
        }
        place.deploy().is(0, "no").says("nothing is pending");
    }
}

#[test]
fn what_hangs_on_the_records_is_refused_before_anything_runs() {
    for (made, message) in [
        (
            "CREATE TRIGGER t BEFORE INSERT ON lockstep_migrations BEGIN SELECT raise(ignore); END",
            "it carries the trigger t, which is not Lockstep's",
        ),
        (
            "CREATE TRIGGER t AFTER INSERT ON lockstep_migrations BEGIN \
                UPDATE lockstep_environment SET protected = 0; END",
            "it carries the trigger t, which is not Lockstep's",
        ),
        (
            "ALTER TABLE lockstep_schema RENAME TO s; \
             CREATE VIEW lockstep_schema AS SELECT * FROM s",
            "a view stands in its place",
        ),
        (
            "ALTER TABLE lockstep_environment ADD COLUMN more TEXT",
            "it has another form than any that Lockstep writes",
        ),
    ] {
        let place = deployed(Place::sqlite());
        place.execute(made);
        place.file("2_b.sql", "CREATE TABLE b (x int);");
        let before = place.state();
        let ran = place.deploy();
        ran.is(1, "no").says(message);
        assert!(ran.found("fail")[0].contains("records-own"), "{ran:?}");
        assert_eq!(place.state(), before);
    }
}

#[test]
fn a_row_before_those_that_are_compared_is_looked_at_after_the_run() {
    for (change, told) in [
        ("name = 'b'", "it is not as this run wrote it"),
        ("sha256 = repeat('z', 64)", "it can't be read"),
    ] {
        let place = Place::postgres();
        for version in 1..=501 {
            place.file(&format!("{version}_a.sql"), "SELECT 1;");
        }
        place.deployed();
        let way = format!("UPDATE lockstep.migrations SET {change} WHERE position = 1");
        place.file("502_b.sql", unseen(&way));
        place
            .deploy()
            .is(6, "yes")
            .says(&format!("cannot trust the ledger: {told}"));
    }
}

#[test]
fn a_row_that_a_rule_swallows_is_told_as_that() {
    let place = deployed(Place::postgres());
    place.file(
        "2_b.sql",
        unseen("CREATE RULE r AS ON INSERT TO lockstep.migrations DO INSTEAD NOTHING"),
    );
    place
        .deploy()
        .is(1, "no")
        .says("a rule or a trigger of the ledger's table keeps it out");
    assert_eq!(place.ledger(), ["1"]);
}

#[test]
fn files_do_not_run_in_lockstep_s_own_schema() {
    for (toml, schema) in [
        ("schema = \"lockstep\"\n", "lockstep"),
        ("ledger = \"billing\"\nschema = \"billing\"\n", "billing"),
        ("ledger = \"billing\"\nschema = \"lockstep\"\n", "lockstep"),
    ] {
        let place = Place::postgres();
        place.toml(toml);
        place.file("1_a.sql", "CREATE TABLE a (x int);");
        place.deploy().is(2, "no").says(&format!(
            "cannot run files in the schema {schema}: it is Lockstep's own"
        ));
    }
}

#[test]
fn a_temporary_object_does_not_stand_before_the_ledger() {
    let shadows = [
        "CREATE TABLE temp.lockstep_migrations AS SELECT * FROM main.lockstep_migrations;",
        "CREATE TEMP TABLE lockstep_environment AS SELECT * FROM main.lockstep_environment;",
        "CREATE TEMP VIEW lockstep_migrations AS SELECT 1 AS x;",
        "CREATE TEMP TRIGGER t AFTER INSERT ON lockstep_migrations BEGIN DELETE FROM a; END;",
    ];
    for shadow in shadows {
        let place = deployed(Place::sqlite());
        place.file("2_b.sql", format!("CREATE TABLE b (x);\n{shadow}\n"));
        place.deploy().is(1, "no");
        assert_eq!(place.ledger(), ["1"]);
        assert!(!place.tables().contains(&"b".to_owned()));
    }
    // One that comes by the name where the authorizer does not watch is found behind it.
    let place = deployed(Place::sqlite());
    place.file(
        "2_b.sql",
        "CREATE TEMP TABLE m AS SELECT * FROM main.lockstep_migrations;\n\
         ALTER TABLE temp.m RENAME TO lockstep_migrations;\nCREATE TABLE b (x);\n",
    );
    let before = place.state();
    place
        .deploy()
        .is(1, "no")
        .says("it changed the definition of Lockstep's own tables");
    assert_eq!(place.state(), before);
}

#[test]
fn the_schema_table_does_not_lose_mark_and_ledger() {
    let ways = [
        "DELETE FROM sqlite_schema WHERE name = 'lockstep_environment';",
        "UPDATE sqlite_schema SET name = 'x', tbl_name = 'x' WHERE name = 'lockstep_environment';",
        "DELETE FROM sqlite_schema WHERE name = 'lockstep_migrations';",
        "UPDATE sqlite_schema SET sql = 'CREATE TABLE lockstep_schema (id)' \
            WHERE name = 'lockstep_schema';",
        // Another table over the same pages.
        "INSERT INTO sqlite_schema SELECT 'table', 'alias', 'alias', rootpage, \
            replace(sql, name, 'alias') FROM sqlite_schema WHERE name = 'lockstep_migrations';\n\
         PRAGMA writable_schema = RESET;\nUPDATE alias SET name = 'b';",
        "INSERT INTO sqlite_schema SELECT 'table', 'alias', 'alias', rootpage, \
            replace(sql, name, 'alias') FROM sqlite_schema WHERE name = 'lockstep_environment';\n\
         PRAGMA writable_schema = RESET;\nUPDATE alias SET protected = 1;",
        // What would come behind the row of the ledger.
        "INSERT INTO sqlite_schema VALUES ('trigger', 'spy', 'lockstep_migrations', 0, \
            'CREATE TRIGGER spy AFTER INSERT ON lockstep_migrations BEGIN \
                UPDATE lockstep_environment SET protected = 1; END');",
        // Other pages under the mark's name.
        "UPDATE sqlite_schema SET rootpage = (SELECT rootpage FROM sqlite_schema WHERE name = 'a') \
            WHERE name = 'lockstep_environment';",
    ];
    for directive in ["", "-- lockstep: no-transaction\n"] {
        for way in ways {
            let place = deployed(Place::sqlite());
            place.file(
                "2_b.sql",
                format!("{directive}PRAGMA writable_schema = ON;\n{way}\n"),
            );
            let before = std::fs::read(place.database()).unwrap();
            let ran = place.deploy();
            if directive.is_empty() {
                ran.is(1, "no");
                assert!(std::fs::read(place.database()).unwrap() == before, "{way}");
            } else {
                ran.is(6, "yes");
            }
        }
    }
}

#[test]
fn a_temporary_trigger_that_the_schema_table_brings_is_found() {
    let place = deployed(Place::sqlite());
    place.file(
        "2_b.sql",
        "CREATE TEMP TABLE t (x);\nPRAGMA writable_schema = ON;\n\
         INSERT INTO sqlite_temp_schema VALUES ('trigger', 'spy', 'lockstep_migrations', 0, \
            'CREATE TRIGGER temp.spy AFTER INSERT ON main.lockstep_migrations BEGIN \
                UPDATE lockstep_environment SET protected = 1; END');\n",
    );
    let before = place.state();
    place.deploy().is(1, "no");
    assert_eq!(place.state(), before);
}

#[test]
fn what_leads_to_the_records_from_an_earlier_file_is_no_way_either() {
    for (table, update, code) in [
        ("lockstep_environment", "UPDATE alias SET protected = 1;", 1),
        ("lockstep_migrations", "UPDATE alias SET name = 'b';", 6),
    ] {
        let place = deployed(Place::sqlite());
        // Made by hand, so that no file of the deployment says how.
        place.execute(&format!(
            "PRAGMA writable_schema = ON; \
             INSERT INTO sqlite_schema SELECT 'table', 'alias', 'alias', rootpage, \
                replace(sql, name, 'alias') FROM sqlite_schema WHERE name = '{table}'; \
             PRAGMA writable_schema = RESET"
        ));
        place.as_recorded();
        place.file("2_b.sql", update);
        let ran = place.deploy();
        ran.is(code, if code == 1 { "no" } else { "yes" });
    }
}

#[test]
fn the_schema_table_may_be_written_where_that_is_meant() {
    let place = deployed(Place::sqlite());
    place.file(
        "2_b.sql",
        "PRAGMA writable_schema = ON;\n\
         UPDATE sqlite_schema SET sql = 'CREATE TABLE a (x int, CHECK (x > 0))' WHERE name = 'a';\n\
         PRAGMA writable_schema = RESET;\n",
    );
    place.deployed();
}
