//! The programs as they were built from this checkout.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The repository's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

/// The names of all programs: the workspace's folders with a hyphen, and the orchestrator.
pub fn names() -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(root())
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().join("src/main.rs").is_file())
        .map(|entry| entry.file_name().into_string().unwrap())
        .filter(|name| name.contains('-') || name == "orchestrator")
        .collect();
    names.sort();
    names
}

/// The folder of the built programs. Builds them first, so that no test runs yesterday's.
pub fn dir() -> &'static Path {
    static DIR: OnceLock<PathBuf> = OnceLock::new();
    DIR.get_or_init(|| {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let status = Command::new(cargo)
            .args(["build", "--quiet", "--workspace", "--bins"])
            .current_dir(root())
            .status()
            .unwrap();
        assert!(status.success(), "the programs can't be built");
        let mut dir = std::env::current_exe().unwrap();
        // target/<profile>/deps/<test>
        dir.pop();
        dir.pop();
        dir
    })
}

/// The fenced blocks of a page of the repository in one language.
pub fn blocks(page: &str, language: &str) -> Vec<String> {
    let text = std::fs::read_to_string(root().join(page)).unwrap();
    let fence = format!("```{language}\n");
    text.split(&fence)
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap().to_owned())
        .collect()
}

/// Variables that change what a program does; a test sets those that it means.
const VARIABLES: [&str; 24] = [
    "CI",
    "CLICOLOR_FORCE",
    "DATABASE_URL",
    "GITHUB_ACTIONS",
    "GITHUB_REF",
    "GITHUB_STEP_SUMMARY",
    "GITLAB_CI",
    "LOCKSTEP_ENV",
    "LOCKSTEP_EVIDENCE",
    "LOCKSTEP_RUN_ID",
    "LOCKSTEP_STEP",
    "NODE_ENV",
    "NO_COLOR",
    "PGDATABASE",
    "PGHOST",
    "PGOPTIONS",
    "PGPASSFILE",
    "PGPASSWORD",
    "PGPORT",
    "PGSERVICE",
    "PGSSLMODE",
    "PGSSLROOTCERT",
    "PGUSER",
    "RUNNER_ENVIRONMENT",
];

/// A program in a folder of the test's, without the variables of the machine that runs the test.
pub fn program(name: &str, dir: &Path) -> Command {
    let mut command = Command::new(self::dir().join(name));
    command.current_dir(dir);
    for variable in VARIABLES {
        command.env_remove(variable);
    }
    command
}

/// The same command, started by a shell that has set a signal to be ignored, as nohup(1) does.
pub fn ignoring(signal: &str, command: &Command) -> Command {
    let mut shell = Command::new("sh");
    shell
        .args(["-c", &format!("trap '' {signal}; exec \"$0\" \"$@\"")])
        .arg(command.get_program())
        .args(command.get_args());
    if let Some(dir) = command.get_current_dir() {
        shell.current_dir(dir);
    }
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell
}
