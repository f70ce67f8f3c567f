//! Taking an adoption back.

use contract::{Check, Report};
use db_write::{NewAccepted, Writer};
use records::Survey;

use crate::ROW_MARKED;

pub(crate) const UNDOABLE: Check = Check {
    id: "adoption-undoable",
    holds: "the ledger holds the rows of one adoption, and nothing was deployed after it",
    remedy: "see verify-migrations for the state of the ledger: what was deployed stays in it",
};

/// Whether there is an adoption that nothing followed. The result is what [`undo`] is about.
pub(crate) fn undoable(survey: &Survey, report: &mut Report) -> Option<String> {
    let rows = survey.rows();
    let after = rows
        .iter()
        .find(|row| !row.is_adopted() || row.run_id != rows[0].run_id);
    if let Some(row) = after {
        report.broken(
            &UNDOABLE,
            &row.version,
            "its row is not of an adoption: it was deployed, or ended as a dirty row",
        );
        return None;
    }
    // Without rows, the recorded schema says that the database was adopted at `none`.
    if rows.is_empty() && (survey.recorded_state.is_none() || !survey.occupied()) {
        report.broken(&UNDOABLE, "ledger", "the database was not adopted");
        return None;
    }
    report.held(&UNDOABLE, counted(rows.len()));
    Some(String::new())
}

/// Takes the rows out of the ledger.
pub(crate) fn undo(
    writer: &mut dyn Writer,
    survey: &Survey,
    because: &str,
    report: &mut Report,
) -> Result<(), db_write::Error> {
    let rows = survey.rows();
    let undone = NewAccepted {
        check: accept::ADOPTION_UNDONE.to_owned(),
        target: survey.identity(),
        digest: accept::shown(&migrations::ledger_state(rows)),
        because: because.to_owned(),
    };
    writer.undo_adoption(rows, &undone)?;
    report.held(&ROW_MARKED, counted(rows.len()));
    report
        .fact("undone", rows.len())
        .summary("the adoption is taken back, no table was touched");
    Ok(())
}

fn counted(rows: usize) -> String {
    match rows {
        1 => "1 row".to_owned(),
        count => format!("{count} rows"),
    }
}
