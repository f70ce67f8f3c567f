//! What a program's help and manual page say beyond its arguments.

#![allow(clippy::unwrap_used, reason = "a test that can not go on fails")]

use std::path::Path;
use std::process::Command;

use tests::programs::{self, names, program};

fn text(name: &str, option: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    let output = program(name, dir.path()).arg(option).output().unwrap();
    assert!(output.status.success(), "{name} {option}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// A page's sections: headings and bodies, as text.
fn sections(name: &str) -> Vec<(String, String)> {
    let page = text(name, "--man").replace("\\-", "-");
    let sections = page.split("\n.SH ").skip(1);
    sections
        .map(|section| {
            let (heading, body) = section.split_once('\n').unwrap();
            (heading.trim_matches('"').to_owned(), body.to_owned())
        })
        .collect()
}

/// The commands below "Examples:" in a help.
fn examples(name: &str) -> Vec<String> {
    let help = text(name, "--help");
    let (_, rest) = help
        .split_once("\nExamples:\n")
        .unwrap_or_else(|| panic!("{name}: {help}"));
    let (block, _) = rest.split_once("\n\n").unwrap();
    let command = |line: &str| {
        Some(
            line.strip_prefix("  ")
                .filter(|line| !line.starts_with(' '))?
                .to_owned(),
        )
    };
    block.lines().filter_map(command).collect()
}

#[test]
fn each_manual_page_has_the_sections_of_one() {
    for name in names() {
        let sections = sections(&name);
        let at = |wanted: &str| {
            let found = sections.iter().position(|(heading, _)| heading == wanted);
            found.unwrap_or_else(|| panic!("{name} has no {wanted}"))
        };
        let order = [
            "NAME",
            "SYNOPSIS",
            "DESCRIPTION",
            "OPTIONS",
            "EXIT STATUS",
            "ENVIRONMENT",
            "FILES",
            "EXAMPLES",
            "SEE ALSO",
        ]
        .map(at);
        assert!(order.is_sorted(), "{name}: {sections:?}");
        assert!(
            sections.iter().all(|(_, body)| !body.trim().is_empty()),
            "{name}: {sections:?}"
        );
        // Once each.
        assert!(
            !sections.iter().any(|(heading, _)| heading == "EXTRA"),
            "{name}"
        );
        let body = |wanted: &str| sections[at(wanted)].1.as_str();
        let code = if name == "orchestrator" {
            "128+N"
        } else {
            "partial"
        };
        assert!(body("EXIT STATUS").contains(code), "{name}");
        for variable in ["LOCKSTEP_EVIDENCE", "NO_COLOR", "LOCKSTEP_ENV"] {
            assert!(body("ENVIRONMENT").contains(variable), "{name}: {variable}");
        }
        assert!(body("FILES").contains("lockstep.toml"), "{name}");
        let has_target = sections
            .iter()
            .any(|(_, body)| body.contains("\\fB--database-url-file\\fR"));
        assert_eq!(
            body("ENVIRONMENT").contains("DATABASE_URL"),
            has_target,
            "{name}"
        );
        assert_eq!(body("FILES").contains(".pgpass"), has_target, "{name}");
        let guarded = ["backup-", "mark-", "deploy-"]
            .iter()
            .any(|verb| name.starts_with(verb));
        if guarded {
            assert!(body("ENVIRONMENT").contains("\\fBCI\\fR"), "{name}");
        }
        for page in body("SEE ALSO").lines().next().unwrap().split(", ") {
            let other = page
                .strip_prefix("\\fB")
                .and_then(|page| page.strip_suffix("\\fR(1)"));
            let other = other.unwrap_or_else(|| panic!("{name}: {page}"));
            assert!(
                other != name && names().iter().any(|known| known == other),
                "{name}: {other}"
            );
        }
        for example in examples(&name) {
            assert!(body("EXAMPLES").contains(&example), "{name}: {example}");
        }
    }
}

/// Has a shell read a command line, without a run: everything before the decision.
fn is_understood(dir: &Path, line: &str) -> bool {
    let (name, _) = line.split_once(' ').unwrap_or((line, ""));
    let line = line.replacen(name, &format!("{name} --list-checks"), 1);
    let path = format!(
        "{}:{}",
        programs::dir().display(),
        std::env::var("PATH").unwrap()
    );
    let mut shell = Command::new("sh");
    shell.args(["-c", &line]).current_dir(dir).env("PATH", path);
    let output = shell.output().unwrap();
    output.status.success() && output.stderr.is_empty()
}

#[test]
fn each_example_of_a_help_is_understood_by_its_program() {
    let dir = tempfile::tempdir().unwrap();
    for name in names() {
        let examples = examples(&name);
        assert!(!examples.is_empty(), "{name}");
        for example in examples {
            assert!(example.starts_with(&name), "{name}: {example}");
            assert!(is_understood(dir.path(), &example), "{name}: {example}");
            // Not at the end, where it may be the application's.
            let odd = example.replacen(&name, &format!("{name} --no-such"), 1);
            assert!(!is_understood(dir.path(), &odd), "{example}");
        }
    }
}

#[test]
fn each_act_of_the_orchestrator_shows_the_examples_too() {
    let dir = tempfile::tempdir().unwrap();
    for act in ["run", "check", "list"] {
        let mut command = program("orchestrator", dir.path());
        let output = command.args([act, "--help"]).output().unwrap();
        let help = String::from_utf8(output.stdout).unwrap();
        assert!(help.contains("  orchestrator run production\n"), "{help}");
    }
}
