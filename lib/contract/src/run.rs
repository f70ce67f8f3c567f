//! One run of a program: arguments in, result out, exit code.

use std::cell::Cell;
use std::ffi::OsString;
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use clap::Args;

use crate::cli::{self, Common, Format, Parsed};
use crate::console::{self, colored, json_text, write_stderr, write_stdout};
use crate::ended::{
    CHANGE_BEGAN, CONTEXT, Context, Subject, THE_RUN, answer_panic, answer_signal, begin_answer,
};
use crate::evidence::Evidence;
use crate::log::Log;
use crate::report::{Changed, Report, TargetFacts};
use crate::result::{Outcome, account, failure_lines, millis};
use crate::{Class, Failure, Tool, github, run_id, secret, signals};

/// The run that a program is in.
#[derive(Debug)]
pub struct Run {
    tool: &'static Tool,
    context: &'static Context,
    run_id: String,
    common: Common,
    evidence_dir: Option<PathBuf>,
    log: Option<Log>,
    log_lost: Cell<bool>,
}

impl Run {
    /// The run's name; the orchestrator's steps share one.
    pub fn run_id(&self) -> &str {
        &self.run_id
    }

    /// The folder of the evidence chain, if this run has one.
    pub fn evidence_dir(&self) -> Option<&std::path::Path> {
        self.evidence_dir.as_deref()
    }

    /// Whether stdout is to hold exactly one JSON document.
    pub fn wants_json(&self) -> bool {
        self.common.format == Format::Json
    }

    /// Whether what was found so far ends the run before it changes anything; with `--strict` a
    /// warning does.
    pub fn refuses(&self, report: &Report) -> bool {
        report.class(self.common.strict) != Class::Pass
    }

    /// From now on nothing waits longer than this for a reader of stdout, stderr or the log. For a
    /// process that was asked to end.
    pub fn limit_patience(&self, patience: Duration) {
        console::limit_patience(patience);
    }

    /// Whether stdout gets colour.
    pub fn stdout_colored(&self) -> bool {
        colored(self.common.color, &std::io::stdout())
    }

    /// Names the database that the result will be about.
    pub fn target(&self, target: TargetFacts) {
        self.context.subject().target = Some(target);
    }

    /// Adds the identity that the database's mark gives it.
    pub fn target_identity(&self, identity: &str) {
        if let Some(target) = self.context.subject().target.as_mut() {
            target.identity = Some(identity.to_owned());
        }
    }

    /// Names the environment that the result will be about.
    pub fn environment(&self, name: &str) {
        self.context.subject().environment = Some(name.to_owned());
    }

    /// Says on stderr what is being done.
    pub fn say(&self, text: &str) {
        let line = format!("{}\n", console::plain(text));
        write_stderr(&line);
        self.account(&line);
    }

    /// What says the same from any thread.
    pub fn voice(&self) -> Voice {
        Voice {
            log: self.log.clone(),
        }
    }

    /// From now on nothing can end in a class that claims the target is as it was: a panic or an
    /// error after this is `partial`.
    pub fn change_began(&self) {
        CHANGE_BEGAN.store(true, Ordering::SeqCst);
    }

    /// The change that began was undone by the engine and proved undone.
    pub fn change_undone(&self) {
        CHANGE_BEGAN.store(false, Ordering::SeqCst);
    }

    /// Progress of a piece of long work on stderr: redrawn on a terminal, a line now and then
    /// elsewhere.
    pub fn progress(&self, label: &str) -> Progress<'_> {
        Progress {
            run: self,
            label: label.to_owned(),
            drawn: None,
            started: Instant::now(),
            terminal: std::io::stderr().is_terminal(),
        }
    }

    /// Writes a line to stdout before the result, in the human format only.
    pub fn announce(&self, line: &str) {
        if self.wants_json() {
            self.say(line);
        } else {
            let line = format!("{}\n", console::plain(line));
            write_stdout(line.as_bytes());
            self.account(&line);
        }
    }

    fn account(&self, text: &str) {
        if let Some(log) = &self.log
            && let Err(error) = log.write(text)
            && !self.log_lost.replace(true)
        {
            let path = log.path.display().to_string();
            write_stderr(&format!(
                "{}: cannot write the log {}: {error}\n",
                self.tool.name,
                console::plain(&path)
            ));
        }
    }
}

/// Says what is being done from wherever it is heard: a thread, a callback of a driver.
#[derive(Clone, Debug)]
pub struct Voice {
    log: Option<Log>,
}

impl Voice {
    /// Says on stderr alone, and no more than so many characters.
    pub fn show(&self, text: &str, characters: usize) {
        // Secrets are taken out of the whole: half of one would pass.
        let mut line = console::plain(text);
        if let Some((end, _)) = line.char_indices().nth(characters) {
            line.truncate(end);
            line.push('…');
        }
        line.push('\n');
        write_stderr(&line);
    }

    /// Enters in the log alone, if there is one.
    pub fn log(&self, text: &str) {
        if let Some(log) = &self.log {
            // That the log can't be written, the run says itself.
            let _ = log.write(&format!("{}\n", console::plain(text)));
        }
    }
}

