//! Files that are no recorded schema.

use std::fs::File;

use crate::sqlite::TARGET;
use crate::support::Place;

fn place() -> Place {
    let place = Place::new();
    place.sqlite("CREATE TABLE t (a)");
    place.record("good.toml");
    place
}

#[test]
fn what_is_no_recorded_schema_is_refused() {
    let place = place();
    let good = std::fs::read_to_string(place.path("good.toml")).unwrap();
    place.write("broken.toml", format!("{good}\n[tables"));
    place.write("array.toml", "format = \"x\"\nx=[\n");
    place.write("long.toml", format!("{} = 1\n", "k".repeat(1 << 20)));
    place.write("empty.toml", "");
    place.write("unknown.toml", format!("{good}\n[tabels.x]\n"));
    place.write("column.toml", good.replace("type =", "typ ="));
    place.write(
        "future.toml",
        good.replace("lockstep-schema/1", "lockstep-schema/2"),
    );
    place.write("engine.toml", good.replace("sqlite", "mysql"));
    place.write("latin1.toml", b"format = \"\xe9\"\n");
    place.write("folder/x", "");
    File::create(place.path("huge.toml"))
        .unwrap()
        .set_len(65 * 1024 * 1024)
        .unwrap();
    for (file, said) in [
        ("broken.toml", "cannot use broken.toml"),
        ("array.toml", "line 2, column 4: "),
        ("long.toml", "line 1, column 1: unknown field"),
        ("empty.toml", "missing field"),
        ("unknown.toml", "unknown field `tabels`"),
        ("column.toml", "unknown field `typ`"),
        ("future.toml", "lockstep-schema/2"),
        ("engine.toml", "unknown variant `mysql`"),
        ("latin1.toml", "it is not UTF-8"),
        ("folder", "cannot read folder"),
        ("huge.toml", "it is larger than 64 MiB"),
        ("gone.toml", "cannot read gone.toml"),
    ] {
        let ran = place.run(&[TARGET, "--expected", file]);
        let length = ran.stdout.len() + ran.stderr.len();
        assert!(length < 4096, "{file}: {length} bytes");
        ran.exits(2)
            .says(said)
            .says_not("\\n")
            .says("remedy: name a file that record-schema wrote");
        place.write(
            "lockstep.toml",
            format!("[schema]\nexpected = \"{file}\"\n"),
        );
        place.run(&[TARGET]).exits(2).says(said);
        std::fs::remove_file(place.path("lockstep.toml")).unwrap();
    }
}

#[test]
fn a_schema_of_the_other_engine_fails_in_words() {
    let place = place();
    place.write(
        "other.toml",
        "format = \"lockstep-schema/1\"\nengine = \"postgres\"\nserver_major = 15\n",
    );
    let ran = place.run(&[TARGET, "--expected", "other.toml"]);
    ran.exits(1)
        .says("FAIL engine-as-expected schema: is of another engine\n")
        .says("  expected: postgres\n  actual: sqlite\n")
        .says_not("PASS table-as-expected");
    assert_eq!(ran.failures().len(), 1);
}

#[test]
fn a_file_and_a_replay_are_not_asked_for_at_once() {
    place()
        .run(&[TARGET, "--expected", "good.toml", "--replay"])
        .exits(2)
        .says("--replay");
}
