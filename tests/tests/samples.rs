//! Every sample that is shown to a user is run: the pipelines, the CI files, the README.

#![allow(clippy::unwrap_used, reason = "a test that can not go on fails")]

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use saphyr::{LoadableYamlNode as _, Yaml};
use tests::application::{self, in_production, migrations_applied, succeed};
use tests::programs::{self, program, root};

/// The application in a folder of its own.
fn application() -> tempfile::TempDir {
    let dir = tempfile::tempdir_in(programs::dir()).unwrap();
    application::make(dir.path(), &|name| program(name, dir.path()));
    dir
}

fn orchestrator(dir: &Path, pipeline: &Path) -> Command {
    let mut command = program("orchestrator", dir);
    command
        .arg("run")
        .arg(pipeline)
        .envs(application::VARIABLES);
    command
}

fn pipeline(name: &str) -> PathBuf {
    root().join("pipelines").join(name)
}

/// The application, its database production's.
fn production() -> tempfile::TempDir {
    let dir = application();
    application::make_production(dir.path(), &|name| program(name, dir.path()));
    dir
}

#[test]
fn every_pipeline_passes_its_check_and_says_when_to_use_it() {
    let dir = application();
    let mut seen = 0;
    for entry in std::fs::read_dir(root().join("pipelines")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|ending| ending != "toml") {
            continue;
        }
        seen += 1;
        let text = std::fs::read_to_string(&path).unwrap();
        let (_, text) = text.split_once('\n').unwrap();
        assert!(text.starts_with("# "), "{}", path.display());
        assert!(
            text.to_lowercase().contains("use it "),
            "{}",
            path.display()
        );
        succeed(program("orchestrator", dir.path()).arg("check").arg(&path));
        succeed(program("orchestrator", dir.path()).arg("list").arg(&path));
    }
    assert_eq!(seen, 6);
}

#[test]
fn the_demonstration_deploys_once_and_then_finds_nothing_pending() {
    let dir = application();
    let demo = pipeline("demo.toml");
    let said = succeed(orchestrator(dir.path(), &demo).env("LOCKSTEP_ENV", "dev"));
    for step in 1..=8 {
        assert!(said.contains(&format!("[STEP {step}/8]")), "{said}");
    }
    for (kind, folder) in [("snapshot", "backups"), ("evidence", ".lockstep/runs")] {
        let start = format!("\n{kind}: {}/", dir.path().join(folder).display());
        let (_, rest) = said
            .split_once(&start)
            .unwrap_or_else(|| panic!("{kind}: {said}"));
        let name = rest.lines().next().unwrap();
        assert!(dir.path().join(folder).join(name).is_dir(), "{said}");
    }
    assert_eq!(migrations_applied(dir.path()), 4);
    let said = succeed(orchestrator(dir.path(), &demo).env("LOCKSTEP_ENV", "dev"));
    assert!(said.contains("nothing is pending"), "{said}");
    assert_eq!(migrations_applied(dir.path()), 4);
}

#[test]
fn the_developers_pipelines_run() {
    let dir = application();
    for name in ["predeploy.toml", "dev.toml", "predeploy.toml"] {
        succeed(orchestrator(dir.path(), &pipeline(name)).env("LOCKSTEP_ENV", "dev"));
    }
    assert_eq!(migrations_applied(dir.path()), 4);
}

#[test]
fn a_start_command_deploys_and_becomes_the_application() {
    let dir = application();
    let settings = dir.path().join("lockstep.toml");
    let text = std::fs::read_to_string(&settings).unwrap();
    let declared = "database = { env = \"DATABASE_URL\" }";
    assert!(text.contains(declared));
    let here = "runs_in = \"release\"\nrequire = { PLATFORM_MACHINE = true }\n";
    let text = text.replace(declared, &format!("{here}{declared}"));
    std::fs::write(&settings, text).unwrap();
    application::make_production(dir.path(), &|name| program(name, dir.path()));
    let start = |platform: bool| {
        let mut command = orchestrator(dir.path(), &pipeline("start.toml"));
        in_production(&mut command)
            .env_remove("CI")
            .args([
                "--then",
                "sh",
                "-c",
                "echo serving with $SECRET_KEY; exit 7",
            ])
            .stdin(std::process::Stdio::null());
        if platform {
            command.env("PLATFORM_MACHINE", "m1");
        }
        command.output().unwrap()
    };
    let elsewhere = start(false);
    assert_eq!(elsewhere.status.code(), Some(1), "{elsewhere:?}");
    assert_eq!(migrations_applied(dir.path()), 1);
    // Once it deploys; a restart finds nothing pending.
    for _ in 0..2 {
        let output = start(true);
        assert_eq!(output.status.code(), Some(7), "{output:?}");
        let said = String::from_utf8_lossy(&output.stdout);
        let serving = "serving with 0123456789abcdef0123456789abcdef01\n";
        assert!(said.ends_with(serving), "{said}");
        assert_eq!(migrations_applied(dir.path()), 4);
    }
    let stored = std::fs::read_dir(dir.path().join("elsewhere")).unwrap();
    assert_eq!(stored.count(), 2);
}

