//! Runs one step of a plan: its attempts, its environment, what it came to.

use std::ffi::OsString;
use std::time::Duration;

use contract::{Changed, Class, Run};

use crate::answers::Chain;
use crate::environment::{self, Environment};
use crate::frozen::FrozenSnapshot;
use crate::github::Github;
use crate::lock::Lock;
use crate::notes::{FailedStep, Notes};
use crate::pipeline::{Changes, Retry};
use crate::plan::{Part, Plan, PlannedStep, file_name};
use crate::promise::Promise;
use crate::record::{Record, State};
use crate::secrets::Secrets;
use crate::supervise::{Ended, Job, Supervisor};
use crate::terminal::Stream;
use crate::verdict::{self, Verdict};

/// One run.
#[derive(Debug)]
pub(crate) struct Runner<'a> {
    pub(crate) plan: &'a Plan,
    /// The variable that names the environment beside `LOCKSTEP_ENV`.
    pub(crate) variable: Option<&'a str>,
    /// The variables that few of the steps get.
    pub(crate) secrets: &'a Secrets,
    pub(crate) run: &'a Run,
    pub(crate) supervisor: Supervisor,
    pub(crate) record: Record,
    pub(crate) chain: Chain,
    pub(crate) lock: Lock,
    pub(crate) github: Option<Github>,
    /// What a restore would take.
    pub(crate) snapshot: FrozenSnapshot,
    /// What has to be said of the run besides its steps.
    pub(crate) notes: Notes,
}

