//! What hangs on mark and ledger on PostgreSQL, and what it would do behind the row that is written.

use tests::answer::Answer;

use crate::place::{Place, until};
use crate::records::unseen;

fn deployed() -> Place {
    let place = Place::postgres();
    place.file("1_a.sql", "CREATE TABLE a (x int);");
    place.deployed();
    place
}

/// A function that opens production to whoever comes, of each kind that something calls by itself.
const EVIL: &str = "CREATE FUNCTION evil() RETURNS trigger LANGUAGE plpgsql AS \
        $$ BEGIN UPDATE lockstep.environment SET name = 'laptop'; RETURN NULL; END $$; \
    CREATE FUNCTION public.evil(text) RETURNS bool LANGUAGE plpgsql AS \
        $$ BEGIN UPDATE lockstep.environment SET name = 'laptop'; RETURN true; END $$; \
    CREATE FUNCTION sly(text) RETURNS bool LANGUAGE plpgsql IMMUTABLE AS \
        $$ BEGIN RETURN public.evil($1); END $$; ";

/// Each lets the mark be changed behind the row of the ledger, or in a later file, or by others.
const WAYS: [&str; 22] = [
    "CREATE TRIGGER t AFTER INSERT ON lockstep.migrations EXECUTE FUNCTION evil()",
    "CREATE TRIGGER t BEFORE INSERT ON lockstep.migrations FOR EACH STATEMENT EXECUTE FUNCTION evil()",
    "CREATE CONSTRAINT TRIGGER t AFTER INSERT ON lockstep.migrations \
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION evil()",
    "CREATE RULE r AS ON INSERT TO lockstep.migrations DO ALSO \
        UPDATE lockstep.environment SET name = 'laptop'",
    "CREATE RULE r AS ON UPDATE TO lockstep.schema DO ALSO \
        UPDATE lockstep.environment SET name = 'laptop'",
    "CREATE TRIGGER t AFTER INSERT OR UPDATE ON lockstep.schema EXECUTE FUNCTION evil()",
    "ALTER TABLE lockstep.migrations ADD COLUMN more bool DEFAULT evil('')",
    "ALTER TABLE lockstep.migrations ADD COLUMN more bool GENERATED ALWAYS AS (sly(version)) STORED",
    "ALTER TABLE lockstep.migrations ADD CHECK (evil(version)) NOT VALID",
    "CREATE INDEX i ON lockstep.migrations (sly(version)) WHERE version = 'none'",
    "CREATE DOMAIN d AS text CHECK (evil(VALUE)); \
        ALTER TABLE lockstep.migrations ADD COLUMN more d",
    "CREATE TABLE child (LIKE lockstep.environment INCLUDING ALL); \
        INSERT INTO child SELECT * FROM lockstep.environment; UPDATE child SET name = 'laptop'; \
        ALTER TABLE child INHERIT lockstep.environment",
    "CREATE TABLE child () INHERITS (lockstep.migrations)",
    "CREATE TABLE parent (name text NOT NULL); ALTER TABLE lockstep.environment INHERIT parent",
    "ALTER TABLE lockstep.environment ENABLE ROW LEVEL SECURITY; \
        CREATE POLICY p ON lockstep.environment USING (true)",
    "CREATE TABLE refers (id int REFERENCES lockstep.environment ON UPDATE CASCADE)",
    "GRANT ALL ON ALL TABLES IN SCHEMA lockstep TO PUBLIC",
    "GRANT UPDATE (name) ON lockstep.environment TO PUBLIC",
    "ALTER TABLE lockstep.environment RENAME TO gone; CREATE VIEW lockstep.environment AS \
        SELECT * FROM lockstep.gone",
    "ALTER SCHEMA lockstep RENAME TO gone; CREATE SCHEMA lockstep; \
        CREATE TABLE lockstep.environment AS TABLE gone.environment; \
        CREATE TABLE lockstep.migrations AS TABLE gone.migrations; \
        CREATE TABLE lockstep.schema AS TABLE gone.schema; \
        CREATE TABLE lockstep.ledger_format AS TABLE gone.ledger_format",
    "ALTER TABLE lockstep.migrations SET SCHEMA public; \
        CREATE TABLE lockstep.migrations AS TABLE public.migrations",
    "CREATE ROLE new_owner_of_marks; ALTER TABLE lockstep.environment OWNER TO new_owner_of_marks",
];

