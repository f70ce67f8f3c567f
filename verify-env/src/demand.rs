//! What is demanded of each variable, from `lockstep.toml` and the example, checked for sense.

use std::collections::HashMap;

use regex_lite::Regex;
use settings::Settings;
use settings::dotenv::{self, Assignment};
use settings::file::{Condition, VariableKind, VariableRule};
use settings::nearest::nearest;
use settings::variables::Variables;

use crate::error::Error;
use crate::example::Example;

/// What is demanded of one variable.
pub(crate) struct Demand<'a> {
    pub(crate) name: &'a str,
    pub(crate) rule: VariableRule,
    /// `pattern`, anchored at both ends.
    pub(crate) pattern: Option<Regex>,
    /// Whether `lockstep.toml` has the rule; the example alone demands it otherwise.
    pub(crate) described: bool,
    example: Option<(&'a Example, &'a Assignment)>,
    /// Why the rule does not count here, if it does not.
    pub(crate) elsewhere: Option<String>,
}

impl<'a> Demand<'a> {
    /// Why the variable has to be set, as the end of a sentence; `None` if it need not be.
    pub(crate) fn required(&self, variables: &Variables) -> Option<String> {
        let Some(condition) = &self.rule.required_if else {
            return self.rule.required.unwrap_or(true).then(String::new);
        };
        let set = |name: &str| variables.get(name).filter(|value| !value.is_empty());
        match condition {
            Condition::Set(other) => set(other).map(|_| format!(", and required: {other} is set")),
            Condition::Equal(others) => others
                .iter()
                .all(|(other, value)| set(other).is_some_and(|found| found == value.as_str()))
                .then(|| {
                    let names: Vec<&str> = others.keys().map(String::as_str).collect();
                    format!(", and required by the value of {}", names.join(" and "))
                }),
        }
    }

    /// The example's value, if it has one that means anything.
    pub(crate) fn example_value(&self) -> Option<&'a str> {
        let (_, assignment) = self.example?;
        Some(assignment.value.as_str()).filter(|value| !value.is_empty())
    }

    pub(crate) fn example_location(&self) -> Option<(String, u32)> {
        let (example, assignment) = self.example?;
        Some((example.path.display().to_string(), assignment.line))
    }
}

/// All demands, those of the file first.
///
/// A variable that has a rule is judged by its rule; the example then adds its value only.
pub(crate) fn demands<'a>(
    settings: &'a Settings,
    example: Option<&'a Example>,
    environment: Option<&str>,
) -> Result<Vec<Demand<'a>>, Error> {
    let assignments: HashMap<&str, (&Example, &Assignment)> = example
        .iter()
        .flat_map(|example| example.assignments.iter().map(|one| (*example, one)))
        .map(|(example, one)| (one.name.as_str(), (example, one)))
        .collect();
    let assigned = |name: &str| assignments.get(name).copied();
    let mut demands = Vec::new();
    for (name, rule) in &settings.env {
        sensible(name, rule, settings)?;
        demands.push(Demand {
            name,
            pattern: pattern(name, rule)?,
            elsewhere: elsewhere(name, rule, environment)?,
            rule: rule.clone(),
            described: true,
            example: assigned(name),
        });
    }
    for assignment in example.iter().flat_map(|example| &example.assignments) {
        if !settings.env.contains_key(&assignment.name) {
            demands.push(Demand {
                name: &assignment.name,
                pattern: None,
                elsewhere: None,
                rule: VariableRule::default(),
                described: false,
                example: assigned(&assignment.name),
            });
        }
    }
    match environment {
        _ if demands.is_empty() => Err(Error::Nothing),
        Some(name) if demands.iter().all(|demand| demand.elsewhere.is_some()) => {
            Err(Error::NothingHere(name.to_owned()))
        }
        _ => Ok(demands),
    }
}

/// Why a rule does not count in this environment. Without an environment a rule for some can't be
/// passed over: it may be the one that protects production.
fn elsewhere(
    name: &str,
    rule: &VariableRule,
    environment: Option<&str>,
) -> Result<Option<String>, Error> {
    let Some(environments) = &rule.environments else {
        return Ok(None);
    };
    let Some(here) = environment else {
        let name = name.to_owned();
        return Err(Error::NoEnvironment { name });
    };
    let counts = environments.iter().any(|one| one == here);
    Ok((!counts).then(|| format!("counts in {} only", environments.join(", "))))
}

