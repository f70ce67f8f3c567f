//! Whether what an adoption claims is so: proven by the evidence, or excused by a reviewed line.

use accept::{Lines, Verdict};
use contract::evidence::Line;
use contract::{Failure, Report, Run};
use db_write::{NewAccepted, Writer};
use migrations::Migration;
use plan::Plan;
use plan::adoption::{self, ADOPTION_PROVEN, NONE};
use records::Survey;
use schema::{Engine, Schema, Scope};
use settings::Resolved;
use settings::file::Acceptable;
use sql::Made;

/// What is claimed, and where. All of it was read under the lock.
pub(crate) struct Claim<'a> {
    pub(crate) resolved: &'a Resolved,
    pub(crate) plan: &'a Plan,
    pub(crate) survey: &'a Survey,
    /// The migrations that would count as applied.
    pub(crate) adopted: &'a [&'a Migration],
}

/// What lets an adoption be entered, and the schema that it is entered with.
pub(crate) struct Grounds {
    pub(crate) schema: Schema,
    pub(crate) scope: Scope,
    /// The line that excuses what could not be proven.
    pub(crate) accepted: Option<NewAccepted>,
}

/// Reports whether the claim is so, or what excuses it.
pub(crate) fn judge(
    claim: &Claim<'_>,
    writer: &mut dyn Writer,
    run: &Run,
    report: &mut Report,
) -> Result<Grounds, Failure> {
    let scope = Scope::from_settings(&claim.resolved.settings);
    let schema = writer.read_schema(&scope)?;
    let digest = schema::digest(&schema);
    let version = version_of(claim.adopted);
    let chain = evidence(run)?;
    let (chain, identity, set) = (chain.as_deref(), &claim.plan.identity, &claim.plan.set);
    let unproven = match claim.adopted.is_empty() {
        true => match adoption::not_none(chain, identity, set, &digest) {
            Some(why) => Some(why),
            None => made_here(claim, &scope, writer)?.or_else(|| adoption::untold(set)),
        },
        false => adoption::unproven(chain, identity, set, &digest, version),
    };
    let entered = writer.accepted()?;
    let identity = claim.survey.mark.as_ref().map(|_| &claim.plan.identity);
    let lines = Lines::new(
        Acceptable::AdoptionProven,
        &claim.resolved.settings,
        identity.map(String::as_str),
        &entered,
    );
    let claimed = accept::shown(&adoption::claim(claim.adopted, &digest));
    report.fact("claim", &claimed);
    let accepted = match unproven {
        None => {
            lines.report(None, report);
            report.held(&ADOPTION_PROVEN, version);
            None
        }
        Some(why) => {
            lines.report(Some(&claimed), report);
            excuse(claim, &lines, &claimed, &why, run, report)
        }
    };
    Ok(Grounds {
        schema,
        scope,
        accepted,
    })
}

/// The evidence of this run; nothing where no folder was named.
fn evidence(run: &Run) -> Result<Option<Vec<Line>>, Failure> {
    match run.evidence_dir() {
        None => Ok(None),
        Some(dir) => Ok(Some(contract::evidence::read(dir)?.0)),
    }
}

/// The line that excuses a claim that is not proven. That there is none is a failure.
fn excuse(
    claim: &Claim<'_>,
    lines: &Lines<'_>,
    claimed: &str,
    why: &str,
    run: &Run,
    report: &mut Report,
) -> Option<NewAccepted> {
    let version = version_of(claim.adopted);
    match lines.judge(claimed) {
        Verdict::Excused(line) => {
            let message = format!(
                "{why}; accepted by line {}, which says: {}",
                line.line, line.because
            );
            report
                .warned(&ADOPTION_PROVEN, version, message)
                .remedy("verify-schema --replay: where it passes, mark-schema --renew enters that");
            return Some(NewAccepted::from(line));
        }
        Verdict::Used(line, entry) => {
            let message = format!(
                "{why}; line {} excused it once already, in run {} at {}",
                line.line, entry.run_id, entry.accepted_at
            );
            report
                .broken(&ADOPTION_PROVEN, version, message)
                .actual(claimed)
                .remedy("write another [[accept]] line with a reason of its own");
        }
        Verdict::Unexcused => {
            let entry = lines.entry(claimed).unwrap_or_default();
            let prove = match claim.adopted.is_empty() {
                true => "adopt the version that verify-migrations names",
                false => ADOPTION_PROVEN.remedy,
            };
            report
                .broken(&ADOPTION_PROVEN, version, why)
                .actual(claimed)
                .remedy(format!(
                    "{prove}; or, where that can't prove it, write [[accept]] with {} into \
                     lockstep.toml, and have it reviewed",
                    entry[1.min(entry.len())..].join(", ")
                ));
            for text in lines.line_to_write(claimed) {
                run.say(&text);
            }
        }
    }
    None
}

/// The version that a claim is about.
fn version_of<'a>(adopted: &[&'a Migration]) -> &'a str {
    adopted.last().map_or(NONE, |last| last.version.as_str())
}

/// Why it is not so that none of the files was applied: what they make is there.
fn made_here(
    claim: &Claim<'_>,
    scope: &Scope,
    writer: &mut dyn Writer,
) -> Result<Option<String>, Failure> {
    let made = adoption::made(&claim.plan.set);
    let mut schemas = scope.schemas.clone();
    schemas.extend(made.iter().filter_map(|made| made.schema.clone()));
    let path = claim.plan.search_path.as_deref().unwrap_or_default();
    // Where it names the role, the survey has put its own schema there.
    schemas.extend(sql::search_path(path, ""));
    schemas.retain(|schema| !schema.is_empty());
    schemas.sort();
    schemas.dedup();
    // What is left out of comparisons counts here: a file made it all the same.
    let whole = Scope {
        schemas,
        ignore: Vec::new(),
        ..scope.clone()
    };
    let schema = writer.read_schema(&whole)?;
    let mut found = made.iter().filter(|made| is_there(made, &schema));
    let Some(first) = found.next() else {
        return Ok(None);
    };
    let more = match found.count() {
        0 => String::new(),
        count => format!(" and {count} more"),
    };
    Ok(Some(format!(
        "what the files make is there already: {first}{more}"
    )))
}

/// Whether a table or column is there, in whatever schema where the file names none.
fn is_there(made: &Made, schema: &Schema) -> bool {
    let same = |one: &str, other: &str| one.eq_ignore_ascii_case(other);
    schema.tables.iter().any(|(name, table)| {
        let parts = match schema.engine {
            Engine::Sqlite => vec![name.clone()],
            Engine::Postgres => schema::name_parts(name),
        };
        let is_table = match &parts[..] {
            [of, bare] => {
                same(bare, &made.table) && made.schema.as_ref().is_none_or(|named| named == of)
            }
            [bare] => same(bare, &made.table),
            _ => false,
        };
        let has = |column: &String| table.columns.keys().any(|known| same(known, column));
        is_table && made.column.as_ref().is_none_or(has)
    }) || made.column.is_none()
        && schema.views.keys().any(|name| {
            let bare = match schema.engine {
                Engine::Sqlite => Some(name.clone()),
                Engine::Postgres => schema::name_parts(name).pop(),
            };
            bare.is_some_and(|bare| same(&bare, &made.table))
        })
}
