//! The pipeline file: what it may say, and where it says something else.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use settings::duration::Written;
use sha2::{Digest as _, Sha256};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A larger file is no pipeline.
pub(crate) const BYTES_MAX: u64 = 1024 * 1024;
/// Steps of all four kinds together.
pub(crate) const STEPS_MAX: usize = 1_000;
/// The kernel takes no longer argument (MAX_ARG_STRLEN), its closing NUL included.
const ARGUMENT_BYTES_MAX: usize = 128 * 1024 - 1;
/// Steps are bounded; a week is still a bound.
const DURATION_MAX: Duration = Duration::from_secs(7 * 24 * 3600);

/// Why a pipeline file can't be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PipelineError {
    #[error("cannot read {}", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("cannot use {}: {what}", path.display())]
    Content {
        path: PathBuf,
        line: Option<u32>,
        what: String,
    },
}

/// A pipeline file, as it stands.
#[derive(Debug)]
pub(crate) struct Pipeline {
    pub(crate) path: PathBuf,
    /// SHA-256 of the file's bytes, in hexadecimal.
    pub(crate) sha256: String,
    pub(crate) name: String,
    pub(crate) environment: Option<String>,
    pub(crate) defaults: Defaults,
    pub(crate) steps: Vec<Step>,
    pub(crate) rollback: Vec<Step>,
    pub(crate) on_failure: Vec<Step>,
    pub(crate) finally: Vec<Step>,
}

/// What a step that does not say otherwise gets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Defaults {
    pub(crate) timeout: Duration,
    pub(crate) grace: Duration,
}

/// One step, as the file declares it.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) line: Option<u32>,
    pub(crate) name: Option<String>,
    pub(crate) run: Vec<String>,
    pub(crate) changes: Option<Changes>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) grace: Option<Duration>,
    pub(crate) env: Option<Vec<String>>,
    pub(crate) retry: Option<Retry>,
}

/// What a program outside the suite declares that it changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Changes {
    Nothing,
    Files,
    Database,
    Service,
}

/// When and how often a step is tried again.
#[derive(Clone, Debug)]
pub(crate) struct Retry {
    pub(crate) on_unavailable: bool,
    pub(crate) on_busy: bool,
    /// All attempts, the first included.
    pub(crate) attempts: u32,
    /// Before the second attempt; doubled before each later one.
    pub(crate) delay: Duration,
    /// What the doubled delay stops at.
    pub(crate) delay_max: Duration,
}

impl Pipeline {
    /// Reads and parses the file.
    ///
    /// # Errors
    ///
    /// When it can't be read, is too large, or says anything that a pipeline can't say.
    pub(crate) fn read(path: &Path) -> Result<Pipeline, PipelineError> {
        let bytes = contract::file::read_limited(path, BYTES_MAX).map_err(|source| {
            PipelineError::Read {
                path: path.to_owned(),
                source,
            }
        })?;
        let content = |line: Option<u32>, what: String| PipelineError::Content {
            path: path.to_owned(),
            line,
            what,
        };
        if bytes.len() as u64 > BYTES_MAX {
            return Err(content(None, format!("larger than {BYTES_MAX} bytes")));
        }
        let text = std::str::from_utf8(&bytes).map_err(|error| {
            let line = line_at(&bytes, error.valid_up_to());
            content(Some(line), format!("line {line}: not UTF-8"))
        })?;
        let mut pipeline = parse(text).map_err(|wrong| {
            let line = wrong.at.map(|at| line_at(&bytes, at));
            let what = match line {
                Some(line) => format!("line {line}: {}", wrong.what),
                None => wrong.what,
            };
            content(line, what)
        })?;
        pipeline.path = path.to_owned();
        pipeline.sha256 = contract::evidence::hex(&Sha256::digest(&bytes));
        Ok(pipeline)
    }
}

fn line_at(bytes: &[u8], at: usize) -> u32 {
    let before = &bytes[..at.min(bytes.len())];
    let breaks = before.iter().filter(|byte| **byte == b'\n').count();
    u32::try_from(breaks + 1).unwrap_or(u32::MAX)
}

