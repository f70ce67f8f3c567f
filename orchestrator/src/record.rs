//! What is kept of a run: `.lockstep/runs/<run id>/` with `run.json`, one log for each step, and
//! the evidence chain.
//!
//! `run.json` is replaced by rename before and after each step, so that it can be read whole at any
//! moment; one whose state is `running` belongs to a run that goes on or was killed. The folder is
//! the owner's alone: logs hold what programs print. Nothing here deletes old runs, they are the
//! evidence.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use contract::{Changed, evidence::Head};
use serde::Serialize;

use crate::pipeline::Pipeline;
use crate::plan::{Plan, PlannedStep};
use crate::supervise::{Ended, Exit};
use crate::verdict::Verdict;

/// The name and version of `run.json`. Members are only added within a version.
const SCHEMA: &str = "lockstep-run/1";

/// Why a run can't be recorded.
#[derive(Debug, thiserror::Error)]
#[error("cannot {act} {}", path.display())]
pub(crate) struct RecordError {
    act: &'static str,
    path: PathBuf,
    #[source]
    source: std::io::Error,
}

fn error(act: &'static str, path: &Path) -> impl Fn(std::io::Error) -> RecordError + use<> {
    let path = path.to_owned();
    move |source| RecordError {
        act,
        path: path.clone(),
        source,
    }
}

/// The folder `.lockstep` of the working folder, made if needed.
///
/// # Errors
///
/// When it can't be made.
pub(crate) fn open_folder() -> Result<PathBuf, RecordError> {
    let folder = std::path::absolute(".lockstep").map_err(error("find", Path::new(".lockstep")))?;
    make_folder(&folder.join("runs"), true)?;
    let ignore = folder.join(".gitignore");
    if !ignore.exists() {
        std::fs::write(&ignore, "*\n").map_err(error("write", &ignore))?;
    }
    Ok(folder)
}

fn make_folder(path: &Path, parents: bool) -> Result<(), RecordError> {
    DirBuilder::new()
        .recursive(parents)
        .mode(0o700)
        .create(path)
        .map_err(error("make", path))
}

/// The record of one run.
#[derive(Debug)]
pub(crate) struct Record {
    dir: PathBuf,
    pub(crate) run: RunRecord,
}

/// `run.json`.
#[derive(Debug, Serialize)]
pub(crate) struct RunRecord {
    schema: &'static str,
    pub(crate) run_id: String,
    version: &'static str,
    pipeline: PipelineRecord,
    environment: Option<String>,
    host: String,
    pid: u32,
    pub(crate) state: State,
    /// The signal that asked the run to end, whether it came in time to do so or not.
    pub(crate) signal: Option<i32>,
    pub(crate) exit_code: Option<u8>,
    pub(crate) class: Option<&'static str>,
    started_at: String,
    ended_at: Option<String>,
    pub(crate) evidence: Option<Head>,
    pub(crate) steps: Vec<StepRecord>,
}

#[derive(Debug, Serialize)]
struct PipelineRecord {
    file: PathBuf,
    name: String,
    sha256: String,
}

/// How far a run or a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    Pending,
    Running,
    Passed,
    Failed,
    /// Of a run: a signal ended it.
    Interrupted,
    /// Of a step: it was not run.
    Skipped,
}

/// One step.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct StepRecord {
    pub(crate) part: &'static str,
    pub(crate) number: usize,
    pub(crate) id: String,
    pub(crate) name: String,
    run: Vec<String>,
    program: PathBuf,
    promise: &'static str,
    timeout_ms: u64,
    grace_ms: u64,
    /// Names of the variables that the step asks for; none when it inherits all.
    env: Option<Vec<String>>,
    pub(crate) state: State,
    /// Why it was not run.
    pub(crate) skipped: Option<&'static str>,
    pub(crate) log: String,
    pub(crate) attempts: Vec<AttemptRecord>,
    pub(crate) exit_code: Option<u8>,
    pub(crate) class: Option<&'static str>,
    pub(crate) changed: Changed,
    pub(crate) duration_ms: u64,
}

/// One run of a step's program.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct AttemptRecord {
    pub(crate) started_at: String,
    pub(crate) duration_ms: u64,
    exit: ExitRecord,
    pub(crate) exit_code: u8,
    pub(crate) class: &'static str,
    pub(crate) changed: Changed,
    pub(crate) said: String,
    timed_out: bool,
    interrupted: bool,
    leaked: bool,
    output_truncated: bool,
}

#[derive(Clone, Copy, Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum ExitRecord {
    Exited { code: i32 },
    Signaled { signal: i32 },
    NotStarted,
}

