//! The benchmark: each program beside what people use in its place, in the same run.
//!
//! Only ratios within a run mean something: another day, another load. Every row is the median of
//! rounds in which ours and the peer's run in turn.

mod adoption;
mod deploy;
mod floor;
mod pipeline;
mod schema;
mod sizes;
mod snapshot;
mod timing;

use crate::{Outcome, cargo, dist, run};

/// One line of the table.
pub(crate) struct Row {
    what: String,
    measured: String,
    limit: String,
    held: bool,
}

impl Row {
    fn ratio(what: impl Into<String>, ours_ms: f64, peer: &str, peer_ms: f64, limit: f64) -> Row {
        let ratio = ours_ms / peer_ms;
        Row {
            what: what.into(),
            measured: format!("{ratio:.2}x ({ours_ms:.1} ms; {peer}: {peer_ms:.1} ms)"),
            limit: format!("{limit}x"),
            held: ratio <= limit,
        }
    }

    fn at_most(what: impl Into<String>, measured: f64, limit: f64, unit: &str) -> Row {
        Row {
            what: what.into(),
            measured: format!("{measured:.2} {unit}"),
            limit: format!("{limit} {unit}"),
            held: measured <= limit,
        }
    }
}

/// The parts, by the name that `cargo xtask bench NAME` takes.
type Part = (&'static str, fn() -> Result<Vec<Row>, String>);

const PARTS: [Part; 7] = [
    ("floor", floor::rows),
    ("pipeline", pipeline::rows),
    ("deploy", deploy::rows),
    ("adoption", adoption::rows),
    ("schema", schema::rows),
    ("snapshot", snapshot::rows),
    ("sizes", sizes::rows),
];

pub(crate) fn run_all(args: &[String]) -> Outcome {
    let known = |name: &String| PARTS.iter().any(|(part, _)| part == name);
    if let Some(unknown) = args.iter().find(|name| !known(name)) {
        let names: Vec<&str> = PARTS.iter().map(|(name, _)| *name).collect();
        return Err(format!(
            "bench has no part {unknown:?}; it has {}",
            names.join(", ")
        ));
    }
    crate::server_programs::ensure()?;
    dist::run_build()?;
    run(cargo().args([
        "build",
        "--profile",
        "dist",
        "--package",
        "xtask",
        "--example",
        "hello",
    ]))?;
    let mut rows = Vec::new();
    for (name, part) in PARTS {
        if args.is_empty() || args.iter().any(|asked| asked == name) {
            println!("measuring: {name}");
            rows.extend(part()?);
        }
    }
    print(&rows);
    let missed = rows.iter().filter(|row| !row.held).count();
    if missed == 0 {
        Ok(())
    } else {
        Err(format!(
            "{missed} of {} figures are over their limit",
            rows.len()
        ))
    }
}

fn print(rows: &[Row]) {
    println!("\n| what | measured | limit | |");
    println!("| --- | --- | --- | --- |");
    for row in rows {
        let verdict = if row.held { "held" } else { "over" };
        println!(
            "| {} | {} | {} | {verdict} |",
            row.what, row.measured, row.limit
        );
    }
}