#[test]
fn production_is_deployed_by_its_job_and_by_nobody_else() {
    let dir = production();
    let pipeline = pipeline("production.toml");
    // A developer whose DATABASE_URL is production's.
    let output = orchestrator(dir.path(), &pipeline)
        .env("DATABASE_URL", "sqlite:app.db")
        .env("LOCKSTEP_ENV", "production")
        .env("SECRET_KEY", "0123456789abcdef0123456789abcdef01")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_eq!(migrations_applied(dir.path()), 1);
    // deploy-db by itself, in the right job but without evidence.
    let output = in_production(&mut program("deploy-db", dir.path()))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_eq!(migrations_applied(dir.path()), 1);
    succeed(in_production(&mut orchestrator(dir.path(), &pipeline)));
    assert_eq!(migrations_applied(dir.path()), 4);
    assert_eq!(
        std::fs::read_dir(dir.path().join("elsewhere"))
            .unwrap()
            .count(),
        1
    );
}

#[test]
fn production_is_deployed_by_another_tool_that_is_named() {
    let dir = production();
    let database = || rusqlite::Connection::open(dir.path().join("app.db")).unwrap();
    database()
        .execute_batch(
            "DROP TABLE lockstep_migrations;
             DELETE FROM lockstep_schema;
             CREATE TABLE _prisma_migrations (id, checksum, migration_name);",
        )
        .unwrap();
    // In the place of Node's program.
    let bin = dir.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    let npx = bin.join("npx");
    std::fs::write(
        &npx,
        "#!/bin/sh\necho \"$@\" >> \"$(dirname \"$0\")/ran\"\n",
    )
    .unwrap();
    std::fs::set_permissions(&npx, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = std::env::var("PATH").unwrap();
    let run = |code: i32| {
        let mut command = orchestrator(dir.path(), &pipeline("tool.toml"));
        let output = in_production(&mut command)
            .env("PATH", format!("{}:{path}", bin.display()))
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        std::fs::read_to_string(bin.join("ran")).unwrap_or_default()
    };
    assert_eq!(run(1), "", "nobody has named the tool");
    let settings = dir.path().join("lockstep.toml");
    let text = std::fs::read_to_string(&settings).unwrap();
    let text = text.replace("[migrations]\n", "[migrations]\ntool = \"prisma\"\n");
    std::fs::write(&settings, text).unwrap();
    assert_eq!(run(0), "prisma migrate deploy\n");
    let output = in_production(&mut program("deploy-db", dir.path()))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
}

/// What the CI server keeps for the job, and what it sets itself.
const KEPT: [(&str, &str); 4] = [
    ("DATABASE_URL", "sqlite:app.db"),
    ("SECRET_KEY", "0123456789abcdef0123456789abcdef01"),
    application::VARIABLES[0],
    application::VARIABLES[1],
];

/// The variables that a mapping of a CI file sets, with what GitHub's expressions stand for.
fn variables(mapping: &Yaml<'_>) -> Vec<(String, String)> {
    let mapping = mapping.as_mapping().unwrap();
    let text = |value: &Yaml<'_>| value.as_str().unwrap().to_owned();
    mapping
        .iter()
        .map(|(name, value)| {
            let value = text(value);
            let kept = value
                .strip_prefix("${{ ")
                .and_then(|rest| rest.strip_suffix(" }}"))
                .map(|expression| expression.split_once('.').unwrap().1);
            let value = kept.map_or(value.clone(), |name| {
                let (_, value) = KEPT.into_iter().find(|(kept, _)| *kept == name).unwrap();
                value.to_owned()
            });
            (text(name), value)
        })
        .collect()
}

/// Runs a line of a CI file as the runner would, with these variables and no others of ours.
fn ci_line(dir: &Path, line: &str, variables: &[(String, String)]) -> Output {
    let mut shell = program("verify-env", dir);
    let path = std::env::join_paths(
        std::iter::once(programs::dir().to_owned())
            .chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
    )
    .unwrap();
    let mut command = Command::new("bash");
    command
        .args(["--noprofile", "--norc", "-e", "-o", "pipefail", "-c", line])
        .current_dir(dir);
    for (name, value) in shell.env("PATH", path).get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    // Every runner sets it.
    command.env("CI", "true");
    command.envs(variables.iter().map(|(name, value)| (name, value)));
    std::fs::create_dir_all(dir.join("pipelines")).unwrap();
    let _ = std::fs::copy(
        pipeline("production.toml"),
        dir.join("pipelines/production.toml"),
    );
    command.output().unwrap()
}

fn run_job(name: &str, lines: &[String], variables: &[(String, String)]) {
    let dir = production();
    for line in lines {
        let output = ci_line(dir.path(), line, variables);
        assert!(output.status.success(), "{name}: {line}: {output:?}");
    }
    assert_eq!(migrations_applied(dir.path()), 4, "{name} deployed nothing");
}

/// The commands of a list of GitHub's steps.
fn runs(steps: &Yaml<'_>) -> Vec<String> {
    let steps = steps.as_vec().unwrap();
    steps
        .iter()
        .filter_map(|step| Some(step.as_mapping_get("run")?.as_str()?.to_owned()))
        .collect()
}

fn yaml(file: &str) -> Vec<Yaml<'static>> {
    let text = std::fs::read_to_string(pipeline("ci").join(file)).unwrap();
    Yaml::load_from_str(text.leak()).unwrap()
}

