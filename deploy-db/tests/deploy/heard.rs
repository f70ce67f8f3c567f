//! What the server says while a file runs, and what it refuses at the end of one.

use tests::postgres_server::PASSWORD;

use crate::place::Place;

#[test]
fn notices_and_warnings_reach_stderr_and_the_log() {
    let place = Place::postgres();
    place
        .file(
            "1_a.sql",
            "CREATE TABLE a (x int);\nCREATE TABLE IF NOT EXISTS a (x int);\n\
             DO $$ BEGIN RAISE WARNING 'look at %', E'this\\n::error::' \
                USING DETAIL = 'more', HINT = 'less'; END $$;",
        )
        .file(
            "2_b.sql",
            "-- lockstep: no-transaction\nDROP TABLE IF EXISTS nowhere;",
        );
    let ran = place.deploy_with(&["--log", "log"], &[]);
    ran.is(0, "yes");
    let log = std::fs::read_to_string(place.path("log")).unwrap();
    for line in [
        "1_a.sql: NOTICE: relation \"a\" already exists, skipping\n",
        "1_a.sql: WARNING: look at this\\n::error::; detail: more; hint: less\n",
        "2_b.sql: NOTICE: table \"nowhere\" does not exist, skipping\n",
    ] {
        assert!(ran.stderr.contains(line), "{}", ran.stderr);
        assert_eq!(log.matches(line).count(), 1, "{log}");
    }
}

#[test]
fn stderr_gets_the_first_ones_and_the_log_all_of_them() {
    let place = Place::postgres();
    let loop_of = |count: usize| {
        format!(
            "DO $$ BEGIN FOR i IN 1..{count} LOOP RAISE NOTICE 'row % %', i, repeat('é', 500); \
             END LOOP; END $$;"
        )
    };
    place
        .file("1_a.sql", loop_of(500))
        .file("2_b.sql", loop_of(20));
    let ran = place.deploy_with(&["--log", "log"], &[]);
    ran.is(0, "yes");
    let lines: Vec<&str> = ran
        .stderr
        .lines()
        .filter(|line| line.contains("NOTICE: row"))
        .collect();
    assert_eq!(lines.len(), 40);
    assert!(
        lines
            .iter()
            .all(|line| line.chars().count() == 301 && line.ends_with('…'))
    );
    assert!(ran.stderr.contains("1_a.sql: and 480 more of the server"));
    assert!(!ran.stderr.contains("2_b.sql: and"));
    let log = std::fs::read_to_string(place.path("log")).unwrap();
    let whole = |line: &&str| line.contains("NOTICE: row") && line.matches('é').count() == 500;
    assert_eq!(log.lines().filter(whole).count(), 520);
}

#[test]
fn what_a_file_says_before_it_fails_is_told_without_a_password() {
    let place = Place::postgres();
    // The password begins before what stderr gets, and ends behind it.
    place.file(
        "1_a.sql",
        format!(
            "DO $$ BEGIN RAISE NOTICE 'tried %', repeat('x', 270) || '{PASSWORD}'; \
             RAISE EXCEPTION 'no'; END $$;"
        ),
    );
    let ran = place.deploy_with(&["--log", "log"], &[]);
    ran.is(1, "no");
    assert!(ran.stderr.contains("NOTICE: tried xxx"), "{}", ran.stderr);
    let log = std::fs::read_to_string(place.path("log")).unwrap();
    let begin: String = PASSWORD.chars().take(6).collect();
    for text in [&ran.stderr, &log] {
        assert!(!text.contains(&begin), "{text}");
    }
}

#[test]
fn a_check_at_the_end_has_a_remedy_about_the_rows() {
    let tables = "CREATE TABLE p (id int PRIMARY KEY);\n\
        CREATE TABLE c (p int REFERENCES p DEFERRABLE INITIALLY DEFERRED);\n";
    let refuses = "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS \
            $$ BEGIN RAISE EXCEPTION 'not like this'; END $$;\n\
        CREATE CONSTRAINT TRIGGER t AFTER INSERT ON p DEFERRABLE INITIALLY DEFERRED \
            FOR EACH ROW EXECUTE FUNCTION no();\n";
    for (rows, told) in [
        ("INSERT INTO c VALUES (1);", "violates foreign key"),
        ("INSERT INTO p VALUES (1);", "not like this"),
    ] {
        let place = Place::postgres();
        place.file("1_a.sql", format!("{tables}{refuses}"));
        place.deployed();
        place.file("2_b.sql", rows);
        let ran = place.deploy();
        ran.is(1, "no")
            .says(told)
            .says("mend the rows that the file leaves");
        assert!(!ran.json.to_string().contains("not what failed"), "{ran:?}");
        assert_eq!(place.rows("SELECT count(*) FROM p"), ["0"]);
        // An error of a statement has no such remedy.
        place.file("2_b.sql", "INSERT INTO p VALUES (1), (1);");
        let ran = place.deploy();
        assert!(!ran.json.to_string().contains("mend the rows"), "{ran:?}");
    }
}
