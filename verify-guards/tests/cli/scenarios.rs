//! What happened to somebody, and what must not happen again.

use tests::own_tables::{Engine, Row};

use crate::support::{Judged as _, Place};

const ENGINES: [Engine; 2] = [Engine::Sqlite, Engine::Postgres];

const TOML: &str = "[environments.production]\n[environments.staging]\n\
                    [environments.dev]\nprotected = false\n";

/// A production database with a table.
fn production(engine: Engine) -> Place {
    let place = Place::new(engine);
    place.change("CREATE TABLE t (a int)");
    place.mark("production", true, false);
    place.write("lockstep.toml", TOML);
    place
}

const PRODUCTION_JOB: [(&str, &str); 2] = [("CI", "true"), ("LOCKSTEP_ENV", "production")];

#[test]
fn productions_own_job_is_allowed() {
    for engine in ENGINES {
        let place = production(engine);
        place
            .run_here(&[], &PRODUCTION_JOB)
            .refused_by(&[])
            .says("PASS ci-run CI\n")
            .says("verify-guards: pass: allowed\n");
        for action in ["backup", "mark-migrations", "mark-schema"] {
            place
                .run_here(&["--action", action], &PRODUCTION_JOB)
                .refused_by(&[]);
        }
    }
}

#[test]
fn a_developers_shell_with_productions_url_is_refused() {
    for engine in ENGINES {
        let place = production(engine);
        place
            .run_here(&[], &[("LOCKSTEP_ENV", "dev")])
            .refused_by(&["mark-matches", "ci-run", "variable-matches"])
            .says("it belongs to production (protected), this run is for dev");
        place
            .run_here(&[], &[("LOCKSTEP_ENV", "production")])
            .refused_by(&["ci-run"]);
        place.run_here(&[], &[]).refused_by(&["environment-named"]);
        // The environment's own database and the ambient one are two.
        let declared = TOML.replace(
            "protected = false",
            "protected = false\ndatabase = \"sqlite:dev.db\"",
        );
        place.write("lockstep.toml", &declared);
        place
            .run_here(&[], &[("LOCKSTEP_ENV", "dev")])
            .exits(2)
            .says("cannot tell the target");
    }
}

#[test]
fn a_ledger_named_after_the_applications_tables_hides_none_of_them() {
    let hidden = [
        (Engine::Sqlite, "shop", "CREATE TABLE shop_orders (x)"),
        (
            Engine::Sqlite,
            "lockstep",
            "CREATE TABLE lockstep_orders (x)",
        ),
        (Engine::Postgres, "public", "CREATE TABLE users (x int)"),
        (
            Engine::Postgres,
            "lockstep",
            "CREATE SCHEMA lockstep CREATE TABLE orders (x int)",
        ),
    ];
    for (engine, ledger, sql) in hidden {
        let place = Place::new(engine);
        place.change(sql);
        place.write(
            "lockstep.toml",
            &format!("{TOML}[migrations]\nledger = \"{ledger}\"\n"),
        );
        place
            .run_here(&[], &[("LOCKSTEP_ENV", "dev")])
            .refused_by(&["database-marked"])
            .says("it has tables and no mark, so it counts as protected");
    }
}

#[test]
fn settings_edited_to_say_unprotected_open_nothing() {
    for engine in ENGINES {
        let place = production(engine);
        place.write(
            "lockstep.toml",
            "[environments.production]\nprotected = false\n",
        );
        place
            .run_here(&[], &[("LOCKSTEP_ENV", "production")])
            .refused_by(&["ci-run"]);
        std::fs::remove_file(place.path("lockstep.toml")).unwrap();
        place
            .run_here(&[], &[("LOCKSTEP_ENV", "production")])
            .refused_by(&["ci-run"]);
    }
}

