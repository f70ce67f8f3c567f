//! What was changed by hand since the schema was recorded: it is refused, and never recorded.

use crate::place::Place;

/// A place whose first migration is applied, and whose second is not.
fn deployed(place: Place) -> Place {
    place.file("1_a.sql", "CREATE TABLE a (x int);");
    place.deployed();
    place.file("2_b.sql", "CREATE TABLE b (x int);");
    place
}

/// A recorded schema, and the ledger's state that it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Record {
    document: String,
    state: String,
}

impl Record {
    fn of(place: &Place) -> Record {
        let column = |name: &str| {
            let table = place.table("schema");
            place.rows(&format!("SELECT {name} FROM {table}")).remove(0)
        };
        Record {
            document: column("document"),
            state: column("ledger_state"),
        }
    }

    fn write(&self, place: &Place) {
        place.execute(&format!(
            "UPDATE {} SET document = '{}', ledger_state = '{}'",
            place.table("schema"),
            self.document.replace('\'', "''"),
            self.state
        ));
    }
}

/// A place whose second migration was applied by a run that was killed before it could record.
fn killed_before_it_recorded(place: Place) -> Place {
    let place = deployed(place);
    let before = Record::of(&place);
    place.deployed();
    before.write(&place);
    place
}

/// The subjects of what failed, and of what is warned of.
fn named(ran: &tests::answer::Answer, status: &str) -> Vec<String> {
    ran.findings()
        .filter(|finding| finding["check"] == "schema-as-recorded" && finding["status"] == status)
        .map(|finding| finding["subject"].as_str().unwrap().replace("public.", ""))
        .collect()
}

#[test]
fn what_was_changed_by_hand_is_refused_with_its_differences() {
    for place in Place::both() {
        let place = deployed(place);
        place.by_hand("CREATE INDEX by_hand ON a (x)");
        place.by_hand("ALTER TABLE a ADD COLUMN y int");
        let (before, recorded) = (place.state(), Record::of(&place));
        let ran = place.deploy();
        ran.is(1, "no")
            .says("2 differences from what run")
            .says("mark-schema --accept sha256:")
            .says("target = \"");
        assert_eq!(named(&ran, "fail"), ["schema", "a.y", "a.by_hand"]);
        assert!(ran.stderr.contains("\n[[accept]]\n"), "{}", ran.stderr);
        let first = ran
            .findings()
            .find(|finding| finding["status"] == "fail")
            .unwrap();
        let digest = first["actual"].as_str().unwrap();
        assert!(settings::file::is_digest(digest), "{digest}");
        assert_ne!(first["expected"], first["actual"]);
        assert_eq!((place.state(), Record::of(&place)), (before, recorded));
        place.by_hand("DROP INDEX by_hand");
        place.by_hand("ALTER TABLE a DROP COLUMN y");
        place.deployed();
    }
}

#[test]
fn a_line_alone_accepts_nothing() {
    for place in Place::both() {
        let place = deployed(place);
        place.by_hand("CREATE TABLE by_hand (x int)");
        let ran = place.deploy();
        let digest = ran
            .findings()
            .find_map(|finding| finding["actual"].as_str())
            .unwrap()
            .to_owned();
        let uuid = place.rows(&format!("SELECT uuid FROM {}", place.table("environment")));
        let line = |digest: &str| {
            format!(
                "\n[[accept]]\ncheck = \"schema-as-recorded\"\ntarget = \"{}\"\n\
                 digest = \"{digest}\"\nbecause = \"x\"\n",
                uuid[0]
            )
        };
        place.toml(&line(&digest));
        place
            .deploy()
            .is(1, "no")
            .says(&format!("run mark-schema --accept {digest}: line"));
        // One that names another digest excuses nothing, whatever there is.
        place.toml(&line(&format!("sha256:{}", "0".repeat(64))));
        let ran = place.deploy();
        ran.is(1, "no");
        assert_eq!(ran.found("warn").len(), 1, "{ran:?}");
        place.by_hand("DROP TABLE by_hand");
        place
            .deployed()
            .says("nothing is found here that it could excuse");
    }
}

#[test]
fn nothing_is_compared_where_nothing_is_pending() {
    for place in Place::both() {
        let place = deployed(place);
        place.deployed();
        place.by_hand("CREATE TABLE by_hand (x int)");
        let recorded = Record::of(&place);
        place.deploy().is(0, "no").says("nothing is pending");
        assert_eq!(Record::of(&place), recorded);
    }
}

#[test]
fn what_a_killed_run_left_is_told_and_recorded() {
    for place in Place::both() {
        let place = killed_before_it_recorded(place);
        let ran = place.deploy();
        ran.is(0, "yes").says("1 difference may come from 2, which");
        assert_eq!(named(&ran, "warn"), ["schema", "b"]);
        place.deploy().is(0, "no");
    }
}

