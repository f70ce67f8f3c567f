//! Everything that is decided before anything is touched.

use std::path::Path;

use contract::{Class, Failure, Report, Run};
use settings::file::FILE_NAME;

use crate::lookup;
use crate::pipeline::{Pipeline, PipelineError};
use crate::plan::{self, Plan, PlannedStep, Problem, ProblemKind};
use crate::programs::Places;
use crate::promise::Promise;
use crate::secrets::Secrets;
use crate::verdict::{self, NOT_FOUND, NOT_RUNNABLE, OWN_FAULT};
use crate::{ENVIRONMENT_AGREES, Files, ORDER_SAFE, PIPELINE_VALID, PROGRAM_RUNNABLE};

/// A pipeline that may be run.
pub(crate) struct Ready {
    pub(crate) pipeline: Pipeline,
    pub(crate) plan: Plan,
    pub(crate) environment: Option<String>,
    /// The variable that names the environment beside `LOCKSTEP_ENV`.
    pub(crate) variable: Option<String>,
    pub(crate) secrets: Secrets,
    /// With warnings, if there are any.
    pub(crate) report: Report,
}

impl Ready {
    /// The report of an act that goes no further.
    pub(crate) fn summed_up(mut self, summary: String) -> Report {
        self.report.summary(summary);
        self.report
    }
}

/// A run that did not begin.
pub(crate) struct Refusal {
    pub(crate) report: Report,
}

impl Refusal {
    /// With the exit code that says why.
    pub(crate) fn new(mut report: Report, code: u8) -> Box<Refusal> {
        report.exit_as(code, verdict::class_name(code));
        Box::new(Refusal { report })
    }

    /// Exit code 125.
    pub(crate) fn own_fault(failure: impl Into<Failure>) -> Box<Refusal> {
        let mut report = Report::default();
        report.stopped_by(failure);
        Refusal::new(report, OWN_FAULT)
    }
}

/// Everything that can be decided before anything is touched.
///
/// # Errors
///
/// The report that says why nothing was run.
pub(crate) fn prepare(files: &Files, run: &Run) -> Result<Ready, Box<Refusal>> {
    let mut report = Report::default();
    const NAME_ONE: &str = "name a pipeline file, such as pipelines/predeploy.toml";
    let file = std::env::current_dir()
        .map_err(|error| {
            Refusal::own_fault(Failure::caused_by(
                Class::Error,
                "cannot tell the working folder",
                &error,
            ))
        })
        .and_then(|folder| {
            lookup::find(&files.pipeline, &folder).map_err(|unknown| {
                let failure = Failure::new(Class::Usage, unknown.to_string());
                Refusal::own_fault(failure.remedy(NAME_ONE))
            })
        })?;
    let pipeline = Pipeline::read(&file).map_err(|error| match &error {
        PipelineError::Content { path, line, what } => {
            let mut report = Report::default();
            let path = path.display().to_string();
            report.broken(&PIPELINE_VALID, &path, what).at(&path, *line);
            Refusal::new(report, OWN_FAULT)
        }
        PipelineError::Read { .. } => Refusal::own_fault(
            Failure::caused_by(
                Class::Usage,
                error.to_string(),
                std::error::Error::source(&error).unwrap_or(&error),
            )
            .remedy(NAME_ONE),
        ),
    })?;
    let named = name_environment(&pipeline, files, &mut report)?;
    if let Some(name) = &named.name {
        run.environment(name);
    }
    let places = Places::of_process(&file).map_err(|error| {
        let what = "cannot tell where programs are looked for";
        Refusal::own_fault(Failure::caused_by(Class::Error, what, &error))
    })?;
    let plan = plan::plan(&pipeline, named.protected, |program| places.find(program))
        .map_err(|problems| refuse(&pipeline, &problems, named.name.is_some()))?;
    let changes = plan.all().any(|step| step.promise.changes_database());
    if changes && named.protected && !named.ambient {
        let what = "neither LOCKSTEP_ENV nor the variable that lockstep.toml names is set, so \
                    programs that change a protected database will refuse";
        let finding = report.warned(&ENVIRONMENT_AGREES, &plan.name, what);
        finding.remedy("set LOCKSTEP_ENV where this environment's runs are configured");
    }
    if let Some(name) = &named.name
        && !named.ambient
        && !(changes && named.protected)
    {
        let what = "neither LOCKSTEP_ENV nor the variable that lockstep.toml names is set, so the \
                    steps do not know the environment that the pipeline names";
        let finding = report.warned(&ENVIRONMENT_AGREES, &plan.name, what);
        finding.remedy(format!(
            "set LOCKSTEP_ENV={name}, or give each step --environment"
        ));
    }
    if let Some(path) = &files.config {
        let given = |step: &PlannedStep| step.run.iter().any(|part| part.starts_with("--config"));
        let ours = |step: &&PlannedStep| matches!(step.promise, Promise::Ours(_));
        if let Some(step) = plan.all().filter(ours).find(|step| !given(step)) {
            let what = format!(
                "{} reads lockstep.toml in the working folder: --config is the orchestrator's own",
                step.name
            );
            let finding = report.warned(&ENVIRONMENT_AGREES, path.display().to_string(), what);
            finding.remedy("give the steps the same --config");
        }
    }
    if run.refuses(&report) {
        report.summary(format!("{} is not started", pipeline.name));
        return Err(Box::new(Refusal { report }));
    }
    Ok(Ready {
        pipeline,
        plan,
        environment: named.name,
        variable: named.variable,
        secrets: named.secrets,
        report,
    })
}