#[test]
fn a_target_of_several_hosts_is_where_the_one_is_that_answers() {
    let place = production(Engine::Postgres);
    let closed = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = closed.local_addr().unwrap().port();
    drop(closed);
    let url = place
        .url
        .replace("@127.0.0.1:", &format!("@127.0.0.1:{port},127.0.0.1:"));
    assert_ne!(url, place.url);
    let job = [&PRODUCTION_JOB[..], &[("DATABASE_URL", url.as_str())]].concat();
    place.run(&[], &job).refused_by(&[]);
}

#[test]
fn a_staging_job_with_productions_url_is_refused() {
    for engine in ENGINES {
        production(engine)
            .run_here(&[], &[("CI", "true"), ("LOCKSTEP_ENV", "staging")])
            .refused_by(&["mark-matches", "variable-matches"]);
    }
}

#[test]
fn only_ci_true_of_the_process_itself_is_a_ci_job() {
    let place = production(Engine::Sqlite);
    for value in ["1", "TRUE", "yes", ""] {
        place
            .run_here(&[], &[("CI", value), ("LOCKSTEP_ENV", "production")])
            .refused_by(&["ci-run"]);
    }
    // A file of variables can't say it.
    place.write(".env", "CI=true\nLOCKSTEP_ENV=production\n");
    place
        .run_here(&["--env-file", ".env"], &[])
        .exits(2)
        .says("is protected");
    place.write(".env", "CI=true\n");
    place.mark("dev", true, false);
    place
        .run_here(&["--env-file", ".env"], &[("LOCKSTEP_ENV", "dev")])
        .refused_by(&["ci-run"]);
}

#[test]
fn what_the_settings_require_is_required_too_and_its_value_not_shown() {
    let place = production(Engine::Sqlite);
    place.write(
        "lockstep.toml",
        "[environments.production.require]\nGITHUB_REF = \"refs/heads/main\"\n",
    );
    let with = |value| [&PRODUCTION_JOB[..], &[("GITHUB_REF", value)]].concat();
    place
        .run_here(&[], &with("refs/heads/main"))
        .refused_by(&[]);
    let ran = place.run_here(&[], &with("refs/heads/hunter2"));
    ran.refused_by(&["requirement-met"])
        .says("GITHUB_REF: has another value, required is refs/heads/main");
    assert!(!ran.stdout.contains("hunter2"), "{}", ran.stdout);
    place
        .run_here(&[], &PRODUCTION_JOB)
        .refused_by(&["requirement-met"])
        .says("is not set");
}

#[test]
fn the_variable_that_the_settings_name_counts() {
    let place = production(Engine::Sqlite);
    place.write(
        "lockstep.toml",
        &format!("{TOML}[environment]\nvariable = \"APP_ENV\"\n"),
    );
    place
        .run_here(&[], &[("CI", "true"), ("APP_ENV", "production")])
        .refused_by(&[])
        .says("PASS variable-matches APP_ENV");
    place
        .run_here(&[], &[("CI", "true"), ("APP_ENV", "staging")])
        .refused_by(&["mark-matches", "variable-matches"]);
}

#[test]
fn an_emptied_production_is_not_a_first_run() {
    for engine in ENGINES {
        let place = production(engine);
        let row = Row {
            version: "1",
            name: "t",
            sha256: &"0".repeat(64),
            sha256_tokens: None,
            state: "applied",
        };
        place.change(&engine.ledger(&[row]));
        place.run_here(&[], &PRODUCTION_JOB).refused_by(&[]);
        place.change("DROP TABLE t");
        place
            .run_here(&[], &PRODUCTION_JOB)
            .refused_by(&["data-present"])
            .says("it has no table, although its ledger has a migration");
        // Also where the mark is gone, in an environment that may begin on an empty database.
        let mark = match engine {
            Engine::Sqlite => "DROP TABLE lockstep_environment",
            Engine::Postgres => "DROP TABLE lockstep.environment",
        };
        place.change(mark);
        place
            .run_here(&[], &[("LOCKSTEP_ENV", "dev")])
            .refused_by(&["data-present"]);
    }
}

