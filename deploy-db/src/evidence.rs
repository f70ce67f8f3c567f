//! What a deployment demands of the evidence chain before it touches a protected database.

use std::cell::RefCell;
use std::path::Path;
use std::time::Duration;

use contract::evidence::Line;
use contract::{Check, Failure, Report, Run};
use db_write::Stop;
use jiff::Timestamp;
use plan::Plan;
use serde_json::Value;
use snapshots::verify::{self, Known};

/// The plan was verified.
pub(crate) const PLAN_VERIFIED: Check = Check {
    id: "plan-verified",
    holds: "verify-migrations passed for exactly this target, ledger and set of files",
    remedy: "run verify-migrations with the same --evidence folder first",
};

/// A snapshot was taken.
pub(crate) const SNAPSHOT_TAKEN: Check = Check {
    id: "snapshot-taken",
    holds: "backup-snapshot passed for this target at this state of the ledger, recently enough, \
            and its files are as it wrote them",
    remedy: "run backup-snapshot with the same --evidence folder first",
};

/// The fact that says how it was looked at whether the snapshot's files are as they were written.
const SNAPSHOT_CHECKED: &str = "snapshot_checked";

/// How old a snapshot may be where `[backup] max_age` says nothing.
const MAX_AGE_DEFAULT: Duration = Duration::from_secs(3600);

/// The evidence of this run; nothing where no folder was named.
pub(crate) fn read(run: &Run) -> Result<Option<Vec<Line>>, Failure> {
    match run.evidence_dir() {
        None => Ok(None),
        Some(dir) => Ok(Some(contract::evidence::read(dir)?.0)),
    }
}

/// Reports whether the chain holds what a protected database demands. The snapshot's files are read
/// where nothing else refuses the deployment; `stop` is heard meanwhile.
///
/// # Errors
///
/// When a signal asked for an end.
pub(crate) fn demand(
    chain: Option<&[Line]>,
    plan: &Plan,
    max_age: Option<Duration>,
    run: &Run,
    stop: &Stop,
    report: &mut Report,
) -> Result<(), Failure> {
    let Some(chain) = chain else {
        let remedy = "name the folder of verify-migrations and backup-snapshot with --evidence \
                      or LOCKSTEP_EVIDENCE";
        for check in [&PLAN_VERIFIED, &SNAPSHOT_TAKEN] {
            report
                .broken(check, "evidence", "no evidence folder was named")
                .remedy(remedy);
        }
        return Ok(());
    };
    let changed = last_change(chain, &plan.identity);
    verified(chain, changed, plan, report);
    let max_age = max_age.unwrap_or(MAX_AGE_DEFAULT);
    let taken = snapshot(chain, changed, plan, max_age, contract::timestamp(), report);
    match taken {
        None => Ok(()),
        Some(taken) if run.refuses(report) => {
            let message = "its files are not read: the deployment is refused anyway";
            report.skipped(&SNAPSHOT_TAKEN, id(taken), message);
            Ok(())
        }
        Some(taken) => whole(taken, plan, run, stop, report),
    }
}

/// The last line of a run that changed this target's rows or migrations, or may have: what was
/// verified or saved before it is of another database, also where its ledger is the same again.
/// Freezing and marking change neither. A run that did not come to know its target counts for each.
fn last_change(chain: &[Line], identity: &str) -> Option<usize> {
    chain.iter().rposition(|line| {
        let tool = line.value["tool"].as_str().unwrap_or_default();
        let aside = tool == "mark-db" || tool.starts_with("freeze-") || tool.starts_with("thaw-");
        let of_this = self::identity(line).is_none_or(|target| target == identity);
        let changed = line.value["changed"].as_str().unwrap_or("no");
        changed != "no" && of_this && !aside
    })
}

/// Which run stands between, if what stands at `at` is older.
fn outdated(chain: &[Line], changed: Option<usize>, at: usize) -> Option<String> {
    let by = changed.filter(|changed| *changed > at)?;
    let tool = text(&chain[by].value["tool"]);
    Some(format!("{tool} has changed the database since"))
}

/// The last verify-migrations of this target counts: one that failed after one that passed takes
/// its word back, also where it did not come to know its target.
fn verified(chain: &[Line], changed: Option<usize>, plan: &Plan, report: &mut Report) {
    let last = chain.iter().rposition(|line| {
        let target = identity(line);
        line.value["tool"] == "verify-migrations"
            && (target.is_none() || target == Some(&plan.identity))
    });
    let Some(at) = last else {
        report.broken(
            &PLAN_VERIFIED,
            "plan",
            "there is no result of verify-migrations for this target in the evidence",
        );
        return;
    };
    let last = &chain[at];
    if !passed(last, "verify-migrations") {
        let class = text(&last.value["class"]);
        report.broken(
            &PLAN_VERIFIED,
            "plan",
            format!("the last verify-migrations ended in {class}"),
        );
    } else if last.value["facts"]["plan"] == plan.hash.as_str() {
        match outdated(chain, changed, at) {
            None => report.held(&PLAN_VERIFIED, short(&last.hash)),
            Some(why) => report.broken(&PLAN_VERIFIED, "plan", why),
        };
    } else {
        let facts = &last.value["facts"];
        let settings = plan.settings_other_than(&facts[plan::SETTINGS]);
        let mut what = "what verify-migrations passed is another plan".to_owned();
        if !settings.is_empty() {
            what.push_str(&format!(": {}", settings.join("; ")));
        }
        let finding = report
            .broken(&PLAN_VERIFIED, "plan", what)
            .expected(text(&facts["plan"]))
            .actual(&plan.hash);
        if !settings.is_empty() {
            finding.remedy(
                "let the role that verifies and the one that deploys have the same settings (ALTER ROLE … SET), then run verify-migrations again",
            );
        }
    }
}

