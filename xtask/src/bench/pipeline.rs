//! What running programs through the orchestrator costs over running them by hand.

use std::path::Path;
use std::process::Command;

use super::Row;
use super::timing::{folder, medians, once, program, write};
use crate::root;

const STEPS: [&str; 8] = [
    "verify-guards",
    "verify-env",
    "verify-connection",
    "verify-migrations",
    "verify-schema",
    "backup-snapshot",
    "deploy-db",
    "verify-schema",
];

pub(crate) fn rows() -> Result<Vec<Row>, String> {
    Ok(vec![demo()?, per_step()?])
}

fn demo() -> Result<Row, String> {
    let dir = folder("pipeline")?;
    let sample = root().join("pipelines/demo");
    let copy = |name: &str| {
        std::fs::copy(sample.join(name), dir.join(name))
            .map(|_| ())
            .map_err(|error| format!("cannot copy {name}: {error}"))
    };
    std::fs::create_dir_all(dir.join("migrations")).map_err(|error| error.to_string())?;
    std::fs::create_dir_all(dir.join("backups")).map_err(|error| error.to_string())?;
    copy("lockstep.toml")?;
    copy("migrations/0001_application.sql")?;
    once(in_demo("mark-db", &dir).args(["--create", "--confirm", "sqlite:app.db"]))?;
    once(&mut in_demo("deploy-db", &dir))?;
    let pipeline = root().join("pipelines/demo.toml");
    let times = medians(
        11,
        &mut [
            &mut || once(in_demo("orchestrator", &dir).arg("run").arg(&pipeline)),
            &mut || {
                let evidence = dir.join("by-hand");
                let _ = std::fs::remove_dir_all(&evidence);
                STEPS
                    .iter()
                    .map(|step| once(in_demo(step, &dir).env("LOCKSTEP_EVIDENCE", &evidence)))
                    .sum()
            },
        ],
    )?;
    Ok(Row::at_most(
        format!(
            "the demo pipeline over its eight steps by hand ({:.1} ms)",
            times[1]
        ),
        times[0] - times[1],
        150.0,
        "ms",
    ))
}

fn in_demo(name: &str, dir: &Path) -> Command {
    let mut command = program(name, dir);
    command
        .env("LOCKSTEP_ENV", "dev")
        .env("APP_URL", "https://example.org")
        .env("PORT", "8001");
    command
}

/// The cost of a step more: pipelines of one and of many steps of /bin/true.
fn per_step() -> Result<Row, String> {
    const MANY: usize = 21;
    let dir = folder("steps")?;
    let pipeline = |steps: usize| -> Result<String, String> {
        let mut text = "pipeline = 1\nname = \"steps\"\n[defaults]\ntimeout = \"10s\"\n".to_owned();
        for step in 1..=steps {
            text.push_str(&format!(
                "[[step]]\nname = \"{step}\"\nrun = [\"true\"]\nchanges = \"nothing\"\n"
            ));
        }
        let name = format!("{steps}.toml");
        write(&dir.join(&name), &text)?;
        Ok(name)
    };
    let (one, many) = (pipeline(1)?, pipeline(MANY)?);
    let times = medians(
        21,
        &mut [
            &mut || once(program("orchestrator", &dir).args(["run", &one])),
            &mut || once(program("orchestrator", &dir).args(["run", &many])),
            &mut || once(Command::new("sh").args(["-ec", "/bin/true"])),
            &mut || once(Command::new("sh").args(["-ec", &"/bin/true; ".repeat(MANY)])),
        ],
    )?;
    let more = (MANY - 1) as f64;
    Ok(Row::at_most(
        format!(
            "the orchestrator's cost of a step, /bin/true included (sh -e: {:.2} ms)",
            (times[3] - times[2]) / more
        ),
        (times[1] - times[0]) / more,
        2.0,
        "ms",
    ))
}