/// See [`Run::progress`].
#[derive(Debug)]
pub struct Progress<'a> {
    run: &'a Run,
    label: String,
    drawn: Option<Instant>,
    started: Instant,
    terminal: bool,
}

impl Progress<'_> {
    /// States how far the work is, in bytes; `total` 0 where it is not known.
    pub fn at(&mut self, done: u64, total: u64) {
        let mib = |bytes: u64| bytes / (1024 * 1024);
        self.draw(|| match (done.min(total) * 100).checked_div(total) {
            Some(percent) => format!("{percent} % of {} MiB", mib(total)),
            None => format!("{} MiB", mib(done)),
        });
    }

    /// States how many of the files have been worked through.
    pub fn at_file(&mut self, done: usize, total: usize) {
        self.draw(|| format!("{done} of {total} files"));
    }

    fn draw(&mut self, how_far: impl FnOnce() -> String) {
        let pause = if self.terminal {
            Duration::from_millis(100)
        } else {
            Duration::from_secs(10)
        };
        // Work shorter than one pause is not worth a line.
        let last = self.drawn.unwrap_or(self.started);
        if last.elapsed() < pause {
            return;
        }
        self.drawn = Some(Instant::now());
        let text = format!("{}: {}", self.label, how_far());
        if self.terminal {
            write_stderr(&format!("\r\u{1b}[K{}", console::plain(&text)));
        } else {
            self.run.say(&text);
        }
    }
}

impl Drop for Progress<'_> {
    fn drop(&mut self) {
        if self.terminal && self.drawn.is_some() {
            write_stderr("\r\u{1b}[K");
        }
    }
}

/// Runs a program: parses its arguments and the common ones, calls `decide`, writes the result
/// wherever it is wanted, and turns it into the exit code. A usage error, an error and a panic are
/// results like any other.
pub fn run<A: Args>(
    tool: &'static Tool,
    decide: impl FnOnce(A, &Run) -> Result<Report, Failure>,
) -> ExitCode {
    let started = Instant::now();
    let started_at = now();
    let args: Vec<OsString> = std::env::args_os().collect();
    let run_id = run_id();
    let context = CONTEXT.get_or_init(|| Context {
        tool,
        format: cli::format_of(&args),
        run_id: run_id.clone(),
        started_at: started_at.clone(),
        started,
        evidence: OnceLock::new(),
        log: OnceLock::new(),
        subject: Mutex::default(),
    });
    std::panic::set_hook(Box::new(|info| answer_panic(context, info)));
    signals::watch(|signal| answer_signal(context, signal));
    if let Some(password) = std::env::var_os("PGPASSWORD") {
        let public = ["PGUSER", "PGDATABASE", "PGHOST"].map(|name| std::env::var(name).ok());
        let public: Vec<&str> = public.iter().flatten().map(String::as_str).collect();
        secret::register(&password.to_string_lossy(), &public);
    }
    for arg in args.iter().skip(1) {
        secret::register_argument(&arg.to_string_lossy());
    }
    let ready = match cli::parse::<A>(tool, &args) {
        Parsed::Text(text) => {
            write_stdout(&text);
            return ExitCode::SUCCESS;
        }
        Parsed::Misuse(error) => {
            let text = usage_text(&error, &args);
            Err((misuse(&text), Some(text)))
        }
        Parsed::Run(both) => Ok(*both),
    };
    let (args_of_tool, common, error) = match ready {
        Ok((args_of_tool, common)) => (Some(args_of_tool), common, None),
        Err((failure, error)) => {
            let common = Common {
                format: cli::format_of(&args),
                evidence: cli::path_of(&args, "--evidence"),
                log: cli::path_of(&args, "--log"),
                ..Common::default()
            };
            (None, common, Some((failure, error)))
        }
    };
    let evidence_dir = common.evidence.clone().or_else(|| {
        std::env::var_os("LOCKSTEP_EVIDENCE")
            .filter(|dir| !dir.is_empty())
            .map(PathBuf::from)
    });
    let mut run = Run {
        tool,
        context,
        run_id,
        common,
        evidence_dir,
        log: None,
        log_lost: Cell::new(false),
    };
    let (evidence, opened) = open_outputs(&mut run);
    let evidence = evidence.map(|evidence| context.evidence.get_or_init(|| evidence));
    if let Some(log) = &run.log {
        context.log.get_or_init(|| log.clone());
    }
    let mut told = false;
    let mut own_fault = None;
    let report = match (error, opened, args_of_tool) {
        (Some((failure, usage)), _, _) => {
            if let Some(usage) = usage {
                // clap's own text has the usage and a hint at what was meant.
                let lines: Vec<String> = usage.lines().map(console::plain).collect();
                write_stderr(&format!("{}: {}\n", tool.name, lines.join("\n")));
                told = true;
            }
            Err(failure)
        }
        (None, Err(failure), _) => {
            own_fault = tool.own_fault.filter(|_| failure.class != Class::Usage);
            Err(failure)
        }
        (None, Ok(()), Some(args_of_tool)) => decide(args_of_tool, &run),
        // Unreachable by construction: without an error there are arguments.
        (None, Ok(()), None) => Err(Failure::new(Class::Error, "cannot read the arguments")),
    };
    let report = report.unwrap_or_else(|failure| {
        let mut report = Report::default();
        report.stopped_by(failure);
        if let Some((code, class)) = own_fault {
            report.exit_as(code, class);
        }
        report
    });
    let Subject {
        environment,
        target,
    } = std::mem::take(&mut *context.subject());
    let mut outcome = Outcome {
        tool,
        run_id: run.run_id.clone(),
        environment,
        target,
        report,
        strict: run.common.strict,
        started_at,
        duration_ms: millis(started),
    };
    begin_answer(THE_RUN);
    hold_to_what_began(&mut outcome);
    if let Some(evidence) = evidence
        && let Err(error) = evidence.append(&outcome.json())
    {
        evidence_lost(&mut outcome, error);
    }
    write_result(&run, &outcome, told);
    ExitCode::from(outcome.exit_code())
}

