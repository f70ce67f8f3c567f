//! PostgreSQL sessions against a real server.

#![allow(clippy::unwrap_used, reason = "what a test can't set up fails it")]

use std::path::Path;

use db_read::{Options, PostgresSession, Session, TIMEOUTS, Timeout};
use records::LedgerName;
use settings::Target;
use tests::pgbouncer::Pgbouncer;
use tests::postgres_server::Server;

fn open(text: &str) -> Box<PostgresSession> {
    let (target, _) = Target::parse(text, Path::new("/")).unwrap();
    match Session::open(&target, &Options::new("test")).unwrap() {
        Session::Postgres(session) => session,
        Session::Sqlite(_) => panic!("not a file"),
    }
}

#[test]
fn one_snapshot_until_renewed_and_no_write() {
    let server = Server::shared();
    let database = server.create_database();
    let mut writer = server.connect(&database);
    writer
        .batch_execute("CREATE TABLE t (x int); INSERT INTO t VALUES (1)")
        .unwrap();
    let mut session = open(&server.url(&database));
    let count = |session: &mut PostgresSession| -> i64 {
        session
            .rows("count", "SELECT count(*) FROM public.t")
            .unwrap()[0]
            .get(0)
    };
    assert_eq!(count(&mut session), 1);
    writer.batch_execute("INSERT INTO t VALUES (2)").unwrap();
    assert_eq!(count(&mut session), 1);
    session.renew_snapshot().unwrap();
    assert_eq!(count(&mut session), 2);
    let refused = session
        .client()
        .batch_execute("INSERT INTO public.t VALUES (3)")
        .unwrap_err();
    assert_eq!(refused.code().unwrap().code(), "25006");
    // Nor once the transaction is over: the session's own default is read-only too.
    session.client().batch_execute("ROLLBACK").unwrap();
    let refused = session
        .client()
        .batch_execute("INSERT INTO public.t VALUES (3)")
        .unwrap_err();
    assert_eq!(refused.code().unwrap().code(), "25006");
}

#[test]
fn a_survey_has_the_search_path_that_files_would_run_in() {
    let server = Server::shared();
    let database = server.create_database();
    server
        .connect(&database)
        .batch_execute(&format!(
            "ALTER DATABASE {database} SET search_path = app, public"
        ))
        .unwrap();
    let (target, _) = Target::parse(&server.url(&database), Path::new("/")).unwrap();
    let mut session = Session::open(&target, &Options::new("test")).unwrap();
    let survey = session.survey(&target, &LedgerName::default()).unwrap();
    // The session's own is pinned to an empty one; a plan made from that would never be the one
    // that deploy-db finds.
    assert_eq!(survey.search_path.as_deref(), Some("app, public"));
}

#[test]
fn a_role_with_a_schema_of_its_own_runs_files_there() {
    let server = Server::shared();
    let database = server.create_database();
    let role = format!("role_of_{database}");
    let mut owner = server.connect(&database);
    owner
        .batch_execute(&format!("CREATE ROLE \"{role}\" LOGIN PASSWORD 'pw'"))
        .unwrap();
    let url = format!(
        "postgres://{role}:pw@127.0.0.1:{}/{database}",
        server.port()
    );
    let (target, _) = Target::parse(&url, Path::new("/")).unwrap();
    let path = || {
        let mut session = Session::open(&target, &Options::new("test")).unwrap();
        let survey = session.survey(&target, &LedgerName::default()).unwrap();
        survey.search_path.unwrap()
    };
    // Without one, roles share a plan.
    assert_eq!(path(), "\"$user\", public");
    owner
        .batch_execute(&format!("CREATE SCHEMA AUTHORIZATION \"{role}\""))
        .unwrap();
    assert_eq!(path(), format!("{role}, public"));
}