#[test]
fn a_file_that_hangs_something_on_mark_or_ledger_is_rolled_back() {
    for way in WAYS {
        let place = deployed();
        let mark = place.rows("SELECT e::text FROM lockstep.environment e");
        place.file(
            "2_b.sql",
            format!(
                "{}\nCREATE TABLE b (x int);\n",
                unseen(&format!("{EVIL}{way}"))
            ),
        );
        let ran = place.deploy();
        ran.is(1, "no");
        // What it hung there has changed the mark, or has not come to it.
        let said = ran.json.to_string();
        let told = said.contains("ockstep's own tables") || said.contains("the database's mark");
        assert!(told, "{way}: {ran:#?}");
        assert_eq!(
            place.rows("SELECT e::text FROM lockstep.environment e"),
            mark,
            "{way}"
        );
        assert_eq!(place.ledger(), ["1"], "{way}");
        assert_eq!(place.rows("SELECT to_regclass('b') IS NULL"), ["t"]);
    }
}

#[test]
fn what_lets_nobody_write_to_them_is_the_files_own() {
    let place = deployed();
    place.execute("DROP ROLE IF EXISTS reads_marks; CREATE ROLE reads_marks");
    for (number, way) in [
        (2, "GRANT USAGE ON SCHEMA lockstep TO reads_marks"),
        (
            3,
            "GRANT SELECT ON ALL TABLES IN SCHEMA lockstep TO reads_marks",
        ),
        (
            4,
            "CREATE VIEW deployed AS SELECT version FROM lockstep.migrations",
        ),
        (5, "ALTER TABLE lockstep.migrations SET (fillfactor = 90)"),
        (6, "ANALYZE lockstep.migrations"),
    ] {
        let sql = unseen(way);
        place.file(
            &format!("{number}_b.sql"),
            format!("{sql}\nCREATE TABLE b{number} (x int);\n"),
        );
    }
    place.deployed();
    assert_eq!(place.ledger().len(), 6);
}

#[test]
fn outside_a_transaction_such_a_file_stays_dirty() {
    for way in [WAYS[0], WAYS[3], WAYS[11], WAYS[16]] {
        let place = deployed();
        place.file(
            "2_b.sql",
            format!(
                "-- lockstep: no-transaction\n{}\n",
                unseen(&format!("{EVIL}{way}"))
            ),
        );
        place
            .deploy()
            .is(6, "yes")
            .says("every statement ran, but something hangs on Lockstep's own tables");
        assert_eq!(place.ledger().last().unwrap(), "2!");
        assert_ne!(
            place.rows("SELECT name FROM lockstep.environment"),
            ["laptop"]
        );
    }
}

/// Every program that stands before a deployment, on what somebody hung there by hand.
#[test]
fn what_hangs_there_is_refused_before_anything_begins() {
    let place = deployed();
    place.file("2_b.sql", "CREATE TABLE b (x int);");
    let beside = |program: &str| {
        let mut command = tests::programs::program(program, place.dir.path());
        command
            .args(["--format", "json"])
            .env("DATABASE_URL", &place.url)
            .env("LOCKSTEP_ENV", "dev");
        Answer::of(&mut command)
    };
    for (way, back, named) in [
        (
            "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'; \
             CREATE TRIGGER watch AFTER INSERT ON lockstep.migrations EXECUTE FUNCTION f()",
            "DROP TRIGGER watch ON lockstep.migrations",
            "watch",
        ),
        (
            "GRANT ALL ON ALL TABLES IN SCHEMA lockstep TO PUBLIC",
            "REVOKE ALL ON ALL TABLES IN SCHEMA lockstep FROM PUBLIC",
            "PUBLIC may write",
        ),
        (
            "CREATE ROLE writes_marks; GRANT USAGE ON SCHEMA lockstep TO writes_marks; \
             GRANT UPDATE ON lockstep.environment TO writes_marks",
            "REVOKE UPDATE ON lockstep.environment FROM writes_marks",
            "writes_marks may write",
        ),
        (
            "CREATE TABLE child () INHERITS (lockstep.environment)",
            "DROP TABLE child",
            "child",
        ),
    ] {
        place.execute(way);
        let before = place.state();
        for program in ["verify-guards", "verify-migrations"] {
            beside(program).is(1, "no").says(named);
        }
        place.deploy().is(1, "no").says(named);
        assert_eq!(place.state(), before);
        place.execute(back);
    }
    beside("verify-guards").is(0, "no");
    beside("verify-migrations").is(0, "no");
    // What reads them, and whoever is given what Lockstep's own role is given, is let be.
    place.execute(
        "CREATE VIEW seen AS SELECT version FROM lockstep.migrations; CREATE ROLE also_deploys; \
         GRANT ALL ON SCHEMA lockstep TO also_deploys; \
         GRANT ALL ON ALL TABLES IN SCHEMA lockstep TO also_deploys; \
         CREATE ROLE cannot_reach; GRANT ALL ON lockstep.schema TO cannot_reach; \
         GRANT SELECT ON ALL TABLES IN SCHEMA lockstep TO PUBLIC",
    );
    place.deployed();
}