/// The environment, as far as it is known before a database is asked.
struct Named {
    name: Option<String>,
    /// Whether the process itself says it, and not the pipeline alone.
    ambient: bool,
    /// Protected unless the settings say otherwise; what has no name can't be said to be otherwise.
    protected: bool,
    /// The variable that `[environment]` in the settings names.
    variable: Option<String>,
    secrets: Secrets,
}

/// The pipeline's environment and the process's have to agree. The orchestrator never sets the
/// variable: for the guards it is the proof that this job is that environment's.
fn name_environment(
    pipeline: &Pipeline,
    files: &Files,
    report: &mut Report,
) -> Result<Named, Box<Refusal>> {
    let fault = |error: &dyn std::error::Error| {
        let failure = match error.source() {
            Some(cause) => Failure::caused_by(Class::Usage, error.to_string(), cause),
            None => Failure::new(Class::Usage, error.to_string()),
        };
        Refusal::own_fault(failure)
    };
    let settings = settings::Settings::read(files.config.as_deref(), Path::new(""))
        .map_err(|error| fault(&error))?;
    let secrets = Secrets::of(&settings.env).map_err(|what| {
        let path = settings.path.as_deref().unwrap_or(Path::new(FILE_NAME));
        let failure = Failure::new(
            Class::Usage,
            format!("cannot use {}: {what}", path.display()),
        );
        Refusal::own_fault(failure.remedy(format!("correct `for` in {}", path.display())))
    })?;
    let variable = settings.environment.variable.as_deref();
    let variables = settings::Variables::of_process();
    let ambient =
        settings::environment::name(None, variable, &variables).map_err(|error| fault(&error))?;
    if let (Some(declared), Some(ambient)) = (&pipeline.environment, &ambient)
        && declared != ambient
    {
        let mut report = std::mem::take(report);
        let what = "the process is in another environment than the pipeline is for";
        report
            .broken(&ENVIRONMENT_AGREES, &pipeline.name, what)
            .expected(declared)
            .actual(ambient);
        return Err(Refusal::new(report, OWN_FAULT));
    }
    let is_ambient = ambient.is_some();
    let name = pipeline.environment.clone().or(ambient);
    let protected = name.as_ref().is_none_or(|name| {
        let declared = settings.environments.get(name);
        declared.is_none_or(|environment| environment.protected)
    });
    Ok(Named {
        name,
        ambient: is_ambient,
        protected,
        variable: settings.environment.variable,
        secrets,
    })
}

fn refuse(pipeline: &Pipeline, problems: &[Problem], named: bool) -> Box<Refusal> {
    let mut report = Report::default();
    let path = pipeline.path.display().to_string();
    for problem in problems {
        let check = match problem.kind {
            ProblemKind::Declaration => &PIPELINE_VALID,
            ProblemKind::Order => &ORDER_SAFE,
            ProblemKind::Missing | ProblemKind::NotRunnable => &PROGRAM_RUNNABLE,
        };
        let mut remedy = problem.remedy.clone();
        if problem.kind == ProblemKind::Order && !named {
            remedy.push_str(
                "; a database without a named environment counts as protected, so name one that \
                 lockstep.toml declares unprotected if it is",
            );
        }
        let finding = report.broken(check, &problem.subject, &problem.what);
        finding.at(&path, problem.line).remedy(remedy);
    }
    let code = match problems.first().map(|problem| problem.kind) {
        Some(ProblemKind::Missing) => NOT_FOUND,
        Some(ProblemKind::NotRunnable) => NOT_RUNNABLE,
        Some(ProblemKind::Declaration | ProblemKind::Order) | None => OWN_FAULT,
    };
    report.summary(format!("{} was not started", pipeline.name));
    Refusal::new(report, code)
}