#[test]
fn facts_are_the_roles_own_and_texts_are_pinned() {
    let server = Server::shared();
    let database = server.create_database();
    server
        .connect(&database)
        .batch_execute(&format!(
            "CREATE SCHEMA app; ALTER DATABASE {database} SET search_path = app, public, absent"
        ))
        .unwrap();
    let mut session = open(&server.url(&database));
    let facts = session.facts().clone();
    assert_eq!(facts.search_path, "app, public, absent");
    assert_eq!(facts.search_schemas, ["app", "public"]);
    assert_eq!(facts.database, database);
    assert_eq!(facts.role, "lockstep");
    assert!(facts.superuser && !facts.in_recovery && !facts.read_only_by_default);
    assert_eq!(facts.encoding, "UTF8");
    assert!(facts.version_num >= 100_000 && facts.database_oid > 0);
    let rows = session
        .rows("show", "SELECT current_setting('search_path')")
        .unwrap();
    assert_eq!(rows[0].get::<_, String>(0), "\"\"");
    let identifier = session.system_identifier().unwrap().unwrap();
    assert!(identifier.parse::<u64>().is_ok(), "{identifier}");
}

#[test]
fn a_session_leaves_nothing_in_a_pooler() {
    let server = Server::shared();
    let database = server.create_database();
    let pgbouncer = Pgbouncer::start(server, &[]);
    // The pool has one connection, so that the next client gets what this session had.
    let state = || {
        let (target, _) = Target::parse(&pgbouncer.url(&database), Path::new("/")).unwrap();
        let Target::Postgres(target) = target else {
            panic!("not a file")
        };
        let mut link = db_connect::connect(&target, &db_connect::Options::new("next")).unwrap();
        let rows = link
            .client
            .simple_query(
                "SELECT pg_backend_pid(), (SELECT count(*) FROM pg_prepared_statements), \
                 current_setting('search_path'), current_setting('statement_timeout'), \
                 current_setting('default_transaction_read_only'), current_setting('TimeZone')",
            )
            .unwrap();
        rows.iter()
            .find_map(|message| match message {
                postgres::SimpleQueryMessage::Row(row) => {
                    let texts: Vec<String> = (0..row.len())
                        .map(|at| row.get(at).unwrap().to_owned())
                        .collect();
                    Some(texts)
                }
                _ => None,
            })
            .unwrap()
    };
    let before = state();
    let mut session = open(&pgbouncer.url(&database));
    assert!(!session.route().is_direct());
    assert_eq!(session.facts().database, database);
    session.rows("count", "SELECT 1").unwrap();
    let refused = session
        .client()
        .batch_execute("CREATE TABLE public.t ()")
        .unwrap_err();
    assert_eq!(refused.code().unwrap().code(), "25006");
    session.close().unwrap();
    assert_eq!(state(), before);
    // Nor does one that nobody closes: it must not cost the pool its connection.
    drop(open(&pgbouncer.url(&database)));
    assert_eq!(state(), before);
}

#[test]
fn no_timeout_that_the_server_knows_is_left_to_chance() {
    let server = Server::shared();
    let mut client = server.connect("postgres");
    let known: Vec<String> = client
        .query(
            "SELECT name FROM pg_settings WHERE context IN ('user', 'superuser')
             AND name LIKE '%timeout%'",
            &[],
        )
        .unwrap()
        .iter()
        .map(|row| row.get(0))
        .collect();
    assert!(known.len() >= 6, "{known:?}");
    for name in &known {
        assert!(TIMEOUTS.iter().any(|(ours, _)| ours == name), "{name}");
    }
    let database = server.create_database();
    for name in &known {
        client
            .batch_execute(&format!("ALTER DATABASE {database} SET {name} = '7s'"))
            .unwrap();
    }
    let mut plain = server.connect(&database);
    let mut session = open(&server.url(&database));
    for (name, timeout) in TIMEOUTS {
        if !known.iter().any(|known| known == name) {
            continue;
        }
        let show = format!("SHOW {name}");
        let of_database: String = plain.query_one(&show, &[]).unwrap().get(0);
        let ours: String = session.rows("show", &show).unwrap()[0].get(0);
        if matches!(timeout, Timeout::Set { .. }) {
            assert_ne!(ours, of_database, "{name}");
        }
    }
}
