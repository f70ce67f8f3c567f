//! The programs and the orchestrator killed at many points of a deployment: ledger and schema agree
//! afterwards, nothing half made is published, and the next run comes to its end.

#![allow(clippy::unwrap_used, reason = "a test that can not go on fails")]

use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tests::application::succeed;
use tests::postgres_server::Server;
use tests::programs::{self, program};

/// Who is killed, one a round.
const VICTIMS: [&str; 3] = ["orchestrator", "deploy-db", "backup-snapshot"];
const ROUNDS_EACH: u32 = 8;
const PENDING: u32 = 12;
/// Rows that each migration brings: enough for a transaction to last.
const ROWS: u32 = 5_000;
/// How long anything may take on a busy machine before the test fails.
const PATIENCE: Duration = Duration::from_secs(60);

const PIPELINE: &str = r#"
pipeline = 1
name = "killed"
environment = "dev"

[[step]]
run = ["verify-migrations"]

[[step]]
run = ["backup-snapshot"]

[[step]]
run = ["deploy-db"]
timeout = "5m"
"#;

const SETTINGS: &str = r#"
[environments.dev]
database = "sqlite:app.db"
protected = false

[backup]
dir = "backups"
"#;

struct Bench {
    dir: tempfile::TempDir,
    /// The database file of SQLite before the first round.
    pristine: Vec<u8>,
    /// The database's URL where the settings leave it to the environment.
    url: Option<String>,
}

