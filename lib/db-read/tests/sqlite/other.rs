//! Another process, which is this test program again with a part to play.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use contract::Classify as _;
use rusqlite::Connection;

const PART: &str = "DB_READ_TEST_PART";
const PATH: &str = "DB_READ_TEST_PATH";

/// What the other process does with the file.
#[derive(Clone, Copy)]
pub(crate) enum Part {
    /// Commits a row and keeps the file open.
    Write,
    /// As `Write`, and then closes the file.
    WriteAndClose,
    /// Changes every row in a transaction that has reached the file, and does not commit.
    Spill,
    /// Takes the exclusive lock.
    Lock,
    /// Opens a session, and prints class and message of the refusal or `open`.
    Read,
    /// Opens a session, closes it, and prints how many files it says are left.
    Leftovers,
}

const PARTS: [(&str, Part); 6] = [
    ("write", Part::Write),
    ("write-and-close", Part::WriteAndClose),
    ("spill", Part::Spill),
    ("lock", Part::Lock),
    ("read", Part::Read),
    ("leftovers", Part::Leftovers),
];

/// A process that has done its part and waits.
pub(crate) struct Other {
    child: Child,
    stdin: Option<ChildStdin>,
    // Kept, so that what else it prints does not fail.
    _stdout: BufReader<ChildStdout>,
    /// What it printed.
    pub(crate) said: String,
}

impl Other {
    pub(crate) fn start(part: Part, path: &Path) -> Other {
        let program = std::env::current_exe().unwrap();
        Other::spawn(Command::new(program), part, path)
    }

    /// As another user, where this one is root: permissions do not bind root.
    pub(crate) fn start_unprivileged(part: Part, path: &Path) -> Other {
        let program = std::env::current_exe().unwrap();
        if !rustix::process::geteuid().is_root() {
            return Other::spawn(Command::new(program), part, path);
        }
        // The program itself may lie where only root gets to.
        let copy = tempfile::Builder::new().tempdir().unwrap();
        let runnable = copy.path().join("other");
        std::fs::copy(program, &runnable).unwrap();
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(copy.path(), open).unwrap();
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"]);
        command.arg(runnable);
        Other::spawn(command, part, path)
    }

    fn spawn(mut command: Command, part: Part, path: &Path) -> Other {
        let name = PARTS
            .iter()
            .find(|(_, known)| std::mem::discriminant(known) == std::mem::discriminant(&part));
        let mut child = command
            .args(["--exact", "other::play", "--nocapture", "--test-threads=1"])
            .env(PART, name.unwrap().0)
            .env(PATH, path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdin = child.stdin.take();
        let mut said = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        while stdout.read_line(&mut line).unwrap() > 0 {
            if let Some((_, text)) = line.split_once("DONE ") {
                said = text.trim_end().to_owned();
                break;
            }
            line.clear();
        }
        assert!(!said.is_empty(), "the other process failed");
        Other {
            child,
            stdin,
            _stdout: stdout,
            said,
        }
    }

    /// Ends it without a chance to tidy up.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Lets it close the file and end.
    pub(crate) fn end(mut self) {
        drop(self.stdin.take());
        self.child.wait().unwrap();
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The part, where this process was started for one; nothing otherwise.
#[test]
fn play() {
    let Ok(name) = std::env::var(PART) else {
        return;
    };
    let path = std::env::var_os(PATH).unwrap();
    let part = PARTS.iter().find(|(known, _)| *known == name).unwrap().1;
    let mut held = None;
    let mut said = "ready".to_owned();
    match part {
        Part::Read => {
            said = match crate::open(Path::new(&path)) {
                Ok(_) => "open".to_owned(),
                Err(error) => format!("{} {error}", error.class().name()),
            };
        }
        Part::Leftovers => {
            let session = crate::open(Path::new(&path)).unwrap();
            said = format!("{} files", session.close().files.len());
        }
        _ => {
            let connection = Connection::open(&path).unwrap();
            let sql = match part {
                Part::Spill => "PRAGMA cache_size = 2; BEGIN IMMEDIATE; UPDATE t SET x = x || 'y'",
                Part::Lock => "BEGIN EXCLUSIVE; UPDATE t SET x = 1 WHERE rowid = 1",
                _ => "INSERT INTO t VALUES ('other')",
            };
            connection.execute_batch(sql).unwrap();
            held = Some(connection);
        }
    }
    if matches!(part, Part::WriteAndClose) {
        held = None;
    }
    println!("DONE {said}");
    std::io::stdout().flush().unwrap();
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
    drop(held);
}
