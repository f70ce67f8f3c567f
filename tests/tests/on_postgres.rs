//! The way of a deployment on a real PostgreSQL server, through the programs and the orchestrator.

#![allow(clippy::unwrap_used, reason = "a test that can not go on fails")]

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tests::application::succeed;
use tests::postgres_server::{PASSWORD, PASSWORD_ENCODED, Server, USER};
use tests::programs::{program, root};

const FIRST: &str = "
CREATE TYPE standing AS ENUM ('received', 'approved', 'rejected');
CREATE TABLE users (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    email varchar(200) NOT NULL UNIQUE,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE submissions (
    id bigserial PRIMARY KEY,
    user_id int NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    status standing NOT NULL DEFAULT 'received',
    amount numeric(12, 2) NOT NULL CHECK (amount IN (1, 2, 3) OR amount > 10),
    extra jsonb
);
CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
    -- A semicolon; in a comment, and 'COMMIT;' in a string.
    NEW.extra := coalesce(NEW.extra, '{}'::jsonb) || jsonb_build_object('stamped', 'COMMIT;');
    RETURN NEW;
END
$body$;
CREATE TRIGGER submissions_stamp BEFORE INSERT ON submissions
    FOR EACH ROW EXECUTE FUNCTION stamp();
CREATE VIEW approved AS SELECT s.id, u.email FROM submissions s JOIN users u ON u.id = s.user_id
    WHERE s.status = 'approved';
INSERT INTO users (email) SELECT 'user' || i || '@example.org' FROM generate_series(1, 500) i;
INSERT INTO submissions (user_id, amount) SELECT i, i + 10.5 FROM generate_series(1, 500) i;
";

const SECOND: &str = "
ALTER TABLE submissions ADD COLUMN reviewer_id int REFERENCES users (id);
CREATE INDEX submissions_open ON submissions (user_id) WHERE status = 'received';
";

const THIRD: &str = "-- lockstep: no-transaction
CREATE INDEX CONCURRENTLY submissions_by_amount ON submissions (amount DESC);
";

/// An application on a database of its own, marked production's by its CI job.
struct Application {
    dir: tempfile::TempDir,
    url: String,
    database: String,
}

impl Application {
    fn make(server: &Server) -> Application {
        let database = server.create_database();
        let dir = tempfile::tempdir_in(tests::programs::dir()).unwrap();
        let elsewhere = dir.path().join("elsewhere");
        for folder in ["migrations", "backups", "elsewhere"] {
            std::fs::create_dir(dir.path().join(folder)).unwrap();
        }
        let settings = format!(
            "[environments.production]\ndatabase = {{ env = \"DATABASE_URL\" }}\n\
             [env.DATABASE_URL]\nkind = \"url\"\nschemes = [\"postgres\"]\n\
             [backup]\ndir = \"backups\"\npublish = [\"cp\", \"-r\", \"{{snapshot}}\", \"{}/\"]\n",
            elsewhere.display()
        );
        std::fs::write(dir.path().join("lockstep.toml"), settings).unwrap();
        let application = Application {
            dir,
            url: server.url(&database),
            database,
        };
        application.release("0001_application.sql", FIRST);
        let named = format!(
            "postgres://{USER}@127.0.0.1:{}/{}",
            server.port(),
            application.database
        );
        succeed(application.run("mark-db").args(["--confirm", &named]));
        application
    }

    fn release(&self, name: &str, sql: &str) {
        std::fs::write(self.dir.path().join("migrations").join(name), sql).unwrap();
    }

    fn run(&self, name: &str) -> Command {
        let mut command = program(name, self.dir.path());
        command
            .env("CI", "true")
            .env("LOCKSTEP_ENV", "production")
            .env("DATABASE_URL", &self.url);
        command
    }

    fn deploy(&self) -> String {
        let pipeline = root().join("pipelines/production.toml");
        succeed(self.run("orchestrator").arg("run").arg(pipeline))
    }
}

fn count(client: &mut postgres::Client, sql: &str) -> i64 {
    client.query_one(sql, &[]).unwrap().get(0)
}

#[test]
fn production_is_deployed_release_after_release() {
    let server = Server::shared();
    let application = Application::make(server);
    application.deploy();
    let mut client = server.connect(&application.database);
    assert_eq!(count(&mut client, "SELECT count(*) FROM submissions"), 500);
    application.release("0002_reviewer.sql", SECOND);
    application.release("0003_by_amount.sql", THIRD);
    application.deploy();
    let said = application.deploy();
    assert!(said.contains("nothing is pending"), "{said}");
    assert_eq!(
        count(&mut client, "SELECT count(*) FROM lockstep.migrations"),
        3
    );
    let snapshots = std::fs::read_dir(application.dir.path().join("elsewhere"))
        .unwrap()
        .count();
    assert_eq!(snapshots, 3);
}

#[test]
fn the_database_refuses_everybody_but_its_own_job() {
    let server = Server::shared();
    let application = Application::make(server);
    let refused = |change: &dyn Fn(&mut Command)| {
        let mut command = application.run("deploy-db");
        change(&mut command);
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let mut client = server.connect(&application.database);
        assert_eq!(
            count(
                &mut client,
                "SELECT count(*) FROM pg_class WHERE relname = 'users'"
            ),
            0
        );
    };
    // Without evidence; a developer's shell; a staging job; a file edited to say unprotected.
    refused(&|_| {});
    refused(&|command| {
        command.env_remove("CI");
    });
    refused(&|command| {
        std::fs::write(application.dir.path().join("none.toml"), "").unwrap();
        command
            .env("LOCKSTEP_ENV", "staging")
            .args(["--config", "none.toml"]);
    });
    let settings = application.dir.path().join("lockstep.toml");
    let text = std::fs::read_to_string(&settings).unwrap();
    std::fs::write(
        &settings,
        text.replace(
            "[env.DATABASE_URL]",
            "protected = false\n[env.DATABASE_URL]",
        ),
    )
    .unwrap();
    refused(&|command| {
        command.env_remove("CI");
    });
    refused(&|_| {});
}

#[test]
fn a_password_stays_out_of_everything_that_a_run_leaves_behind() {
    let server = Server::shared();
    let application = Application::make(server);
    let pipeline = root().join("pipelines/production.toml");
    let mut command = application.run("orchestrator");
    command
        .args(["run", "--log", "log", "--junit", "junit.xml"])
        .arg(pipeline);
    command
        .env("GITHUB_ACTIONS", "true")
        .env("GITHUB_STEP_SUMMARY", "summary.md");
    let mut seen = vec![succeed(&mut command)];
    let mut wrong = application.run("verify-connection");
    wrong.env(
        "DATABASE_URL",
        application.url.replace(PASSWORD_ENCODED, "wr0ng%2Fsecret"),
    );
    let output = wrong.args(["--log", "log"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    seen.push(String::from_utf8_lossy(&output.stdout).into_owned());
    seen.push(String::from_utf8_lossy(&output.stderr).into_owned());
    files(application.dir.path(), &mut seen);
    assert!(seen.len() > 15, "{}", seen.len());
    for text in &seen {
        for secret in [PASSWORD, PASSWORD_ENCODED, "wr0ng/secret", "wr0ng%2Fsecret"] {
            assert!(!text.contains(secret), "{text}");
        }
    }
}

/// The text of every file under a folder.
fn files(folder: &Path, texts: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, texts);
        } else {
            texts.push(String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned());
        }
    }
}

#[test]
fn the_evidence_names_one_target_through_the_whole_run() {
    let server = Server::shared();
    let application = Application::make(server);
    let evidence = application.dir.path().join("evidence");
    for name in [
        "verify-guards",
        "verify-migrations",
        "backup-snapshot",
        "deploy-db",
    ] {
        succeed(application.run(name).arg("--evidence").arg(&evidence));
    }
    let (lines, _) = contract::evidence::read(&evidence).unwrap();
    let of = |at: usize, pointer: &str| -> Value {
        lines[at]
            .value
            .pointer(pointer)
            .unwrap_or(&Value::Null)
            .clone()
    };
    for at in 1..4 {
        assert_eq!(of(at, "/target/identity"), of(0, "/target/identity"));
        assert!(of(at, "/target/identity").is_string());
        assert_eq!(of(at, "/environment"), "production");
    }
    assert_eq!(of(1, "/facts/plan"), of(3, "/facts/plan"));
    assert_eq!(of(1, "/facts/ledger_state"), of(2, "/facts/ledger_state"));
    assert_eq!(of(3, "/changed"), "yes");
}
