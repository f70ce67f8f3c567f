//! A database that another tool deploys: whose ledger is in it.

use contract::Report;
use records::{NamedTool, Survey};

use crate::{ADOPTED, ONE_TOOL, as_a_step};

/// The fact that names the tool.
const FACT: &str = "tool";

/// Reports whether the tool that `[migrations] tool` names is the only one that keeps a ledger here. What
/// it has applied, and what is pending, is not read.
pub fn report(tool: NamedTool, survey: &Survey, report: &mut Report) {
    let NamedTool { name, runs } = tool;
    report.fact(FACT, name);
    let mut own = None;
    for foreign in &survey.foreign {
        if foreign.is_of(tool) {
            own.get_or_insert(&foreign.table);
            continue;
        }
        report
            .broken(
                &ONE_TOOL,
                &foreign.table,
                format!(
                    "{} keeps its ledger here, and [migrations] tool names {name}",
                    foreign.tool
                ),
            )
            .remedy(format!(
                "drop the table if nothing uses it; where `{}` still runs here, let one of the two \
                 migrate the database",
                foreign.runs
            ));
    }
    if !survey.rows().is_empty() {
        let were = match survey.rows().len() {
            1 => "1 migration was".to_owned(),
            count => format!("{count} migrations were"),
        };
        report
            .broken(
                &ONE_TOOL,
                "Lockstep's ledger",
                format!("{were} deployed by deploy-db, and [migrations] tool names {name}"),
            )
            .remedy(
                "take tool out of [migrations], or let that tool have the next migrations and \
                     drop Lockstep's ledger",
            );
    }
    match own {
        Some(table) => {
            report
                .warned(
                    &ONE_TOOL,
                    table,
                    format!(
                        "{name} keeps its ledger here, as the file says; it is not read yet: what is \
                         applied or pending is not known"
                    ),
                )
                .remedy(format!("see by {name}'s own means what `{runs}` would run"));
            report.held(&ADOPTED, format!("by {name}: {table}"));
        }
        None if survey.occupied() => {
            report
                .broken(
                    &ADOPTED,
                    survey.tables_named(),
                    format!("not adopted: there are tables, and no ledger of {name}"),
                )
                .remedy(format!(
                    "check the target; where it is right, let {name} take the database over by its \
                     own means, or name under [migrations] the tool that made the tables"
                ));
        }
        None => {
            report
                .warned(
                    &ONE_TOOL,
                    "database",
                    format!("it is empty, and {name} has no ledger here yet; what is pending is not known"),
                )
                .remedy(as_a_step(runs));
        }
    }
}