#[test]
fn both_jobs_of_the_github_file_deploy() {
    let document = &yaml("github-actions.yml")[0];
    for name in ["step-by-step", "pipeline"] {
        let job = &document["jobs"][name];
        let mut set = variables(&document["env"]);
        set.extend(variables(&job["env"]));
        run_job(name, &runs(&job["steps"]), &set);
    }
}

#[test]
fn a_folder_that_begins_with_a_dot_is_uploaded_all_the_same() {
    let document = &yaml("github-actions.yml")[0];
    for name in ["step-by-step", "pipeline"] {
        let steps = document["jobs"][name]["steps"].as_vec().unwrap();
        let uploads = steps.iter().filter_map(|step| step.as_mapping_get("with"));
        for upload in uploads.filter(|with| with.as_mapping_get("path").is_some()) {
            let hidden = upload["path"].as_str().unwrap().starts_with('.');
            let included = upload.as_mapping_get("include-hidden-files");
            let included = included.and_then(|value| value.as_bool()) == Some(true);
            assert!(included || !hidden, "{name}");
        }
    }
}

#[test]
fn both_jobs_of_the_gitlab_file_deploy() {
    let document = &yaml("gitlab-ci.yml")[0];
    for name in ["step-by-step", "pipeline"] {
        let script = document[name]["script"].as_vec().unwrap();
        let lines: Vec<String> = script
            .iter()
            .map(|line| line.as_str().unwrap().to_owned())
            .collect();
        let mut set = variables(&document["variables"]);
        // Protected variables of the environment, as the file says.
        set.extend(KEPT.map(|(name, value)| (name.to_owned(), value.to_owned())));
        run_job(name, &lines, &set);
    }
}

/// The fenced blocks of the README in one language.
fn blocks(language: &str) -> Vec<String> {
    programs::blocks("README.md", language)
}