/// What is wrong, and at which byte.
#[derive(Debug)]
struct Wrong {
    at: Option<usize>,
    what: String,
}

fn wrong(span: &Range<usize>, what: impl Into<String>) -> Wrong {
    Wrong {
        at: Some(span.start),
        what: what.into(),
    }
}

impl From<toml::de::Error> for Wrong {
    fn from(error: toml::de::Error) -> Wrong {
        Wrong {
            at: error.span().map(|span| span.start),
            what: error.message().trim().replace('\n', ", "),
        }
    }
}

// The shape of the file. Names and types are serde's; what the values may be is said below, where
// the messages can name what was meant.

#[derive(Deserialize)]
struct FileShape {
    pipeline: Spanned<i64>,
    name: Spanned<String>,
    environment: Option<Spanned<String>>,
    #[serde(default)]
    defaults: DefaultsShape,
    #[serde(default)]
    step: Vec<Spanned<StepShape>>,
    #[serde(default)]
    rollback: Vec<Spanned<StepShape>>,
    #[serde(default)]
    on_failure: Vec<Spanned<StepShape>>,
    #[serde(default)]
    finally: Vec<Spanned<StepShape>>,
}

#[derive(Default, Deserialize)]
struct DefaultsShape {
    timeout: Option<Spanned<Written>>,
    grace: Option<Spanned<Written>>,
}

#[derive(Deserialize)]
struct StepShape {
    name: Option<Spanned<String>>,
    run: Spanned<Vec<Spanned<String>>>,
    changes: Option<Spanned<String>>,
    timeout: Option<Spanned<Written>>,
    grace: Option<Spanned<Written>>,
    env: Option<Vec<Spanned<String>>>,
    retry: Option<RetryShape>,
}

#[derive(Deserialize)]
struct RetryShape {
    on: Spanned<Vec<Spanned<String>>>,
    attempts: Spanned<i64>,
    delay: Option<Spanned<Written>>,
    delay_max: Option<Spanned<Written>>,
}

const FILE_KEYS: [&str; 8] = [
    "pipeline",
    "name",
    "environment",
    "defaults",
    "step",
    "rollback",
    "on_failure",
    "finally",
];
const DEFAULTS_KEYS: [&str; 2] = ["timeout", "grace"];
const STEP_KEYS: [&str; 7] = ["name", "run", "changes", "timeout", "grace", "env", "retry"];
const RETRY_KEYS: [&str; 4] = ["on", "attempts", "delay", "delay_max"];

fn parse(text: &str) -> Result<Pipeline, Wrong> {
    let table = DeTable::parse(text)?;
    known_keys(table.get_ref())?;
    let shape: FileShape = toml::from_str(text)?;
    if *shape.pipeline.get_ref() != 1 {
        return Err(wrong(
            &shape.pipeline.span(),
            format!(
                "pipeline = {} is not a format that this version reads; it reads pipeline = 1",
                shape.pipeline.get_ref()
            ),
        ));
    }
    let total =
        shape.step.len() + shape.rollback.len() + shape.on_failure.len() + shape.finally.len();
    if total > STEPS_MAX {
        let what = format!("{total} steps are more than the {STEPS_MAX} that a pipeline may have");
        return Err(Wrong { at: None, what });
    }
    if shape.step.is_empty() {
        let what = "it has no [[step]], so there is nothing to run".to_owned();
        return Err(Wrong { at: None, what });
    }
    let defaults = Defaults {
        timeout: duration(shape.defaults.timeout.as_ref())?.unwrap_or(Duration::from_secs(60)),
        grace: duration(shape.defaults.grace.as_ref())?.unwrap_or(Duration::from_secs(5)),
    };
    let steps = |shapes: Vec<Spanned<StepShape>>| -> Result<Vec<Step>, Wrong> {
        shapes.into_iter().map(|shape| step(shape, text)).collect()
    };
    Ok(Pipeline {
        path: PathBuf::new(),
        sha256: String::new(),
        name: label(&shape.name)?,
        environment: shape.environment.as_ref().map(environment).transpose()?,
        defaults,
        steps: steps(shape.step)?,
        rollback: steps(shape.rollback)?,
        on_failure: steps(shape.on_failure)?,
        finally: steps(shape.finally)?,
    })
}

