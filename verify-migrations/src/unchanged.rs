//! Whether the schema is still the one that was recorded: `deploy-db` asks the same, and this is
//! said before anything waits for it.

use contract::{Failure, Report, Run};
use db_read::Session;
use drift::{Basis, Found};
use plan::Plan;
use records::{Accepted, LedgerName, Survey};
use schema::Scope;
use settings::Resolved;
use settings::file::Acceptable;

/// What was read for it in the session's snapshot.
pub(crate) struct Looked {
    found: Found,
    accepted: Vec<Accepted>,
}

/// Reads the schema and the record; nothing where nothing was deployed yet, or nothing is pending.
pub(crate) fn look(
    session: &mut Session,
    resolved: &Resolved,
    ledger: &LedgerName,
    survey: &Survey,
    plan: &Plan,
) -> Result<Option<Looked>, Failure> {
    if plan.state.pending.is_empty() {
        return Ok(None);
    }
    let scope = Scope::from_settings(&resolved.settings);
    let record = session.recorded_schema(ledger)?;
    let basis = Basis::new(record.as_ref(), survey.rows(), &scope)?;
    if basis.is_nothing() {
        return Ok(None);
    }
    let found = drift::look(
        &basis,
        &mut |scope| Ok(session.read_schema(scope)?),
        &|row| drift::reach_in(&plan.set, row),
    )?;
    let accepted = match resolved.settings.accept.is_empty() {
        true => Vec::new(),
        false => session.accepted(ledger)?,
    };
    Ok(Some(Looked { found, accepted }))
}

impl Looked {
    /// Reports what was changed by hand since the schema was recorded.
    pub(crate) fn report(
        &self,
        resolved: &Resolved,
        survey: &Survey,
        plan: &Plan,
        run: &Run,
        report: &mut Report,
    ) {
        let lines = accept::Lines::new(
            Acceptable::SchemaAsRecorded,
            &resolved.settings,
            survey.mark.as_ref().map(|_| plan.identity.as_str()),
            &self.accepted,
        );
        self.found.report(&lines, report);
        for text in self.found.line_to_write(&lines) {
            run.say(&text);
        }
    }
}