impl Bench {
    /// A database with one migration applied and the others pending.
    fn new() -> Bench {
        let dir = tempfile::tempdir_in(programs::dir()).unwrap();
        for folder in ["migrations", "backups"] {
            std::fs::create_dir(dir.path().join(folder)).unwrap();
        }
        let mut bench = Bench {
            dir,
            pristine: Vec::new(),
            url: None,
        };
        std::fs::write(bench.path("lockstep.toml"), SETTINGS).unwrap();
        std::fs::write(bench.path("p.toml"), PIPELINE).unwrap();
        bench.migration(0);
        let mut mark = bench.program("mark-db");
        succeed(mark.args(["--create", "--confirm", "sqlite:app.db"]));
        succeed(&mut bench.program("deploy-db"));
        (1..=PENDING).for_each(|number| bench.migration(number));
        bench.pristine = std::fs::read(bench.path("app.db")).unwrap();
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn program(&self, name: &str) -> std::process::Command {
        let mut command = program(name, self.dir.path());
        command.env("LOCKSTEP_ENV", "dev");
        if let Some(url) = &self.url {
            command.env("DATABASE_URL", url);
        }
        command
    }

    fn migration(&self, number: u32) {
        let sql = format!(
            "CREATE TABLE t{number} (id INTEGER PRIMARY KEY, v TEXT NOT NULL);\n\
             INSERT INTO t{number} (v) WITH RECURSIVE n (i) AS \
             (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ROWS}) \
             SELECT hex(randomblob(40)) FROM n;\n\
             CREATE INDEX t{number}_v ON t{number} (v);\n"
        );
        let name = format!("migrations/{number:04}_t{number}.sql");
        std::fs::write(self.path(&name), sql).unwrap();
    }

    /// Everything as before the first round, in the same place: the mark names it.
    fn reset(&self) {
        for name in ["app.db-journal", "app.db-wal", "app.db-shm"] {
            let _ = std::fs::remove_file(self.path(name));
        }
        std::fs::write(self.path("app.db"), &self.pristine).unwrap();
        for folder in ["backups", ".lockstep"] {
            let _ = std::fs::remove_dir_all(self.path(folder));
        }
        std::fs::create_dir(self.path("backups")).unwrap();
    }

    fn start(&self) -> Child {
        let mut command = self.program("orchestrator");
        command.args(["run", "p.toml"]).stdin(Stdio::null());
        command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }

    /// The processes that run `name` here, by the file that they execute and their working folder.
    fn processes(&self, name: &str) -> Vec<Pid> {
        let here = self.dir.path().canonicalize().unwrap();
        let file = programs::dir().join(name).canonicalize().unwrap();
        let entries = std::fs::read_dir("/proc").unwrap().flatten();
        entries
            .filter(|entry| {
                let link = |name: &str| std::fs::read_link(entry.path().join(name)).ok();
                link("exe").as_ref() == Some(&file) && link("cwd").as_ref() == Some(&here)
            })
            .filter_map(|entry| Pid::from_raw(entry.file_name().to_str()?.parse().ok()?))
            .collect()
    }

    /// Kills `victim` once it is there and `after` has passed since; whether it was still there.
    fn kill(&self, run: &mut Child, victim: &str, after: Duration) -> bool {
        let deadline = Instant::now() + PATIENCE;
        let pid = loop {
            if let Some(pid) = self.processes(victim).first() {
                break *pid;
            }
            if run.try_wait().unwrap().is_some() {
                return false;
            }
            assert!(Instant::now() < deadline, "{victim} never came");
        };
        // Where exactly it dies does not matter.
        std::thread::sleep(after);
        kill_process(pid, Signal::KILL).is_ok()
    }

    /// Waits until nothing of a run is at work any more.
    fn settle(&self) {
        let deadline = Instant::now() + PATIENCE;
        while [
            "orchestrator",
            "verify-migrations",
            "backup-snapshot",
            "deploy-db",
        ]
        .iter()
        .any(|name| !self.processes(name).is_empty())
        {
            assert!(Instant::now() < deadline, "something still runs");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// How many of the migrations are applied, having proved that the ledger and the schema say the
    /// same and that no migration is there by half.
    #[track_caller]
    fn applied(&self) -> u32 {
        let database = rusqlite::Connection::open(self.path("app.db")).unwrap();
        let one = |sql: &str| -> Result<u32, rusqlite::Error> {
            database.query_row(sql, [], |row| row.get(0))
        };
        let sound: String = database
            .query_row("PRAGMA integrity_check", [], |row| row.get(0))
            .unwrap();
        assert_eq!(sound, "ok");
        let applied = one("SELECT count(*) FROM lockstep_migrations").unwrap();
        let clean = "SELECT count(*) FROM lockstep_migrations WHERE state = 'applied'";
        assert_eq!(one(clean).unwrap(), applied);
        for number in 0..=PENDING {
            let rows = one(&format!("SELECT count(*) FROM t{number}")).ok();
            assert_eq!(
                rows,
                (number < applied).then_some(ROWS),
                "t{number} of {applied}"
            );
            let index = format!("SELECT count(*) FROM sqlite_schema WHERE name = 't{number}_v'");
            assert_eq!(
                one(&index).unwrap(),
                u32::from(number < applied),
                "t{number}"
            );
        }
        applied
    }

    /// How many snapshots are published, having proved each whole.
    #[track_caller]
    fn snapshots(&self) -> usize {
        let entries = std::fs::read_dir(self.path("backups")).unwrap().flatten();
        let published: Vec<PathBuf> = entries
            .filter(|entry| !entry.file_name().to_str().unwrap().starts_with('.'))
            .map(|entry| entry.path())
            .collect();
        for snapshot in &published {
            let manifest = std::fs::read(snapshot.join("manifest.json")).unwrap();
            let manifest: Value = serde_json::from_slice(&manifest).unwrap();
            let files = manifest["files"].as_array().unwrap();
            assert!(!files.is_empty());
            for file in files {
                let path = snapshot.join(file["path"].as_str().unwrap());
                let bytes = std::fs::read(&path).unwrap();
                assert_eq!(file["size"], bytes.len(), "{}", path.display());
                let digest = Sha256::digest(&bytes);
                let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
                assert_eq!(file["sha256"], hex, "{}", path.display());
            }
        }
        published.len()
    }

    /// The records of all runs, each of which can be read whole.
    #[track_caller]
    fn records(&self) -> Vec<Value> {
        let runs = std::fs::read_dir(self.path(".lockstep/runs"));
        runs.into_iter()
            .flatten()
            .flatten()
            // One that was just being made has a dot before its name.
            .filter(|entry| !entry.file_name().to_str().unwrap().starts_with('.'))
            .map(|entry| read_json(&entry.path().join("run.json")))
            .collect()
    }
}

#[track_caller]
fn read_json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// What PostgreSQL has in one moment: applied migrations, tables, indexes.
fn on_postgres(client: &mut postgres::Client) -> [i64; 3] {
    let of = |kind: &str, name: &str| {
        format!("(SELECT count(*) FROM pg_class WHERE relkind = '{kind}' AND relname ~ '{name}')")
    };
    // Written so that it can be asked before the first deployment has made the ledger.
    let ledger = "(SELECT count(*) FROM pg_class WHERE relname = 'migrations' AND relkind = 'r')";
    let there: i64 = client
        .query_one(&format!("SELECT {ledger}"), &[])
        .unwrap()
        .get(0);
    let applied = match there {
        0 => "0::bigint",
        _ => "(SELECT count(*) FROM lockstep.migrations WHERE state = 'applied')",
    };
    let (tables, indexes) = (of("r", "^t[0-9]+$"), of("i", "^t[0-9]+_v$"));
    let sql = format!("SELECT {applied}, {tables}, {indexes}");
    let row = client.query_one(&sql, &[]).unwrap();
    [row.get(0), row.get(1), row.get(2)]
}

#[test]
fn ledger_and_schema_agree_on_postgresql_after_deploy_db_was_killed() {
    let server = Server::shared();
    let settings = "[environments.dev]\ndatabase = { env = \"DATABASE_URL\" }\nprotected = false\n";
    let dir = tempfile::tempdir_in(programs::dir()).unwrap();
    let mut bench = Bench {
        dir,
        pristine: Vec::new(),
        url: None,
    };
    std::fs::create_dir(bench.path("migrations")).unwrap();
    std::fs::write(bench.path("lockstep.toml"), settings).unwrap();
    let pipeline = PIPELINE
        .replace("[[step]]\nrun = [\"backup-snapshot\"]\n", "")
        .replace("\"deploy-db\"", "\"deploy-db\", \"--wait-lock\", \"1m\"");
    std::fs::write(bench.path("p.toml"), pipeline).unwrap();
    for number in 0..=PENDING {
        let sql = format!(
            "CREATE TABLE t{number} (id bigint PRIMARY KEY, v text NOT NULL);\n\
             INSERT INTO t{number} SELECT i, md5(i::text) FROM generate_series(1, {ROWS}) i;\n\
             CREATE INDEX t{number}_v ON t{number} (v);\n"
        );
        let name = format!("migrations/{number:04}_t{number}.sql");
        std::fs::write(bench.path(&name), sql).unwrap();
    }
    let all = [i64::from(PENDING) + 1; 3];
    let mut lasts = Duration::ZERO;
    let mut cut_short = 0;
    for round in 0..=ROUNDS_EACH {
        let database = server.create_database();
        bench.url = Some(server.url(&database));
        let mut client = server.connect(&database);
        let mut run = bench.start();
        // The first one is left alone, to know how long it lasts.
        if round == 0 {
            assert!(run.wait().unwrap().success());
            let deploy = bench.records()[0]["steps"][1]["duration_ms"].as_u64();
            lasts = Duration::from_millis(deploy.unwrap());
        } else {
            let after = lasts.mul_f64(f64::from(round - 1) / f64::from(ROUNDS_EACH));
            let killed = bench.kill(&mut run, "deploy-db", after);
            let code = run.wait().unwrap().code();
            assert!(matches!(code, Some(0 | 6)), "{after:?}: {code:?}");
            cut_short += u32::from(killed && code == Some(6));
            let [applied, tables, indexes] = on_postgres(&mut client);
            assert_eq!((tables, indexes), (applied, applied), "{after:?}");
            succeed(bench.program("orchestrator").args(["run", "p.toml"]));
        }
        assert_eq!(on_postgres(&mut client), all);
        for number in 0..=PENDING {
            let sql = format!("SELECT count(*) FROM t{number}");
            let rows: i64 = client.query_one(&sql, &[]).unwrap().get(0);
            assert_eq!(rows, i64::from(ROWS));
        }
    }
    assert!(cut_short > 0, "deploy-db was never killed in time");
}

#[test]
fn ledger_and_schema_agree_and_nothing_half_made_is_published_whoever_dies() {
    let bench = Bench::new();
    let started = Instant::now();
    assert!(bench.start().wait().unwrap().success());
    let whole = started.elapsed();
    assert_eq!((bench.applied(), bench.snapshots()), (PENDING + 1, 1));
    let records = bench.records();
    let lasts = |victim: &str| {
        let steps = records[0]["steps"].as_array().unwrap();
        let step = steps.iter().find(|step| step["name"] == victim);
        step.map_or(whole, |step| {
            Duration::from_millis(step["duration_ms"].as_u64().unwrap())
        })
    };
    for victim in VICTIMS {
        let mut cut_short = 0;
        for round in 0..ROUNDS_EACH {
            bench.reset();
            let mut run = bench.start();
            let after = lasts(victim).mul_f64(f64::from(round) / f64::from(ROUNDS_EACH));
            let killed = bench.kill(&mut run, victim, after);
            let code = run.wait().unwrap().code();
            bench.settle();
            bench.applied();
            bench.snapshots();
            cut_short += u32::from(killed && code != Some(0));
            for record in bench.records() {
                let unfinished = record["state"] == "running";
                assert!(!unfinished || victim == "orchestrator", "{record}");
            }
            // A kill that came too late leaves a success.
            let expected: &[Option<i32>] = match victim {
                "orchestrator" => &[None, Some(0)],
                "deploy-db" => &[Some(6), Some(0)],
                _ => &[Some(137), Some(0)],
            };
            assert!(expected.contains(&code), "{victim} {after:?}: {code:?}");
            succeed(bench.program("orchestrator").args(["run", "p.toml"]));
            assert_eq!(bench.applied(), PENDING + 1, "{victim} {after:?}");
            assert!(bench.snapshots() > 0);
        }
        assert!(cut_short > 0, "{victim} was never killed in time");
    }
}