/// The run that took a snapshot that fits, as far as the chain tells.
fn snapshot<'a>(
    chain: &'a [Line],
    changed: Option<usize>,
    plan: &Plan,
    max_age: Duration,
    now: Timestamp,
    report: &mut Report,
) -> Option<&'a Line> {
    let taken = |line: &Line| passed(line, "backup-snapshot");
    let of_this = |line: &Line| taken(line) && identity(line) == Some(&plan.identity);
    let Some(at) = chain.iter().rposition(of_this) else {
        match chain.iter().rev().find(|line| taken(line)) {
            None => report.broken(
                &SNAPSHOT_TAKEN,
                "snapshot",
                "there is no passed backup-snapshot in the evidence",
            ),
            Some(other) => report
                .broken(
                    &SNAPSHOT_TAKEN,
                    id(other),
                    "it is a snapshot of another target",
                )
                .expected(&plan.identity)
                .actual(identity(other).unwrap_or("none")),
        };
        return None;
    };
    let last = &chain[at];
    let facts = &last.value["facts"];
    let id = id(last);
    if facts["ledger_state"].as_str() != Some(&plan.ledger_state) {
        report
            .broken(
                &SNAPSHOT_TAKEN,
                id,
                "it was taken at another state of the ledger",
            )
            .expected(&plan.ledger_state)
            .actual(text(&facts["ledger_state"]));
        return None;
    }
    if let Some(why) = outdated(chain, changed, at) {
        report.broken(&SNAPSHOT_TAKEN, id, why);
        return None;
    }
    let completed: Option<Timestamp> = facts["completed_at"]
        .as_str()
        .and_then(|text| text.parse().ok());
    let Some(age) = completed
        .and_then(|at| u64::try_from(now.as_millisecond() - at.as_millisecond()).ok())
        .map(Duration::from_millis)
    else {
        report.broken(
            &SNAPSHOT_TAKEN,
            id,
            "its time of completion is not in the past",
        );
        return None;
    };
    if age > max_age {
        report.broken(
            &SNAPSHOT_TAKEN,
            id,
            format!(
                "it is {} s old, [backup] max_age is {} s",
                age.as_secs(),
                max_age.as_secs()
            ),
        );
        return None;
    }
    Some(last)
}

/// Whether the run that took the snapshot also stored it where this machine need not see it.
fn stored_elsewhere(line: &Line) -> bool {
    line.value["findings"]
        .as_array()
        .into_iter()
        .flatten()
        .any(|finding| finding["check"] == "stored-elsewhere" && finding["status"] == "pass")
}

/// Whether the snapshot's folder still holds what was written to it: each byte of it, wherever it
/// can be read. A copy that was stored elsewhere stands in for a folder that is not here, not for
/// one that was damaged: who knows which of the two was copied.
fn whole(
    taken: &Line,
    plan: &Plan,
    run: &Run,
    stop: &Stop,
    report: &mut Report,
) -> Result<(), Failure> {
    let facts = &taken.value["facts"];
    let id = id(taken);
    let folder = Path::new(facts["path"].as_str().unwrap_or_default());
    if let Err(error) = std::fs::read_dir(folder) {
        if stored_elsewhere(taken) {
            report.held(&SNAPSHOT_TAKEN, id);
            report.fact(SNAPSHOT_CHECKED, "stored elsewhere, not readable here");
        } else {
            lost(
                &id,
                format!("it is not at {}: {error}", folder.display()),
                report,
            );
        }
        return Ok(());
    }
    let known = Known {
        manifest_sha256: facts["manifest_sha256"].as_str(),
        database_sha256: facts["sha256"].as_str(),
    };
    let progress = RefCell::new(run.progress("read the snapshot"));
    let read = verify::hashed(
        folder,
        known,
        &|_, done, total| progress.borrow_mut().at(done, total.unwrap_or(0)),
        &|| stop.asked(),
    );
    drop(progress);
    let why = match read {
        Err(snapshots::Error::ReadStopped) => {
            let act = "read the snapshot to its end";
            return Err(db_write::Error::Stopped { act }.into());
        }
        Err(error) => match std::error::Error::source(&error) {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        },
        Ok(manifest)
            if manifest.id != id
                || manifest.target_identity != plan.identity
                || manifest.ledger_state != plan.ledger_state =>
        {
            format!("what is at {} is another one", folder.display())
        }
        Ok(_) => {
            report.held(&SNAPSHOT_TAKEN, id);
            report.fact(SNAPSHOT_CHECKED, "hashed");
            return Ok(());
        }
    };
    lost(&id, why, report);
    Ok(())
}

fn lost(id: &str, why: String, report: &mut Report) {
    report
        .broken(&SNAPSHOT_TAKEN, id, why)
        .remedy("backup-snapshot takes a new one; let it lie where nobody clears or edits files");
}

/// The target that a result is about.
fn identity(line: &Line) -> Option<&str> {
    line.value["target"]["identity"].as_str()
}

fn id(line: &Line) -> String {
    text(&line.value["facts"]["snapshot"])
}

fn passed(line: &Line, tool: &str) -> bool {
    line.value["tool"] == tool && line.value["class"] == "pass"
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or("none").to_owned()
}

fn short(hash: &str) -> String {
    hash.chars().take(12).collect()
}
