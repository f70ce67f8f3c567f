//! SQLite: what a file sets in the session, and what the system refuses meanwhile.

use std::process::Command;
use std::time::Duration;

use crate::place::Place;
use db_write::NewMark;
use tests::answer::Answer;

const OUTSIDE: &str = "-- lockstep: no-transaction\n";

#[test]
fn a_pragma_that_would_keep_the_runner_out_is_the_files_fault() {
    for pragma in [
        "query_only = ON",
        "query_only(1)",
        "Main.Query_Only = 'yes'",
        "hard_heap_limit = 1000000000",
        "soft_heap_limit = 1000000000",
        "temp_store_directory = '/nowhere'",
    ] {
        for head in ["\n", OUTSIDE] {
            let place = Place::sqlite();
            place.file("1_a.sql", "CREATE TABLE a (x);");
            place.deployed();
            place.file(
                "2_b.sql",
                format!("{head}CREATE TABLE b (x);\nPRAGMA {pragma};\n"),
            );
            let before = place.state();
            let ran = place.deploy();
            ran.is(1, "no")
                .says(&format!("PRAGMA {pragma}"))
                .says("it would keep the runner from writing or from rolling back");
            assert_eq!(ran.line(), Some(3), "{ran:?}");
            assert_eq!(place.state(), before);
        }
    }
    // What takes the rollback away can't be meant either way.
    for mode in ["OFF", "MEMORY"] {
        let place = Place::sqlite();
        place.file(
            "1_a.sql",
            format!("{OUTSIDE}PRAGMA journal_mode = {mode};\nCREATE TABLE a (x);\n"),
        );
        place.deploy().is(1, "no").says("journal_mode");
        assert_eq!(place.tables(), Vec::<String>::new());
    }
}

#[test]
fn what_a_file_sets_does_not_reach_its_own_row() {
    for pragma in [
        "PRAGMA query_only = OFF",
        "PRAGMA max_page_count = 1",
        "PRAGMA count_changes = 1",
        "PRAGMA case_sensitive_like = 1",
        "PRAGMA reverse_unordered_selects = 1",
        "PRAGMA ignore_check_constraints = 1",
        "PRAGMA locking_mode = EXCLUSIVE",
        "PRAGMA defer_foreign_keys = 1",
        "PRAGMA recursive_triggers = 1",
        "PRAGMA user_version = 7",
        "PRAGMA secure_delete = 1",
    ] {
        for head in ["", OUTSIDE] {
            let place = Place::sqlite();
            place
                .file("1_a.sql", format!("{head}CREATE TABLE a (x);\n{pragma};\n"))
                .file("2_b.sql", "CREATE TABLE b (x);");
            place.deployed();
            assert_eq!(place.ledger(), ["1", "2"], "{pragma}");
        }
    }
}

#[test]
fn values_that_sqlite_refuses_are_the_files_fault() {
    for (sql, message) in [
        ("INSERT INTO a VALUES ('x');", "datatype mismatch"),
        ("SELECT zeroblob(2000000000);", "too big"),
    ] {
        let place = Place::sqlite();
        place.file(
            "1_a.sql",
            format!("CREATE TABLE a (id INTEGER PRIMARY KEY);\n{sql}\n"),
        );
        let ran = place.deploy();
        ran.is(1, "no").says(message);
        assert_eq!(ran.line(), Some(2), "{ran:?}");
    }
}

/// Runs the program in a mount namespace of its own, between `setup` and `after`. Whoever may not
/// mount becomes root of a user namespace for it.
fn in_namespace(place: &Place, setup: &str, after: &str) -> Answer {
    let own = place.command();
    let mut command = Command::new("unshare");
    if !rustix::process::geteuid().is_root() {
        command.args(["--map-root-user"]);
    }
    command
        .args(["--mount", "sh", "-c"])
        .arg(format!(
            "{setup} || exit 99; \"$@\"; code=$?; {after}; exit $code"
        ))
        .arg("sh")
        .arg(own.get_program())
        .args(own.get_args())
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .current_dir(place.dir.path())
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    for (name, value) in own.get_envs() {
        command.env(name, value.unwrap());
    }
    Answer::of(&mut command)
}

