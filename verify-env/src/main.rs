//! Verifies that the environment variables a deployment needs are set and well-formed.
//!
//! Reads the environment, `lockstep.toml`, and the files that `--example` and `--env-file` name.
//! Opens no connection, changes nothing, and shows no value, nor how long a secret is.

use std::path::PathBuf;
use std::process::ExitCode;

use contract::{Check, Finding, Manual, Report, Run, Tool};
use settings::{SETTINGS_USED, SettingsArgs, Variables};

mod demand;
mod error;
mod example;
mod ordinary;
#[cfg(test)]
mod tests;
mod value;

use demand::{Demand, demands};
use error::Error;
use example::Example;
use value::Fault;

const TOOL: Tool = contract::tool!([
    VARIABLE_SET,
    VARIABLE_ABSENT,
    VALUE_FORMED,
    VALUE_ALLOWED,
    VALUE_REPLACED,
    VALUES_DISTINCT,
    VALUE_CLEAN,
    PATH_PRESENT,
    SETTINGS_USED,
])
.with_manual(Manual {
    examples: &[
        (
            "verify-env",
            "hold the environment's variables against [env] in lockstep.toml",
        ),
        (
            "verify-env --example .env.example",
            "demand every variable of that file, with a value of its own",
        ),
    ],
    reads: &[settings::SETTINGS_READS],
    see_also: &["verify-connection", "orchestrator"],
});

const VARIABLE_SET: Check = Check {
    id: "variable-set",
    holds: "every required variable is set and not empty",
    remedy: "set the variable where the deployment runs, or make it optional with required = false",
};

/// What to do about a variable that only the example demands: there, no rule can be loosened.
const NOT_DESCRIBED: &str = "set the variable where the deployment runs, take it out of the \
                             example file, or describe it in lockstep.toml with required = false";

/// What to do about a value that may be a placeholder and may be meant.
const IF_MEANT: &str = "set a value of this deployment's own; where it is meant, list it as one_of \
                        under [env.NAME] in lockstep.toml";

const NOT_TEXT: &str = "set the variable to text in UTF-8, or describe it in lockstep.toml";

const VARIABLE_ABSENT: Check = Check {
    id: "variable-absent",
    holds: "no variable is set that is forbidden here",
    remedy: "unset the variable where the deployment runs",
};

const VALUE_FORMED: Check = Check {
    id: "value-formed",
    holds: "every value is of its variable's kind",
    remedy: "correct the value, or the variable's kind in lockstep.toml",
};

const VALUE_ALLOWED: Check = Check {
    id: "value-allowed",
    holds: "every value is within the limits that lockstep.toml sets",
    remedy: "correct the value, or the limit in lockstep.toml",
};

const VALUE_REPLACED: Check = Check {
    id: "value-replaced",
    holds: "no value is a placeholder or left as the example has it",
    remedy: "set a value of this deployment's own",
};

const VALUES_DISTINCT: Check = Check {
    id: "values-distinct",
    holds: "variables that must differ have different values",
    remedy: "give each of the two a value of its own",
};

const VALUE_CLEAN: Check = Check {
    id: "value-clean",
    holds: "no value begins and ends with quotes, or has white space around it",
    remedy: "set the value without them; a secret's file often ends in a newline",
};

const PATH_PRESENT: Check = Check {
    id: "path-present",
    holds: "every path is there and is what it should be",
    remedy: "create what the path names, or correct the path",
};

#[derive(clap::Args)]
struct Args {
    /// Demand also every variable that FILE (as .env.example) sets, with a value other than its.
    #[arg(long, value_name = "FILE")]
    example: Option<PathBuf>,

    #[command(flatten)]
    settings: SettingsArgs,
}

fn main() -> ExitCode {
    contract::run(&TOOL, |args: Args, run: &Run| {
        let loaded = args.settings.load(run)?;
        let example = args.example.as_deref().map(Example::read).transpose()?;
        let environment = loaded.environment.as_deref();
        let demands =
            demands(&loaded.settings, example.as_ref(), environment).map_err(|error| {
                match (&error, std::env::current_dir()) {
                    (Error::Nothing, Ok(folder)) if loaded.settings.path.is_none() => {
                        Error::NoFile(folder)
                    }
                    _ => error,
                }
            })?;
        let mut report = check(&demands, &loaded.variables);
        settings::report(&loaded.warnings, &mut report);
        Ok(report)
    })
}

fn check(demands: &[Demand<'_>], variables: &Variables) -> Report {
    let mut report = Report::default();
    for demand in demands {
        check_variable(demand, variables, &mut report);
    }
    report
}

fn check_variable(demand: &Demand<'_>, variables: &Variables, report: &mut Report) {
    let name = demand.name;
    if let Some(reason) = &demand.elsewhere {
        report.skipped(&VARIABLE_SET, name, reason);
        return;
    }
    let value = variables.get(name).filter(|value| !value.is_empty());
    let Some(value) = value else {
        let how = match variables.get(name) {
            Some(_) => "set but empty",
            None => "not set",
        };
        match demand.required(variables) {
            _ if demand.rule.forbidden => report.held(&VARIABLE_ABSENT, name),
            Some(because) => unset(demand, format!("{how}{because}"), report),
            None => report.skipped(&VARIABLE_SET, name, format!("{how}, and not required")),
        };
        return;
    };
    if demand.rule.forbidden {
        report.broken(&VARIABLE_ABSENT, name, "set, and forbidden here");
        return;
    }
    if value.to_str().is_some_and(|text| text.trim().is_empty()) {
        unset(demand, "set to nothing but white space".to_owned(), report);
        return;
    }
    report.held(&VARIABLE_SET, name);
    for (check, faults) in value::judge(demand, value, variables) {
        if faults.is_empty() {
            report.held(check, name);
        }
        for fault in faults {
            let Fault {
                message,
                expected,
                doubtful,
            } = fault;
            let finding = if *check == VALUE_CLEAN || doubtful {
                report.warned(check, name, message)
            } else {
                report.broken(check, name, message)
            };
            finding.expected = expected;
            if *check == VALUE_FORMED && !demand.described {
                finding.remedy(NOT_TEXT);
            }
            if doubtful {
                finding.remedy(IF_MEANT);
            }
            if *check == VALUE_REPLACED
                && let Some((file, line)) = demand.example_location()
            {
                finding.at(file, Some(line));
            }
        }
    }
}

fn unset<'a>(demand: &Demand<'_>, how: String, report: &'a mut Report) -> &'a mut Finding {
    let finding = report.broken(&VARIABLE_SET, demand.name, how);
    match demand.described {
        true => finding,
        false => finding.remedy(NOT_DESCRIBED),
    }
}
