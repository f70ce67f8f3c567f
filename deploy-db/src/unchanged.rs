//! Whether the schema is still the one that was recorded, asked before anything is changed.

use contract::{Failure, Report, Run};
use db_write::Writer;
use drift::Basis;
use plan::Plan;
use records::Survey;
use schema::Scope;
use settings::Resolved;
use settings::file::Acceptable;

/// Reports what was changed by hand since the schema was recorded. What no migration made must not be
/// recorded as if one had.
pub(crate) fn check(
    writer: &mut dyn Writer,
    resolved: &Resolved,
    survey: &Survey,
    plan: &Plan,
    run: &Run,
    report: &mut Report,
) -> Result<(), Failure> {
    let scope = Scope::from_settings(&resolved.settings);
    let record = writer.recorded_schema()?;
    let basis = Basis::new(record.as_ref(), survey.rows(), &scope)?;
    if basis.is_nothing() {
        return Ok(());
    }
    let found = drift::look(
        &basis,
        &mut |scope| Ok(writer.read_schema(scope)?),
        &|row| drift::reach_in(&plan.set, row),
    )?;
    let accepted = match resolved.settings.accept.is_empty() {
        true => Vec::new(),
        false => writer.accepted()?,
    };
    let lines = accept::Lines::new(
        Acceptable::SchemaAsRecorded,
        &resolved.settings,
        survey.mark.as_ref().map(|_| plan.identity.as_str()),
        &accepted,
    );
    found.report(&lines, report);
    for text in found.line_to_write(&lines) {
        run.say(&text);
    }
    Ok(())
}