impl Runner<'_> {
    /// Runs one step with its retries; none when it could not be recorded and was not run.
    pub(crate) fn run_step(
        &mut self,
        step: &PlannedStep,
        failed: Option<&FailedStep>,
    ) -> Option<Verdict> {
        self.open_step(step);
        let mut attempt = 1;
        let (verdict, environment) = loop {
            let (verdict, environment) = self.attempt(step, failed)?;
            let pause = step
                .retry
                .as_ref()
                .and_then(|retry| pause(retry, attempt, verdict.code));
            let (Some(retry), Some(pause)) = (&step.retry, pause) else {
                break (verdict, environment);
            };
            let said = format!(
                "  {} ({}), attempt {attempt} of {}; again in {}",
                verdict.class,
                verdict.said,
                retry.attempts,
                time(pause)
            );
            self.supervisor.line(&said);
            self.supervisor.signals.wait(pause);
            if self.supervisor.signals.stop().is_some() {
                break (verdict, environment);
            }
            attempt += 1;
        };
        self.close_step(step, &verdict, environment);
        Some(verdict)
    }

    pub(crate) fn open_step(&mut self, step: &PlannedStep) {
        let (word, total) = match step.part {
            Part::Step => ("STEP", self.plan.steps.len()),
            Part::Rollback => ("ROLLBACK", self.plan.rollback.len()),
            Part::OnFailure => ("ON_FAILURE", self.plan.on_failure.len()),
            Part::Finally => ("FINALLY", self.plan.finally.len()),
        };
        let title = format!("[{word} {}/{total}] {}", step.number, step.name);
        match &self.github {
            Some(github) => self.supervisor.line(&github.open_group(&title)),
            None => self.supervisor.line(&title),
        }
    }

    fn close_step(&mut self, step: &PlannedStep, verdict: &Verdict, environment: Environment) {
        if let Some(github) = &self.github {
            self.supervisor.line(github.close_group());
        }
        let record = self.record.step(step);
        let (duration_ms, log) = match record {
            Some(record) => (record.duration_ms, record.log.clone()),
            None => (0, String::new()),
        };
        let changed = match verdict.changed {
            Changed::No => "",
            Changed::Yes => ", changed: yes",
            Changed::Unknown => ", changed: unknown",
        };
        let said = format!(
            "  {}: {}{changed}, {}",
            verdict.class,
            verdict.said,
            time(Duration::from_millis(duration_ms))
        );
        self.supervisor.line(&said);
        self.notes.changed = verdict::worse(self.notes.changed, verdict.changed);
        if verdict.passed() {
            self.snapshot.passed(step);
        } else {
            self.snapshot.failed(step);
            let failed = FailedStep {
                part: step.part,
                number: step.number,
                name: step.name.clone(),
                line: step.line,
                verdict: verdict.clone(),
                withheld: environment.withheld,
                unset: environment.unset,
                log: Some(self.record.dir().join(log).display().to_string()),
            };
            self.notes.failures.push(failed);
        }
    }

    /// One attempt at a step; none when it could not be recorded and was not run.
    fn attempt(
        &mut self,
        step: &PlannedStep,
        failed: Option<&FailedStep>,
    ) -> Option<(Verdict, Environment)> {
        let started_at = contract::now();
        if let Some(record) = self.record.step(step) {
            record.state = State::Running;
        }
        let log = self.record.open_log(step);
        let log = match self.record.write().and(log) {
            Ok(log) => log,
            Err(error) => {
                self.fault(&error);
                // What has to follow a run is not left out for want of a record.
                match std::fs::File::options().write(true).open("/dev/null") {
                    Ok(nowhere) if step.part != Part::Step => nowhere,
                    _ => {
                        self.skip_unrecorded(step);
                        return None;
                    }
                }
            }
        };
        let changes = step.promise.changes_target();
        if changes {
            self.run.change_began();
        }
        let environment = self.environment(step, failed);
        let job = Job {
            id: &step.id,
            program: &step.program,
            arguments: &step.run[1..],
            environment: &environment.variables,
            timeout: step.timeout,
            grace: step.grace,
            log: &log,
            streams: self.streams(step),
            inherits: match step.promise {
                Promise::Ours(_) if changes => Some(self.lock.fd()),
                Promise::Ours(_) | Promise::Foreign(_) => None,
            },
            starts_service: step.promise == Promise::Foreign(Changes::Service),
            hands_signals_on: step.part == Part::Step,
        };
        let quoted = self
            .github
            .as_ref()
            .filter(|_| is_foreign(step))
            .map(Github::stop_commands);
        if let Some((stop, _)) = &quoted {
            self.supervisor.line(stop);
        }
        let ended = self.supervisor.run(&job);
        if let Some((_, resume)) = &quoted {
            self.supervisor.line(resume);
        }
        let verdict = self.judge(step, &ended);
        if let Some(record) = self.record.step(step) {
            record.attempted(started_at, ended.as_ref().ok(), &verdict);
        }
        // The record is written before the next attempt or step starts, or at the end of the run:
        // nothing but this comes between.
        if ended.is_ok_and(|ended| ended.log_failed) {
            self.notes
                .fault
                .get_or_insert_with(|| format!("cannot write the log of {}", step.name));
        }
        Some((verdict, environment))
    }

    fn judge(&mut self, step: &PlannedStep, ended: &std::io::Result<Ended>) -> Verdict {
        let ended = match ended {
            Ok(ended) => ended,
            Err(error) => return Verdict::not_started(error),
        };
        let answers = match step.promise {
            Promise::Ours(_) => self.chain.news(),
            Promise::Foreign(_) => self.chain.news_if_touched(),
        };
        let answers = answers.unwrap_or_else(|error| {
            self.fault(&error);
            Vec::new()
        });
        let verdict = verdict::judge(step.promise, file_name(&step.run[0]), ended, &answers);
        let named = answers.into_iter().map(|answer| (step.id.clone(), answer));
        self.notes.answers.extend(named);
        verdict
    }

    /// One line of this program's own.
    pub(crate) fn line(&mut self, text: &str) {
        self.supervisor.line(text);
    }

    /// Notes a fault of the orchestrator's own.
    pub(crate) fn fault(&mut self, error: &dyn std::error::Error) {
        let mut said = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            said.push_str(&format!(": {cause}"));
            source = cause.source();
        }
        self.supervisor.line(&format!("  {said}"));
        self.notes.fault.get_or_insert(said);
    }

    fn skip_unrecorded(&mut self, step: &PlannedStep) {
        if let Some(record) = self.record.step(step) {
            record.state = State::Skipped;
            record.skipped = Some("its record can't be written");
        }
        if let Some(github) = &self.github {
            self.supervisor.line(github.close_group());
        }
    }

    fn environment(&self, step: &PlannedStep, failed: Option<&FailedStep>) -> Environment {
        let mut own: Vec<(&str, OsString)> = vec![
            ("LOCKSTEP_EVIDENCE", self.record.dir().into()),
            ("LOCKSTEP_RUN_ID", self.record.run.run_id.clone().into()),
            ("LOCKSTEP_STEP", step.id.clone().into()),
        ];
        if let Some(failed) = failed {
            own.push(("LOCKSTEP_FAILED_STEP", failed.name.clone().into()));
        }
        let first = failed.map(|failed| (failed.verdict.code, failed.verdict.class));
        // A run can end before any step has failed: by a signal, or for want of a record.
        let ended = || self.notes.has_failed().then(|| self.notes.code());
        if let Some((code, class)) = first.or_else(ended) {
            own.push(("LOCKSTEP_FAILED_CODE", code.to_string().into()));
            own.push(("LOCKSTEP_FAILED_CLASS", class.into()));
        }
        // What an outer run says of its own failure is not about this one.
        let inherited = std::env::vars_os()
            .filter(|(name, _)| !name.to_string_lossy().starts_with("LOCKSTEP_FAILED_"));
        let secret = |name: &str| self.secrets.withhold(name, step);
        environment::for_step(inherited, step.env.as_deref(), self.variable, secret, &own)
    }

    /// Where a step's stdout and stderr go. While commands are stopped on GitHub, all of it goes
    /// the way of the lines that stop and resume them: the runner reads the two streams apart, so
    /// that the other one could overtake them.
    fn streams(&self, step: &PlannedStep) -> (Stream, Stream) {
        let talk = self.supervisor.terminal.talk();
        match (talk, &self.github) {
            (_, Some(_)) if is_foreign(step) => (talk, talk),
            (Stream::Err, _) => (Stream::Err, Stream::Err),
            (Stream::Out, _) => (Stream::Out, Stream::Err),
        }
    }
}

