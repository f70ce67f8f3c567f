//! Ends that come too early: what a killed run and a run that was asked to end leave behind.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use snapshots::publish::is_snapshot_name;
use snapshots::verify;
use tests::postgres_server::{PASSWORD, Server};

use crate::support::{Project, ended, marked, url_file};

const DEV: [(&str, &str); 1] = [("LOCKSTEP_ENV", "dev")];

/// How many times a run is ended, at moments that are spread over the time that a whole one takes.
const MOMENTS: u32 = 16;

fn signal(child: &Child, signal: &str) {
    let mut kill = Command::new("kill");
    kill.args([signal, &child.id().to_string()]);
    assert!(kill.status().unwrap().success());
}

fn start(project: &Project, args: &[&str]) -> Child {
    let mut command = project.command(args, &DEV);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

/// Whether any file below the folder has the text.
fn found_below(folder: &Path, text: &str) -> bool {
    fs::read_dir(folder).into_iter().flatten().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return found_below(&path, text);
        }
        // A file that is gone by now has nothing.
        let bytes = fs::read(&path).unwrap_or_default();
        String::from_utf8_lossy(&bytes).contains(text)
    })
}

/// Ends runs with `how` at many moments; whatever has a final name is whole, and the next run
/// removes the rest. Says how many of the runs were ended before their snapshot was there.
fn end_at_many_moments(project: &Project, args: &[&str], how: &str) -> u32 {
    let begun = Instant::now();
    let (code, result) = project.dev(args);
    let whole = begun.elapsed();
    assert_eq!(code, 0, "{result:#}");
    let mut early = 0;
    for moment in 0..MOMENTS {
        let before = project.snapshots().len();
        let child = start(project, args);
        std::thread::sleep(whole * moment / MOMENTS);
        signal(&child, how);
        let (code, result) = ended(child.wait_with_output().unwrap());
        let names = project.snapshots();
        let (final_names, partial): (Vec<_>, Vec<_>) = names
            .iter()
            .partition(|path| is_snapshot_name(path.file_name().unwrap().to_str().unwrap()));
        for path in &final_names {
            verify::snapshot(path, &|_, _, _| {}).unwrap();
        }
        match code {
            Some(0) => assert_eq!(names.len(), before + 1),
            Some(code) => {
                early += 1;
                // Before there is anything to take away, the contract answers.
                let said = match code {
                    3 => "cannot go on: ended by signal TERM",
                    _ => "ended by a signal",
                };
                assert!(matches!(code, 1 | 3), "{result:#}");
                assert!(result.to_string().contains(said), "{result:#}");
                assert_eq!(names.len(), before, "{result:#}");
            }
            None => early += 1,
        }
        for path in partial {
            assert_eq!(how, "-KILL", "{} is left", path.display());
            fs::remove_dir_all(path).unwrap();
        }
    }
    early
}

fn large(project: &Project) {
    let rows = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60000)
        INSERT INTO note (text) SELECT hex(randomblob(60)) FROM n";
    project.database().execute(rows, []).unwrap();
}

fn large_on_server(project: &Project) -> String {
    let url = marked(Server::shared());
    let rows =
        "INSERT INTO note SELECT i, repeat(md5(i::text), 4) FROM generate_series(2, 60000) i";
    let database = url.rsplit_once('/').unwrap().1.to_owned();
    Server::shared()
        .connect(&database)
        .batch_execute(rows)
        .unwrap();
    url_file(project, &url)
}

#[test]
fn a_killed_run_leaves_nothing_under_a_final_name_that_is_not_whole() {
    let project = Project::new("dev", false);
    large(&project);
    assert!(end_at_many_moments(&project, &["sqlite:app.db"], "-KILL") > 0);
    let project = Project::new("dev", false);
    let file = large_on_server(&project);
    assert!(end_at_many_moments(&project, &["--database-url-file", &file], "-KILL") > 0);
}

#[test]
fn a_signal_that_was_ignored_from_the_start_ends_no_snapshot() {
    let project = Project::new("dev", false);
    large(&project);
    let begun = Instant::now();
    project.dev(&["sqlite:app.db"]);
    let whole = begun.elapsed();
    for moment in 1..4 {
        let command = project.command(&["sqlite:app.db"], &DEV);
        let child = tests::programs::ignoring("HUP", &command)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        std::thread::sleep(whole * moment / 4);
        signal(&child, "-HUP");
        let (code, result) = ended(child.wait_with_output().unwrap());
        assert_eq!(code, Some(0), "{result:#}");
    }
}

#[test]
fn a_run_that_is_asked_to_end_leaves_nothing_and_says_so() {
    let project = Project::new("dev", false);
    large(&project);
    assert!(end_at_many_moments(&project, &["sqlite:app.db"], "-TERM") > 0);
    let project = Project::new("dev", false);
    let file = large_on_server(&project);
    assert!(end_at_many_moments(&project, &["--database-url-file", &file], "-TERM") > 0);
}

/// A `pg_dump` that has its password, says so through a pipe, and never ends by itself.
fn endless_dump(project: &Project, server: &Server) -> String {
    let path = project.dir.path().join("pg_dump");
    let fifo = project.dir.path().join("ready");
    assert!(
        Command::new("mkfifo")
            .arg(&fifo)
            .status()
            .unwrap()
            .success()
    );
    let script = format!(
        "#!/bin/sh\n[ \"$1\" = --version ] && exec '{}/pg_dump' --version\n\
         sleep 1000000 &\necho \"$! $(wc -l < \"$PGPASSFILE\")\" > '{}'\nwait\n",
        server.bin().display(),
        fifo.display()
    );
    fs::write(&path, script).unwrap();
    fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    project.settings(&format!("pg_dump = [{:?}]\n", path.to_str().unwrap()));
    fifo.to_str().unwrap().to_owned()
}

#[test]
fn a_signal_ends_pg_dump_and_the_password_is_on_no_disk() {
    let server = Server::shared();
    for how in ["-TERM", "-INT", "-HUP", "-KILL"] {
        let project = Project::new("dev", false);
        let file = url_file(&project, &marked(server));
        let fifo = endless_dump(&project, server);
        let child = start(&project, &["--database-url-file", &file]);
        let said = fs::read_to_string(fifo).unwrap();
        let (sleeping, lines) = said.trim().split_once(' ').unwrap();
        assert_eq!(lines, "1", "pg_dump has its password");
        let backups = project.dir.path().join("backups");
        assert!(
            !found_below(&backups, &PASSWORD.replace(':', "\\:")),
            "{how}"
        );
        signal(&child, how);
        if how == "-KILL" {
            child.wait_with_output().unwrap();
            assert!(
                Command::new("kill")
                    .arg(sleeping)
                    .status()
                    .unwrap()
                    .success()
            );
            continue;
        }
        let (code, result) = ended(child.wait_with_output().unwrap());
        assert_eq!(
            (code, &result["class"]),
            (Some(1), &"fail".into()),
            "{result:#}"
        );
        let message = result["error"]["message"].as_str().unwrap();
        assert!(
            message.contains("ended by a signal; nothing was published"),
            "{message}"
        );
        assert!(project.snapshots().is_empty());
        let alive = Path::new("/proc").join(sleeping).join("cmdline");
        // A zombie that nobody reaps yet has no command line.
        let alive = fs::read(alive).unwrap_or_default();
        assert!(
            alive.is_empty(),
            "{how}: {}",
            String::from_utf8_lossy(&alive)
        );
    }
}