impl Record {
    /// Makes the run's folder and the first `run.json`.
    ///
    /// # Errors
    ///
    /// When a file can't be written.
    pub(crate) fn start(
        folder: &Path,
        run_id: &str,
        pipeline: &Pipeline,
        environment: Option<&str>,
        plan: &Plan,
    ) -> Result<Record, RecordError> {
        let runs = folder.join("runs");
        // A job that sets LOCKSTEP_RUN_ID for two runs gives both the same name.
        let mut run_id = run_id.to_owned();
        let mut dir = runs.join(&run_id);
        if dir.exists() {
            run_id = contract::new_run_id();
            dir = runs.join(&run_id);
        }
        // Under its own name the folder holds a run.json from the first moment on.
        let unborn = runs.join(format!(".{run_id}.new"));
        make_folder(&unborn, false)?;
        let mut record = Record {
            dir: unborn,
            run: RunRecord {
                schema: SCHEMA,
                run_id,
                version: env!("CARGO_PKG_VERSION"),
                pipeline: PipelineRecord {
                    file: std::path::absolute(&pipeline.path).unwrap_or(pipeline.path.clone()),
                    name: pipeline.name.clone(),
                    sha256: pipeline.sha256.clone(),
                },
                environment: environment.map(str::to_owned),
                host: host(),
                pid: std::process::id(),
                state: State::Running,
                signal: None,
                exit_code: None,
                class: None,
                started_at: contract::now(),
                ended_at: None,
                evidence: None,
                steps: plan.all().map(StepRecord::new).collect(),
            },
        };
        record.write()?;
        std::fs::rename(&record.dir, &dir).map_err(error("make", &dir))?;
        record.dir = dir;
        Ok(record)
    }

    /// The run's folder, which is also its evidence folder.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The file that this writes.
    pub(crate) fn path(&self) -> PathBuf {
        self.dir.join("run.json")
    }

    /// Opens a step's log for appending.
    ///
    /// # Errors
    ///
    /// When it can't be opened.
    pub(crate) fn open_log(&self, step: &PlannedStep) -> Result<File, RecordError> {
        let path = self.dir.join(log_name(&step.id));
        OpenOptions::new()
            .create(true)
            .read(true)
            .append(true)
            .mode(0o600)
            .open(&path)
            .map_err(error("open", &path))
    }

    /// The step's record.
    pub(crate) fn step(&mut self, step: &PlannedStep) -> Option<&mut StepRecord> {
        self.run
            .steps
            .iter_mut()
            .find(|record| record.id == step.id)
    }

    /// Replaces `run.json`.
    ///
    /// # Errors
    ///
    /// When it can't be written; the one before stays.
    pub(crate) fn write(&self) -> Result<(), RecordError> {
        self.replace(false)
    }

    /// Closes the record, synced to the disk.
    ///
    /// # Errors
    ///
    /// When it can't be written.
    pub(crate) fn finish(&mut self) -> Result<(), RecordError> {
        self.run.ended_at = Some(contract::now());
        self.replace(true)
    }

    fn replace(&self, sync: bool) -> Result<(), RecordError> {
        let path = self.path();
        let text = serde_json::to_vec_pretty(&self.run)
            .map_err(|source| error("write", &path)(source.into()))?;
        replace_file(&path, &text, sync)
    }
}

/// Writes a file under a temporary name beside its place and renames it, so that nobody ever reads
/// half of it.
///
/// # Errors
///
/// When it can't be written; what was there before stays.
pub(crate) fn replace_file(path: &Path, bytes: &[u8], sync: bool) -> Result<(), RecordError> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let temporary = path.with_file_name(name);
    let written = File::create(&temporary).and_then(|mut file| {
        file.write_all(bytes)?;
        if sync {
            file.sync_all()?;
        }
        std::fs::rename(&temporary, path)
    });
    written.map_err(error("write", path))
}

fn log_name(id: &str) -> String {
    format!("{id}.log")
}

impl StepRecord {
    fn new(step: &PlannedStep) -> StepRecord {
        StepRecord {
            part: step.part.name(),
            number: step.number,
            id: step.id.clone(),
            name: step.name.clone(),
            run: step
                .run
                .iter()
                .map(|word| contract::secret::redact(word))
                .collect(),
            program: step.program.clone(),
            promise: step.promise.name(),
            timeout_ms: millis(step.timeout),
            grace_ms: millis(step.grace),
            env: step.env.clone(),
            state: State::Pending,
            skipped: None,
            log: log_name(&step.id),
            attempts: Vec::new(),
            exit_code: None,
            class: None,
            changed: Changed::No,
            duration_ms: 0,
        }
    }

    /// Takes in one attempt; `ended` is none when the program could not be started.
    pub(crate) fn attempted(
        &mut self,
        started_at: String,
        ended: Option<&Ended>,
        verdict: &Verdict,
    ) {
        let exit = match ended.map(|ended| ended.exit) {
            Some(Exit::Exited(code)) => ExitRecord::Exited { code },
            Some(Exit::Signaled(signal)) => ExitRecord::Signaled { signal },
            None => ExitRecord::NotStarted,
        };
        let duration_ms = ended.map_or(0, |ended| millis(ended.duration));
        self.attempts.push(AttemptRecord {
            started_at,
            duration_ms,
            exit,
            exit_code: verdict.code,
            class: verdict.class,
            changed: verdict.changed,
            said: verdict.said.clone(),
            timed_out: ended.is_some_and(|ended| ended.timed_out),
            interrupted: ended.is_some_and(|ended| ended.interrupted),
            leaked: ended.is_some_and(|ended| ended.leaked),
            output_truncated: ended.is_some_and(|ended| ended.output_truncated),
        });
        self.state = if verdict.passed() {
            State::Passed
        } else {
            State::Failed
        };
        self.exit_code = Some(verdict.code);
        self.class = Some(verdict.class);
        self.changed = crate::verdict::worse(self.changed, verdict.changed);
        self.duration_ms += duration_ms;
    }
}

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// This machine's name, for a lock file or record that is read on another.
pub(crate) fn host() -> String {
    let name = rustix::system::uname();
    name.nodename().to_string_lossy().into_owned()
}
