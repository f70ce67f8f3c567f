//! A file that is made with its mark.

use crate::support::{Asks, Place};

#[test]
fn a_file_is_made_on_request_and_only_with_its_mark() {
    let place = Place::empty();
    let confirmed = ["--environment", "dev", "--confirm", "sqlite:app.db"];
    let ran = place.run(&confirmed, &[]);
    ran.is(1, "no")
        .says("does not exist")
        .says("mark-db --create");
    assert_eq!(place.names(), ["lockstep.toml"]);

    let refused = place.run(&["--environment", "dev", "--create"], &[]);
    assert_eq!(refused.failed_checks(), ["target-confirmed"]);
    assert_eq!(place.names(), ["lockstep.toml"]);
    let confirm = refused.asked();
    let args = ["--environment", "dev", "--create", "--confirm", &confirm];
    let ran = place.run(&args, &[]);
    ran.is(0, "yes");
    assert_eq!(ran.json["facts"]["created"], true);
    assert_eq!(place.names(), ["app.db", "lockstep.toml"]);
    assert!(place.mark().unwrap().starts_with("dev/false/"));
    // What is there is not made anew.
    let marked = place.mark();
    let ran = place.run(&args, &[]);
    ran.is(0, "yes");
    assert_eq!(ran.json["facts"].get("created"), None);
    assert_eq!(place.mark(), marked);

    let place = Place::postgres();
    place
        .run(&["--environment", "dev", "--create"], &[])
        .is(2, "no")
        .says("createdb");
}

#[test]
fn a_file_that_can_not_be_marked_is_not_left_behind() {
    let place = Place::empty();
    let confirm = place
        .run(&["--environment", "dev", "--create"], &[])
        .asked();
    // The lock's place is taken by something that is no file.
    std::fs::create_dir(place.dir.path().join("app.db.lockstep-lock")).unwrap();
    let args = ["--environment", "dev", "--create", "--confirm", &confirm];
    place.run(&args, &[]).is(3, "no").says("lock file");
    assert!(!place.file().exists());
}

#[test]
fn of_several_makers_one_makes_the_file() {
    let args = [
        "--environment",
        "dev",
        "--create",
        "--confirm",
        "sqlite:app.db",
    ];
    for _ in 0..20 {
        let place = Place::empty();
        let codes: Vec<Option<i32>> = std::thread::scope(|scope| {
            let run = || scope.spawn(|| place.run(&args, &[]).code);
            let makers = [run(), run(), run()];
            makers.map(|maker| maker.join().unwrap()).into()
        });
        // Who comes later finds the lock held, the maker at work on the file, or the file.
        assert!(codes.contains(&Some(0)), "{codes:?}");
        assert!(place.mark().unwrap().starts_with("dev/false/"));
        assert_eq!(place.names(), ["app.db", "lockstep.toml"]);
    }
}

#[test]
fn what_somebody_else_puts_under_the_name_is_left_alone() {
    let args = [
        "--environment",
        "dev",
        "--create",
        "--confirm",
        "sqlite:app.db",
    ];
    let place = Place::empty();
    let lock = std::fs::File::create(place.dir.path().join("app.db.lockstep-lock")).unwrap();
    lock.lock().unwrap();
    place.run(&args, &[]).is(5, "no");
    place.execute("CREATE TABLE t (x)");
    let ran = place.run(&args, &[]);
    ran.is(5, "no");
    assert!(!ran.stderr.contains("give --wait-lock"), "{}", ran.stderr);
    drop(lock);
    assert!(place.file().exists());

    // What is left of a database that is gone would be taken for the new one's own.
    for suffix in ["-wal", "-journal"] {
        let place = Place::empty();
        let journal = place.dir.path().join(format!("app.db{suffix}"));
        std::fs::write(&journal, "x").unwrap();
        place.run(&args, &[]).is(1, "no").says("move it away");
        assert!(journal.exists() && !place.file().exists());
    }
    // A run that was killed in between is no hindrance.
    let place = Place::empty();
    std::fs::write(place.dir.path().join("app.db.lockstep-new"), "x").unwrap();
    place.run(&args, &[]).is(0, "yes");
    assert_eq!(place.names(), ["app.db", "lockstep.toml"]);

    let place = Place::empty();
    std::os::unix::fs::symlink("gone.db", place.file()).unwrap();
    place
        .run(&args, &[])
        .is(1, "no")
        .says("it is a symbolic link to gone.db, which does not exist");
    assert_eq!(place.names(), ["app.db", "lockstep.toml"]);
    let place = Place::empty();
    let args = ["sqlite:no/app.db", "--environment", "dev", "--create"];
    let confirmed = [&args[..], &["--confirm", "sqlite:no/app.db"]].concat();
    place
        .run(&confirmed, &[("DATABASE_URL", "")])
        .is(3, "no")
        .says("check that the folder exists");
}
