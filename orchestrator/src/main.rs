//! Runs the steps that a pipeline file declares and stops at the first failure.
//!
//! Performs no check itself and opens no database. It decides before the first step whether the
//! pipeline may run at all, supervises each step's processes, and hands the code of the first
//! failing step on.

use std::cell::Cell;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use contract::{Check, Manual, Reads, Tool};

mod answers;
mod application;
mod armed;
mod conclude;
mod course;
mod elf;
mod environment;
mod executable;
mod frozen;
mod github;
mod junit;
mod lock;
mod lookup;
mod notes;
mod output;
mod pipeline;
mod plan;
mod prepare;
mod present;
mod programs;
mod promise;
mod record;
mod runner;
mod secrets;
mod session;
mod signals;
mod start;
mod strays;
mod supervise;
mod terminal;
mod verdict;

use application::Application;
use prepare::prepare;

const TOOL: Tool = contract::tool!([
    PIPELINE_VALID,
    ENVIRONMENT_AGREES,
    ORDER_SAFE,
    PROGRAM_RUNNABLE,
    STEP_PASSED,
    CLEANUP_PASSED,
    RUN_RECORDED,
])
.with_own_fault(verdict::OWN_FAULT, "fault")
.with_exit_codes(EXIT_CODES)
.with_manual(Manual {
    examples: &[
        (
            "orchestrator check production",
            "say whether pipelines/production.toml could be run",
        ),
        (
            "orchestrator run production",
            "run it; in CI: exec orchestrator run production",
        ),
        (
            "orchestrator run start --then gunicorn app:app",
            "as a platform's start command: deploy, then become the application",
        ),
        (
            "orchestrator run release.toml --junit report.xml",
            "run this file, and write the run as JUnit XML too",
        ),
    ],
    reads: &[settings::SETTINGS_READS, READS],
    see_also: &[
        "verify-guards",
        "verify-migrations",
        "backup-snapshot",
        "deploy-db",
    ],
});

const PIPELINE_VALID: Check = Check {
    id: "pipeline-valid",
    holds: "the pipeline file can be read, and each step says what it has to",
    remedy: "correct the pipeline file",
};

const ENVIRONMENT_AGREES: Check = Check {
    id: "environment-agrees",
    holds: "the pipeline's environment is the one that this process is in",
    remedy: "run the pipeline of this environment, or run this one where it belongs",
};

const ORDER_SAFE: Check = Check {
    id: "order-safe",
    holds: "nothing changes a protected database before it was verified and backed up, nothing \
            restores a snapshot that others have written past, and no rollback works below a \
            running service",
    remedy: "put the steps in another order",
};

const PROGRAM_RUNNABLE: Check = Check {
    id: "program-runnable",
    holds: "every step's program, and the command of --then, is there and can be run",
    remedy: "install the program, or correct its name",
};

const STEP_PASSED: Check = Check {
    id: "step-passed",
    holds: "every step exited with 0 and proved what it did",
    remedy: "see the step's own output",
};

const CLEANUP_PASSED: Check = Check {
    id: "cleanup-passed",
    holds: "every rollback, on_failure and finally step that ran exited with 0",
    remedy: "see the step's own output, and do by hand what it could not",
};

const RUN_RECORDED: Check = Check {
    id: "run-recorded",
    holds: "record, logs and evidence of the run are whole",
    remedy: "make room or correct the permissions where .lockstep can't be written; where its \
             evidence is broken, keep it and find out who changed it",
};

/// What the codes of this program mean; those of the contract are the steps' own.
const EXIT_CODES: &str = "\
Exit codes:
  0        every step passed, and so did what had to follow
  1        --strict was given and there are warnings; seen before the first step
  N        the code of the first step that failed, as it is
  5        another run holds the lock
  6        a step that changes something was ended, or gave no result
  124      a step that changes nothing ran past its timeout
  125      the pipeline can't be used, or the run can't be recorded
  126      a step's program, or that of --then, can't be run; seen before the first step
  127      a step's program, or that of --then, can't be found; seen before the first step
  128+N    a step, or the run, was ended by signal N

The steps that belong to Lockstep exit with
  1 fail, 2 usage, 3 error, 4 unavailable, 5 busy, 6 partial";

const READS: Reads = Reads {
    environment: &[(
        "PATH",
        "Where a step's program is looked up that is not beside the orchestrator; absolute folders \
         alone.",
    )],
    files: &[
        (
            "pipelines/NAME.toml",
            "The pipeline NAME, in the working folder or above it.",
        ),
        (
            ".lockstep/runs/ID/",
            "What is kept of a run: run.json, a log for each step, the evidence chain.",
        ),
        (
            ".lockstep/NAME.lock",
            "Held as long as a run of this environment lasts; run.lock without an environment.",
        ),
    ],
};

#[derive(clap::Args)]
#[command(arg_required_else_help = false)]
struct Args {
    #[command(subcommand)]
    act: Act,
}

#[derive(clap::Subcommand)]
enum Act {
    /// Run the pipeline.
    Run {
        #[command(flatten)]
        files: Files,
        /// Also write the run as JUnit XML to FILE.
        #[arg(long, value_name = "FILE")]
        junit: Option<PathBuf>,
        /// Become this command once every step has passed, with its arguments: all that follows. After
        /// a failure it is not started.
        #[arg(long, value_name = "COMMAND", num_args = 1.., allow_hyphen_values = true)]
        then: Vec<OsString>,
    },
    /// Say whether the pipeline could be run, and run nothing.
    Check(Files),
    /// Show what the pipeline would run, and run nothing.
    List(Files),
}

#[derive(clap::Args)]
struct Files {
    /// The pipeline file, or NAME for pipelines/NAME.toml in the working folder or above it.
    #[arg(value_name = "PIPELINE")]
    pipeline: PathBuf,
    /// The settings, instead of lockstep.toml in the working folder or above it.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

fn main() -> ExitCode {
    if session::stands_in_place() {
        return ExitCode::from(verdict::NOT_RUNNABLE);
    }
    let ended_by = Cell::new(None);
    let then_start = Cell::new(None);
    let code = contract::run(&TOOL, |args: Args, run| {
        let report = match args.act {
            Act::Run { files, junit, then } => Application::find(&then).and_then(|application| {
                let goes_on = application.is_some();
                let report = start::run_pipeline(&files, junit.as_deref(), run, goes_on, &ended_by);
                then_start.set(application.map(|application| (application, run.voice())));
                report
            }),
            Act::Check(files) => prepare(&files, run).map(|ready| {
                let summary = format!("{} could be run", ready.plan.name);
                ready.summed_up(summary)
            }),
            Act::List(files) => prepare(&files, run).map(|ready| {
                present::plan(&ready.plan)
                    .iter()
                    .for_each(|line| run.announce(line));
                let summary = match ready.plan.all().count() {
                    1 => "1 step".to_owned(),
                    count => format!("{count} steps"),
                };
                ready.summed_up(summary)
            }),
        };
        Ok(report.unwrap_or_else(|refusal| refusal.report))
    });
    if let Some(signal) = ended_by.get() {
        runner::end_by_signal(signal);
    }
    // Only now is it known that the run's result could be kept.
    match (then_start.take(), ended_by.get()) {
        (Some((application, voice)), None) if code == ExitCode::SUCCESS => {
            ExitCode::from(application.start(&voice))
        }
        // As process 1, which its own signals don't end.
        (Some(_), Some(signal)) => ExitCode::from(verdict::signal_code(signal)),
        _ => code,
    }
}