fn pattern(name: &str, rule: &VariableRule) -> Result<Option<Regex>, Error> {
    let Some(pattern) = &rule.pattern else {
        return Ok(None);
    };
    // On its own first: `a)|(b` is no expression, and would be one inside the parentheses.
    Regex::new(pattern)
        .and_then(|_| Regex::new(&format!(r"\A(?:{pattern})\z")))
        .map(Some)
        .map_err(|source| Error::Pattern {
            name: name.to_owned(),
            source,
        })
}

/// Refuses a rule that contradicts itself, or a part of which could never count: it would look
/// like a demand and be none.
fn sensible(name: &str, rule: &VariableRule, settings: &Settings) -> Result<(), Error> {
    use VariableKind::{Integer, Path, Port, Secret, String, Url};
    let refuse = |reason: std::string::String| {
        let name = name.to_owned();
        Err(Error::Rule { name, reason })
    };
    if !dotenv::is_name(name) {
        return refuse("it is no name of a variable".to_owned());
    }
    let kinds_of_limits = [
        (
            "min_length",
            rule.min_length.is_some(),
            &[String, Secret, Url][..],
        ),
        ("schemes", rule.schemes.is_some(), &[Url]),
        ("min", rule.min.is_some(), &[Integer, Port]),
        ("max", rule.max.is_some(), &[Integer, Port]),
        ("must_exist", rule.must_exist.is_some(), &[Path]),
        ("for", rule.programs.is_some(), &[Secret]),
    ];
    for (key, present, kinds) in kinds_of_limits {
        if present && !kinds.contains(&rule.kind) {
            return refuse(format!("{key} says nothing of this kind"));
        }
    }
    let says_more = rule.required.is_some()
        || rule.required_if.is_some()
        || rule.one_of.is_some()
        || rule.pattern.is_some()
        || rule.must_differ_from.is_some()
        || kinds_of_limits.iter().any(|(_, present, _)| *present);
    let others: Vec<&str> = match &rule.required_if {
        None => Vec::new(),
        Some(Condition::Set(other)) => vec![other],
        Some(Condition::Equal(others)) if others.is_empty() => {
            return refuse("required_if names no variable".to_owned());
        }
        Some(Condition::Equal(others)) => others.keys().map(|other| other.as_str()).collect(),
    };
    let empty = |list: &Option<Vec<std::string::String>>| list.as_ref().is_some_and(Vec::is_empty);
    if rule.forbidden && says_more {
        return refuse("a forbidden variable can't be demanded anything else".to_owned());
    }
    if rule.required.is_some() && rule.required_if.is_some() {
        return refuse("required and required_if exclude each other".to_owned());
    }
    if matches!((rule.min, rule.max), (Some(min), Some(max)) if min > max) {
        return refuse("min is greater than max".to_owned());
    }
    if empty(&rule.one_of) || empty(&rule.schemes) || empty(&rule.environments) {
        return refuse("an empty list would allow nothing".to_owned());
    }
    if others.contains(&name) || rule.must_differ_from.as_deref() == Some(name) {
        return refuse("it refers to itself".to_owned());
    }
    // A variable that nobody describes may be meant; one that is nearly described is mistyped, and
    // the demand would never be one.
    let described = || settings.env.keys().map(|known| known.as_str());
    for other in others
        .iter()
        .copied()
        .chain(rule.must_differ_from.as_deref())
    {
        if !settings.env.contains_key(other)
            && let Some(known) = nearest(other, described().filter(|known| *known != name))
        {
            return refuse(format!(
                "{other} is not described; did you mean \"{known}\"?"
            ));
        }
    }
    let declared = &settings.environments;
    for environment in rule.environments.iter().flatten() {
        if !declared.is_empty() && !declared.contains_key(environment) {
            let known = nearest(environment, declared.keys().map(|known| known.as_str()));
            return refuse(match known {
                Some(known) => {
                    format!("no environment is called \"{environment}\"; did you mean \"{known}\"?")
                }
                None => format!("no environment is called \"{environment}\""),
            });
        }
    }
    Ok(())
}
