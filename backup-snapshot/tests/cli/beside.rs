//! What goes into a snapshot beside the database, and where it goes besides its folder.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use serde_json::Value;
use snapshots::verify;
use tests::postgres_server::{PASSWORD, PASSWORD_ENCODED, Server};

use crate::support::{Project, checks, ended, marked, url_file};

fn text(result: &Value, member: &str) -> String {
    result[member].as_str().unwrap_or_default().to_owned()
}

#[test]
fn a_command_that_does_not_store_the_snapshot_is_a_failure_that_says_where_it_stands() {
    let project = Project::new("dev", false);
    project
        .settings("publish = [\"sh\", \"-c\", \"echo no bucket >&2; exit 7\", \"{snapshot}\"]\n");
    let (code, result) = project.dev(&["sqlite:app.db"]);
    assert_eq!(
        (code, checks(&result, "fail")),
        (1, vec!["stored-elsewhere".to_owned()])
    );
    let [path] = &project.snapshots()[..] else {
        panic!("{result:#}")
    };
    verify::snapshot(path, &|_, _, _| {}).unwrap();
    let name = path.file_name().unwrap().to_str().unwrap();
    let said = result["findings"].to_string();
    assert!(said.contains("no bucket"), "{said}");
    let stands = format!("backups/{name}, but is not stored elsewhere");
    assert!(said.contains(&stands), "{said}");
    assert_eq!(
        text(&result, "summary"),
        format!("{name} is written, but not stored elsewhere")
    );
    assert_eq!(result["facts"]["snapshot"], name);
}

#[test]
fn a_command_that_cannot_be_run_is_a_misuse_before_anything_is_read() {
    let project = Project::new("dev", false);
    for publish in [
        "[\"true\"]",
        "[\"no-such-program\", \"{snapshot}\"]",
        "[\"./app.db\", \"{snapshot}\"]",
    ] {
        project.settings(&format!("publish = {publish}\n"));
        let (code, result) = project.dev(&["sqlite:app.db"]);
        assert_eq!(code, 2, "{result:#}");
        let message = text(&result["error"], "message");
        assert!(message.contains("cannot use [backup] publish"), "{message}");
    }
    assert!(project.snapshots().is_empty());
}