#[test]
fn an_event_trigger_that_hangs_something_on_new_tables_is_seen() {
    let place = Place::postgres();
    place.execute(
        "CREATE FUNCTION public.evil() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'; \
         CREATE FUNCTION public.hangs() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN \
            IF to_regclass('lockstep.migrations') IS NOT NULL AND NOT EXISTS (SELECT FROM pg_trigger) THEN \
                CREATE TRIGGER t AFTER INSERT ON lockstep.migrations EXECUTE FUNCTION public.evil(); \
            END IF; END $$; \
         CREATE EVENT TRIGGER hangs ON ddl_command_end WHEN TAG IN ('CREATE TABLE') \
            EXECUTE FUNCTION public.hangs()",
    );
    place.file("1_a.sql", "CREATE TABLE a (x int);");
    let before = place.state();
    place
        .deploy()
        .is(1, "no")
        .says("something hangs on Lockstep's own tables: lockstep.migrations: trigger t on table");
    assert_eq!(place.state(), before);
}

/// A file that waits until the other session is done, and then fails.
fn disturbed(change: &str) -> Answer {
    let place = deployed();
    place.file("2_b.sql", "SELECT pg_advisory_xact_lock(7);\nSELECT 1/0;");
    let mut other = place.connect_postgres();
    other.batch_execute("SELECT pg_advisory_lock(7)").unwrap();
    let child = place.command().spawn().unwrap();
    until("the wait", || {
        place.rows(
            "SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database \
            WHERE NOT granted AND datname = current_database()",
        ) == ["1"]
    });
    other.batch_execute(change).unwrap();
    other.batch_execute("SELECT pg_advisory_unlock(7)").unwrap();
    Answer::from_child(child)
}

#[test]
fn after_a_rollback_mark_and_ledger_are_what_was_judged_or_it_is_partial() {
    for (change, what) in [
        (
            "UPDATE lockstep.environment SET name = 'laptop'",
            "the database's mark is not the one that was judged",
        ),
        (
            "DELETE FROM lockstep.migrations",
            "the ledger is not the one that was read",
        ),
        (
            "GRANT UPDATE ON lockstep.environment TO PUBLIC",
            "PUBLIC may write",
        ),
    ] {
        disturbed(change)
            .is(6, "unknown")
            .says("division by zero")
            .says(what);
    }
    disturbed("SELECT 1").is(1, "no").says("division by zero");
}

#[test]
fn a_mark_that_is_gone_when_the_schema_is_recorded_is_partial() {
    let place = deployed();
    // It waits in the record of the schema, behind every row of the ledger.
    let mut other = place.connect_postgres();
    other
        .batch_execute("BEGIN; LOCK lockstep.schema IN SHARE MODE")
        .unwrap();
    place.file("2_b.sql", "CREATE TABLE b (x int);");
    let child = place.command().spawn().unwrap();
    until("the wait", || {
        place.rows(
            "SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database \
            WHERE NOT granted AND datname = current_database()",
        ) == ["1"]
    });
    other
        .batch_execute("UPDATE lockstep.environment SET name = 'laptop'; COMMIT")
        .unwrap();
    Answer::from_child(child)
        .is(6, "yes")
        .says("cannot record the schema: the database's mark is not the one that was judged");
    assert_eq!(place.ledger(), ["1", "2"]);
}

#[test]
fn a_row_of_a_child_table_is_no_row_of_ours() {
    let place = deployed();
    place.execute(
        "CREATE TABLE public.child () INHERITS (lockstep.migrations); \
        INSERT INTO public.child SELECT * FROM ONLY lockstep.migrations",
    );
    let survey = place.writer().survey().unwrap();
    assert_eq!(
        place.rows("SELECT count(*) FROM lockstep.migrations"),
        ["2"]
    );
    assert_eq!(survey.rows().len(), 1);
    let named = survey.intruders.iter();
    let named: Vec<&str> = named.map(|found| found.message.as_str()).collect();
    assert_eq!(named, ["table public.child"]);
}
