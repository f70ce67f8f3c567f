//! Where scratch databases are made, and what killed runs leave.

use std::path::{Path, PathBuf};
use std::process::Child;

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use tests::postgres_server::Server;
use tests::ran::Ran;

use crate::postgres::Database;
use crate::postgres_replay::{Replay, SETTINGS, databases, scratch, wait_for};

const TEMPORARY: &str = "[scratch]\nserver = \"temporary\"\n";

/// A file that runs until somebody ends it.
fn asleep(mark: &str) -> String {
    format!("CREATE TABLE {mark} (a int); SELECT pg_sleep(600), '{mark}'")
}

fn temporary(files: &[(&str, &str)]) -> Replay {
    let replay = Replay::recorded(files);
    replay.place.write("lockstep.toml", TEMPORARY);
    replay
}

fn pid(id: u32) -> Pid {
    Pid::from_raw(i32::try_from(id).unwrap()).unwrap()
}

/// The shell that watches over the temporary server of a run, and the server's folder.
fn warden(of: &Child) -> (Pid, PathBuf) {
    wait_for(|| {
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            let read = |name: &str| std::fs::read_to_string(entry.path().join(name)).ok();
            let Some(stat) = read("stat") else { continue };
            let parent = stat.rsplit(')').next().unwrap().split_whitespace().nth(1);
            if parent != Some(&of.id().to_string()) {
                continue;
            }
            let command = read("cmdline").unwrap_or_default();
            let folder = command
                .split('\0')
                .rev()
                .find(|word| word.contains("/lockstep-scratch-"));
            if let Some(folder) = folder {
                let id = entry.file_name().to_str().unwrap().parse().unwrap();
                return Some((pid(id), PathBuf::from(folder)));
            }
        }
        None
    })
}

/// The server's process, once it takes connections and runs the file.
fn server_of(folder: &Path) -> Pid {
    wait_for(|| {
        let text = std::fs::read_to_string(folder.join("data/postmaster.pid")).ok()?;
        text.contains("ready")
            .then(|| pid(text.lines().next().unwrap().parse().unwrap()))
    })
}

fn folder_named(ran: &Ran) -> PathBuf {
    let line = ran
        .stdout
        .lines()
        .find_map(|line| line.strip_prefix("PASS scratch-dropped "));
    PathBuf::from(line.unwrap_or_else(|| panic!("{}{}", ran.stdout, ran.stderr)))
}

#[test]
fn a_temporary_server_has_the_targets_roles_and_leaves_nothing() {
    let server = Server::shared();
    server
        .connect("postgres")
        .batch_execute(
            "CREATE ROLE temp_owner LOGIN PASSWORD 'o'; CREATE ROLE \"temp reader\" NOLOGIN",
        )
        .unwrap();
    let mut replay = temporary(&[
        (
            "0001_t.sql",
            "CREATE TABLE t (a int); ALTER TABLE t OWNER TO temp_owner;
             GRANT SELECT ON t TO \"temp reader\"",
        ),
        // What is refused on a server that others share.
        (
            "0002_policy.sql",
            "ALTER TABLE t ENABLE ROW LEVEL SECURITY;
             CREATE POLICY p ON t FOR SELECT TO \"temp reader\" USING (a > 0)",
        ),
    ]);
    replay.target.change(&format!(
        "GRANT CREATE ON SCHEMA public TO temp_owner; GRANT USAGE ON SCHEMA lockstep TO temp_owner;
         GRANT SELECT ON ALL TABLES IN SCHEMA lockstep TO temp_owner;
         GRANT CONNECT ON DATABASE {} TO temp_owner; SET ROLE temp_owner;
         CREATE TABLE t (a int); ALTER TABLE t ENABLE ROW LEVEL SECURITY;
         CREATE POLICY p ON t FOR SELECT TO \"temp reader\" USING (a > 0); RESET ROLE",
        replay.target.name
    ));
    replay.target.url = server.url_as("temp_owner", "o", &replay.target.name);
    let ran = replay.run();
    ran.exits(0)
        .says("as expected by the replay of 2 migrations");
    let folder = folder_named(&ran);
    assert!(folder.is_absolute() && !folder.exists(), "{folder:?}");

    // A difference is one here too, and a plain owner's file may do what the owner may, no more.
    replay.target.change("CREATE TABLE by_hand (a int)");
    let ran = replay.run();
    ran.exits(1);
    assert_eq!(
        ran.failures(),
        ["table-declared public.by_hand: not expected"]
    );
    let files = [("0001_role.sql", "CREATE ROLE made_by_a_file")];
    let replay = temporary(&files);
    replay.run().exits(0);
    let mut replay = temporary(&files);
    replay.target.change(
        "GRANT USAGE ON SCHEMA lockstep TO temp_owner;
         GRANT SELECT ON ALL TABLES IN SCHEMA lockstep TO temp_owner",
    );
    replay.target.url = server.url_as("temp_owner", "o", &replay.target.name);
    replay
        .run()
        .exits(1)
        .says("permission denied to create role");
}

