//! PostgreSQL: what role, database and connection set for a session, and what a file gets of it.

use serde_json::json;

use tests::postgres_server::Server;

use crate::place::Place;

/// Read under `standard_conforming_strings = off`, the string ends later, and the rest is a statement.
const STRINGS: &str = "SELECT '\\', '; DROP TABLE keep; --';\n";

fn with_rows() -> Place {
    let place = Place::postgres();
    place.file(
        "1_a.sql",
        "CREATE TABLE keep (n int);\nINSERT INTO keep VALUES (1), (NULL);",
    );
    place.deployed();
    place
}

fn database(place: &Place) -> String {
    place.rows("SELECT current_database()").remove(0)
}

#[track_caller]
fn is_kept(place: &Place) {
    assert_eq!(place.rows("SELECT count(*) FROM keep"), ["2"]);
}

#[test]
fn a_file_is_read_as_the_parser_read_it_whoever_sets_something_else() {
    let set = |what: &str| format!("ALTER {what} SET standard_conforming_strings = off");
    for place in [with_rows(), with_rows()] {
        let name = database(&place);
        place.execute(&set(&format!("DATABASE {name}")));
        place.execute(&set(&format!("ROLE lockstep IN DATABASE {name}")));
        place.file("2_b.sql", STRINGS);
        // What leads back to the session's own value leads to the pinned one.
        place.file("3_c.sql", format!("RESET ALL;\n{STRINGS}"));
        place.file(
            "4_d.sql",
            format!(
                "-- lockstep: no-transaction\nRESET ALL;\n{STRINGS}\
                 SET standard_conforming_strings = DEFAULT;\n{STRINGS}"
            ),
        );
        place.file(
            "5_e.sql",
            "DISCARD PLANS;\nDO $$ BEGIN PERFORM '\\', '; DROP TABLE keep; --'; END $$;\n",
        );
        place.deployed();
        is_kept(&place);
    }
    let place = with_rows();
    place.file("2_b.sql", STRINGS);
    let off = "-c standard_conforming_strings=off";
    let url = format!(
        "{}?options={}",
        place.url,
        off.replace(' ', "%20").replace('=', "%3D")
    );
    place
        .deploy_with(&[], &[("DATABASE_URL", &url)])
        .is(0, "yes");
    place.file("3_c.sql", STRINGS);
    place.deploy_with(&[], &[("PGOPTIONS", off)]).is(0, "yes");
    is_kept(&place);
}

#[test]
fn what_code_sets_does_not_reach_the_next_statement() {
    let place = with_rows();
    let sets = "SELECT set_config('standard_' || 'conforming_strings', 'off', false);\n";
    place.file(
        "2_b.sql",
        format!("-- lockstep: no-transaction\n{sets}{STRINGS}"),
    );
    place.file("3_c.sql", format!("{sets}{STRINGS}"));
    place.file("4_d.sql", STRINGS);
    place.deployed();
    is_kept(&place);
}

#[test]
fn what_code_sets_does_not_reach_the_next_statement_of_another_role() {
    let place = with_rows();
    place.execute("DROP ROLE IF EXISTS lesser; CREATE ROLE lesser; GRANT ALL ON keep TO lesser");
    let sets = "SELECT set_config('standard_' || 'conforming_strings', 'off', false);\n";
    // It may not set what decides whether triggers fire, which concerns no reading.
    for (number, becomes) in [
        (2, "SET ROLE lesser"),
        (3, "SET SESSION AUTHORIZATION lesser"),
    ] {
        place.file(
            &format!("{number}_b.sql"),
            format!("-- lockstep: no-transaction\n{becomes};\n{sets}{STRINGS}BEGIN;\n{sets}{STRINGS}COMMIT;"),
        );
    }
    // A question before them would be one too many.
    place.file(
        "4_d.sql",
        "-- lockstep: no-transaction\nBEGIN;\nSET TRANSACTION ISOLATION LEVEL SERIALIZABLE;\n\
         INSERT INTO keep SELECT 1 WHERE current_setting('transaction_isolation') <> 'serializable';\nCOMMIT;",
    );
    place.deployed();
    is_kept(&place);
}

#[test]
fn a_statement_whose_reading_cannot_be_set_back_does_not_run() {
    let server = Server::shared();
    server
        .connect("postgres")
        .batch_execute(
            "CREATE DATABASE in_latin1 TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'",
        )
        .unwrap();
    let place = Place::on(server, "in_latin1".to_owned());
    place.file(
        "1_a.sql",
        "-- lockstep: no-transaction\nCREATE TABLE a (x int);\nDELETE FROM pg_catalog.pg_conversion;\n\
         CREATE TABLE b (x int);\n",
    );
    // Afterwards nobody can connect any more.
    let mut client = place.connect_postgres();
    let ran = place.deploy();
    ran.is(6, "yes")
        .says("cannot set how the next statement is read")
        .says("Conversion between UTF8 and LATIN1 is not supported");
    assert_eq!(ran.line(), Some(4));
    let left = client
        .query_one(
            "SELECT l.state, to_regclass('public.b') IS NULL FROM lockstep.migrations l",
            &[],
        )
        .unwrap();
    assert_eq!((left.get(0), left.get(1)), ("started", true));
}

