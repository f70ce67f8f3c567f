//! What an adoption claims: proven, excused, taken back.

use contract::evidence;

use crate::{EVIDENCE, Place};

fn adopt(place: &Place, version: &str) -> tests::answer::Answer {
    place.run(&["--applied-through", version])
}

impl Place {
    fn accept(&self, claim: &str, because: &str) {
        let survey = self.writer().survey().unwrap();
        let line = format!(
            "\n[[accept]]\ncheck = \"adoption-proven\"\ntarget = \"{}\"\ndigest = \"{claim}\"\n\
             because = \"{because}\"\n",
            survey.identity()
        );
        let path = self.dir.path().join("lockstep.toml");
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(path, text + &line).unwrap();
    }

    fn entered(&self) -> Vec<String> {
        let entries = self.writer().accepted().unwrap();
        entries.into_iter().map(|entry| entry.check).collect()
    }
}

/// Whether nothing was entered, and the answer says why.
#[track_caller]
fn refused(place: &Place, version: &str, why: &str) -> String {
    let ran = adopt(place, version);
    ran.is(1, "no").says(why);
    assert_eq!(ran.failed_checks(), ["adoption-proven"]);
    assert_eq!(place.ledger(), Vec::<String>::new());
    assert!(place.writer().survey().unwrap().not_adopted());
    ran.json["facts"]["claim"].as_str().unwrap().to_owned()
}

#[test]
fn what_the_evidence_does_not_prove_is_not_adopted() {
    for place in Place::both_with_tables() {
        let ran = place.run_with(
            &["--applied-through", "2"],
            &[("LOCKSTEP_ENV", "dev"), ("LOCKSTEP_EVIDENCE", "")],
        );
        ran.is(1, "no").says("no evidence folder was named");
        refused(
            &place,
            "2",
            "no result of verify-migrations for this target",
        );
        place.prove();
        refused(&place, "1", "the schema is that of version 2");
        refused(&place, "3", "the schema is that of version 2");
        // Another file, though of a later version.
        place.file("0003_c.sql", "CREATE TABLE c (x int, y int);");
        refused(
            &place,
            "2",
            "the files have changed since verify-migrations replayed them",
        );
        place.file("0003_c.sql", "CREATE TABLE c (x int);");
        place.execute("ALTER TABLE a ADD COLUMN late int");
        refused(
            &place,
            "2",
            "the schema has changed since verify-migrations read it",
        );
        // The last result counts, and that one names no version.
        place.prove();
        place.execute("ALTER TABLE a DROP COLUMN late");
        refused(&place, "2", "found no version with this schema");
        place.prove();
        adopt(&place, "2").is(0, "yes");
    }
}

#[test]
fn another_targets_proof_is_none() {
    for (here, there) in Place::both_with_tables()
        .into_iter()
        .zip(Place::both_with_tables())
    {
        there.prove();
        std::fs::rename(
            there.dir.path().join(EVIDENCE),
            here.dir.path().join(EVIDENCE),
        )
        .unwrap();
        refused(&here, "2", "no result of verify-migrations for this target");
    }
}

#[test]
fn an_edited_proof_is_none() {
    for place in Place::both_with_tables() {
        place.prove();
        let path = place.dir.path().join(EVIDENCE).join("evidence.jsonl");
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains("\"versions\":[\"2\"]"), "{text}");
        std::fs::write(
            &path,
            text.replace("\"versions\":[\"2\"]", "\"versions\":[\"1\"]"),
        )
        .unwrap();
        assert!(evidence::read(&place.dir.path().join(EVIDENCE)).is_err());
        let ran = adopt(&place, "1");
        assert_ne!(ran.code, Some(0));
        assert_eq!(place.ledger(), Vec::<String>::new());
    }
}

#[test]
fn versions_of_one_schema_are_chosen_by_a_reviewed_line() {
    for place in Place::both_with_tables() {
        place.file("0003_c.sql", "INSERT INTO a VALUES (1);");
        place.prove();
        for version in ["2", "3"] {
            refused(&place, version, "the versions 2 and 3 have the same schema");
        }
        let claim = refused(&place, "2", "the same schema");
        assert_ne!(claim, refused(&place, "3", "the same schema"));
        place.accept(&claim, "the row is not there");
        adopt(&place, "2")
            .is(0, "yes")
            .says("the versions 2 and 3 have the same schema; accepted by line")
            .says("the row is not there");
        assert_eq!(place.entered(), ["adoption-proven"]);
        assert_eq!(place.ledger().len(), 2);
    }
}

#[test]
fn a_line_excuses_its_own_claim_and_only_once() {
    for place in Place::both_with_tables() {
        place.execute("ALTER TABLE a ADD COLUMN by_hand int");
        place.prove();
        let claim = refused(&place, "2", "found no version with this schema");
        place.accept(&claim, "the column is an auditor's");
        refused(&place, "1", "found no version with this schema");
        place.execute("ALTER TABLE a ADD COLUMN another int");
        refused(&place, "2", "found no version with this schema");
        place.execute("ALTER TABLE a DROP COLUMN another");
        // A file up to the version is another one.
        place.file("0001_a.sql", "CREATE TABLE a (x int, y int);");
        refused(&place, "2", "found no version");
        place.file("0001_a.sql", "CREATE TABLE a (x int);");
        adopt(&place, "2").is(0, "yes");
        place
            .run(&["--undo-adoption", "--because", "it was version 1"])
            .is(0, "yes");
        refused(&place, "2", "excused it once already, in run");
        place.accept(&claim, "version 2 after all");
        adopt(&place, "2").is(0, "yes");
        assert_eq!(
            place.entered(),
            ["adoption-proven", "adoption-undone", "adoption-proven"]
        );
    }
}

