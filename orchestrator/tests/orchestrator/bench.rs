//! A working folder with the orchestrator and, beside it, programs of the suite that are doubles.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// How long anything may take on a busy machine before the test fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

const SUITE: [&str; 10] = [
    "verify-env",
    "verify-guards",
    "verify-connection",
    "verify-migrations",
    "backup-snapshot",
    "deploy-db",
    "restore-snapshot",
    "freeze-db",
    "thaw-db",
    "mark-db",
];

/// A `[[step]]`, `[[rollback]]`, `[[on_failure]]` or `[[finally]]` whose double does `acts`, separated by `|`.
pub(crate) fn part(part: &str, program: &str, acts: &str, keys: &str) -> String {
    let mut words = vec![program];
    words.extend(acts.split_terminator('|'));
    format!("[[{part}]]\nrun = {words:?}\n{keys}\n")
}

/// A step of a program of the suite; one that changes the database gets its timeout.
pub(crate) fn ours(program: &str, acts: &str) -> String {
    let changes = program.starts_with("deploy-") || program.starts_with("restore-");
    let keys = if changes { "timeout = \"60s\"" } else { "" };
    part("step", program, acts, keys)
}

/// A step of a foreign program.
pub(crate) fn foreign(acts: &str, changes: &str) -> String {
    let keys = format!("changes = {changes:?}\ntimeout = \"60s\"");
    part("step", "other/foreign", acts, &keys)
}

pub(crate) struct Bench {
    dir: tempfile::TempDir,
}

impl Bench {
    pub(crate) fn new() -> Bench {
        let dir = tempfile::tempdir().unwrap();
        let bin = dir.path().join("bin");
        std::fs::create_dir(&bin).unwrap();
        let orchestrator = Path::new(env!("CARGO_BIN_EXE_orchestrator"));
        link(orchestrator, &bin.join("orchestrator"));
        let double = orchestrator.with_file_name("examples").join("double");
        for name in SUITE {
            std::os::unix::fs::symlink(&double, bin.join(name)).unwrap();
        }
        // Foreign programs are anywhere but beside the orchestrator.
        std::fs::create_dir(dir.path().join("other")).unwrap();
        for name in ["foreign", "restore-snapshot"] {
            std::os::unix::fs::symlink(&double, dir.path().join("other").join(name)).unwrap();
        }
        let bench = Bench { dir };
        bench.write("lockstep.toml", "[environments.dev]\nprotected = false\n");
        bench
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    /// A file that may be executed.
    pub(crate) fn script(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(path, mode).unwrap();
    }

    /// The steps behind the head of a pipeline without an environment.
    pub(crate) fn pipeline(&self, steps: &str) {
        self.write("p.toml", &format!("pipeline = 1\nname = \"p\"\n{steps}"));
    }

    /// The orchestrator, in an environment whose database is not protected.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(self.path("bin/orchestrator"));
        command.args(args).current_dir(self.dir.path());
        for name in [
            "LOCKSTEP_EVIDENCE",
            "LOCKSTEP_RUN_ID",
            "GITHUB_ACTIONS",
            "GITHUB_STEP_SUMMARY",
        ] {
            command.env_remove(name);
        }
        command.env("LOCKSTEP_ENV", "dev").stdin(Stdio::null());
        command
    }

    /// The orchestrator, in no environment.
    pub(crate) fn unnamed(&self, args: &[&str]) -> Command {
        let mut command = self.command(args);
        command.env_remove("LOCKSTEP_ENV");
        command
    }

    pub(crate) fn run(&self, steps: &str) -> Done {
        self.pipeline(steps);
        self.finish(&mut self.command(&["run", "p.toml"]))
    }

    #[track_caller]
    pub(crate) fn finish(&self, command: &mut Command) -> Done {
        let output = command.output().unwrap();
        Done::new(output)
    }

    pub(crate) fn start(&self, steps: &str) -> Running {
        self.pipeline(steps);
        let mut command = self.command(&["run", "p.toml"]);
        Running::start(&mut command)
    }

