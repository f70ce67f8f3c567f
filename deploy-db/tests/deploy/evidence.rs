//! What a protected database demands of the evidence, before it is touched.

use std::path::PathBuf;
use std::process::Stdio;

use contract::evidence::Evidence;
use serde_json::{Value, json};
use sha2::Digest as _;

use crate::place::{Place, until};
use tests::answer::Answer;

const CI: [(&str, &str); 2] = [("CI", "true"), ("LOCKSTEP_ENV", "production")];

/// A protected database with a migration to come, and a folder for the evidence.
struct Protected {
    place: Place,
    evidence: PathBuf,
}

impl Protected {
    fn new(place: Place) -> Protected {
        place
            .file("1_a.sql", "CREATE TABLE a (x int);")
            .file("2_b.sql", "CREATE TABLE b (x int);");
        place.mark("production", true);
        let evidence = place.path("evidence");
        Protected { place, evidence }
    }

    fn both() -> [Protected; 2] {
        Place::both().map(Protected::new)
    }

    fn plan(&self) -> plan::Plan {
        let settings = settings::Settings::read(None, self.place.dir.path()).unwrap();
        let survey = self.place.writer().survey().unwrap();
        let dialect = plan::dialect(&self.place.target());
        plan::make(&settings, dialect, &survey).unwrap()
    }

    fn append(&self, result: &Value) {
        Evidence::open(&self.evidence)
            .unwrap()
            .append(result)
            .unwrap();
    }

    /// The result of a verify-migrations that passed.
    fn verified(&self) -> Value {
        let plan = self.plan();
        json!({
            "tool": "verify-migrations", "class": "pass", "environment": "production",
            "target": { "identity": plan.identity }, "facts": { "plan": plan.hash },
        })
    }

    /// The result of a backup-snapshot that was taken so many seconds ago.
    fn snapshot(&self, seconds: i64) -> Value {
        let plan = self.plan();
        let completed = jiff::Timestamp::now() - jiff::SignedDuration::from_secs(seconds);
        let folder = self.place.path("snapshot");
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(folder.join("files")).unwrap();
        std::fs::write(folder.join("db.zst"), "rows").unwrap();
        std::fs::write(folder.join("files/app.toml"), "a = 1").unwrap();
        let manifest: snapshots::Manifest = serde_json::from_value(json!({
            "format": snapshots::manifest::FORMAT, "id": "s", "tool": "backup-snapshot",
            "version": "0.1.0", "environment": "production", "target": "t",
            "target_identity": plan.identity, "ledger_state": plan.ledger_state,
            "started_at": completed.to_string(), "completed_at": completed.to_string(),
            "consistent_at": completed.to_string(), "digest_scheme": "fp1", "tables": [],
            "skipped": [], "source_held_ms": 0, "writers_waited": false,
            "engine": { "kind": "sqlite", "version": "3", "encoding": "UTF-8" },
            "database": { "file": "db.zst", "format": "sqlite", "raw_size": 9 },
            "files": [
                { "path": "db.zst", "size": 4, "sha256": sha256("rows") },
                { "path": "files/app.toml", "size": 5, "sha256": sha256("a = 1") },
            ],
        }))
        .unwrap();
        manifest.write(&folder).unwrap();
        json!({
            "tool": "backup-snapshot", "class": "pass", "environment": "production",
            "target": { "identity": plan.identity },
            "facts": {
                "snapshot": "s", "ledger_state": plan.ledger_state,
                "completed_at": completed.to_string(), "tables": 0, "path": folder,
                "sha256": sha256("rows"), "manifest_sha256": manifest.sha256(),
            },
        })
    }

    fn deploy(&self) -> Answer {
        let mut command = self.place.command();
        command.envs(CI).arg("--evidence").arg(&self.evidence);
        Answer::of(&mut command)
    }

    #[track_caller]
    fn refused(&self, message: &str) -> Answer {
        let before = self.place.state();
        let answer = self.deploy();
        answer.is(1, "no").says(message);
        assert_eq!(self.place.state(), before);
        answer
    }
}