#[test]
fn a_signal_ends_the_command_and_the_snapshot_stands() {
    let project = Project::new("dev", false);
    let fifo = project.dir.path().join("ready");
    assert!(
        Command::new("mkfifo")
            .arg(&fifo)
            .status()
            .unwrap()
            .success()
    );
    project.settings(
        "publish = [\"sh\", \"-c\", \"sleep 1000000 & echo $! > ready; wait\", \"{snapshot}\"]\n",
    );
    let mut command = project.command(&["sqlite:app.db"], &[("LOCKSTEP_ENV", "dev")]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    let sleeping = fs::read_to_string(&fifo).unwrap();
    let mut kill = Command::new("kill");
    kill.args(["-TERM", &child.id().to_string()]);
    assert!(kill.status().unwrap().success());
    let (code, result) = ended(child.wait_with_output().unwrap());
    assert_eq!(
        (code, checks(&result, "fail")),
        (Some(1), vec!["stored-elsewhere".to_owned()])
    );
    assert!(
        result["findings"]
            .to_string()
            .contains("ended by a signal; the snapshot stands at")
    );
    assert_eq!(project.snapshots().len(), 1);
    let alive = fs::read(format!("/proc/{}/cmdline", sleeping.trim())).unwrap_or_default();
    assert!(alive.is_empty(), "{}", String::from_utf8_lossy(&alive));
}

#[test]
fn files_that_cannot_be_copied_are_named_before_anything_is_dumped() {
    let project = Project::new("dev", false);
    let at = |name: &str| project.dir.path().join(name);
    std::os::unix::fs::symlink("/etc/hostname", at("link")).unwrap();
    for (file, said) in [
        ("missing", "No such file"),
        ("backups-to-be", "it is not a file"),
        ("link", "it lies outside the working directory"),
        ("../x", "it lies outside the working directory"),
    ] {
        fs::create_dir_all(at("backups-to-be")).unwrap();
        project.settings(&format!("files = [\"lockstep.toml\", \"{file}\"]\n"));
        let (code, result) = project.dev(&["sqlite:app.db"]);
        assert_eq!(code, 1, "{result:#}");
        let error = result["error"].to_string();
        assert!(
            error.contains(said) && error.contains("[backup]"),
            "{file}: {error}"
        );
        assert!(!at("backups").exists(), "{file}");
    }
    // Named twice, it is copied once.
    project.settings("files = [\"lockstep.toml\", \"./lockstep.toml\"]\n");
    let (code, result) = project.dev(&["sqlite:app.db"]);
    assert_eq!(code, 0, "{result:#}");
}

#[test]
fn files_that_hold_secrets_are_refused_with_line_and_kind_and_without_the_value() {
    let project = Project::new("dev", false);
    for (file, text, line, kind) in [
        (
            ".env",
            "SECRET_KEY=hunter2",
            None,
            "its name is that of a file of secret variables",
        ),
        (
            "app.toml",
            "a = 1\npassword = \"hunter2\"\n",
            Some(2),
            "a value for a password",
        ),
        (
            "app.json",
            "{\n\"password\":\"hunter2\"}",
            Some(2),
            "a value for a password",
        ),
        (
            "app.xml",
            "<password>hunter2</password>",
            Some(1),
            "a value for a password",
        ),
        (
            "settings.py",
            "DB_PASSWORD = \"hunter2\"",
            Some(1),
            "a value for a password",
        ),
        (
            "pgpass.txt",
            "db:5432:app:app:hunter2",
            Some(1),
            "a password as in .pgpass",
        ),
        (
            "netrc.txt",
            "machine x login y password hunter2",
            Some(1),
            "a password as in .netrc",
        ),
        (
            "dsn.txt",
            "host=db user=app password=hunter2",
            Some(1),
            "a value for a password",
        ),
        (
            "jdbc.txt",
            "jdbc:postgresql://db/app?password=hunter2",
            Some(1),
            "a value for a password",
        ),
        (
            "url.txt",
            "\n\npostgres://app:hunter2@db/app",
            Some(3),
            "a URL with a password",
        ),
    ] {
        fs::write(project.dir.path().join(file), text).unwrap();
        project.settings(&format!("files = [\"lockstep.toml\", \"{file}\"]\n"));
        let (code, result) = project.dev(&["sqlite:app.db"]);
        assert_eq!(code, 1, "{result:#}");
        let failed = checks(&result, "fail");
        assert!(
            failed.iter().all(|check| check == "files-clean"),
            "{result:#}"
        );
        let findings = result["findings"].as_array().unwrap().iter();
        let mut failed = findings.filter(|finding| finding["status"] == "fail");
        let finding = failed.next().unwrap();
        assert!(
            finding["message"].as_str().unwrap().starts_with(kind),
            "{finding}"
        );
        assert!(
            finding["subject"].as_str().unwrap().ends_with(file),
            "{finding}"
        );
        assert_eq!(finding["location"]["line"].as_u64(), line, "{finding}");
        assert!(!result.to_string().contains("hunter2"), "{result:#}");
        assert_eq!(project.snapshots().len(), 0);
    }
    // What can't be looked through is copied, and said.
    fs::write(project.dir.path().join("logo.gz"), b"\x1f\x8b\x08\0").unwrap();
    project.settings("files = [\"lockstep.toml\", \"logo.gz\"]\n");
    let (code, result) = project.dev(&["sqlite:app.db"]);
    assert_eq!(code, 0, "{result:#}");
    assert!(
        checks(&result, "warn").contains(&"files-clean".to_owned()),
        "{result:#}"
    );
    assert!(
        result.to_string().contains("it is packed (gzip)"),
        "{result:#}"
    );
}

#[test]
fn pg_dump_has_no_password_in_its_environment() {
    let server = Server::shared();
    let url = marked(server);
    let project = Project::new("dev", false);
    let real = server.bin().join("pg_dump");
    let script = format!(
        "#!/bin/sh\n{{ echo \"$1\"; env; echo; }} >>'{0}/seen'\nexec '{1}' \"$@\"\n",
        project.dir.path().display(),
        real.display()
    );
    let wrapper = project.dir.path().join("wrapper");
    fs::write(&wrapper, script).unwrap();
    fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o755)).unwrap();
    project.settings(&format!("pg_dump = [\"{}\"]\n", wrapper.display()));
    let (code, result) = project.run(
        &[],
        &[
            ("LOCKSTEP_ENV", "dev"),
            ("DATABASE_URL", &url),
            ("OTHER_DSN", "host=db password=hunter2"),
            ("PGPASSWORD", "hunter2"),
            ("PGPASSFILE", "/hunter2"),
            ("KEPT", "kept"),
        ],
    );
    assert_eq!(code, 0, "{result:#}");
    let seen = fs::read_to_string(project.dir.path().join("seen")).unwrap();
    let runs: Vec<&str> = seen.trim().split("\n\n").collect();
    let [version, dump] = runs[..] else {
        panic!("{seen}");
    };
    assert!(version.starts_with("--version"), "{version}");
    for run in [version, dump] {
        assert!(run.contains("KEPT=kept"), "{run}");
        for secret in ["hunter2", PASSWORD, PASSWORD_ENCODED, "DATABASE_URL"] {
            assert!(!run.contains(secret), "{run}");
        }
    }
    assert!(!version.contains("PGPASS"), "{version}");
}