#[test]
fn nothing_is_adopted_by_a_name_alone_where_a_column_is_there() {
    for place in Place::both() {
        place.execute("CREATE TABLE theirs (x int, added int)");
        place.mark("dev", false);
        place.file("0002_b.sql", "ALTER TABLE theirs ADD COLUMN added int;");
        let claim = refused(&place, "none", "is there already: theirs.added");
        place.accept(&claim, "theirs had it before");
        adopt(&place, "none").is(0, "yes");
        assert_eq!(place.entered(), ["adoption-proven"]);
    }
}

#[test]
fn an_adoption_is_taken_back_as_long_as_nothing_followed() {
    for place in Place::both_with_tables() {
        let undo = || place.run(&["--undo-adoption", "--because", "it was version 1"]);
        undo().is(1, "no").says("the database was not adopted");
        place.prove();
        adopt(&place, "2").is(0, "yes");
        place.run(&["--undo-adoption"]).is(2, "no");
        place
            .run(&["--undo-adoption", "--because", " "])
            .is(2, "no")
            .says("without a reason");
        let ran = undo();
        ran.is(0, "yes").says("no table was touched");
        assert_eq!(ran.json["facts"]["undone"], 2);
        assert_eq!(place.ledger(), Vec::<String>::new());
        assert!(place.writer().survey().unwrap().not_adopted());
        let entry = place.writer().accepted().unwrap().pop().unwrap();
        assert_eq!(entry.because, "it was version 1");
        undo().is(1, "no").says("the database was not adopted");
        // Adopted anew it goes on, and then there is no way back.
        place.prove();
        adopt(&place, "2").is(0, "yes");
        let set = migrations::discover(&place.dir.path().join("migrations"), None, place.dialect());
        let mut writer = place.writer();
        writer.lock(std::time::Duration::ZERO, &mut |_| {}).unwrap();
        let rows = writer.ledger().unwrap();
        writer
            .apply(&set.unwrap().migrations[2], &rows, &mut |_| {})
            .unwrap();
        drop(writer);
        let before = place.ledger();
        undo().is(1, "no").says("its row is not of an adoption");
        assert_eq!(place.ledger(), before);
    }
}

#[test]
fn an_adoption_of_nothing_is_taken_back_too() {
    for place in Place::both() {
        place.execute("CREATE TABLE theirs (x int)");
        place.mark("dev", false);
        adopt(&place, "none").is(0, "yes");
        place
            .run(&["--undo-adoption", "--because", "the tables are ours"])
            .is(0, "yes");
        assert!(place.writer().survey().unwrap().not_adopted());
    }
}

#[test]
fn a_dirty_row_that_was_ended_is_no_adoption() {
    for place in Place::both() {
        place.file(
            "0001_a.sql",
            "-- lockstep: no-transaction\nCREATE TABLE a (x int);\nINSERT INTO nowhere VALUES (1);\n",
        );
        place.mark("dev", false);
        place.apply(1).unwrap_err();
        place
            .run(&["--resolve", "1", "applied", "--because", "finished by hand"])
            .is(0, "yes");
        place
            .run(&["--undo-adoption", "--because", "x"])
            .is(1, "no")
            .says("ended as a dirty row");
        assert_eq!(place.ledger(), ["1 applied finished by hand"]);
    }
}

#[test]
fn what_leaves_no_table_that_tells_is_not_taken_for_untouched() {
    for (sql, why) in [
        ("CREATE TABLE t (a int); DROP TABLE t;", "keep no table"),
        ("INSERT INTO theirs VALUES (1);", "keep no table"),
    ] {
        for place in Place::both() {
            place.execute("CREATE TABLE theirs (x int)");
            place.mark("dev", false);
            for name in ["0001_a.sql", "0002_b.sql", "0003_c.sql"] {
                place.file(name, sql);
            }
            refused(&place, "none", why);
        }
    }
    for place in Place::both() {
        place.execute("CREATE TABLE theirs (x int); CREATE VIEW v AS SELECT 1 AS a");
        place.mark("dev", false);
        place.file("0001_a.sql", "CREATE VIEW v AS SELECT 1 AS a;");
        refused(&place, "none", "is there already: v");
    }
    let [_, place] = Place::both();
    place.execute("CREATE SCHEMA app; CREATE TABLE app.a (x int); CREATE TABLE theirs (x int)");
    place.mark("dev", false);
    place.file(
        "0001_a.sql",
        "SET search_path TO app; CREATE TABLE a (x int);",
    );
    refused(&place, "none", "0001_a.sql sets search_path");
}

#[test]
fn evidence_of_a_version_speaks_against_none() {
    for place in Place::both_with_tables() {
        // By their own names the tables would tell too; the evidence speaks first.
        place.prove();
        refused(&place, "none", "the schema is that of version 2");
    }
}
