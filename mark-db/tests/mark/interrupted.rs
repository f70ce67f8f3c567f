//! What others do meanwhile, and connections that are no good.

use db_write::NewMark;
use tests::pgbouncer::Pgbouncer;
use tests::postgres_server::Server;
use tests::proxy::{COMMIT, Cut, Proxy};

use crate::support::{Asks, CI, Place};

#[test]
fn a_pooler_and_a_missing_right_are_told() {
    let place = Place::postgres();
    let database = place.database.clone().unwrap();
    let pooler = Pgbouncer::start(Server::shared(), &[]);
    let url = pooler.url(&database);
    place
        .run_as_job(&[], &[CI[0], CI[1], CI[2], ("DATABASE_URL", &url)])
        .is(1, "no")
        .says("give the direct URL");
    place.execute("CREATE ROLE nobody_much LOGIN PASSWORD 'secret'");
    let url = Server::shared().url_as("nobody_much", "secret", &database);
    let named = format!(
        "postgres://nobody_much@127.0.0.1:{}/{database}",
        Server::shared().port()
    );
    place
        .run(
            &["--confirm", &named],
            &[CI[0], CI[1], CI[2], ("DATABASE_URL", &url)],
        )
        .is(1, "no")
        .says("permission denied")
        .says("GRANT ALL ON SCHEMA lockstep TO \"nobody_much\"");
    assert_eq!(place.mark(), None);
}

#[test]
fn a_running_deployment_is_not_disturbed() {
    let place = Place::sqlite();
    let lock = place.dir.path().join("app.db.lockstep-lock");
    let file = std::fs::File::create(&lock).unwrap();
    file.lock().unwrap();
    place.run_as_job(&[], &CI).is(5, "no").says("cannot lock");
    drop(file);
    place.run_as_job(&[], &CI).is(0, "yes");
}

#[test]
fn a_lost_commit_is_looked_up_before_the_answer() {
    for (cut, code, changed) in [(Cut::Before, 1, "no"), (Cut::AfterAnswer, 0, "yes")] {
        let place = Place::postgres();
        let proxy = Proxy::start(COMMIT, 0, cut, false);
        let url = proxy.url(&place.url);
        let through = [CI[0], CI[1], CI[2], ("DATABASE_URL", url.as_str())];
        let confirm = place.run(&[], &through).asked();
        let ran = place.run(&["--confirm", &confirm], &through);
        ran.is(code, changed);
        assert_eq!(proxy.cuts(), 1);
        assert_eq!(place.mark().is_some(), code == 0);
        if code == 1 {
            ran.says("the connection was lost in COMMIT, and it was not committed");
        }
    }
    // A server that is gone leaves the question open.
    let place = Place::postgres();
    let proxy = Proxy::start(COMMIT, 0, Cut::AfterAnswer, true);
    let mut writer = place.writer(&proxy.url(&place.url));
    let error = writer.write_mark(&new_mark("dev", false), None);
    let failure = contract::Failure::from(error.unwrap_err());
    assert_eq!(failure.class, contract::Class::Partial, "{failure:?}");
    assert!(failure.line().contains("what was committed can't be read"));
    assert!(
        failure
            .remedy
            .unwrap()
            .contains("verify-guards shows the mark")
    );
}

fn new_mark(environment: &str, protected: bool) -> NewMark {
    NewMark {
        environment: environment.to_owned(),
        protected,
        uuid: contract::new_uuid(),
        terms: None,
    }
}

#[test]
fn a_mark_that_came_meanwhile_is_not_written_over() {
    for place in Place::both() {
        let url = match place.database {
            None => format!("sqlite:{}", place.file().display()),
            Some(_) => place.url.clone(),
        };
        // First on a database without a mark, then on one whose mark another one has replaced.
        for other in ["staging", "production"] {
            let surveyed = place.writer(&url).survey().unwrap().mark;
            let mut writer = place.writer(&url);
            writer
                .write_mark(&new_mark(other, true), surveyed.as_ref())
                .unwrap();
            let written = place.mark();
            let late = writer.write_mark(&new_mark("dev", false), surveyed.as_ref());
            assert!(
                matches!(late, Err(db_write::Error::MarkChanged)),
                "{late:?}"
            );
            assert_eq!(place.mark(), written);
        }
    }
}