#[test]
fn a_temporary_server_goes_with_its_run_however_that_ends() {
    for signal in [Signal::TERM, Signal::KILL] {
        let replay = temporary(&[("0001_sleep.sql", &asleep("sleeper"))]);
        let child = replay.place.start(&["--replay"], &replay.variables());
        let (_, folder) = warden(&child);
        let server = server_of(&folder);
        kill_process(pid(child.id()), signal).unwrap();
        let ran = Ran::from(child.wait_with_output().unwrap());
        match signal {
            Signal::TERM => {
                ran.exits(3).says("stopped by a signal");
                assert!(!folder.exists());
            }
            _ => wait_for(|| (!folder.exists()).then_some(())),
        }
        wait_for(|| test_kill_process(server).is_err().then_some(()));
    }
}

#[test]
fn what_was_killed_with_everything_about_it_is_removed_by_the_next_run() {
    let replay = temporary(&[("0001_sleep.sql", &asleep("sleeper"))]);
    let mut child = replay.place.start(&["--replay"], &replay.variables());
    let (warden, folder) = warden(&child);
    let server = server_of(&folder);
    // One that still runs is nobody's to remove.
    let other = temporary(&[("0001_t.sql", "CREATE TABLE t (a int)")]);
    other.run().exits(1).says_not("had left");
    assert!(folder.exists());

    kill_process(warden, Signal::KILL).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(folder.exists() && test_kill_process(server).is_ok());
    other.run().exits(1).says(&format!(
        "removed {}, a scratch server that a killed run had left",
        folder.display()
    ));
    assert!(!folder.exists());
    wait_for(|| test_kill_process(server).is_err().then_some(()));
}

#[test]
fn a_database_that_a_killed_run_left_is_dropped_by_the_next_run() {
    let server = Server::start(&[]);
    let mut admin = server.connect("postgres");
    admin
        .batch_execute("CREATE ROLE builder LOGIN CREATEDB PASSWORD 'b'")
        .unwrap();
    let start = |mark: &str| {
        let mut replay = Replay::recorded(&[("0001_sleep.sql", &asleep(mark))]);
        replay.scratch = server.url_as("builder", "b", "postgres");
        let child = replay.place.start(&["--replay"], &replay.variables());
        let mut admin = server.connect("postgres");
        let name = wait_for(|| {
            let rows = admin.query(
                "SELECT datname::text FROM pg_stat_activity
                 WHERE query LIKE '%pg_sleep(600)%' || $1 || '%' AND datname LIKE 'lockstep_scratch_%'",
                &[&mark],
            );
            rows.unwrap().first().map(|row| row.get::<_, String>(0))
        });
        (replay, child, name)
    };
    let (_killed, mut child, left) = start("killed");
    let (_lives, mut lives, in_use) = start("lives");
    child.kill().unwrap();
    child.wait().unwrap();
    // The server notices that its client is gone.
    wait_for(|| {
        let rows = admin.query("SELECT FROM pg_stat_activity WHERE datname = $1", &[&left]);
        rows.unwrap().is_empty().then_some(())
    });
    // Of the same form, and another role's.
    let foreign = left.replace(&left[left.len() - 4..], "0000");
    admin
        .batch_execute(&format!("CREATE DATABASE {foreign}"))
        .unwrap();
    let mut next = Replay::recorded(&[("0001_t.sql", "CREATE TABLE t (a int)")]);
    // Made through another database: whether its run lives can't be told from there.
    next.scratch = server.url_as("builder", "b", "template1");
    next.run().exits(1).says_not("had left");
    assert!(databases(&server).contains(&left));

    next.scratch = server.url_as("builder", "b", "postgres");
    next.run().exits(1).says(&format!(
        "dropped {left} on the scratch server, which a killed run had left"
    ));
    let mut found = databases(&server);
    found.sort();
    let mut kept = vec![in_use, foreign];
    kept.sort();
    assert_eq!(found, kept);
    lives.kill().unwrap();
    lives.wait().unwrap();
}

#[test]
fn the_targets_own_server_is_used_where_the_file_says_so() {
    let mut replay = Replay::applied(&[("0001_t.sql", "CREATE TABLE t (a int)")]);
    replay.scratch = Server::shared().url("postgres");
    replay
        .run()
        .exits(2)
        .says("write `same_server = true` below [scratch]");
    replay
        .place
        .write("lockstep.toml", format!("{SETTINGS}same_server = true\n"));
    replay.run().exits(0);
    // Through the target itself too: some roles may connect to no other database.
    replay.scratch = replay.target.url.clone();
    replay.run().exits(0);
    // It opens that one server, no other.
    let unmarked = Database::on(scratch(), "CREATE TABLE t (a int)");
    replay.scratch = unmarked.url.clone();
    replay
        .run()
        .exits(2)
        .says("has tables, and no mark that says unprotected");
}

#[test]
fn the_key_that_was_is_named_with_the_lines_to_write() {
    let replay = Replay::applied(&[("0001_t.sql", "CREATE TABLE t (a int)")]);
    replay.place.write(
        "lockstep.toml",
        "[schema]\nscratch = { env = \"SCRATCH_URL\" }\n",
    );
    replay
        .run()
        .exits(2)
        .says("scratch in [schema] is the table [scratch] now")
        .says("`server = { env = \"SCRATCH_URL\" }`");
}
