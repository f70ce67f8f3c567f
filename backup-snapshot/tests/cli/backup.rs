use std::fs;
use std::path::{Path, PathBuf};

use snapshots::{Manifest, postgres as pg, sqlite, verify};
use tempfile::TempDir;
use tests::pgbouncer::Pgbouncer;
use tests::postgres_server::{PASSWORD, PASSWORD_ENCODED, Server};

use crate::support::{CI, Project, UUID, checks, marked, url_file};

#[test]
fn a_snapshot_holds_the_database_and_its_result_what_a_deployment_asks_for() {
    let project = Project::new("dev", false);
    project.settings("files = [\"lockstep.toml\"]\n");
    let (code, result) = project.dev(&["sqlite:app.db"]);
    assert_eq!(code, 0, "{result:#}");
    let [path] = &project.snapshots()[..] else {
        panic!("{result:#}")
    };
    let manifest = verify::snapshot(path, &|_, _, _| {}).unwrap();
    let facts = &result["facts"];
    assert_eq!(facts["snapshot"], manifest.id.as_str());
    assert_eq!(facts["ledger_state"], manifest.ledger_state.as_str());
    assert_eq!(facts["completed_at"], manifest.completed_at.as_str());
    assert_eq!((&facts["tables"], &facts["rows"]), (&1.into(), &3.into()));
    assert_eq!(result["target"]["identity"], UUID);
    assert_eq!(manifest.target_identity, UUID);
    assert_eq!(manifest.ledger_state, migrations::ledger_state(&[]));
    let copied = |path: PathBuf| fs::read(path).unwrap();
    assert_eq!(
        copied(path.join("files/lockstep.toml")),
        copied(project.dir.path().join("lockstep.toml"))
    );
    let name = path.file_name().unwrap().to_str().unwrap();
    assert!(name == manifest.id && name.contains("-dev-"), "{name}");

    let packed = fs::File::open(path.join(sqlite::FILE_NAME)).unwrap();
    assert!(packed.metadata().unwrap().len() > 0);
    let beside = fs::read_dir(project.dir.path()).unwrap().count();
    assert_eq!(beside, 3, "nothing is left beside the database");
}

#[test]
fn a_database_without_a_mark_and_one_of_another_environment_are_refused_and_nothing_is_written() {
    let project = Project::new("production", true);
    for (args, variables) in [
        (vec!["sqlite:app.db"], vec![("LOCKSTEP_ENV", "dev")]),
        (vec!["sqlite:app.db"], vec![("LOCKSTEP_ENV", "production")]),
        (
            vec!["sqlite:app.db"],
            vec![("CI", "true"), ("LOCKSTEP_ENV", "dev")],
        ),
        (vec!["sqlite:no/such.db"], CI.to_vec()),
    ] {
        let (code, result) = project.run(&args, &variables);
        assert_eq!(code, 1, "{variables:?} {result:#}");
        assert!(
            !project.dir.path().join("backups").exists(),
            "{variables:?}"
        );
    }
    project
        .database()
        .execute("DROP TABLE lockstep_environment", [])
        .unwrap();
    let (code, result) = project.run(&["sqlite:app.db"], &CI);
    assert_eq!(code, 1);
    assert!(
        checks(&result, "fail").contains(&"database-marked".to_owned()),
        "{result:#}"
    );
}

#[test]
fn a_protected_database_is_not_backed_up_into_a_temporary_folder() {
    let project = Project::new("production", true);
    let dir = TempDir::new_in("/tmp").unwrap();
    let dir = dir.path().to_str().unwrap();
    let (code, result) = project.run(&["sqlite:app.db", "--dir", dir], &CI);
    assert_eq!(
        (code, checks(&result, "fail")),
        (1, vec!["storage-lasts".to_owned()])
    );
    assert_eq!(fs::read_dir(dir).unwrap().count(), 0);

    // Unless it is stored elsewhere too.
    project.settings("publish = [\"cp\", \"-r\", \"{snapshot}\", \"elsewhere\"]\n");
    let (code, result) = project.run(&["sqlite:app.db", "--dir", dir], &CI);
    assert_eq!(code, 0, "{result:#}");
    let stored = project.dir.path().join("elsewhere");
    let manifest = verify::snapshot(&stored, &|_, _, _| {}).unwrap();
    assert_eq!(result["facts"]["snapshot"], manifest.id.as_str());
}

