//! A plan and a finished run, as tables for people.

use std::time::Duration;

use contract::Changed;

use crate::plan::Plan;
use crate::record::RunRecord;
use crate::runner::time;

/// The plan, one step a line.
pub(crate) fn plan(plan: &Plan) -> Vec<String> {
    let mut rows = vec![row(["STEP", "PROMISE", "TIMEOUT", "RUNS"])];
    for step in plan.all() {
        let mut runs = vec![step.program.display().to_string()];
        runs.extend(step.run[1..].iter().map(|word| quote(word)));
        if let Some(env) = &step.env {
            runs.push(format!("(env: {})", env.join(", ")));
        }
        if let Some(retry) = &step.retry {
            runs.push(format!("(attempts: {})", retry.attempts));
        }
        rows.push(row([
            &format!("{} {} {}", step.part.name(), step.number, step.name),
            step.promise.name(),
            &format!("{} + {}", time(step.timeout), time(step.grace)),
            &runs.join(" "),
        ]));
    }
    align(&rows)
}

/// The run, one step a line.
pub(crate) fn run(run: &RunRecord) -> Vec<String> {
    let mut rows = vec![row(["STEP", "VERDICT", "CODE", "CHANGED", "TIME"])];
    for step in &run.steps {
        let name = format!("{} {} {}", step.part, step.number, step.name);
        if let (Some(class), Some(code)) = (step.class, step.exit_code) {
            let changed = match step.changed {
                Changed::No => "no",
                Changed::Yes => "yes",
                Changed::Unknown => "unknown",
            };
            let time = time(Duration::from_millis(step.duration_ms));
            rows.push(row([&name, class, &code.to_string(), changed, &time]));
        } else {
            let why = step.skipped.unwrap_or("the run did not come to it");
            rows.push(row([&name, &format!("not run: {why}")]));
        }
    }
    align(&rows)
}

fn row<const N: usize>(cells: [&str; N]) -> Vec<String> {
    cells.map(str::to_owned).to_vec()
}

/// Columns as wide as their widest cell; a row's last cell is not padded, and does not widen its
/// column.
fn align(rows: &[Vec<String>]) -> Vec<String> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter(|row| row.len() > column + 1);
        cells
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            line.push_str(cell);
            if column + 1 < row.len() {
                let gap = widths[column].saturating_sub(cell.chars().count()) + 2;
                line.push_str(&" ".repeat(gap));
            }
        }
        line
    };
    rows.iter().map(line).collect()
}

fn quote(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./=:,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("{word:?}")
}
