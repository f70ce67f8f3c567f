//! What a step's environment is.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};

/// What a narrowed step gets without naming it: where things are, how to print, how to reach the
/// network, which environment this is, which CI it runs under. `LC_*`, the proxy variables and the
/// variable that names the environment come on top.
const BASE: [&str; 22] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "LANGUAGE",
    "TZ",
    "TMPDIR",
    "TERM",
    "NO_COLOR",
    "CLICOLOR_FORCE",
    "CI",
    "GITHUB_ACTIONS",
    "GITHUB_ACTOR",
    "GITHUB_STEP_SUMMARY",
    "GITLAB_CI",
    "GITLAB_USER_LOGIN",
    "RUNNER_ENVIRONMENT",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "LOCKSTEP_ENV",
];

/// What a shell keeps for itself; nobody misses it.
const SHELL: [&str; 4] = ["_", "OLDPWD", "PWD", "SHLVL"];

/// The environment of one step.
#[derive(Debug)]
pub(crate) struct Environment {
    pub(crate) variables: Vec<(OsString, OsString)>,
    pub(crate) withheld: Withheld,
    /// Names that the step asks for and that are not set.
    pub(crate) unset: BTreeSet<String>,
}

/// Names of variables that were set and are not passed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Withheld {
    /// Because the step's `env` does not name them.
    pub(crate) by_env: BTreeSet<String>,
    /// Because they are secrets that are for others.
    pub(crate) secrets: BTreeSet<String>,
}

/// Narrows `inherited` to the base set, `names_environment` and `asked`, unless nothing is asked
/// for, takes out those of which `secret` says so, and adds `own`, which wins.
pub(crate) fn for_step(
    inherited: impl IntoIterator<Item = (OsString, OsString)>,
    asked: Option<&[String]>,
    names_environment: Option<&str>,
    secret: impl Fn(&str) -> bool,
    own: &[(&str, OsString)],
) -> Environment {
    let mut environment = Environment {
        variables: Vec::new(),
        withheld: Withheld::default(),
        unset: asked.unwrap_or_default().iter().cloned().collect(),
    };
    for (name, value) in inherited {
        let shown = name.to_string_lossy().into_owned();
        let asked_for = asked.is_none_or(|asked| asked.contains(&shown));
        environment.unset.remove(&shown);
        if own.iter().any(|(own, _)| OsStr::new(own) == name) {
            continue;
        }
        if secret(&shown) {
            environment.withheld.secrets.insert(shown);
        } else if asked_for || is_base(&shown) || names_environment == Some(shown.as_str()) {
            environment.variables.push((name, value));
        } else if !SHELL.contains(&shown.as_str()) {
            environment.withheld.by_env.insert(shown);
        }
    }
    for (name, value) in own {
        environment.unset.remove(*name);
        environment
            .variables
            .push((OsString::from(name), value.clone()));
    }
    environment
}

fn is_base(name: &str) -> bool {
    let upper = name.to_ascii_uppercase();
    BASE.contains(&name) || name.starts_with("LC_") || upper.ends_with("_PROXY")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inherited() -> Vec<(OsString, OsString)> {
        [
            "PATH",
            "LC_ALL",
            "https_proxy",
            "GITHUB_ACTIONS",
            "NODE_ENV",
            "PGSSLMODE",
            "DATABASE_URL",
            "LOCKSTEP_STEP",
        ]
        .map(|name| (name.into(), "inherited".into()))
        .to_vec()
    }

    fn names(environment: &Environment) -> Vec<&str> {
        environment
            .variables
            .iter()
            .map(|(name, _)| name.to_str().unwrap())
            .collect()
    }

    #[test]
    fn without_a_list_everything_is_inherited_and_our_own_wins() {
        let own = [("LOCKSTEP_STEP", "01-a".into())];
        let environment = for_step(inherited(), None, None, |_| false, &own);
        assert_eq!(environment.variables.len(), inherited().len());
        assert_eq!(environment.withheld, Withheld::default());
        let own = ("LOCKSTEP_STEP".into(), "01-a".into());
        assert_eq!(environment.variables.last(), Some(&own));
    }

    #[test]
    fn a_list_narrows_and_what_it_withholds_is_named() {
        let asked = ["DATABASE_URL".to_owned(), "APP_KEY".to_owned()];
        let own = [("LOCKSTEP_STEP", OsString::from("01-a"))];
        let none = |_: &str| false;
        let environment = for_step(inherited(), Some(&asked), Some("NODE_ENV"), none, &own);
        assert_eq!(
            names(&environment),
            [
                "PATH",
                "LC_ALL",
                "https_proxy",
                "GITHUB_ACTIONS",
                "NODE_ENV",
                "DATABASE_URL",
                "LOCKSTEP_STEP"
            ]
        );
        assert_eq!(
            environment.withheld.by_env,
            BTreeSet::from(["PGSSLMODE".to_owned()])
        );
        assert_eq!(environment.unset, BTreeSet::from(["APP_KEY".to_owned()]));
    }

    #[test]
    fn a_secret_is_taken_out_whether_the_step_narrows_or_not_and_is_named_as_one() {
        // Also one that every step would get.
        let secret = |name: &str| ["DATABASE_URL", "https_proxy"].contains(&name);
        let asked = ["DATABASE_URL".to_owned(), "PGSSLMODE".to_owned()];
        for asked in [None, Some(&asked[..])] {
            let environment = for_step(inherited(), asked, None, secret, &[]);
            let names = names(&environment);
            assert!(names.contains(&"PGSSLMODE") && names.contains(&"PATH"));
            assert!(!names.contains(&"DATABASE_URL") && !names.contains(&"https_proxy"));
            let secrets = &environment.withheld.secrets;
            assert_eq!(
                secrets.iter().collect::<Vec<_>>(),
                ["DATABASE_URL", "https_proxy"]
            );
            // It is set.
            assert!(environment.unset.is_empty());
        }
    }
}