fn sha256(text: &str) -> String {
    let digest = sha2::Sha256::digest(text.as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_snapshot_that_is_gone_is_none_unless_it_was_stored_elsewhere() {
    for protected in Protected::both() {
        protected.append(&protected.verified());
        let snapshot = protected.snapshot(60);
        protected.append(&snapshot);
        std::fs::remove_dir_all(protected.place.path("snapshot")).unwrap();
        protected.refused("it is not at ");
        let mut elsewhere = snapshot;
        elsewhere["findings"] = json!([{ "check": "stored-elsewhere", "status": "pass" }]);
        protected.append(&elsewhere);
        let ran = protected.deploy();
        ran.is(0, "yes");
        let checked = &ran.json["facts"]["snapshot_checked"];
        assert_eq!(checked, "stored elsewhere, not readable here");
    }
}

#[test]
fn a_snapshot_without_its_files_is_none() {
    for protected in Protected::both() {
        protected.append(&protected.verified());
        let snapshot = protected.snapshot(60);
        protected.append(&snapshot);
        let folder = protected.place.path("snapshot");
        std::fs::write(folder.join("db.zst"), "ro").unwrap();
        protected.refused("it has 2 bytes, the manifest says 4");
        std::fs::remove_file(folder.join("db.zst")).unwrap();
        protected.refused("cannot read");
        std::fs::write(folder.join("db.zst"), "Rows").unwrap();
        let ran = protected.refused("its SHA-256 is not the manifest's");
        assert_eq!(ran.json["facts"]["snapshot_checked"], Value::Null);
        // Nobody waits for somebody to write into it.
        std::fs::remove_file(folder.join("db.zst")).unwrap();
        let pipe = std::process::Command::new("mkfifo")
            .arg(folder.join("db.zst"))
            .status();
        assert!(pipe.unwrap().success());
        protected.refused("it is not a plain file");
        std::fs::remove_file(folder.join("db.zst")).unwrap();
        std::fs::write(folder.join("db.zst"), "rows").unwrap();
        std::fs::write(folder.join("more"), "").unwrap();
        protected.refused("the manifest does not name it");
        // A copy elsewhere may be one of what was damaged.
        let mut elsewhere = snapshot.clone();
        elsewhere["findings"] = json!([{ "check": "stored-elsewhere", "status": "pass" }]);
        protected.append(&elsewhere);
        protected.refused("the manifest does not name it");
        std::fs::remove_file(folder.join("more")).unwrap();
        let ran = protected.deploy();
        ran.is(0, "yes");
        assert_eq!(ran.json["facts"]["snapshot_checked"], "hashed");
    }
}

#[test]
fn a_manifest_that_was_edited_is_seen() {
    for protected in Protected::both() {
        protected.append(&protected.verified());
        let snapshot = protected.snapshot(60);
        protected.append(&snapshot);
        let folder = protected.place.path("snapshot");
        let path = folder.join("manifest.json");
        let whole = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, whole.replace("\"raw_size\": 9", "\"raw_size\": 8")).unwrap();
        protected.refused("does not fit its own checksum");
        // By somebody who made the checksum anew, and the file as well.
        let manifest: snapshots::Manifest = serde_json::from_str(&whole).unwrap();
        let mut forged = manifest.clone();
        forged.content.files[0].sha256 = sha256("Rows");
        std::fs::write(&path, forged.to_bytes()).unwrap();
        std::fs::write(folder.join("db.zst"), "Rows").unwrap();
        protected.refused("it is not the one that was written");
        // The line of a release that did not note the manifest's hash yet.
        let mut older = snapshot.clone();
        older["facts"]
            .as_object_mut()
            .unwrap()
            .remove("manifest_sha256");
        protected.append(&older);
        protected.refused("it names another database file than was written");
        std::fs::write(folder.join("db.zst"), "rows").unwrap();
        // One of another target, or of another state of the ledger, under the same name.
        let another = snapshots::Manifest {
            target_identity: "another".to_owned(),
            ..manifest
        };
        std::fs::write(&path, another.to_bytes()).unwrap();
        protected.refused("is another one");
        std::fs::write(&path, &whole).unwrap();
        protected.deploy().is(0, "yes");
    }
}

#[test]
fn a_signal_is_heard_while_the_snapshot_is_read() {
    for protected in Protected::both() {
        protected.append(&protected.verified());
        let mut snapshot = protected.snapshot(60);
        let folder = protected.place.path("snapshot");
        let path = folder.join("manifest.json");
        // It takes no room on the disk, and longer to read than anybody waits.
        let long = 1 << 40;
        let file = std::fs::File::create(folder.join("db.zst")).unwrap();
        file.set_len(long).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let mut manifest: snapshots::Manifest = serde_json::from_str(&text).unwrap();
        manifest.content.files[0].size = long;
        std::fs::write(&path, manifest.to_bytes()).unwrap();
        snapshot["facts"]["manifest_sha256"] = json!(manifest.sha256());
        protected.append(&snapshot);
        let before = protected.place.state();
        let mut command = protected.place.command();
        command.envs(CI).arg("--evidence").arg(&protected.evidence);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().unwrap();
        let reads = folder.join("db.zst");
        until("the reading", || {
            let open = std::fs::read_dir(format!("/proc/{}/fd", child.id())).unwrap();
            let mut open = open.filter_map(|fd| std::fs::read_link(fd.ok()?.path()).ok());
            open.any(|path| path == reads)
        });
        rustix::process::kill_process(
            rustix::process::Pid::from_child(&child),
            rustix::process::Signal::TERM,
        )
        .unwrap();
        let ran = Answer::from_child(child);
        ran.is(1, "no").says("stopped by a signal");
        assert_eq!(protected.place.state(), before);
    }
}

#[test]
fn what_a_run_changed_makes_older_evidence_worthless() {
    for protected in Protected::both() {
        protected.append(&protected.verified());
        protected.append(&protected.snapshot(60));
        // Of another target, of one that changed nothing, and of what changes no row.
        let identity = protected.plan().identity;
        let run = |tool: &str, changed: &str, identity: Value| {
            json!({
                "tool": tool, "class": "fail", "changed": changed,
                "target": { "identity": identity },
            })
        };
        protected.append(&run("deploy-db", "yes", json!("another")));
        protected.append(&run("deploy-db", "no", json!(identity)));
        let changing = [
            ("deploy-db", "yes", json!(identity)),
            ("mark-migrations", "yes", json!(identity)),
            ("deploy-db", "unknown", Value::Null),
        ];
        for (tool, changed, target) in changing {
            protected.append(&run(tool, changed, target));
            let message = format!("{tool} has changed the database since");
            let ran = protected.deploy();
            assert_eq!(
                ran.failed(),
                [
                    format!("plan-verified plan: {message}"),
                    format!("snapshot-taken s: {message}")
                ]
            );
            protected.append(&protected.verified());
            let ran = protected.deploy();
            assert_eq!(ran.failed(), [format!("snapshot-taken s: {message}")]);
            protected.append(&protected.snapshot(30));
        }
        protected.append(&run("freeze-db", "yes", json!(identity)));
        protected.deploy().is(0, "yes");
    }
}

#[test]
fn a_dirty_file_that_was_undone_by_hand_needs_new_evidence() {
    for protected in Protected::both() {
        let place = &protected.place;
        protected.append(&protected.verified());
        protected.append(&protected.snapshot(60));
        protected.deploy().is(0, "yes");
        place.file(
            "3_c.sql",
            "-- lockstep: no-transaction\nDELETE FROM a;\nINSERT INTO nowhere VALUES (1);\n",
        );
        protected.append(&protected.verified());
        protected.append(&protected.snapshot(60));
        protected.deploy().is(6, "yes");
        let mut writer = place.writer();
        writer
            .resolve("3", db_write::Resolution::Pending, "undone by hand")
            .unwrap();
        drop(writer);
        protected.refused("deploy-db has changed the database since");
        protected.append(&protected.verified());
        protected.append(&protected.snapshot(0));
        protected.deploy().is(6, "yes");
    }
}

fn with(mut value: Value, path: &str, new: Value) -> Value {
    *value.pointer_mut(path).unwrap() = new;
    value
}

#[test]
fn all_of_it_there_the_migrations_are_deployed_and_the_result_is_evidence() {
    for protected in Protected::both() {
        protected.append(&protected.verified());
        protected.append(&protected.snapshot(60));
        let ran = protected.deploy();
        ran.is(0, "yes");
        assert_eq!(protected.place.ledger(), ["1", "2"]);
        let (lines, _) = contract::evidence::read(&protected.evidence).unwrap();
        assert_eq!(lines.len(), 3);
        assert_eq!(lines[2].value["tool"], "deploy-db");
        assert_eq!(lines[2].value["changed"], "yes");
        // Nothing pending needs no evidence.
        let ran = protected.place.deploy_with(&[], &CI);
        ran.is(0, "no");
        // What was deployed is not what was verified any more.
        protected.place.file("3_c.sql", "CREATE TABLE c (x int);");
        protected.refused("what verify-migrations passed is another plan");
    }
}

#[test]
fn without_a_folder_or_with_an_empty_one_it_is_refused() {
    for protected in Protected::both() {
        let before = protected.place.state();
        protected
            .place
            .deploy_with(&[], &CI)
            .is(1, "no")
            .says("no evidence folder was named")
            .says("LOCKSTEP_EVIDENCE");
        protected
            .deploy()
            .is(1, "no")
            .says("there is no result of verify-migrations for this target")
            .says("there is no passed backup-snapshot");
        assert_eq!(protected.place.state(), before);
    }
}

#[test]
fn another_plan_is_refused() {
    let other = "another plan";
    for protected in Protected::both() {
        protected.append(&protected.snapshot(0));
        let verified = protected.verified();
        // Of another target.
        protected.append(&with(verified.clone(), "/facts/plan", json!("0")));
        protected.refused(other);
        // Of other files.
        protected.append(&verified);
        protected
            .place
            .file("2_b.sql", "CREATE TABLE b (x int, y int);");
        protected.refused(other);
        protected.place.file("2_b.sql", "CREATE TABLE b (x int);");
        protected.place.file("3_c.sql", "CREATE TABLE c (x int);");
        protected.refused(other);
        std::fs::remove_file(protected.place.path("migrations/3_c.sql")).unwrap();
        // Of another state of the ledger.
        protected.deploy().is(0, "yes");
        let table = protected.place.table("migrations");
        protected
            .place
            .execute(&format!("DELETE FROM {table} WHERE version = '2'"));
        protected.place.execute("DROP TABLE b");
        protected.refused(other);
        protected.refused("it was taken at another state of the ledger");
    }
}

#[test]
fn a_verification_that_failed_afterwards_takes_its_word_back() {
    for protected in Protected::both() {
        protected.append(&protected.verified());
        protected.append(&protected.snapshot(0));
        for (class, target) in [
            ("fail", json!({ "identity": protected.plan().identity })),
            ("unavailable", Value::Null),
        ] {
            let failed = with(protected.verified(), "/class", json!(class));
            protected.append(&with(failed, "/target", target));
            protected.refused(&format!("the last verify-migrations ended in {class}"));
        }
        // One of another database does not.
        protected.append(&protected.verified());
        let failed = with(protected.verified(), "/class", json!("fail"));
        protected.append(&with(failed, "/target/identity", json!("another")));
        protected.deploy().is(0, "yes");
    }
}

#[test]
fn a_snapshot_that_does_not_fit_is_refused() {
    for protected in Protected::both() {
        protected.append(&protected.verified());
        let snapshot = protected.snapshot(10);
        let unfit = [
            (
                "/class",
                json!("fail"),
                "there is no passed backup-snapshot",
            ),
            (
                "/target/identity",
                json!("another"),
                "it is a snapshot of another target",
            ),
            (
                "/facts/ledger_state",
                json!("0"),
                "it was taken at another state of the ledger",
            ),
            (
                "/facts/completed_at",
                json!("2999-01-01T00:00:00Z"),
                "not in the past",
            ),
            ("/facts/completed_at", json!("soon"), "not in the past"),
        ];
        for (path, value, message) in unfit {
            protected.append(&with(snapshot.clone(), path, value));
            protected.refused(message);
        }
        protected.append(&protected.snapshot(3700));
        protected.refused("[backup] max_age is 3600 s");
        protected.place.toml("\n[backup]\nmax_age = \"5s\"\n");
        protected.append(&snapshot);
        protected.refused("[backup] max_age is 5 s");
        protected.place.toml("\n[backup]\nmax_age = \"2h\"\n");
        protected.append(&protected.snapshot(3700));
        protected.deploy().is(0, "yes");
    }
}

#[test]
fn a_chain_that_does_not_hold_is_not_read() {
    let protected = Protected::new(Place::sqlite());
    protected.append(&protected.verified());
    protected.append(&protected.snapshot(10));
    let path = protected.evidence.join(contract::evidence::LINES_FILE);
    let whole = std::fs::read_to_string(&path).unwrap();
    let before = protected.place.state();
    let first = whole.lines().next().unwrap();
    for broken in [
        whole.replace("\"pass\"", "\"past\""),
        whole
            .lines()
            .skip(1)
            .map(|line| format!("{line}\n"))
            .collect(),
        format!("{first}\n"),
    ] {
        std::fs::write(&path, broken).unwrap();
        protected.deploy().is(3, "no").says("cannot trust");
        assert_eq!(protected.place.state(), before);
    }
    std::fs::write(&path, whole).unwrap();
    protected.deploy().is(0, "yes");
}

#[test]
fn an_empty_database_where_the_snapshot_had_tables_is_no_first_run() {
    for protected in Protected::both() {
        protected.append(&protected.verified());
        let snapshot = with(protected.snapshot(10), "/facts/tables", json!(7));
        protected.append(&snapshot);
        protected.refused("its last snapshot has 7 tables");
    }
}

#[test]
fn every_other_guard_holds_beside_the_evidence() {
    for protected in Protected::both() {
        protected
            .place
            .toml("\n[environments.production.require]\nGITHUB_REF = \"refs/heads/main\"\n");
        protected.append(&protected.verified());
        protected.append(&protected.snapshot(10));
        let evidence = protected.evidence.to_str().unwrap();
        let run = |variables: &[(&str, &str)]| {
            protected
                .place
                .deploy_with(&["--evidence", evidence], variables)
        };
        let before = protected.place.state();
        let main = ("GITHUB_REF", "refs/heads/main");
        run(&[CI[1], main]).is(1, "no").says("no CI=true");
        run(&[CI[0], CI[1]])
            .is(1, "no")
            .says("required is refs/heads/main");
        run(&[CI[0], CI[1], ("GITHUB_REF", "refs/heads/x")])
            .is(1, "no")
            .says("has another value");
        run(&[CI[0], main])
            .is(1, "no")
            .says("it belongs to production");
        assert_eq!(protected.place.state(), before);
        run(&[CI[0], CI[1], main]).is(0, "yes");
    }
}
