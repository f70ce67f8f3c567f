//! What a dirty row's end may record: what its file left, and not what somebody changed elsewhere.

use contract::{Failure, Report};
use db_write::Writer;
use drift::Basis;
use plan::Plan;
use records::Survey;
use schema::Scope;

/// Whether the schema may be recorded once the dirty row of `version` is ended; where it may not, that
/// is said. Asked before the row is touched.
pub(crate) fn may_be_recorded(
    writer: &mut dyn Writer,
    scope: &Scope,
    survey: &Survey,
    plan: &Plan,
    version: &str,
    report: &mut Report,
) -> Result<bool, Failure> {
    let rows = survey.rows();
    let record = writer.recorded_schema()?;
    let dirty = rows.iter().position(|row| row.version == version);
    let looked = Basis::new(record.as_ref(), rows, scope).map(|mut basis| {
        basis.reach_from(dirty.unwrap_or(rows.len()));
        basis
    });
    let compared = match looked {
        Ok(basis) => {
            let live = writer.read_schema(basis.scope())?;
            basis.compare(&live, &|row| drift::reach_in(&plan.set, row))
        }
        Err(error) => Err(error),
    };
    let drift = match compared {
        Ok(drift) => drift,
        // The row is ended all the same: what can't be read is replaced by mark-schema --renew.
        Err(error) => {
            let failure = Failure::from(error);
            report
                .warned(&db_write::SCHEMA_RECORDED, "", failure.line())
                .remedy(failure.remedy.unwrap_or_default());
            return Ok(false);
        }
    };
    let Some(first) = drift.by_hand.first() else {
        return Ok(true);
    };
    let more = match drift.by_hand.len() {
        1 => String::new(),
        count => format!(" and {} more", count - 1),
    };
    report
        .warned(
            &db_write::SCHEMA_RECORDED,
            &first.subject,
            format!("{}{more}, which {version} does not name", first.message),
        )
        .remedy(
            "see verify-schema for what was changed by hand; revert it, or accept it with \
             mark-schema --accept",
        );
    Ok(false)
}