    /// The names and contents of all run folders' records, oldest first.
    pub(crate) fn records(&self) -> Vec<serde_json::Value> {
        let mut runs: Vec<PathBuf> = std::fs::read_dir(self.path(".lockstep/runs"))
            .unwrap()
            .map(|entry| entry.unwrap())
            // Of a run that is just being born, or was killed then.
            .filter(|entry| !entry.file_name().to_string_lossy().starts_with('.'))
            .map(|entry| entry.path())
            .collect();
        runs.sort();
        runs.iter()
            .map(|run| {
                let text = std::fs::read_to_string(run.join("run.json")).unwrap();
                serde_json::from_str(&text).unwrap()
            })
            .collect()
    }

    /// The record of the only run.
    #[track_caller]
    pub(crate) fn record(&self) -> serde_json::Value {
        let mut records = self.records();
        assert_eq!(records.len(), 1);
        records.remove(0)
    }

    /// State, or the reason for not running, of each step of the only run.
    #[track_caller]
    pub(crate) fn states(&self) -> Vec<String> {
        let record = self.record();
        let steps = record["steps"].as_array().unwrap();
        steps
            .iter()
            .map(|step| {
                let state = step["state"].as_str().unwrap();
                format!("{} {state}", step["id"].as_str().unwrap())
            })
            .collect()
    }

    pub(crate) fn log(&self, id: &str) -> Vec<u8> {
        let record = self.record();
        let run = self
            .path(".lockstep/runs")
            .join(record["run_id"].as_str().unwrap());
        std::fs::read(run.join(format!("{id}.log"))).unwrap()
    }

    /// Waits until a file is there.
    #[track_caller]
    pub(crate) fn until(&self, name: &str) {
        until(&format!("{name} is there"), || self.path(name).exists());
    }

    /// Waits until a double has noted itself.
    #[track_caller]
    pub(crate) fn until_noted(&self, name: &str) {
        until(&format!("a process in {name}"), || {
            !self.noted(name).is_empty()
        });
    }

    /// The process ids that doubles noted.
    pub(crate) fn noted(&self, name: &str) -> Vec<i32> {
        let text = std::fs::read_to_string(self.path(name)).unwrap_or_default();
        // A line that is just being written is not there yet.
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole.lines().map(|line| line.parse().unwrap()).collect()
    }
}

fn link(from: &Path, to: &Path) {
    if std::fs::hard_link(from, to).is_err() {
        std::fs::copy(from, to).unwrap();
    }
}

#[track_caller]
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Whether a process is there and not just a zombie that nobody has reaped.
pub(crate) fn lives(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')')
        .is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
}

pub(crate) struct Running {
    pub(crate) child: Child,
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Running {
        let child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Running { child }
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        // It may have ended by itself meanwhile.
        let _ = rustix::process::kill_process(pid, signal);
    }

    pub(crate) fn wait(mut self) -> Done {
        let mut stdout = Vec::new();
        let mut stderr = Vec::new();
        let mut err = self.child.stderr.take().unwrap();
        let reader = std::thread::spawn(move || {
            err.read_to_end(&mut stderr).unwrap();
            stderr
        });
        self.child
            .stdout
            .take()
            .unwrap()
            .read_to_end(&mut stdout)
            .unwrap();
        let stderr = reader.join().unwrap();
        let status = self.child.wait().unwrap();
        Done::new(Output {
            status,
            stdout,
            stderr,
        })
    }
}

#[derive(Debug)]
pub(crate) struct Done {
    /// None when a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) signal: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Done {
    fn new(output: Output) -> Done {
        use std::os::unix::process::ExitStatusExt as _;
        Done {
            code: output.status.code(),
            signal: output.status.signal(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    #[track_caller]
    pub(crate) fn exited(&self, code: i32) -> &Done {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }

    #[track_caller]
    pub(crate) fn says(&self, text: &str) -> &Done {
        assert!(
            self.stdout.contains(text) || self.stderr.contains(text),
            "lacks {text:?}: {self:#?}"
        );
        self
    }

    #[track_caller]
    pub(crate) fn says_not(&self, text: &str) -> &Done {
        assert!(
            !self.stdout.contains(text) && !self.stderr.contains(text),
            "has {text:?}: {self:#?}"
        );
        self
    }
}