#[test]
fn a_full_disk_is_an_error_and_rolls_back() {
    // One that SQLite has to write before the end, and one that it writes with COMMIT.
    let sizes = [4_000_000, 380_000];
    for (mode, size) in ["DELETE", "WAL"]
        .iter()
        .flat_map(|mode| sizes.map(|size| (mode, size)))
    {
        let place = Place::sqlite();
        place.execute(&format!("PRAGMA journal_mode = {mode}"));
        place.file("1_a.sql", "CREATE TABLE a (x);");
        place.deployed();
        place.file(
            "2_b.sql",
            format!("INSERT INTO a VALUES (randomblob({size}));"),
        );
        std::fs::create_dir(place.path("disk")).unwrap();
        let kept = tempfile::tempdir().unwrap();
        // The database is its mark's by its path, so the small disk is put over it there.
        let ran = in_namespace(
            &place,
            "mount -t tmpfs -o size=400k tmpfs disk && cp -r app.db lockstep.toml migrations disk \
             && mount --move disk \"$PWD\" && cd \"$PWD\"",
            &format!("cp app.db* {}", kept.path().display()),
        );
        ran.is(3, "no").says("full").says("make room on the disk");
        let left = rusqlite::Connection::open(kept.path().join("app.db")).unwrap();
        let rows: (i64, i64) = left
            .query_row(
                "SELECT (SELECT count(*) FROM a), (SELECT count(*) FROM lockstep_migrations)",
                [],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .unwrap();
        assert_eq!(rows, (0, 1), "{mode}");
    }
}

#[test]
fn a_full_disk_behind_a_file_that_is_applied_is_partial() {
    let place = Place::sqlite();
    place.execute("CREATE TABLE kept (x); DROP TABLE kept");
    place
        .file("1_a.sql", "CREATE TABLE a (x);")
        .file("2_b.sql", "INSERT INTO a VALUES (randomblob(4000000));");
    std::fs::create_dir(place.path("disk")).unwrap();
    in_namespace(
        &place,
        "mount -t tmpfs -o size=400k tmpfs disk && cp -r app.db lockstep.toml migrations disk \
         && mount --move disk \"$PWD\" && cd \"$PWD\"",
        "true",
    )
    .is(6, "yes")
    .says("full")
    .says("applied is 1_a.sql");
}

#[test]
fn a_limit_on_the_size_of_files_is_an_error_and_rolls_back() {
    for mode in ["DELETE", "WAL"] {
        let place = Place::sqlite();
        place.execute(&format!("PRAGMA journal_mode = {mode}"));
        place.file("1_a.sql", "CREATE TABLE a (x);");
        place.deployed();
        place.file("2_b.sql", "INSERT INTO a VALUES (zeroblob(4000000));");
        let before = place.rows("SELECT count(*) FROM a");
        // In units of 1,024 bytes; the signal that goes with it is ignored, as a service may have it.
        let ran = in_shell(&place, "trap '' XFSZ; ulimit -f 1000");
        ran.is(3, "no").says("ulimit -f");
        assert_eq!(place.rows("SELECT count(*) FROM a"), before, "{mode}");
        assert_eq!(place.ledger(), ["1"]);
    }
}

/// Runs the program behind `setup` in a shell.
fn in_shell(place: &Place, setup: &str) -> Answer {
    let own = place.command();
    let mut command = Command::new("bash");
    command
        .args(["-c", &format!("{setup} && exec \"$@\""), "bash"])
        .arg(own.get_program())
        .args(own.get_args())
        .env_clear()
        .current_dir(place.dir.path())
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    for (name, value) in own.get_envs() {
        command.env(name, value.unwrap());
    }
    Answer::of(&mut command)
}

#[test]
fn a_file_that_is_mounted_alone_is_refused_by_either_name() {
    // As a container has it that was given the file and not its folder; also by a link to it.
    for (setup, at) in [
        (
            "mv app.db real.db && touch app.db && mount --bind real.db app.db",
            "app.db",
        ),
        (
            "mkdir x && mv app.db x && ln -s x/app.db app.db && mount --bind x/app.db x/app.db",
            "x/app.db",
        ),
        (
            "mkdir x && touch x/app.db && mount --bind app.db x/app.db",
            "x/app.db",
        ),
    ] {
        for mode in ["DELETE", "WAL"] {
            let place = Place::sqlite();
            place.execute(&format!("PRAGMA journal_mode = {mode}"));
            place.file("1_a.sql", "CREATE TABLE a (x);");
            let ran = in_namespace(&place, setup, "true");
            let at = place.dir.path().canonicalize().unwrap().join(at);
            ran.is(1, "no")
                .says(&format!("the file alone is mounted at {}", at.display()))
                .says("mount the folder that holds the database");
        }
    }
    // A folder that is mounted is where it should be.
    let place = Place::sqlite();
    place.file("1_a.sql", "CREATE TABLE a (x);");
    in_namespace(&place, "mount --bind . \"$PWD\" && cd \"$PWD\"", "true").is(0, "yes");
}

#[test]
fn a_file_system_that_takes_no_writes_is_an_error() {
    let place = Place::sqlite();
    place.file("1_a.sql", "CREATE TABLE a (x);");
    let setup = "mount --bind . . && mount -o remount,bind,ro \"$PWD\" && cd \"$PWD\"";
    let ran = in_namespace(&place, setup, "true");
    ran.is(3, "no").says("Read-only file system");
    assert_eq!(place.tables(), Vec::<String>::new());
}

#[test]
fn whatever_lies_beside_the_database_is_for_whom_the_database_is_for() {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    let is_root = rustix::process::geteuid().is_root();
    let place = Place::sqlite();
    place.execute("PRAGMA journal_mode = WAL; CREATE TABLE t (x)");
    let folder = place.dir.path();
    let mode = std::fs::Permissions::from_mode(0o662);
    std::fs::set_permissions(place.database(), mode).unwrap();
    if is_root {
        std::os::unix::fs::chown(place.database(), Some(4711), Some(4712)).unwrap();
    }
    let database = std::fs::metadata(place.database()).unwrap();
    let mut writer = place.writer();
    writer.lock(Duration::ZERO, &mut |_| {}).unwrap();
    writer.survey().unwrap();
    let mark = NewMark {
        environment: "dev".to_owned(),
        protected: false,
        uuid: contract::new_uuid(),
        terms: None,
    };
    writer.write_mark(&mark, None).unwrap();
    // As a run that is killed now leaves it.
    let found = beside(folder);
    assert!(found.len() > 1, "{found:?}");
    for name in found {
        let made = std::fs::metadata(folder.join(&name)).unwrap();
        let owner = (made.mode() & 0o777, made.uid(), made.gid());
        assert_eq!(owner, (0o662, database.uid(), database.gid()), "{name}");
    }
}

/// What lies beside the database and is called after it.
fn beside(folder: &std::path::Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names
        .filter(|name| name.starts_with("app.db") && name != "app.db")
        .collect()
}

#[test]
fn the_lock_lies_where_the_file_says() {
    let place = Place::sqlite();
    place.toml("[sqlite]\nlock_dir = \"locks\"\n");
    place.file("1_a.sql", "CREATE TABLE a (x);");
    place.deploy().is(3, "no").says("lock file").says("locks");
    std::fs::create_dir(place.path("locks")).unwrap();
    let lock = std::fs::File::create(place.path("locks/app.db.lockstep-lock")).unwrap();
    lock.lock().unwrap();
    place.deploy().is(5, "no");
    lock.unlock().unwrap();
    place.deployed();
    assert!(!place.path("locks/app.db.lockstep-lock").exists());

    place.toml("[sqlite]\nfile_system = \"network\"\n");
    place.deploy().is(2, "no").says("shared");
}
