//! Who may write which mark where.

use tests::postgres_server::{Server, USER};

use crate::support::{Asks, CI, Place, STAGING, TOML};

#[test]
fn an_unprotected_mark_wants_the_target_confirmed() {
    for place in Place::both() {
        let ran = place.run(&["--environment", "dev"], &[]);
        ran.is(1, "no").says("--confirm '");
        assert_eq!(ran.failed_checks(), ["target-confirmed"]);
        assert!(!ran.asked().contains("p@ss"), "{}", ran.asked());
        let ran = place.run(&["--environment", "dev", "--confirm", "app"], &[]);
        assert_eq!(ran.failed_checks(), ["target-confirmed"]);
        assert_eq!(place.mark(), None);
        let ran = place.mark_dev(&[]);
        ran.is(0, "yes");
        let uuid = ran.json["target"]["identity"].as_str().unwrap();
        assert_eq!(place.mark().unwrap(), format!("dev/false/{uuid}"));
        // The same name again keeps the identity, another one does not.
        let again = place.mark_dev(&[]);
        assert_eq!(again.json["target"]["identity"], uuid);
        let confirm = again.json["target"].clone();
        assert!(confirm.get("password").is_none());
    }
}

#[test]
fn what_another_environment_declares_is_not_marked() {
    for place in Place::both() {
        // No password stands in such a file.
        let url = match &place.database {
            None => place.url.clone(),
            Some(name) => format!(
                "postgres://{USER}@127.0.0.1:{}/{name}",
                Server::shared().port()
            ),
        };
        let declared = format!("{TOML}\n[environments.live]\ndatabase = \"{url}\"\n");
        std::fs::write(place.dir.path().join("lockstep.toml"), declared).unwrap();
        let ran = place.mark_dev(&[]);
        ran.is(1, "no")
            .says("it is declared as the database of live, the mark would name dev");
        assert_eq!(ran.failed_checks(), ["target-own"]);
        assert_eq!(place.mark(), None);
        if place.database.is_none() {
            let live = [("CI", "true"), ("LOCKSTEP_ENV", "live")];
            place.run_as_job(&[], &live).is(0, "yes");
        }
    }
}

#[test]
fn another_mark_db_is_waited_for() {
    let place = Place::postgres();
    let database = place.database.clone().unwrap();
    let mut other = Server::shared().connect(&database);
    other
        .batch_execute("SET application_name = 'mark-db/1'")
        .unwrap();
    place
        .run(&["--environment", "dev"], &[])
        .is(5, "no")
        .says("in use by mark-db/1 as ")
        .says("run it again when that one has ended");
}

#[test]
fn nothing_is_left_of_a_refusal() {
    let place = Place::sqlite();
    let names = place.names();
    place.run(&["--environment", "dev"], &[]).is(1, "no");
    assert_eq!(std::fs::metadata(place.file()).unwrap().len(), 0);
    assert_eq!(place.names(), names);
    let place = Place::postgres();
    place.run(&["--environment", "dev"], &[]).is(1, "no");
    let database = place.database.as_deref().unwrap();
    let rows = Server::shared()
        .connect(database)
        .query("SELECT 1 FROM pg_namespace WHERE nspname = 'lockstep'", &[])
        .unwrap();
    assert!(rows.is_empty());
}

#[test]
fn a_protected_mark_is_written_by_its_ci_job_alone() {
    for place in Place::both() {
        let ran = place.run(&[], &[("LOCKSTEP_ENV", "production"), CI[2]]);
        ran.is(1, "no");
        assert_eq!(ran.failed_checks(), ["ci-run", "target-confirmed"]);
        let ran = place.run_as_job(&[], &[("CI", "true"), CI[1]]);
        assert_eq!(ran.failed_checks(), ["requirement-met"]);
        // The flag does not stand for the job's own variable.
        let ran = place.run_as_job(&["--environment", "production"], &[("CI", "true"), CI[2]]);
        assert_eq!(ran.failed_checks(), ["variable-matches"]);
        let ran = place.run(&[], &CI);
        assert_eq!(ran.failed_checks(), ["target-confirmed"]);
        assert_eq!(place.mark(), None);
        place.execute("CREATE TABLE t (x int)");
        place.run_as_job(&[], &CI).is(0, "yes");
        let marked = place.mark().unwrap();
        assert!(marked.starts_with("production/true/"), "{marked}");
        // Renewed, it stays the same target.
        place.run_as_job(&[], &CI).is(0, "yes");
        assert_eq!(place.mark().unwrap(), marked);
    }
}