fn step(shape: Spanned<StepShape>, text: &str) -> Result<Step, Wrong> {
    let span = shape.span();
    let shape = shape.into_inner();
    let run = shape.run.get_ref();
    if run
        .first()
        .is_none_or(|program| program.get_ref().is_empty())
    {
        return Err(wrong(&shape.run.span(), "run names no program"));
    }
    for argument in run {
        if argument.get_ref().contains('\0') {
            return Err(wrong(
                &argument.span(),
                "an argument can't hold a NUL character",
            ));
        }
        if argument.get_ref().len() > ARGUMENT_BYTES_MAX {
            let what = format!("an argument is longer than {ARGUMENT_BYTES_MAX} bytes");
            return Err(wrong(&argument.span(), what));
        }
    }
    let file_name = crate::plan::file_name(run[0].get_ref());
    if shape.name.is_none() && !can_be_printed(file_name) {
        let what =
            format!("the program's name can't be printed, so the step needs a name; {LABEL}");
        return Err(wrong(&run[0].span(), what));
    }
    Ok(Step {
        line: Some(line_at(text.as_bytes(), span.start)),
        name: shape.name.as_ref().map(label).transpose()?,
        run: run.iter().map(|word| word.get_ref().clone()).collect(),
        changes: shape.changes.as_ref().map(changes).transpose()?,
        timeout: duration(shape.timeout.as_ref())?,
        grace: duration(shape.grace.as_ref())?,
        env: shape.env.map(variables).transpose()?,
        retry: shape.retry.map(retry).transpose()?,
    })
}

fn retry(shape: RetryShape) -> Result<Retry, Wrong> {
    let (mut on_unavailable, mut on_busy) = (false, false);
    for class in shape.on.get_ref() {
        match class.get_ref().as_str() {
            "unavailable" => on_unavailable = true,
            "busy" => on_busy = true,
            other => {
                let what = format!(
                    "retry on {other:?}: only \"unavailable\" and \"busy\" can pass by themselves"
                );
                return Err(wrong(&class.span(), what));
            }
        }
    }
    if !on_unavailable && !on_busy {
        return Err(wrong(&shape.on.span(), "retry names no class in `on`"));
    }
    let attempts = *shape.attempts.get_ref();
    let attempts = u32::try_from(attempts)
        .ok()
        .filter(|attempts| (2..=100).contains(attempts))
        .ok_or_else(|| {
            let what = format!("attempts = {attempts}: it counts the first one too, from 2 to 100");
            wrong(&shape.attempts.span(), what)
        })?;
    let delay = duration(shape.delay.as_ref())?.unwrap_or(Duration::from_secs(1));
    let delay_max = duration(shape.delay_max.as_ref())?.unwrap_or(Duration::from_secs(15));
    Ok(Retry {
        on_unavailable,
        on_busy,
        attempts,
        delay,
        delay_max: delay_max.max(delay),
    })
}

fn changes(value: &Spanned<String>) -> Result<Changes, Wrong> {
    match value.get_ref().as_str() {
        "nothing" => Ok(Changes::Nothing),
        "files" => Ok(Changes::Files),
        "database" => Ok(Changes::Database),
        "service" => Ok(Changes::Service),
        other => {
            let known = ["nothing", "files", "database", "service"];
            let what = format!("changes = {other:?}: {}", meant(other, &known));
            Err(wrong(&value.span(), what))
        }
    }
}

fn duration(value: Option<&Spanned<Written>>) -> Result<Option<Duration>, Wrong> {
    let Some(value) = value else { return Ok(None) };
    let Written(text) = value.get_ref();
    let what = match settings::duration::parse_limit(text) {
        Err(error) => format!("{text:?}: {error}"),
        Ok(long) if long > DURATION_MAX => format!("{text:?} is longer than a week"),
        Ok(duration) => return Ok(Some(duration)),
    };
    Err(wrong(&value.span(), what))
}

