//! The plan of a deployment: which files would run here, and what stands against it.

pub mod adoption;
mod checks;
pub mod tool;

use std::borrow::Cow;
use std::collections::BTreeMap;

use contract::{Class, Classify, Report};
use migrations::{Dialect, Layout, Migration, Problem, Set, Severity, State};
use records::{LEDGER_DEFAULT, LedgerName, LedgerNameError, NamedTool, Setting, Survey};
use serde_json::{Value, json};
use settings::{Settings, Target};
use sql::LeftOut;

pub use checks::{ADOPTED, CHECKS, FOLDER_FILLED, ONE_TOOL, RUNNABLE};

/// The fact that names the settings under which the files run, those that a server has without
/// anybody's doing left out.
pub const SETTINGS: &str = "settings";

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folder can't be read, or is laid out in more than one way.
    #[error(transparent)]
    Migrations(#[from] migrations::Error),
    /// `[migrations] ledger` is no name.
    #[error(transparent)]
    Ledger(#[from] LedgerNameError),
    /// `[migrations] tool` names no tool that is known.
    #[error("cannot use the tool {0:?} of [migrations]: nobody knows its ledger")]
    UnknownTool(String),
    /// What is asked for is the business of the tool that `[migrations] tool` names.
    #[error("cannot plan a deployment: [migrations] tool names {}, which deploys here", .0.name)]
    OtherTool(NamedTool),
    /// `[migrations] schema` is one of Lockstep's own.
    #[error("cannot run files in the schema {0}: it is Lockstep's own")]
    OwnSchema(String),
}

impl Classify for Error {
    fn class(&self) -> Class {
        Class::Usage
    }

    fn remedy(&self) -> Option<String> {
        match self {
            Error::Migrations(error) => error.remedy(),
            Error::Ledger(error) => error.remedy(),
            Error::UnknownTool(written) => {
                let known = NamedTool::names();
                let near = settings::nearest::nearest(written, known.iter().copied());
                Some(match near {
                    Some(near) => format!("write tool = \"{}\"", near.to_lowercase()),
                    None => format!("write one of {}", known.join(", ")),
                })
            }
            Error::OtherTool(tool) => Some(format!(
                "{}; or, where Lockstep is to deploy, take tool out of [migrations]",
                as_a_step(tool.runs)
            )),
            Error::OwnSchema(_) => {
                Some("name another in schema of [migrations]: the files' tables go there".into())
            }
        }
    }
}

/// What would run on one database.
#[derive(Debug)]
pub struct Plan {
    /// The migrations of the folder.
    pub set: Set,
    /// The set measured against the ledger.
    pub state: State,
    /// Names the state of the ledger.
    pub ledger_state: String,
    /// Names target, ledger state, pending files, and the schema and settings that they run under.
    pub hash: String,
    /// The target's identity.
    pub identity: String,
    /// PostgreSQL: the `search_path` in which the files run.
    pub search_path: Option<String>,
    /// PostgreSQL: the settings under which the files run, as far as they change what a file means.
    pub settings: Vec<Setting>,
    /// The ledger, which no file may touch.
    pub ledger: LedgerName,
    /// At which version a database is that is not adopted, where somebody has looked.
    pub adoption: Option<adoption::Adoption>,
}

/// The ledger that the settings name.
///
/// # Errors
///
/// When it is no name, or when the files would run in its schema or the mark's: a name without a
/// schema would mean Lockstep's own tables first.
pub fn ledger_name(settings: &Settings) -> Result<LedgerName, Error> {
    let ledger = LedgerName::new(settings.migrations.ledger.as_deref())?;
    match settings.migrations.schema.as_deref() {
        Some(schema) if schema == LEDGER_DEFAULT || schema == ledger.as_str() => {
            Err(Error::OwnSchema(schema.to_owned()))
        }
        _ => Ok(ledger),
    }
}

/// The tool that the settings name, which deploys in Lockstep's place.
///
/// # Errors
///
/// When nobody knows it.
pub fn tool(settings: &Settings) -> Result<Option<NamedTool>, Error> {
    let Some(written) = settings.migrations.tool.as_deref() else {
        return Ok(None);
    };
    let unknown = || Error::UnknownTool(written.to_owned());
    NamedTool::of(written).map(Some).ok_or_else(unknown)
}

/// What to do where another tool deploys.
pub fn as_a_step(runs: &str) -> String {
    format!(
        "run `{runs}` as a step of the pipeline, with changes = \"database\", in the place of deploy-db"
    )
}

/// The dialect of a target.
pub fn dialect(target: &Target) -> Dialect {
    match target {
        Target::Sqlite(_) => Dialect::Sqlite,
        Target::Postgres(_) => Dialect::Postgres,
    }
}

/// The migrations of the folder that count on a surveyed database.
///
/// # Errors
///
/// When the migrations folder can't be read, or can't be told how it is laid out.
pub fn set(settings: &Settings, dialect: Dialect, survey: &Survey) -> Result<Set, Error> {
    let asked = match &settings.migrations.layout {
        Some(name) => Layout::asked(name)?,
        None => None,
    };
    let mut set = migrations::discover(&settings.migrations.dir, asked, dialect)?;
    set.settle(survey.rows(), !survey.not_adopted());
    Ok(set)
}

/// Makes the plan for a surveyed database.
///
/// # Errors
///
/// When the migrations folder can't be read, or can't be told how it is laid out.
pub fn make(settings: &Settings, dialect: Dialect, survey: &Survey) -> Result<Plan, Error> {
    if let Some(tool) = tool(settings)? {
        return Err(Error::OtherTool(tool));
    }
    let set = set(settings, dialect, survey)?;
    let state = migrations::compare(&set, survey.rows());
    let ledger_state = migrations::ledger_state(survey.rows());
    let identity = survey.identity();
    let search_path = match &settings.migrations.schema {
        Some(schema) => Some(schema.clone()),
        None => survey.search_path.clone(),
    };
    let pending: Vec<&Migration> = state
        .pending
        .iter()
        .map(|at| &set.migrations[*at])
        .collect();
    let extra: Vec<(&str, &str)> = search_path
        .iter()
        .map(|path| ("search_path", path.as_str()))
        .chain(survey.settings.iter().map(named))
        .collect();
    let hash = migrations::plan_hash(&identity, &ledger_state, &pending, &extra);
    Ok(Plan {
        set,
        state,
        ledger_state,
        hash,
        identity,
        search_path,
        settings: survey.settings.clone(),
        ledger: ledger_name(settings)?,
        adoption: None,
    })
}

/// A number of files in words: `1 pending file`, `2 pending files`.
pub fn files(count: usize, one: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{count} {one}{ending}")
}

/// What is said of a file that brings transactions of its own.
fn left_out(migration: &Migration, statements: &[LeftOut]) -> String {
    const NAMED_MAX: usize = 6;
    let line = |statement: &LeftOut| (migration.up_line + statement.line - 1).to_string();
    let lines: Vec<String> = statements.iter().map(line).collect();
    let lines = match lines.as_slice() {
        [first, .., last] if lines.len() > NAMED_MAX => format!("{first} to {last}"),
        lines => lines.join(", "),
    };
    format!(
        "its own BEGIN and COMMIT (lines {lines}) are left out: the runner's transaction holds the \
         file and its ledger row"
    )
}

fn named(setting: &Setting) -> (&str, &str) {
    (&setting.name, &setting.value)
}

impl Plan {
    /// The migrations that would run, in order.
    pub fn pending(&self) -> impl Iterator<Item = &Migration> {
        self.state
            .pending
            .iter()
            .map(|at| &self.set.migrations[*at])
    }

    /// The file of a migration, as the user would type it.
    pub fn path(&self, migration: &Migration) -> String {
        self.set.path(&migration.file).display().to_string()
    }

    /// Reports everything that stands against running the plan, and what was looked at.
    pub fn report(&self, dialect: Dialect, survey: &Survey, report: &mut Report) {
        let folder = self.set.dir.display().to_string();
        if !self.set.migrations.is_empty() {
            report.held(&FOLDER_FILLED, folder);
        } else if self.set.problems.iter().any(Problem::is_failure) {
            report.skipped(&FOLDER_FILLED, folder, "none of its files can be used");
        } else {
            report.warned(&FOLDER_FILLED, folder, "there is no migration in it");
        }
        self.report_adoption(survey, report);
        let problems: Vec<&Problem> = self
            .set
            .problems
            .iter()
            .chain(&self.state.problems)
            .collect();
        for problem in &problems {
            self.report_problem(problem, report);
        }
        for (check, text) in checks::OF_FILES.iter().zip(migrations::checks::ALL) {
            let found = |problem: &&Problem| problem.kind.check_id() == text.id;
            if !problems.iter().any(found) && !self.set.migrations.is_empty() {
                report.held(check, files(self.set.migrations.len(), "file"));
            }
        }
        for named in self.set.repeatable.iter().chain(&self.set.set_aside) {
            report.skipped(
                &FOLDER_FILLED,
                self.set.path(&named.file).display().to_string(),
                named.why.clone(),
            );
        }
        self.report_hindrances(dialect, report);
    }

    fn report_adoption(&self, survey: &Survey, report: &mut Report) {
        for foreign in &survey.foreign {
            // Where Lockstep has deployed, the table may as well be the application's own, made by
            // one of its files.
            if survey.rows().is_empty() {
                report
                    .broken(
                        &ONE_TOOL,
                        &foreign.table,
                        format!("{} keeps its ledger here", foreign.tool),
                    )
                    .remedy(format!(
                        "write tool = \"{}\" under [migrations], and {}; or drop that ledger and adopt the database with mark-migrations",
                        foreign.words().join("\" or \""),
                        as_a_step(foreign.runs)
                    ));
            } else {
                report
                    .warned(
                        &ONE_TOOL,
                        &foreign.table,
                        format!("is a table as {} keeps its ledger", foreign.tool),
                    )
                    .remedy(format!(
                        "drop the table if nothing uses it; where `{}` still runs here, let one of the two migrate the database",
                        foreign.runs
                    ));
            }
        }
        if survey.not_adopted() {
            self.report_not_adopted(survey, report);
        } else {
            report.held(&ADOPTED, format!("{} applied", self.state.applied));
        }
    }

    fn report_problem(&self, problem: &Problem, report: &mut Report) {
        let Some(check) = checks::of(problem.kind.check_id()) else {
            return;
        };
        let subject = problem.subject();
        let finding = match problem.severity() {
            Severity::Failure => report.broken(check, subject, &problem.message),
            Severity::Warning => report.warned(check, subject, &problem.message),
        };
        finding.remedy(problem.remedy());
        finding.expected.clone_from(&problem.expected);
        finding.actual.clone_from(&problem.actual);
        if let Some(file) = &problem.file {
            finding.at(self.set.path(file).display().to_string(), problem.line);
        }
    }

    /// What can't run in the runner's transaction, or not at all, is found before anything runs.
    fn report_hindrances(&self, dialect: Dialect, report: &mut Report) {
        let mut clean = 0;
        for migration in self.pending() {
            let script = sql::parse(dialect, &migration.up);
            let mut found = false;
            let mut verdicts: Vec<(u32, String, checks::Verdict)> = Vec::new();
            for hindered in sql::hindrances(&script, &migration.up, self.ledger.as_str()) {
                if let Some(verdict) = checks::hindrance(&hindered, migration.no_transaction) {
                    verdicts.push((hindered.line, hindered.text, verdict));
                }
            }
            let own = sql::transactions(&script, &migration.up, migration.no_transaction);
            for fault in own.faults {
                let verdict = checks::transaction(&fault.trouble, migration);
                verdicts.push((fault.line, fault.text, verdict));
            }
            verdicts.sort_by_key(|(line, ..)| *line);
            let subject = migration.file.display().to_string();
            for (line, text, verdict) in verdicts {
                let line = Some(migration.up_line + line - 1);
                let message = format!("{text}: {}", verdict.message);
                let finding = if verdict.fails {
                    found = true;
                    report.broken(&RUNNABLE, &subject, message)
                } else {
                    report.warned(&RUNNABLE, &subject, message)
                };
                finding
                    .remedy(verdict.remedy)
                    .at(self.path(migration), line);
            }
            for error in &script.errors {
                found = true;
                let line = Some(migration.up_line + error.line - 1);
                report
                    .broken(
                        &RUNNABLE,
                        &subject,
                        format!("the parser cannot read it: {}", error.message),
                    )
                    .at(self.path(migration), line);
            }
            if !found && !own.left_out.is_empty() {
                report.held(&RUNNABLE, &subject).message = left_out(migration, &own.left_out);
                continue;
            }
            clean += usize::from(!found);
        }
        if clean > 0 {
            report.held(&RUNNABLE, files(clean, "pending file"));
        }
    }

    /// What names the plan, as results state it.
    pub fn facts(&self, report: &mut Report) {
        report
            .fact("layout", self.set.layout.name())
            .fact("applied", self.state.applied)
            .fact("ledger_state", &self.ledger_state)
            .fact("plan", &self.hash)
            .fact("identity", &self.identity);
        if let Some(path) = &self.search_path {
            report.fact("search_path", path);
        }
        let set: BTreeMap<&str, &str> = self
            .settings
            .iter()
            .filter(|setting| !setting.is_default)
            .map(named)
            .collect();
        if !set.is_empty() {
            report.fact(SETTINGS, json!(set));
        }
    }

    /// What of [`SETTINGS`], as another run's result states it, was another value than here, in words.
    pub fn settings_other_than(&self, stated: &Value) -> Vec<String> {
        let differs = |setting: &Setting| {
            let was = stated[&setting.name].as_str();
            let same = match was {
                Some(was) => was == setting.value,
                None => setting.is_default,
            };
            let was = was.unwrap_or("the server's default");
            (!same).then(|| format!("{} was {was}, is {}", setting.name, setting.value))
        };
        self.settings.iter().filter_map(differs).collect()
    }

    /// The pending files, as results state them.
    pub fn pending_facts(&self, report: &mut Report) {
        let pending: Vec<Value> = self
            .pending()
            .map(|migration| {
                let mut facts = json!({
                    "version": migration.version,
                    "name": migration.name,
                    "file": migration.file.display().to_string(),
                    "sha256": migrations::hex(&migration.sha256),
                    "no_transaction": migration.no_transaction,
                });
                if !migration.no_transaction
                    && let Cow::Owned(_) = sql::within_transaction(self.set.dialect, &migration.up)
                {
                    facts["own_transaction"] = json!("left out");
                }
                facts
            })
            .collect();
        report.fact("pending", pending);
    }
}
