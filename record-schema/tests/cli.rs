//! The program as it is run: a database and a file in, the file, both streams and an exit code out.

#![allow(clippy::unwrap_used, reason = "what a test can't set up fails it")]

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;

use tests::own_tables::{Engine, Mark};
use tests::postgres_server::Server;
use tests::ran::Ran;

/// A folder with a SQLite database `app.db`, from which the program is run without variables.
struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn new(ddl: &str) -> Place {
        let place = Place {
            dir: tempfile::tempdir().unwrap(),
        };
        place.change(ddl);
        place
    }

    fn change(&self, ddl: &str) {
        let conn = rusqlite::Connection::open(self.path("app.db")).unwrap();
        conn.execute_batch(ddl).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.dir.path()).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn run(&self, args: &[&str]) -> Ran {
        self.run_with(args, &[])
    }

    fn run_with(&self, args: &[&str], variables: &[(&str, &str)]) -> Ran {
        let mut command = Command::new(env!("CARGO_BIN_EXE_record-schema"));
        command
            .args(args)
            .env_clear()
            .envs(variables.iter().copied())
            .current_dir(self.dir.path());
        Ran::of(&mut command)
    }
}

const TO_FILE: [&str; 3] = ["sqlite:app.db", "--output", "schema.toml"];

#[test]
fn the_schema_is_recorded_and_the_database_left_as_it_was() {
    let place = Place::new(
        "CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT NOT NULL);
         CREATE TABLE lockstep_migrations (name)",
    );
    let before = std::fs::read(place.path("app.db")).unwrap();
    let ran = place.run(&TO_FILE);
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
    assert!(
        ran.stdout.starts_with("PASS schema-recorded schema.toml\n"),
        "{}",
        ran.stdout
    );
    assert!(
        ran.stdout
            .ends_with("record-schema: pass: recorded for the first time\n")
    );
    let text = place.read("schema.toml");
    assert!(
        text.starts_with("# The schema that the database should have."),
        "{text}"
    );
    assert!(
        text.contains("columns.email = { type = \"TEXT\", not_null = true }\n"),
        "{text}"
    );
    assert!(!text.contains("lockstep_environment"), "{text}");
    assert_eq!(std::fs::read(place.path("app.db")).unwrap(), before);
    assert_eq!(place.names(), ["app.db", "schema.toml"]);
}

#[test]
fn recording_again_says_what_changed() {
    let place =
        Place::new("CREATE TABLE users (id INTEGER PRIMARY KEY, age INT); CREATE TABLE old (a)");
    place.run(&TO_FILE);
    let recorded = std::fs::metadata(place.path("schema.toml"))
        .unwrap()
        .modified()
        .unwrap();
    let ran = place.run(&TO_FILE);
    assert!(
        ran.stdout
            .ends_with("pass: the file held this schema already\n"),
        "{}",
        ran.stdout
    );
    let kept = std::fs::metadata(place.path("schema.toml"))
        .unwrap()
        .modified()
        .unwrap();
    assert_eq!(kept, recorded);

    place.change(
        "DROP TABLE old; ALTER TABLE users ADD email TEXT; CREATE INDEX i ON users (email)",
    );
    let ran = place.run(&TO_FILE);
    assert_eq!(ran.code, Some(0));
    assert_eq!(
        ran.stderr,
        "removed table old\n\
         added column users.email: TEXT\n\
         added index users.i: INDEX (email)\n"
    );
    assert!(
        ran.stdout
            .ends_with("pass: recorded, with 3 changes to what the file held\n")
    );
    assert!(place.read("schema.toml").contains("columns.email"));
}