#[test]
fn a_protected_mark_is_never_replaced_where_it_was_written() {
    for place in Place::both() {
        place.run_as_job(&[], &CI).is(0, "yes");
        let marked = place.mark();
        let ran = place.mark_dev(&[]);
        ran.is(1, "no").says("it is protected as production");
        assert_eq!(ran.failed_checks(), ["mark-replaceable"]);
        let ran = place.run_as_job(&[], &STAGING);
        assert_eq!(ran.failed_checks(), ["mark-replaceable"]);
        assert_eq!(place.mark(), marked);
        // Not by a file that calls production unprotected either.
        let toml = TOML.replace(
            "[environments.production]\n",
            "[environments.production]\nprotected = false\n",
        );
        std::fs::write(place.dir.path().join("lockstep.toml"), toml).unwrap();
        let ran = place.run_as_job(&[], &CI);
        assert_eq!(ran.failed_checks(), ["mark-replaceable"]);
        assert_eq!(place.mark(), marked);
    }
}

#[test]
fn a_hard_link_to_production_is_not_marked() {
    let place = Place::sqlite();
    place.run_as_job(&[], &CI).is(0, "yes");
    let app = rusqlite::Connection::open(place.file()).unwrap();
    app.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE t (x)")
        .unwrap();
    let linked = Place::empty();
    std::fs::hard_link(place.file(), linked.file()).unwrap();
    for by in [&place, &linked] {
        for ran in [
            by.run(&["--environment", "dev"], &[]),
            by.run_as_job(&[], &CI),
        ] {
            ran.is(1, "no").says("the file has 2 names (hard links)");
        }
    }
    assert_eq!(linked.names(), ["app.db", "lockstep.toml"]);
    std::fs::remove_file(linked.file()).unwrap();
    app.execute_batch("INSERT INTO t VALUES (1)").unwrap();
    place.run_as_job(&[], &CI).is(0, "yes");
}

#[test]
fn a_copy_gets_a_mark_and_an_identity_of_its_own() {
    let place = Place::sqlite();
    place.run_as_job(&[], &CI).is(0, "yes");
    let original = place.mark().unwrap();
    let copy = Place::empty();
    std::fs::copy(place.file(), copy.file()).unwrap();
    copy.mark_dev(&[]).is(0, "yes").says("a copy of production");
    assert!(copy.mark().unwrap().starts_with("dev/false/"));
    assert_eq!(place.mark().unwrap(), original);
    // The original, moved: its own CI job alone may say so, whatever stands in its place.
    let moved = Place::empty();
    std::fs::rename(place.file(), moved.file()).unwrap();
    for stands in [None, Some(copy.file())] {
        if let Some(other) = stands {
            std::fs::copy(other, place.file()).unwrap();
        }
        let ran = moved.mark_dev(&[]);
        ran.is(1, "no")
            .says("if it was moved, run mark-db in the CI job of production");
        assert_eq!(ran.failed_checks(), ["mark-replaceable"]);
        assert_eq!(moved.mark().unwrap(), original);
    }
    moved
        .run_as_job(&[], &CI)
        .is(0, "yes")
        .says("moved, of production");
    assert_ne!(moved.mark().unwrap(), original);
    assert!(moved.mark().unwrap().starts_with("production/true/"));

    let place = Place::postgres();
    place.run_as_job(&[], &CI).is(0, "yes");
    let original = place.mark().unwrap();
    let database = place.database.clone().unwrap();
    let name = format!("{database}_copy");
    Server::shared()
        .connect("postgres")
        .batch_execute(&format!("CREATE DATABASE {name} TEMPLATE {database}"))
        .unwrap();
    let copy = Place {
        url: Server::shared().url(&name),
        database: Some(name),
        ..Place::empty()
    };
    copy.mark_dev(&[]).is(0, "yes").says("database oid was");
    assert!(copy.mark().unwrap().starts_with("dev/false/"));
    assert_eq!(place.mark().unwrap(), original);
}