/// Runs `cargo xtask demo` in a folder of its own; what it prints on stdout.
fn demonstrate(dir: &Path) -> String {
    let mut command = program("xtask", &root());
    let output = command.arg("demo").arg(dir).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_readmes_sessions_print_what_they_show() {
    let base = tempfile::tempdir_in(programs::dir()).unwrap();
    let path = format!(
        "{}:{}",
        programs::dir().display(),
        std::env::var("PATH").unwrap()
    );
    for block in blocks("console") {
        // What is typed, and what is shown below it.
        for session in block.split("$ ").skip(1) {
            let (typed, shown) = session.split_once('\n').unwrap();
            let demo = base.path().join("demo");
            let said = match typed {
                "cargo xtask demo" => demonstrate(&demo),
                // Below it everything is typed there.
                "cd demo" => String::new(),
                typed => {
                    let mut shell = program("sh", Path::new("/"));
                    let mut command = Command::new("sh");
                    for (name, _) in shell.env("PATH", &path).get_envs() {
                        command.env_remove(name);
                    }
                    command.args(["-ec", typed]).current_dir(&demo);
                    let output = command.env("PATH", &path).output().unwrap();
                    assert!(output.status.success(), "{typed}: {output:?}");
                    String::from_utf8(output.stdout).unwrap()
                }
            };
            shows(typed, &said, shown);
        }
    }
}

/// Whether a session shows what was said: the same lines in the same order, and "…" for any that
/// are left out, or for the rest of a line.
#[track_caller]
fn shows(typed: &str, said: &str, shown: &str) {
    let mut said = said.lines();
    let mut gap = false;
    for line in shown.lines() {
        if line == "…" {
            gap = true;
            continue;
        }
        let same = |said: &str| match line.strip_suffix('…') {
            Some(start) => said.starts_with(start),
            None => said == line,
        };
        let found = match gap {
            true => said.any(same),
            false => said.next().is_some_and(same),
        };
        assert!(found, "README shows {line:?} out of place below $ {typed}");
        gap = false;
    }
    assert!(
        gap || said.next().is_none(),
        "README leaves out the end below $ {typed}"
    );
}

#[test]
fn the_command_that_the_demonstration_prints_can_be_typed_anywhere() {
    let base = tempfile::Builder::new()
        .prefix("it's a folder ")
        .tempdir_in(programs::dir())
        .unwrap();
    let said = demonstrate(&base.path().join("demo"));
    let typed = said
        .lines()
        .find_map(|line| line.strip_prefix("$ "))
        .unwrap();
    let output = Command::new("sh")
        .args(["-ec", typed])
        .env_clear()
        .current_dir("/")
        .output()
        .unwrap();
    assert!(output.status.success(), "{typed}: {output:?}");
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("nothing is pending"), "{said}");
}

#[test]
fn the_readmes_ci_blocks_deploy() {
    let blocks = blocks("yaml");
    assert_eq!(blocks.len(), 2);
    for (at, block) in blocks.iter().enumerate() {
        let job = &Yaml::load_from_str(block).unwrap()[0];
        let mut set = variables(&job["env"]);
        // The sample application wants one more than README's.
        let (name, value) = application::VARIABLES[0];
        set.push((name.to_owned(), value.to_owned()));
        run_job(
            &format!("README's CI block {at}"),
            &runs(&job["steps"]),
            &set,
        );
    }
}

#[test]
fn the_readmes_settings_are_settings() {
    let blocks = blocks("toml");
    assert_eq!(blocks.len(), 2);
    let dir = tempfile::tempdir().unwrap();
    // They stand in one file.
    std::fs::write(dir.path().join("lockstep.toml"), blocks.join("\n")).unwrap();
    let output = program("verify-env", dir.path())
        .env("LOCKSTEP_ENV", "production")
        .env("DATABASE_URL", "postgres://app@db.example.org/app")
        .env("SECRET_KEY", "0123456789abcdef0123456789abcdef01")
        .env("PORT", "8001")
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let output = program("verify-guards", dir.path())
        .env("LOCKSTEP_ENV", "dev")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("instance_dev/app.db"), "{said}");
    // A developer's environment wants nothing that only production has.
    let mut developers = program("verify-env", dir.path());
    succeed(developers.env("LOCKSTEP_ENV", "dev").env("PORT", "8001"));
}

#[test]
fn the_readmes_exit_table_is_the_contracts() {
    let text = std::fs::read_to_string(root().join("README.md")).unwrap();
    for class in contract::CLASSES {
        let row = format!(
            "| {} | `{}` | {} |",
            class.code(),
            class.name(),
            class.meaning()
        );
        let start = row.split(';').next().unwrap();
        assert!(text.contains(start), "{row}");
    }
}