/// A name that is printed.
fn label(value: &Spanned<String>) -> Result<String, Wrong> {
    let text = value.get_ref();
    if !can_be_printed(text) {
        return Err(wrong(&value.span(), LABEL));
    }
    Ok(text.clone())
}

const LABEL: &str = "a name is 1 to 100 characters on one line, without ##[ and without characters \
                     that reorder a line";

/// Whether a name can stand in a line of output and not pass for output of another kind: for one
/// that a terminal or a CI runner obeys.
fn can_be_printed(text: &str) -> bool {
    let reorders = |c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    !text.trim().is_empty()
        && text.chars().count() <= 100
        && !text.chars().any(|c| c.is_control() || reorders(c))
        && !text.contains("##[")
}

/// The environment's name also names the lock file.
fn environment(value: &Spanned<String>) -> Result<String, Wrong> {
    let text = value.get_ref();
    if !settings::environment::is_name(text) {
        let what = "an environment's name is up to 64 letters, digits, - and _";
        return Err(wrong(&value.span(), what));
    }
    Ok(text.clone())
}

fn variables(values: Vec<Spanned<String>>) -> Result<Vec<String>, Wrong> {
    let name = |value: Spanned<String>| {
        let text = value.get_ref();
        if text.is_empty() || text.contains(['=', '\0']) {
            let what = format!("env = [{text:?}]: it names variables, it does not set them");
            return Err(wrong(&value.span(), what));
        }
        Ok(value.into_inner())
    };
    values.into_iter().map(name).collect()
}

/// serde would say "unknown field"; this says which one was meant, and on which line.
fn known_keys(file: &DeTable<'_>) -> Result<(), Wrong> {
    check_keys(file, "a pipeline", &FILE_KEYS)?;
    const RUN: &str = "run is a list of words, as run = [\"verify-env\", \"--strict\"]";
    const RETRY: &str = "retry is a table, as retry = { on = [\"unavailable\"], attempts = 3 }";
    if let Some(defaults) = table_of(file, "defaults") {
        check_keys(defaults, "[defaults]", &DEFAULTS_KEYS)?;
    }
    for kind in ["step", "rollback", "on_failure", "finally"] {
        let Some(value) = file.get(kind) else {
            continue;
        };
        let DeValue::Array(steps) = value.get_ref() else {
            let what = format!("steps are a list, and each begins with [[{kind}]]");
            return Err(wrong(&value.span(), what));
        };
        for step in steps.iter() {
            let DeValue::Table(step) = step.get_ref() else {
                continue;
            };
            check_keys(step, &format!("[[{kind}]]"), &STEP_KEYS)?;
            let is_list = |value: &DeValue<'_>| matches!(value, DeValue::Array(_));
            if let Some(run) = step.get("run").filter(|run| !is_list(run.get_ref())) {
                return Err(wrong(&run.span(), RUN));
            }
            match step
                .get("retry")
                .map(|retry| (retry.get_ref(), retry.span()))
            {
                None => {}
                Some((DeValue::Table(retry), _)) => check_keys(retry, "retry", &RETRY_KEYS)?,
                Some((_, span)) => return Err(wrong(&span, RETRY)),
            }
        }
    }
    Ok(())
}

fn table_of<'t, 'i>(table: &'t DeTable<'i>, key: &str) -> Option<&'t DeTable<'i>> {
    match table.get(key).map(Spanned::get_ref) {
        Some(DeValue::Table(inner)) => Some(inner),
        _ => None,
    }
}

fn check_keys(table: &DeTable<'_>, place: &str, known: &[&str]) -> Result<(), Wrong> {
    for key in table.keys() {
        let name = key.get_ref().as_ref();
        if !known.contains(&name) {
            let what = format!("{place} has no key {name:?}; {}", meant(name, known));
            return Err(wrong(&key.span(), what));
        }
    }
    Ok(())
}

/// The known word that was meant, or all of them when none is near.
fn meant(word: &str, known: &[&str]) -> String {
    match settings::nearest::nearest(word, known.iter().copied()) {
        Some(nearest) => format!("did you mean {nearest:?}?"),
        None => format!("known are {}", known.join(", ")),
    }
}

#[cfg(test)]
#[path = "pipeline_tests.rs"]
mod tests;