#[test]
fn without_a_name_it_is_schema_toml_and_that_is_said() {
    let place = Place::new("CREATE TABLE users (id INTEGER PRIMARY KEY)");
    let ran = place.run(&["sqlite:app.db"]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
    assert!(
        ran.stderr.contains("--expected schema.toml"),
        "{}",
        ran.stderr
    );
    assert_eq!(place.names(), ["app.db", "schema.toml"]);
    assert_eq!(place.run(&TO_FILE).stderr, "");
}

#[test]
fn the_settings_name_file_and_scope() {
    let place =
        Place::new("CREATE TABLE users (id INTEGER PRIMARY KEY); CREATE TABLE audit_log (a)");
    std::fs::create_dir(place.path("db")).unwrap();
    place.write(
        "lockstep.toml",
        "[environments.dev]\ndatabase = \"sqlite:app.db\"\nprotected = false\n\
         [schema]\nexpected = \"db/schema.toml\"\nignore = [\"audit_*\"]\n",
    );
    let ran = place.run(&["--environment", "dev", "--format", "json"]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
    let result: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(result["facts"]["tables"], 1);
    assert_eq!(result["facts"]["file"], "db/schema.toml");
    assert_eq!(result["facts"]["digest"].as_str().unwrap().len(), 64);
    assert_eq!(result["changed"], "no");
    assert!(!place.read("db/schema.toml").contains("audit_log"));
}

#[test]
fn a_file_of_somebody_else_is_never_replaced() {
    let place = Place::new("CREATE TABLE users (id INTEGER PRIMARY KEY)");
    for foreign in [
        "[schema]\nname = \"mine\"\n",
        "format = \"lockstep-schema/99\"\nengine = \"sqlite\"\n",
    ] {
        place.write("schema.toml", foreign);
        let ran = place.run(&TO_FILE);
        assert_eq!(ran.code, Some(1), "{}{}", ran.stdout, ran.stderr);
        assert!(
            ran.stderr.contains("cannot replace schema.toml"),
            "{}",
            ran.stderr
        );
        assert_eq!(place.read("schema.toml"), foreign);
    }
    place.write("schema.toml", "\n");
    assert_eq!(place.run(&TO_FILE).code, Some(0));
}

#[test]
fn what_can_not_be_recorded_leaves_no_file() {
    let place = Place::new("");
    for (args, code, said) in [
        (&["sqlite:app.db"][..], 2, "nothing is in its scope"),
        (&TO_FILE, 2, "nothing is in its scope"),
        (
            &["sqlite:gone.db", "--output", "schema.toml"],
            1,
            "there is no such file",
        ),
        (&["--output", "schema.toml"], 2, "cannot"),
    ] {
        let ran = place.run(args);
        assert_eq!(ran.code, Some(code), "{}{}", ran.stdout, ran.stderr);
        assert!(ran.stderr.contains(said), "{}", ran.stderr);
        assert_eq!(place.names(), ["app.db"]);
    }
    place.change("CREATE TABLE t (a)");
    let ran = place.run(&["sqlite:app.db", "--output", "no/such/folder.toml"]);
    assert_eq!(ran.code, Some(3), "{}{}", ran.stdout, ran.stderr);
    assert!(
        ran.stderr.contains("cannot write no/such/folder.toml"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_link_and_the_files_mode_are_kept() {
    let place = Place::new("CREATE TABLE t (a)");
    place.write("real.toml", "");
    std::fs::set_permissions(
        place.path("real.toml"),
        std::fs::Permissions::from_mode(0o640),
    )
    .unwrap();
    std::os::unix::fs::symlink("real.toml", place.path("schema.toml")).unwrap();
    assert_eq!(place.run(&TO_FILE).code, Some(0));
    assert!(
        std::fs::symlink_metadata(place.path("schema.toml"))
            .unwrap()
            .is_symlink()
    );
    let mode = std::fs::metadata(place.path("real.toml"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o640);
    assert!(place.read("real.toml").contains("[tables.t]"));
}

#[test]
fn postgresql_is_recorded_with_what_somebody_should_look_at() {
    let server = Server::shared();
    let name = server.create_database();
    let mut client = server.connect(&name);
    client
        .batch_execute("CREATE TABLE t (a int); INSERT INTO t VALUES (1), (1)")
        .unwrap();
    client
        .batch_execute("CREATE UNIQUE INDEX CONCURRENTLY i ON t (a)")
        .unwrap_err();
    let place = Place::new("");
    place.write(
        "lockstep.toml",
        "[schema]\nexpected = \"schema.toml\"\nschemas = [\"public\", \"gone\"]\n",
    );
    let url = server.url(&name);
    let ran = place.run_with(&[], &[("DATABASE_URL", &url)]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
    assert!(
        ran.stdout
            .contains("WARN schema-exists gone: does not exist\n"),
        "{}",
        ran.stdout
    );
    assert!(
        ran.stdout.contains("WARN index-valid public.t.i: invalid"),
        "{}",
        ran.stdout
    );
    assert!(place.read("schema.toml").contains("[tables.\"public.t\"]"));
    assert_eq!(
        place
            .run_with(&["--strict"], &[("DATABASE_URL", &url)])
            .code,
        Some(1)
    );
}

#[test]
fn the_readme_lists_the_checks_and_what_its_sample_prints() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = std::fs::read_to_string(path).unwrap();
    let place = Place::new("CREATE TABLE users (id INTEGER PRIMARY KEY); CREATE TABLE old (a)");
    let checks = place.run(&["--list-checks", "--format", "json"]).stdout;
    let checks: serde_json::Value = serde_json::from_str(&checks).unwrap();
    for check in checks.as_array().unwrap() {
        let (id, holds) = (check["id"].as_str(), check["holds"].as_str());
        let row = format!("| `{}` | {} |", id.unwrap(), holds.unwrap());
        assert!(readme.contains(&row), "README.md lacks: {row}");
    }
    let console = readme.split("```console\n").nth(1).unwrap();
    let sample = console.split("```").next().unwrap();
    let (command, expected) = sample.split_once('\n').unwrap();
    assert_eq!(
        command,
        "$ record-schema sqlite:app.db --output schema.toml"
    );
    place.run(&TO_FILE);
    place.change("DROP TABLE old; ALTER TABLE users ADD email TEXT; CREATE TABLE posts (a)");
    let ran = place.run(&TO_FILE);
    // What changed is said on stderr, which a terminal shows first.
    assert_eq!(format!("{}{}", ran.stderr, ran.stdout), expected);
}

#[test]
fn the_result_names_the_database() {
    const UUID: &str = "11111111-2222-4333-8444-555555555555";
    let mark = |endpoint: &str, database_oid: Option<&str>, engine: Engine| {
        engine.mark(&Mark {
            environment: "dev",
            protected: false,
            uuid: UUID,
            endpoint,
            system_identifier: None,
            database_oid,
        })
    };
    let identity = |ran: &Ran| {
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        let result: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
        result["target"]["identity"].as_str().map(str::to_owned)
    };
    let json = [&TO_FILE[..], &["--format", "json"]].concat();
    let place = Place::new("CREATE TABLE t (x)");
    assert_eq!(identity(&place.run(&json)), None);
    let path = std::fs::canonicalize(place.path("app.db")).unwrap();
    place.change(&mark(path.to_str().unwrap(), None, Engine::Sqlite));
    assert_eq!(identity(&place.run(&json)).unwrap(), UUID);
    place.change(&mark("/srv/app.db", None, Engine::Sqlite));
    let copy = identity(&place.run(&json)).unwrap();
    assert!(
        copy.starts_with(&format!("{UUID} copied-or-moved /")),
        "{copy}"
    );

    let server = Server::shared();
    let database = server.create_database();
    server
        .connect(&database)
        .batch_execute(&format!(
            "CREATE TABLE t (x int); {}; CREATE ROLE recorder LOGIN PASSWORD 'recorder'",
            mark("elsewhere:1", None, Engine::Postgres)
        ))
        .unwrap();
    let json = ["--output", "postgres.toml", "--format", "json"];
    let run = |url: &str| place.run_with(&json, &[("DATABASE_URL", url)]);
    let copy = identity(&run(&server.url(&database))).unwrap();
    assert!(copy.contains(" copied-or-moved localhost:"), "{copy}");
    // Who may not read the mark may record the schema all the same.
    let ran = run(&server.url_as("recorder", "recorder", &database));
    assert_eq!(identity(&ran), None);
    assert!(
        ran.stderr.contains("may not read its mark"),
        "{}",
        ran.stderr
    );
}