#[test]
fn a_work_tree_that_git_does_not_read_is_a_warning() {
    let project = Project::new("dev", false);
    let git = |args: &[&str]| {
        let mut git = Command::new("git");
        git.args(["-C", project.dir.path().to_str().unwrap()]);
        git.args(["-c", "user.name=t", "-c", "user.email=t@example.org"]);
        assert!(git.args(args).status().unwrap().success());
    };
    git(&["init", "--quiet"]);
    git(&["add", "lockstep.toml"]);
    git(&["commit", "--quiet", "--message", "first"]);
    let (code, result) = project.dev(&["sqlite:app.db"]);
    assert_eq!(code, 0, "{result:#}");
    let commit = result["facts"]["git_commit"].clone();
    assert_eq!(commit.as_str().map(str::len), Some(40));

    // Another repository's variables, as a hook has them, do not count.
    let dev = ("LOCKSTEP_ENV", "dev");
    let (_, result) = project.run(&["sqlite:app.db"], &[dev, ("GIT_DIR", "/nowhere")]);
    assert_eq!(result["facts"]["git_commit"], commit, "{result:#}");

    fs::write(project.dir.path().join(".git/config"), "[core\n").unwrap();
    let (code, result) = project.dev(&["sqlite:app.db"]);
    assert_eq!(code, 0, "{result:#}");
    assert!(checks(&result, "warn").contains(&"commit-recorded".to_owned()));
    assert_eq!(result["facts"]["git_commit"], Value::Null);
    assert_eq!(project.snapshots().len(), 3);
}

/// Runs the program with room for files of so many blocks of 512 bytes.
fn with_room(project: &Project, args: &[&str], blocks: u32) -> (Option<i32>, Value) {
    let program = project.command(args, &[("LOCKSTEP_ENV", "dev")]);
    let mut limited = Command::new("sh");
    // As a disk that is full: an error and no signal.
    limited
        .args([
            "-c",
            &format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\""),
        ])
        .arg(program.get_program())
        .args(program.get_args())
        .current_dir(project.dir.path())
        .env_clear()
        .envs(
            program
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        );
    ended(limited.output().unwrap())
}

#[test]
fn no_room_on_the_disk_is_a_failure_that_leaves_nothing() {
    let project = Project::new("dev", false);
    let rows = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
        INSERT INTO note (text) SELECT hex(randomblob(60)) FROM n";
    project.database().execute(rows, []).unwrap();
    let server = Server::shared();
    let url = marked(server);
    let rows = "INSERT INTO note SELECT i, md5(i::text) || md5((-i)::text)
        FROM generate_series(2, 20000) i";
    let database = url.rsplit_once('/').unwrap().1;
    server.connect(database).batch_execute(rows).unwrap();
    let file = url_file(&project, &url);
    for blocks in [0, 1, 64, 512] {
        let (code, result) = with_room(&project, &["--database-url-file", &file], blocks);
        assert_eq!(code, Some(1), "{blocks}: {result:#}");
        let remedy = text(&result["error"], "remedy");
        assert!(remedy.contains("make room"), "{blocks}: {result:#}");
        assert!(project.snapshots().is_empty(), "{blocks}");

        // SQLite itself tells this limit from a disk that is full, and calls it an I/O error.
        let (code, result) = with_room(&project, &["sqlite:app.db"], blocks);
        assert_eq!(code, Some(3), "{blocks}: {result:#}");
        assert!(project.snapshots().is_empty(), "{blocks}");
    }
}

#[test]
fn a_folder_on_the_databases_own_device_is_told() {
    const APART: &str = "storage-apart";
    let project = Project::new("dev", false);
    let (code, result) = project.dev(&["sqlite:app.db"]);
    assert_eq!(code, 0, "{result:#}");
    assert!(checks(&result, "warn").contains(&APART.to_owned()));
    let (code, _) = project.dev(&["sqlite:app.db", "--strict"]);
    assert_eq!(code, 1);
    project.settings("publish = [\"true\", \"{snapshot}\"]\n");
    let (code, result) = project.dev(&["sqlite:app.db"]);
    assert_eq!(code, 0, "{result:#}");
    assert!(!checks(&result, "warn").contains(&APART.to_owned()));

    // Another device than any disk's.
    let memory = tempfile::tempdir_in("/dev/shm").unwrap();
    let dir = memory.path().join("not/there/yet");
    project.settings("");
    let (code, result) = project.dev(&["sqlite:app.db", "--dir", dir.to_str().unwrap()]);
    assert_eq!(code, 0, "{result:#}");
    assert!(!checks(&result, "warn").contains(&APART.to_owned()));
}