#[test]
fn without_a_folder_it_is_a_misuse() {
    let project = Project::new("dev", false);
    fs::write(
        project.dir.path().join("lockstep.toml"),
        "[environments.dev]\nprotected = false\n",
    )
    .unwrap();
    assert_eq!(project.dev(&["sqlite:app.db"]).0, 2);
    let (code, result) = project.dev(&["sqlite:app.db", "--dir", "app.db"]);
    assert_eq!(code, 2, "{result:#}");
    let remedy = result["error"]["remedy"].as_str().unwrap();
    assert!(remedy.contains("--dir"), "{remedy}");
}

#[test]
fn a_database_that_lost_its_tables_since_its_snapshot_is_a_failure() {
    let project = Project::new("dev", false);
    assert_eq!(project.dev(&["sqlite:app.db"]).0, 0);
    project.database().execute("DROP TABLE note", []).unwrap();
    let (code, result) = project.dev(&["sqlite:app.db"]);
    assert_eq!(
        (code, checks(&result, "fail")),
        (1, vec!["data-present".to_owned()])
    );
    assert_eq!(project.snapshots().len(), 1);
}

#[test]
fn what_a_killed_run_left_is_removed_and_named() {
    let project = Project::new("dev", false);
    let left = project
        .dir
        .path()
        .join("backups/.20261120T181500Z-dev-1a2b3c4d.partial");
    fs::create_dir_all(&left).unwrap();
    let (code, result) = project.dev(&["sqlite:app.db"]);
    assert_eq!(code, 0);
    assert!(
        checks(&result, "warn").contains(&"runs-ended".to_owned()),
        "{result:#}"
    );
    assert!(!left.exists());
}

#[test]
fn a_server_s_database_is_dumped_with_the_password_that_the_target_gives() {
    let server = Server::shared();
    let project = Project::new("dev", false);
    let file = url_file(&project, &marked(server));
    let (code, result) = project.dev(&["--database-url-file", &file]);
    assert_eq!(code, 0, "{result:#}");
    let [path] = &project.snapshots()[..] else {
        panic!("{result:#}")
    };
    let manifest = verify::snapshot(path, &|_, _, _| {}).unwrap();
    assert_eq!(
        (manifest.rows(), manifest.target_identity.as_str()),
        (1, UUID)
    );
    assert_eq!(manifest.content.database.file, pg::FILE_NAME);
    assert_eq!(manifest, Manifest::read(path).unwrap());
    for entry in fs::read_dir(path).unwrap() {
        let bytes = fs::read(entry.unwrap().path()).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains(PASSWORD) && !text.contains(PASSWORD_ENCODED));
    }
}

#[test]
fn a_mark_that_changes_before_the_snapshot_s_moment_is_judged_again() {
    let server = Server::shared();
    let project = Project::new("dev", false);
    let url = marked(server);
    let file = url_file(&project, &url);
    // pg_dump is looked for between the first look at the mark and the snapshot.
    let script = project.dir.path().join("pg_dump");
    let bin = server.bin().display();
    let change = "UPDATE lockstep.environment SET name = 'production', protected = true";
    fs::write(
        &script,
        format!(
            "#!/bin/sh\n'{bin}/psql' -q '{url}' -c \"{change}\"\nexec '{bin}/pg_dump' \"$@\"\n"
        ),
    )
    .unwrap();
    fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    project.settings(&format!("pg_dump = [{:?}]\n", script.to_str().unwrap()));
    let (code, result) = project.dev(&["--database-url-file", &file]);
    assert_eq!(code, 1, "{result:#}");
    assert!(
        checks(&result, "fail").contains(&"mark-matches".to_owned()),
        "{result:#}"
    );
    assert!(project.snapshots().is_empty());
}

#[test]
fn through_a_pooler_no_snapshot_is_taken() {
    let server = Server::shared();
    let project = Project::new("dev", false);
    let url = marked(server);
    let bouncer = Pgbouncer::start(server, &[]);
    let database = url.rsplit_once('/').unwrap().1;
    let file = url_file(&project, &bouncer.url(database));
    let (code, result) = project.dev(&["--database-url-file", &file]);
    assert_eq!(code, 1, "{result:#}");
    assert!(result.to_string().contains("pooler"), "{result:#}");
    assert!(!Path::new(&project.dir.path().join("backups")).exists());
}
