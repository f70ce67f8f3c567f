//! The rules on what loses data, as findings.

use contract::{Check, Report};
use migrations::Dialect;
use plan::Plan;
use sql::{Before, Pending};

/// A reviewed exception.
pub(crate) const EXCEPTION_USED: Check = Check {
    id: "exception-reviewed",
    holds: "a statement that loses data is allowed by its own file, for a stated reason",
    remedy: "see that the reason still holds",
};

/// One check for each rule, under the rule's name.
pub(crate) const CHECKS: [Check; sql::RULES.len()] = {
    let mut checks = [EXCEPTION_USED; sql::RULES.len()];
    let mut at = 0;
    while at < checks.len() {
        let rule = &sql::RULES[at];
        checks[at] = Check {
            id: rule.id,
            holds: rule.holds,
            remedy: rule.remedy,
        };
        at += 1;
    }
    checks
};

/// Reports what the pending files would lose.
pub(crate) fn check(plan: &Plan, dialect: Dialect, before: &Before, report: &mut Report) {
    const ALL: &[Check] = &CHECKS;
    let pending: Vec<Pending> = plan
        .pending()
        .map(|migration| Pending {
            sql: &migration.up,
            allows: &migration.allows,
        })
        .collect();
    let found = sql::violations(dialect, before, &pending);
    let mut broken = vec![false; ALL.len()];
    for (migration, violations) in plan.pending().zip(found) {
        for violation in violations {
            let mut message = violation.message;
            if let Some(sql::Cause { line, why }) = violation.no_rebuild {
                let line = migration.up_line + line - 1;
                message.push_str(&format!("; it is no rebuild, because in line {line} {why}"));
            }
            let Some(at) = ALL.iter().position(|check| check.id == violation.rule.id) else {
                continue;
            };
            let line = Some(migration.up_line + violation.line - 1);
            let file = plan.path(migration);
            match violation.allowed {
                Some(reason) => {
                    report
                        .held(&EXCEPTION_USED, &violation.subject)
                        .at(file, line)
                        .message = format!("{message}; allowed because {reason}");
                }
                None if violation.is_note => {
                    report
                        .warned(&ALL[at], &violation.subject, message)
                        .at(file, line)
                        .remedy(
                            "write the zone that is meant: USING … AT TIME ZONE 'UTC' loses nothing",
                        );
                }
                None => {
                    broken[at] = true;
                    let rule = ALL[at].id;
                    report
                        .broken(&ALL[at], &violation.subject, message)
                        .at(file, line)
                        .remedy(format!(
                            "{}; or, once reviewed, write `-- lockstep: allow {rule} because …` in the file",
                            ALL[at].remedy
                        ));
                }
            }
        }
    }
    if pending.is_empty() {
        return;
    }
    let kept = sql::RULES
        .iter()
        .zip(ALL)
        .zip(&broken)
        .filter(|((rule, _), broken)| !**broken && rule.dialects.contains(&dialect));
    for ((_, check), _) in kept {
        report.held(check, plan::files(pending.len(), "pending file"));
    }
}
