//! One run, from its lock to its result.

use std::cell::Cell;
use std::path::Path;

use contract::{Class, Failure, Report, Run};

use crate::answers::Chain;
use crate::conclude::{finish, own_fault};
use crate::frozen::FrozenSnapshot;
use crate::github::Github;
use crate::lock::{Lock, LockError};
use crate::notes::Notes;
use crate::prepare::{Ready, Refusal, prepare};
use crate::record::{self, Record};
use crate::runner::Runner;
use crate::signals::Signals;
use crate::supervise::Supervisor;
use crate::terminal::{Stream, Terminal, UNREAD_MAX};
use crate::verdict::OWN_FAULT;
use crate::{Files, junit, verdict};

/// Runs the pipeline. `ended_by` gets the signal that this process has to end by. Where it `goes_on`
/// with an application, that is also one that came when everything had passed already.
///
/// # Errors
///
/// The report that says why nothing was run.
pub(crate) fn run_pipeline(
    files: &Files,
    junit: Option<&Path>,
    run: &Run,
    goes_on: bool,
    ended_by: &Cell<Option<i32>>,
) -> Result<Report, Box<Refusal>> {
    let ready = prepare(files, run).and_then(|ready| {
        if let Some(path) = junit {
            // A report that can't be written is seen now and not after the deployment.
            replace_junit(path, &junit::unfinished())?;
        }
        let parts = start(&ready, run)?;
        Ok((ready, parts))
    });
    let (mut ready, parts) = match ready {
        Ok(ready) => ready,
        Err(refusal) => {
            if let Some(path) = junit {
                // The refusal is the answer; a report of it is an extra.
                let _ = replace_junit(path, &junit::refusal(refusal.report.findings()));
            }
            return Err(refusal);
        }
    };
    let report = std::mem::take(&mut ready.report);
    let mut runner = Runner {
        plan: &ready.plan,
        variable: ready.variable.as_deref(),
        secrets: &ready.secrets,
        run,
        supervisor: parts.supervisor,
        record: parts.record,
        chain: parts.chain,
        lock: parts.lock,
        github: Github::of_process(),
        snapshot: FrozenSnapshot::default(),
        notes: Notes::default(),
    };
    runner.run();
    let report = finish(&mut runner, report, &ready.pipeline.path, junit);
    let (code, _) = runner.notes.code();
    let interrupted_by = runner.notes.interrupted_by;
    ended_by.set(interrupted_by.filter(|signal| verdict::signal_code(*signal) == code));
    let signals = &mut runner.supervisor.signals;
    signals.give_back();
    // Those that came before are still to be taken in; from here on one ends the process.
    signals.note();
    if let Some(signal) = signals.stop() {
        run.limit_patience(UNREAD_MAX);
        if goes_on && code == 0 {
            ended_by.set(Some(signal));
        }
    }
    Ok(report)
}

/// What a run works with, apart from its plan.
struct Parts {
    supervisor: Supervisor,
    record: Record,
    chain: Chain,
    lock: Lock,
}

fn start(ready: &Ready, run: &Run) -> Result<Parts, Box<Refusal>> {
    let folder = record::open_folder().map_err(|error| Refusal::own_fault(own_fault(&error)))?;
    let key = ready.environment.as_deref().unwrap_or("run");
    let holder = format!(
        "run {}, pipeline {}, process {} on {}, since {}",
        run.run_id(),
        ready.plan.name,
        std::process::id(),
        record::host(),
        contract::now()
    );
    let lock = Lock::take(&folder.join(format!("{key}.lock")), &holder).map_err(|error| {
        let code = match error {
            LockError::Held { .. } => Class::Busy.code(),
            LockError::File { .. } => OWN_FAULT,
        };
        let mut report = Report::default();
        report.stopped_by(error);
        Refusal::new(report, code)
    })?;
    let signals = Signals::take_over().map_err(|error| {
        let what = "cannot take over the signals that end a run";
        Refusal::own_fault(Failure::caused_by(Class::Error, what, &error))
    })?;
    let environment = ready.environment.as_deref();
    let record = Record::start(
        &folder,
        run.run_id(),
        &ready.pipeline,
        environment,
        &ready.plan,
    )
    .map_err(|error| Refusal::own_fault(own_fault(&error)))?;
    let chain = Chain::start(record.dir()).map_err(Refusal::own_fault)?;
    let talk = if run.wants_json() {
        Stream::Err
    } else {
        Stream::Out
    };
    Ok(Parts {
        supervisor: Supervisor::new(signals, Terminal::new(talk)),
        record,
        chain,
        lock,
    })
}

fn replace_junit(path: &Path, document: &str) -> Result<(), Box<Refusal>> {
    record::replace_file(path, document.as_bytes(), false)
        .map_err(|error| Refusal::own_fault(own_fault(&error)))
}
