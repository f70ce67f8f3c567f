//! The schema that the last deployment recorded: how old it is, and what accounts for a difference.

use contract::{Failure, Report, Run};
use drift::{Age, Basis, Drift, Reach};
use migrations::Set;
use records::RecordedSchema;
use schema::{Difference, Schema, Scope};
use settings::Resolved;
use settings::file::Acceptable;

use crate::{Found, RECORD_CURRENT};

/// What is known of the record, held against the live schema.
pub(crate) struct Record {
    drift: Drift,
    /// The live schema in the scope that was recorded, where that is another one than the file's.
    pub(crate) narrowed: Option<Schema>,
}

/// Compares the live schema with the record, and reports how old that is.
pub(crate) fn compare(
    resolved: &Resolved,
    found: &Found,
    recorded: &RecordedSchema,
    scope: &Scope,
    report: &mut Report,
) -> Result<Record, Failure> {
    let rows = found.survey.rows();
    let basis = Basis::new(Some(recorded), rows, scope)?;
    match basis.age() {
        Age::Current => {
            report.held(&RECORD_CURRENT, &recorded.recorded_at);
        }
        Age::Before(_) | Age::Unknown => {
            report
                .warned(
                    &RECORD_CURRENT,
                    &recorded.recorded_at,
                    format!(
                        "run {} recorded it, and the ledger has changed since",
                        recorded.run_id
                    ),
                )
                .expected(migrations::ledger_state(rows))
                .actual(&recorded.ledger_state);
        }
    }
    let narrowed = basis
        .is_scope_changed()
        .then(|| basis.scope().within(&found.schema));
    let set = match basis.age() {
        Age::Before(_) => files(resolved, found),
        Age::Current | Age::Unknown => None,
    };
    let drift = basis.compare(narrowed.as_ref().unwrap_or(&found.schema), &|row| {
        // Without the files nobody can tell which of them did it.
        set.as_ref()
            .map_or(Reach::Everything, |set| drift::reach_in(set, row))
    })?;
    Ok(Record { drift, narrowed })
}

/// The migrations, where they are at hand.
fn files(resolved: &Resolved, found: &Found) -> Option<Set> {
    let dialect = plan::dialect(&resolved.target);
    plan::set(&resolved.settings, dialect, &found.survey).ok()
}

impl Record {
    /// Whether files that came after the record may account for a difference.
    pub(crate) fn is_of_files(&self, difference: &Difference) -> bool {
        let known = self.drift.by_files.iter();
        known
            .map(|known| &known.subject)
            .any(|subject| *subject == difference.subject)
    }

    /// Says what to do about what was changed by hand, and what was accepted of it before.
    pub(crate) fn conclude(
        &self,
        resolved: &Resolved,
        found: &Found,
        run: &Run,
        report: &mut Report,
    ) {
        let identity = found.survey.mark.as_ref().map(|_| found.survey.identity());
        let lines = accept::Lines::new(
            Acceptable::SchemaAsRecorded,
            &resolved.settings,
            identity.as_deref(),
            &found.accepted,
        );
        let recorded_in = found.recorded.as_ref().map(|recorded| &recorded.run_id);
        let by_line = found.accepted.iter().rev().find(|entry| {
            Some(&entry.run_id) == recorded_in
                && entry.check == Acceptable::SchemaAsRecorded.check_id()
        });
        if let Some(entry) = by_line {
            report
                .fact("accepted", &entry.digest)
                .fact("accepted_at", &entry.accepted_at)
                .fact("accepted_by", &entry.accepted_by)
                .fact("because", &entry.because);
        }
        let digest = accept::shown(&schema::digest(&found.schema));
        let is_drift = !self.drift.by_hand.is_empty();
        lines.report(is_drift.then_some(digest.as_str()), report);
        self.drift.report_scope(report);
        self.drift.report_by_hand(&digest, &lines, report);
        if is_drift {
            for text in lines.line_to_write(&digest) {
                run.say(&text);
            }
        }
    }
}