fn is_foreign(step: &PlannedStep) -> bool {
    matches!(step.promise, Promise::Foreign(_))
}

/// How long to wait before the next attempt, if there is to be one.
fn pause(retry: &Retry, attempt: u32, code: u8) -> Option<Duration> {
    let retried = match Class::from_code(code) {
        Some(Class::Unavailable) => retry.on_unavailable,
        Some(Class::Busy) => retry.on_busy,
        _ => false,
    };
    if !retried || attempt >= retry.attempts {
        return None;
    }
    let doubled = retry.delay.saturating_mul(1 << (attempt - 1).min(20));
    Some(doubled.min(retry.delay_max))
}

/// A duration for people.
pub(crate) fn time(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    if seconds < 1.0 {
        format!("{} ms", duration.as_millis())
    } else if seconds < 60.0 {
        format!("{seconds:.1} s")
    } else {
        let seconds = duration.as_secs();
        format!("{} m {:02} s", seconds / 60, seconds % 60)
    }
}

/// Ends this process as the signal would have ended it, for the shell that waits for it. As
/// process 1 of a container it can't: the kernel keeps that one from its default actions.
pub(crate) fn end_by_signal(signal: i32) {
    if rustix::process::getpid().as_raw_nonzero().get() != 1 {
        // On failure the exit code 128+N says the same.
        let _ = signal_hook::low_level::emulate_default_handler(signal);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_pause_is_twice_the_one_before_up_to_its_most() {
        let retry = Retry {
            on_unavailable: true,
            on_busy: false,
            attempts: 40,
            delay: Duration::from_secs(2),
            delay_max: Duration::from_secs(15),
        };
        let seconds: Vec<u64> = (1..=5)
            .map(|attempt| pause(&retry, attempt, 4).unwrap().as_secs())
            .collect();
        assert_eq!(seconds, [2, 4, 8, 15, 15]);
        // The doubling itself has an end, so that no number of attempts overflows it.
        assert_eq!(pause(&retry, 39, 4), Some(retry.delay_max));
        assert_eq!(pause(&retry, 40, 4), None);
        for code in [0, 1, 2, 3, 5, 6, 124] {
            assert_eq!(pause(&retry, 1, code), None, "{code}");
        }
    }
}