#[test]
fn ci_true_in_a_shell_spares_an_unprotected_mark_nothing() {
    let ci = [("CI", "true"), ("LOCKSTEP_ENV", "dev")];
    for place in Place::both() {
        let asked = place.run(&[], &ci);
        assert_eq!(asked.is(1, "no").failed_checks(), ["target-confirmed"]);
        let confirm = asked.asked();
        let ran = place.run(
            &["--environment", "dev", "--confirm", &confirm],
            &[("CI", "true")],
        );
        assert_eq!(ran.is(1, "no").failed_checks(), ["variable-matches"]);
        place.run(&["--confirm", &confirm], &ci).is(0, "yes");
    }
    let place = Place::postgres();
    let confirm = place.run(&[], &ci).asked();
    let _app = Server::shared().connect(place.database.as_deref().unwrap());
    let ran = place.run(&["--confirm", &confirm], &ci);
    assert_eq!(ran.is(1, "no").failed_checks(), ["no-other-session"]);
}

#[test]
fn outside_ci_a_database_in_use_is_not_marked() {
    let place = Place::postgres();
    let confirm = place.run(&["--environment", "dev"], &[]).asked();
    let args = ["--environment", "dev", "--confirm", &confirm];
    let mut app = Server::shared().connect(place.database.as_deref().unwrap());
    app.batch_execute("SET application_name = 'shop'").unwrap();
    let ran = place.run(&args, &[]);
    ran.is(1, "no").says("in use by shop as lockstep (process ");
    assert_eq!(ran.failed_checks(), ["no-other-session"]);

    // A role that may not see what another role's session is, sees that it is there.
    place.execute(
        "CREATE ROLE marker LOGIN PASSWORD 'secret'; CREATE SCHEMA lockstep AUTHORIZATION marker",
    );
    let url = Server::shared().url_as("marker", "secret", place.database.as_deref().unwrap());
    let asked = place.run(&["--environment", "dev"], &[("DATABASE_URL", &url)]);
    assert!(asked.failed_checks().contains(&"no-other-session"));
    drop(app);
    let confirm = asked.asked();
    let args = ["--environment", "dev", "--confirm", &confirm];
    // The server may still be busy with its end.
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    loop {
        let ran = place.run(&args, &[("DATABASE_URL", &url)]);
        if ran.code == Some(0) {
            break;
        }
        assert_eq!(ran.failed_checks(), ["no-other-session"]);
        assert!(std::time::Instant::now() < deadline);
    }

    for mode in ["DELETE", "WAL"] {
        let place = Place::sqlite();
        place.execute(&format!("PRAGMA journal_mode = {mode}; CREATE TABLE t (x)"));
        let app = rusqlite::Connection::open(place.file()).unwrap();
        // One that has read and is idle now.
        app.query_row("SELECT count(*) FROM t", [], |_| Ok(()))
            .unwrap();
        let ran = place.mark_dev(&[]);
        ran.is(1, "no")
            .says(&format!("(process {})", std::process::id()));
        assert_eq!(ran.failed_checks(), ["no-other-session"]);
        // In CI the application may well be at work.
        place.run_as_job(&[], &CI).is(0, "yes");
        drop(app);
        assert!(place.mark().unwrap().starts_with("production/true/"));
    }
}
