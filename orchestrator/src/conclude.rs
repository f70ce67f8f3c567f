//! What a finished run leaves: its record, its JUnit report, its result.

use std::path::Path;

use contract::{Class, Failure, Report};

use crate::notes::FailedStep;
use crate::plan::Part;
use crate::record::{self, RecordError, State};
use crate::runner::Runner;
use crate::{CLEANUP_PASSED, RUN_RECORDED, STEP_PASSED, junit, present};

/// Closes the record and reports the run.
pub(crate) fn finish(
    runner: &mut Runner<'_>,
    report: Report,
    pipeline: &Path,
    junit: Option<&Path>,
) -> Report {
    // Everything that the steps have left has to hold together once more.
    if let Err(error) = runner.chain.news() {
        runner.fault(&error);
    }
    let (code, class) = runner.notes.code();
    let run = &mut runner.record.run;
    run.state = match runner.notes.interrupted_by {
        Some(_) => State::Interrupted,
        None if code == 0 => State::Passed,
        None => State::Failed,
    };
    run.signal = runner.notes.interrupted_by.or(runner.notes.late_signal);
    run.exit_code = Some(code);
    run.class = Some(class);
    run.evidence = Some(runner.chain.head().clone());
    let recorded = runner.record.finish().and_then(|()| match junit {
        Some(path) => write_junit(path, runner),
        None => Ok(()),
    });
    if let Err(error) = recorded {
        runner.fault(&error);
    }
    runner.line("");
    for line in present::run(&runner.record.run) {
        runner.line(&line);
    }
    let answers = runner.notes.answers.iter();
    let snapshots: Vec<String> = answers
        .filter_map(|(_, answer)| answer.snapshot())
        .map(|path| format!("snapshot: {}", path.escape_debug()))
        .collect();
    for line in &snapshots {
        runner.line(line);
    }
    let evidence = format!("evidence: {}", runner.record.dir().display());
    runner.line(&evidence);
    fill(report, runner, pipeline)
}

/// Adds what the run came to to the warnings that it started with.
fn fill(mut report: Report, runner: &Runner<'_>, pipeline: &Path) -> Report {
    let (code, class) = runner.notes.code();
    let notes = &runner.notes;
    for failed in &notes.failures {
        report_failure(&mut report, failed, pipeline);
    }
    if let Some(signal) = notes.late_signal {
        let what = format!(
            "signal {} came during the clean-up, which went on",
            contract::signals::name(signal)
        );
        let finding = report.broken(&CLEANUP_PASSED, &runner.plan.name, what);
        finding.remedy("see what was cleaned up; a second signal would have ended it at once");
    } else if let Some(signal) = notes.interrupted_by {
        let what = format!("signal {} ended the run", contract::signals::name(signal));
        report.broken(&STEP_PASSED, &runner.plan.name, what);
    }
    if let Some(fault) = &notes.fault {
        report.broken(&RUN_RECORDED, &runner.plan.name, fault);
    }
    if code == 0 {
        report.held(&STEP_PASSED, &runner.plan.name);
    }
    report.fact("record", runner.record.path());
    report.fact("evidence", runner.chain.head());
    if runner.run.wants_json() {
        // People have the table.
        report.fact("steps", &runner.record.run.steps);
    }
    report.changed(notes.changed);
    report.summary(match notes.failures.first() {
        Some(failed) => format!(
            "{} {} ({}) failed: {}",
            failed.part.name(),
            failed.number,
            failed.name,
            failed.verdict.said
        ),
        None if code == 0 => format!("{} passed", all_steps(runner)),
        None if notes.late_signal.is_some() => {
            format!(
                "a signal asked for the end when {} had passed",
                all_steps(runner)
            )
        }
        None => match &notes.fault {
            Some(fault) => format!("what the steps did can't be vouched for: {fault}"),
            None => "the run did not come to its end".to_owned(),
        },
    });
    if code != 0 {
        report.exit_as(code, class);
    }
    report
}

fn all_steps(runner: &Runner<'_>) -> String {
    match runner.plan.steps.len() {
        1 => "the only step".to_owned(),
        count => format!("all of {count} steps"),
    }
}

fn report_failure(report: &mut Report, failed: &FailedStep, pipeline: &Path) {
    let check = match failed.part {
        Part::Step => &STEP_PASSED,
        Part::Rollback | Part::OnFailure | Part::Finally => &CLEANUP_PASSED,
    };
    let subject = format!("{} {} ({})", failed.part.name(), failed.number, failed.name);
    let verdict = &failed.verdict;
    let what = format!("{}: {}", verdict.class, verdict.said);
    let mut remedy = match &failed.log {
        Some(log) => format!("see {log}"),
        None => "look at what the run has left, and do by hand what the step would do".to_owned(),
    };
    for (names, said) in [
        (
            &failed.withheld.by_env,
            "set, but not passed to this step by its env",
        ),
        (
            &failed.withheld.secrets,
            "set, but not passed to this step because they are secrets (a program of Lockstep gets \
             one if `for` in its [env] table names it, any other if the step's env does)",
        ),
        (&failed.unset, "asked for by its env, but not set"),
    ] {
        if !names.is_empty() {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            remedy.push_str(&format!("; {said}: {}", names.join(", ")));
        }
    }
    let finding = report.broken(check, subject, what);
    finding
        .at(pipeline.display().to_string(), failed.line)
        .remedy(remedy);
}

/// The failure that a record that can't be written is.
pub(crate) fn own_fault(error: &RecordError) -> Failure {
    let cause = std::error::Error::source(error);
    Failure::caused_by(Class::Error, error.to_string(), cause.unwrap_or(error))
        .remedy(RUN_RECORDED.remedy)
}

fn write_junit(path: &Path, runner: &Runner<'_>) -> Result<(), RecordError> {
    let (record, notes) = (&runner.record, &runner.notes);
    let document = junit::document(&runner.plan.name, &record.run, record.dir(), &notes.answers);
    record::replace_file(path, document.as_bytes(), false)
}