#[test]
fn what_no_file_of_a_killed_run_names_is_not_recorded() {
    for pending in [false, true] {
        for place in Place::both() {
            let place = killed_before_it_recorded(place);
            if pending {
                place.file("3_c.sql", "CREATE TABLE c (x int);");
            }
            place.by_hand("CREATE TABLE by_hand (x int)");
            let (before, recorded) = (place.state(), Record::of(&place));
            let ran = place.deploy();
            ran.is(1, "no")
                .says("which no file that came after it names");
            assert_eq!(named(&ran, "fail"), ["schema", "by_hand"]);
            assert_eq!(named(&ran, "warn"), ["schema", "b"]);
            assert_eq!((place.state(), Record::of(&place)), (before, recorded));
        }
    }
}

#[test]
fn a_first_run_that_was_killed_made_what_its_files_name() {
    for place in Place::both() {
        let place = deployed(place);
        place.execute(&format!("DELETE FROM {}", place.table("schema")));
        place.by_hand("CREATE TABLE by_hand (x int)");
        let ran = place.deploy();
        ran.is(1, "no").says("an empty database");
        assert_eq!(named(&ran, "fail"), ["schema", "by_hand"]);
        place.by_hand("DROP TABLE by_hand");
        place.deployed();
    }
}

#[test]
fn a_record_of_no_state_of_the_ledger_is_no_excuse() {
    for place in Place::both() {
        let place = deployed(place);
        let record = Record::of(&place);
        let other = Record {
            state: "0".repeat(64),
            ..record
        };
        other.write(&place);
        place.by_hand("CREATE TABLE by_hand (x int)");
        place
            .deploy()
            .is(1, "no")
            .says("belongs to no state that this ledger went through");
        place.by_hand("DROP TABLE by_hand");
        place.deployed();
    }
}

#[test]
fn another_scope_is_compared_in_what_both_cover() {
    for place in Place::both() {
        place.toml("\n[schema]\nignore = [\"tmp_*\"]\n");
        let place = deployed(place);
        place.by_hand("CREATE TABLE tmp_1 (x int)");
        place.toml("");
        place.by_hand("CREATE TABLE by_hand (x int)");
        let ran = place.deploy();
        ran.is(1, "no");
        assert_eq!(named(&ran, "fail"), ["schema", "by_hand"]);
        assert_eq!(named(&ran, "warn"), ["[schema]"]);
        place.by_hand("DROP TABLE by_hand");
        place.deployed();
        // What the wider scope shows is recorded by now, and looked after from here on.
        assert!(Record::of(&place).document.contains("tmp_1"));
        place.file("3_c.sql", "CREATE TABLE c (x int);");
        place.by_hand("DROP TABLE tmp_1");
        let ran = place.deploy();
        assert_eq!(named(&ran, "fail"), ["schema", "tmp_1"]);
    }
}

#[test]
fn a_record_of_the_first_format_has_the_scope_of_the_file() {
    for place in Place::both() {
        let place = deployed(place);
        let record = Record::of(&place);
        let scope = "\"scope\":{\"schemas\":[\"public\"],\"ignore\":[]},";
        assert!(record.document.contains(scope), "{}", record.document);
        let older = Record {
            document: record.document.replace(scope, ""),
            ..record
        };
        older.write(&place);
        place.by_hand("CREATE TABLE by_hand (x int)");
        place.deploy().is(1, "no");
        place.by_hand("DROP TABLE by_hand");
        place.deployed();
    }
}

#[test]
fn a_record_that_another_major_printed_is_no_drift_where_both_print_the_same() {
    let place = Place::postgres();
    place.file(
        "1_a.sql",
        "CREATE TABLE a (x int); CREATE VIEW v AS SELECT x FROM a;",
    );
    place.deployed();
    place.file("2_b.sql", "CREATE TABLE b (x int);");
    let record = Record::of(&place);
    let older = Record {
        document: record
            .document
            .replace("\"server_major\":15", "\"server_major\":14"),
        ..record.clone()
    };
    assert_ne!(older, record);
    older.write(&place);
    place.deployed();

    place.file("3_c.sql", "CREATE TABLE c (x int);");
    let record = Record::of(&place);
    let otherwise = Record {
        document: record
            .document
            .replace("\"server_major\":15", "\"server_major\":14")
            .replace("FROM a", "FROM public.a")
            .replace("a.x", "x"),
        ..record.clone()
    };
    assert_ne!(otherwise.document.len(), record.document.len());
    otherwise.write(&place);
    place
        .deploy()
        .is(1, "no")
        .says("PostgreSQL 14 printed it")
        .says("mark-schema --renew");
}

#[test]
fn a_record_that_can_not_be_read_ends_the_run() {
    for place in Place::both() {
        let place = deployed(place);
        let record = Record::of(&place);
        let unreadable = Record {
            document: "{}".to_owned(),
            ..record
        };
        unreadable.write(&place);
        place
            .deploy()
            .is(3, "no")
            .says("cannot understand the schema that the ledger holds");
    }
}