/// Opens what the result goes to, before anything is done: a run whose account can't be kept does
/// not start.
fn open_outputs(run: &mut Run) -> (Option<Evidence>, Result<(), Failure>) {
    if let Some(path) = &run.common.log {
        match Log::open(path) {
            Ok(log) => run.log = Some(log),
            Err(failure) => return (None, Err(failure)),
        }
    }
    match run.evidence_dir.as_deref().map(Evidence::open) {
        None => (None, Ok(())),
        Some(Ok(evidence)) => (Some(evidence), Ok(())),
        Some(Err(error)) => (None, Err(error.into())),
    }
}

/// clap's own text, which has the usage and a hint at what was meant. It repeats arguments as they
/// are, line ends included, which would begin lines of their own.
fn usage_text(error: &clap::Error, args: &[OsString]) -> String {
    let mut text = error.render().to_string();
    for arg in args {
        let arg = arg.to_string_lossy();
        if arg.contains(char::is_control) {
            text = text.replace(arg.as_ref(), &console::plain(&arg));
        }
    }
    text.strip_prefix("error: ").unwrap_or(&text).to_owned()
}

fn misuse(text: &str) -> Failure {
    let mut lines = text.lines();
    let mut message = lines.next().unwrap_or_default().to_owned();
    // clap lists what is missing below its first line, which alone would end in a colon.
    if message.ends_with(':') {
        let listed: Vec<&str> = lines
            .take_while(|line| line.starts_with(' '))
            .map(str::trim)
            .collect();
        message = format!("{message} {}", listed.join(", "));
    }
    Failure::new(Class::Usage, message).remedy("see --help")
}

/// Once a change began, no failure may claim that nothing was changed; and what is `partial` never
/// says so.
fn hold_to_what_began(outcome: &mut Outcome<'_>) {
    let Some(failure) = &mut outcome.report.stopped_by else {
        return;
    };
    if CHANGE_BEGAN.load(Ordering::SeqCst) {
        failure.class = Class::Partial;
    }
    if failure.class == Class::Partial && outcome.report.changed == Changed::No {
        outcome.report.changed = Changed::Unknown;
    }
}

fn evidence_lost(outcome: &mut Outcome<'_>, error: crate::EvidenceError) {
    let mut failure = Failure::from(error);
    if outcome.report.changed != Changed::No {
        failure.class = Class::Partial;
    } else if outcome.class() != Class::Pass {
        // The answer is no already; that its record is missing must not turn it into another one.
        write_stderr(&failure_lines(outcome.tool, &failure, false));
        return;
    }
    outcome.report.exit = None;
    if let Some((code, class)) = outcome.tool.own_fault {
        outcome.report.exit_as(code, class);
    }
    outcome.report.stopped_by = Some(failure);
}

/// `told`: what stopped the run stands on stderr already.
fn write_result(run: &Run, outcome: &Outcome<'_>, told: bool) {
    let stderr_colored = colored(run.common.color, &std::io::stderr());
    if let Some(failure) = outcome.report.stopped_by.as_ref().filter(|_| !told) {
        write_stderr(&failure_lines(outcome.tool, failure, stderr_colored));
    }
    if github::in_actions() {
        write_stderr(&github::annotations(outcome));
        if let Err(error) = github::write_summary(outcome) {
            write_stderr(&format!(
                "{}: cannot write the step summary: {error}\n",
                run.tool.name
            ));
        }
    }
    match run.common.format {
        Format::Human => write_stdout(outcome.human(run.stdout_colored()).as_bytes()),
        Format::Json => write_stdout(format!("{}\n", json_text(&outcome.json())).as_bytes()),
    }
    if run.log.is_some() {
        run.account(&account(outcome));
    }
}

/// The current time, RFC 3339 in UTC with milliseconds.
// Display and not strftime, whose formatting machinery is 35 KiB in every program.
pub fn now() -> String {
    format!("{:.3}", timestamp())
}

/// The current time.
// Not Timestamp::now, which brings 110 KiB for what it says of a clock before the year -9999.
pub fn timestamp() -> jiff::Timestamp {
    jiff::Timestamp::try_from(std::time::SystemTime::now()).unwrap_or_default()
}