#[test]
fn a_copy_of_production_is_not_production() {
    for engine in ENGINES {
        let place = production(engine);
        place.mark("production", true, true);
        place
            .run_here(&[], &PRODUCTION_JOB)
            .refused_by(&["mark-in-place"])
            .says("copied or moved: ");
    }
    // The same file, moved: the mark goes with it.
    let place = production(Engine::Sqlite);
    std::fs::create_dir(place.path("copy")).unwrap();
    std::fs::copy(place.path("app.db"), place.path("copy/app.db")).unwrap();
    place
        .run(&["sqlite:copy/app.db"], &PRODUCTION_JOB)
        .refused_by(&["mark-in-place"]);
    // By another name of the same file it is where it was.
    std::os::unix::fs::symlink("app.db", place.path("link.db")).unwrap();
    place
        .run(&["sqlite:link.db"], &PRODUCTION_JOB)
        .refused_by(&[]);
}

#[test]
fn the_result_names_the_mark_and_the_identity() {
    for engine in ENGINES {
        let place = production(engine);
        let args = ["--format", "json"];
        let json = place.run_here(&args, &PRODUCTION_JOB).json();
        assert_eq!(
            json["target"]["identity"],
            "11111111-2222-4333-8444-555555555555"
        );
        assert_eq!(json["facts"]["marked_as"], "production");
        assert_eq!(json["facts"]["protected"], true);
        assert_eq!(json["environment"], "production");
        assert_eq!(json["changed"], "no");
    }
}

#[test]
fn what_cannot_be_asked_is_no_permission() {
    let place = production(Engine::Sqlite);
    place
        .run(&["sqlite:gone.db"], &PRODUCTION_JOB)
        .exits(1)
        .says("there is no such file");
    assert!(!place.path("gone.db").exists());
    place.run(&[], &PRODUCTION_JOB).exits(2);
    place
        .run_here(&["--action", "drop"], &PRODUCTION_JOB)
        .exits(2);
    // A mark's table that is not ours.
    place.change("DROP TABLE lockstep_environment; CREATE TABLE lockstep_environment (x)");
    place
        .run_here(&[], &PRODUCTION_JOB)
        .exits(3)
        .says("cannot read the database's mark");
    let closed = format!(
        "postgres://u:hunter2x@127.0.0.1:{}/d",
        tests::postgres_server::free_port()
    );
    let ran = place.run(&[], &[("DATABASE_URL", &closed), ("LOCKSTEP_ENV", "dev")]);
    ran.exits(4);
    assert!(!format!("{ran:?}").contains("hunter2x"));
}

#[test]
fn a_role_that_may_not_read_the_mark_is_no_permission() {
    use tests::postgres_server::Server;
    let place = production(Engine::Postgres);
    place.change("CREATE ROLE blind LOGIN PASSWORD 'b'");
    let name = place.url.rsplit('/').next().unwrap();
    let url = Server::shared().url_as("blind", "b", name);
    let variables = [&PRODUCTION_JOB[..], &[("DATABASE_URL", url.as_str())]].concat();
    let ran = place.run(&[], &variables);
    ran.exits(3).says("permission denied");
}

#[test]
fn a_snapshot_with_tables_in_the_evidence_says_that_there_was_data() {
    let place = Place::new(Engine::Sqlite);
    place.write("lockstep.toml", TOML);
    let dev = [("LOCKSTEP_ENV", "dev"), ("LOCKSTEP_EVIDENCE", "evidence")];
    place.run_here(&[], &dev).refused_by(&[]);
    let evidence = contract::evidence::Evidence::open(&place.path("evidence")).unwrap();
    for (environment, tables, guards) in [
        ("production", 3, &[][..]),
        ("dev", 3, &["data-present"]),
        ("dev", 0, &[]),
    ] {
        let line = serde_json::json!({
            "tool": "backup-snapshot", "class": "pass", "environment": environment,
            "facts": { "tables": tables },
        });
        evidence.append(&line).unwrap();
        place.run_here(&[], &dev).refused_by(guards);
    }
}