#[test]
fn a_comparison_with_null_means_what_it_says() {
    let place = with_rows();
    let name = database(&place);
    place.execute(&format!(
        "ALTER DATABASE {name} SET transform_null_equals = on"
    ));
    place.file("2_b.sql", "DELETE FROM keep WHERE n = NULL;");
    place.deployed();
    is_kept(&place);
}

#[test]
fn what_the_role_may_not_set_back_is_refused_with_what_its_owner_has_to_do() {
    let place = with_rows();
    let name = database(&place);
    place.execute(&format!(
        "CREATE ROLE replays LOGIN PASSWORD 'secret'; GRANT ALL ON DATABASE {name} TO replays; \
         ALTER ROLE replays IN DATABASE {name} SET session_replication_role = replica"
    ));
    place.file("2_b.sql", "SELECT 1;");
    let url = Server::shared().url_as("replays", "secret", &name);
    let ran = place.deploy_with(&[], &[("DATABASE_URL", &url)]);
    ran.is(1, "no")
        .says("session_replication_role = replica")
        .says("ALTER ROLE \"replays\" RESET session_replication_role");
    // A superuser sets it back itself, and the foreign key holds.
    place.execute(&format!(
        "ALTER DATABASE {name} SET session_replication_role = replica"
    ));
    place.file(
        "2_b.sql",
        "CREATE TABLE p (id int PRIMARY KEY);\nCREATE TABLE c (p int REFERENCES p);\n\
         INSERT INTO c VALUES (1);",
    );
    place.deploy().is(1, "no").says("violates foreign key");
}

#[test]
fn what_a_file_may_mean_to_run_under_is_left_and_stands_in_the_plan() {
    let place = with_rows();
    let name = database(&place);
    let plan = |place: &Place| {
        place.file(
            "2_b.sql",
            "CREATE TABLE t AS SELECT current_setting('TimeZone') AS zone;",
        );
        let settings = settings::Settings::read(None, place.dir.path()).unwrap();
        let survey = place.writer().survey().unwrap();
        plan::make(&settings, plan::dialect(&place.target()), &survey).unwrap()
    };
    let before = plan(&place);
    for (setting, value) in [
        ("TimeZone", "Europe/Berlin"),
        ("DateStyle", "SQL, DMY"),
        ("default_toast_compression", "lz4"),
        ("plpgsql.variable_conflict", "use_column"),
    ] {
        let mut client = place.connect_postgres();
        client
            .batch_execute(&format!(
                "LOAD 'plpgsql'; ALTER DATABASE {name} SET {setting} = '{value}'"
            ))
            .unwrap();
        let after = plan(&place);
        assert_ne!(after.hash, before.hash, "{setting}");
        let differs = after.settings_other_than(&json!({}));
        assert!(
            differs.contains(&format!("{setting} was the server's default, is {value}")),
            "{differs:?}"
        );
        assert!(
            !before
                .settings_other_than(&json!({ setting: value }))
                .is_empty()
        );
    }
    place.deployed();
    assert_eq!(place.rows("SELECT zone FROM t"), ["Europe/Berlin"]);
}

#[test]
fn our_own_queries_do_not_meet_the_operators_of_the_roles_path() {
    let place = Place::postgres();
    let name = database(&place);
    place.execute("CREATE TABLE full_of_rows (n int); CREATE SCHEMA evil;");
    // Every comparison of a query that looks for them in the path comes to nothing.
    for ty in ["\"char\"", "name", "oid", "text", "bool", "int4", "int8"] {
        place.execute(&format!(
            "CREATE FUNCTION evil.never({ty}, {ty}) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT false'; \
             CREATE OPERATOR evil.= (LEFTARG = {ty}, RIGHTARG = {ty}, FUNCTION = evil.never)"
        ));
    }
    place.execute(&format!(
        "ALTER DATABASE {name} SET search_path = evil, pg_catalog, public"
    ));
    place.file("1_a.sql", "CREATE TABLE public.a (x int);");
    let before = place.state();
    place.deploy().is(1, "no").says("it has tables and no mark");
    assert_eq!(place.state(), before);
    place.execute("DROP TABLE full_of_rows");
    // The files keep the path.
    place.file(
        "1_a.sql",
        "CREATE TABLE public.a AS SELECT current_setting('search_path') AS path, 1 = 1 AS equal;",
    );
    place.file("2_b.sql", "-- lockstep: no-transaction\nINSERT INTO public.a SELECT current_setting('search_path'), 1 = 1;");
    place.deployed();
    let rows = "SELECT path || ' ' || equal FROM public.a";
    assert_eq!(place.rows(rows), ["evil, pg_catalog, public false"; 2]);
    assert_eq!(
        place.rows("SELECT count(*)::text FROM lockstep.migrations"),
        ["2"]
    );
    place.deployed().is(0, "no").says("nothing is pending");
}
