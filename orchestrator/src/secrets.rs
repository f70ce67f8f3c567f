//! Which steps get a variable that `lockstep.toml` declares a secret.

use std::collections::BTreeMap;

use settings::file::{VariableKind, VariableRule};
use settings::nearest::nearest;

use crate::plan::{PlannedStep, file_name};
use crate::promise::{Promise, suite};

/// The variables of kind `secret`.
#[derive(Debug, Default)]
pub(crate) struct Secrets(BTreeMap<String, VariableRule>);

impl Secrets {
    /// Those that the settings declare.
    ///
    /// # Errors
    ///
    /// Where one is for a program that there is not: it would never arrive.
    pub(crate) fn of(declared: &BTreeMap<String, VariableRule>) -> Result<Secrets, String> {
        for (variable, rule) in declared {
            for program in rule.programs.iter().flatten() {
                if !suite().any(|known| known == program) {
                    return Err(match nearest(program, suite()) {
                        Some(known) => {
                            format!("[env.{variable}] is for {program:?}; did you mean {known:?}?")
                        }
                        None => format!(
                            "[env.{variable}] is for {program:?}, which is no program of \
                             Lockstep; a step of another program gets it by its own env"
                        ),
                    });
                }
            }
        }
        let secret = |rule: &&VariableRule| rule.kind == VariableKind::Secret;
        let secrets = declared.iter().filter(|(_, rule)| secret(rule));
        Ok(Secrets(
            secrets
                .map(|(name, rule)| (name.clone(), rule.clone()))
                .collect(),
        ))
    }

    /// Whether the variable is a secret that the step does not get: one of the suite gets those that
    /// are for it, a foreign one those that its own `env` names.
    pub(crate) fn withhold(&self, variable: &str, step: &PlannedStep) -> bool {
        self.0.get(variable).is_some_and(|rule| match step.promise {
            Promise::Ours(_) => !rule.reaches(file_name(&step.run[0])),
            Promise::Foreign(_) => {
                let asked = step.env.iter().flatten();
                !asked.into_iter().any(|name| name == variable)
            }
        })
    }
}
