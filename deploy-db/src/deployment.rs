//! One deployment: file after file, what came of each, and what the run came to.

use contract::{Changed, Check, Class, Classify as _, Failure, Report, Run};
use db_write::{ApplyError, Cause, Writer};
use migrations::{LedgerRow, Migration};
use plan::Plan;
use records::Survey;
use schema::Scope;
use settings::Resolved;

use crate::heard::Heard;

pub(crate) const APPLIED: Check = Check {
    id: "migration-applied",
    holds: "the migration was applied, and the ledger says so",
    remedy: "mend the file, verify it, and deploy again",
};

const LEDGER_REMEDY: &str =
    "compare verify-migrations with this result, and find out what wrote to the ledger";

const NOT_THE_FILE: &str =
    "see what the engine says of the session or the role: the file's SQL is not what failed";

/// What a rollback leaves on PostgreSQL.
const SEQUENCES: &str = "; if its setval ran, that stands: sequences are not rolled back";

pub(crate) struct Deployment<'a> {
    plan: &'a Plan,
    run: &'a Run,
    pending: Vec<&'a Migration>,
    /// How many of them were applied.
    applied: usize,
    /// The ledger as it has to be, by what was read under the lock and written since.
    ledger: Vec<LedgerRow>,
    /// The version whose row may stand behind it: it is dirty, or can't be told.
    unfinished: Option<String>,
    changed: Changed,
}

impl<'a> Deployment<'a> {
    pub(crate) fn new(plan: &'a Plan, survey: &Survey, run: &'a Run) -> Deployment<'a> {
        Deployment {
            plan,
            run,
            pending: plan.pending().collect(),
            applied: 0,
            ledger: survey.rows().to_vec(),
            unfinished: None,
            changed: Changed::No,
        }
    }

    /// Whether it is known that something was changed.
    pub(crate) fn changed_anything(&self) -> bool {
        self.changed == Changed::Yes
    }

    /// Applies what is pending, in order, and stops at the first that is not applied.
    pub(crate) fn apply_all(
        &mut self,
        writer: &mut dyn Writer,
        heard: &Heard,
        report: &mut Report,
    ) {
        let run = self.run;
        run.change_began();
        writer.expect(&self.pending);
        let count = self.pending.len();
        for at in 0..count {
            let migration = self.pending[at];
            let file = shown(migration);
            let outside = if migration.no_transaction {
                " outside a transaction"
            } else {
                ""
            };
            run.say(&format!("applying {file}{outside} ({} of {count})", at + 1));
            heard.begin(&file);
            let applied = writer.apply(migration, &self.ledger, &mut |text| run.say(text));
            heard.end();
            match applied {
                Ok(done) => {
                    run.say(&format!("applied {file} in {} ms", done.duration_ms));
                    report.held(&APPLIED, file);
                    self.changed = Changed::Yes;
                    self.applied += 1;
                    self.ledger.push(done.row);
                }
                Err(error) => {
                    self.not_applied(migration, error, report);
                    break;
                }
            }
        }
        report
            .changed(self.changed)
            .fact("applied", self.plan.state.applied + self.applied)
            .fact("deployed", names(&self.pending[..self.applied]))
            .fact("not_deployed", names(&self.pending[self.applied..]));
        if self.applied == count {
            report
                .summary(format!("deployed {}", counted(count)))
                .fact("applied", self.ledger.len())
                .fact("ledger_state", migrations::ledger_state(&self.ledger));
        }
    }

    /// Says how a migration ended, and decides what the run came to: with something committed
    /// before it, nothing but `partial` is true.
    fn not_applied(&mut self, migration: &Migration, error: ApplyError, report: &mut Report) {
        let file = shown(migration);
        let (cause, changed, how) = match error {
            ApplyError::Undone(cause) => (cause, Changed::No, "rolled back"),
            ApplyError::Disturbed(cause) => (cause, Changed::Unknown, "rolled back"),
            ApplyError::Dirty(cause) => (
                cause,
                Changed::Yes,
                "not finished, and its row in the ledger is dirty",
            ),
            ApplyError::Unknown(cause) => (
                cause,
                Changed::Unknown,
                "it can't be told whether it was applied",
            ),
        };
        let Cause {
            class,
            message,
            line,
            remedy,
        } = cause;
        let remedy = match (changed, remedy) {
            // Whatever went wrong, the row has to be ended by somebody who has looked.
            (Changed::Yes, _) => format!(
                "look at what it left behind, then mark-migrations --resolve {} applied|pending \
                 --because \"what you found\"",
                migration.version
            ),
            (_, Some(remedy)) => remedy,
            // An error without a place in the file is none of its SQL.
            (_, None) if line.is_none() => NOT_THE_FILE.to_owned(),
            (_, None) => APPLIED.remedy.to_owned(),
        };
        let stands = match changed {
            Changed::No if sets_sequences(migration) => SEQUENCES,
            _ => "",
        };
        let message = format!("{message}{stands}");
        report
            .broken(&APPLIED, &file, format!("{how}: {message}"))
            .remedy(&remedy)
            .at(self.plan.path(migration), line);
        if changed == Changed::No && self.applied == 0 {
            self.run.change_undone();
            report.summary(match stands {
                "" => format!("{file}: {how}, nothing was changed"),
                _ => format!("{file}: {how}{stands}"),
            });
            if class != Class::Fail {
                report.stopped_by(
                    Failure::new(class, format!("cannot apply {file}: {how}: {message}"))
                        .remedy(remedy),
                );
            }
            return;
        }
        if changed != Changed::No {
            self.changed = changed;
            self.unfinished = Some(migration.version.clone());
        }
        report.stopped_by(
            Failure::new(
                Class::Partial,
                format!(
                    "cannot apply {file}: {how}: {message}; {}",
                    self.how_far(changed)
                ),
            )
            .remedy(remedy),
        );
    }

    /// Which files are applied, and which are not.
    fn how_far(&self, changed: Changed) -> String {
        let applied = match self.applied {
            0 => "this run applied nothing before it".to_owned(),
            1 => format!("applied is {}", shown(self.pending[0])),
            count => format!(
                "applied are {} to {}",
                shown(self.pending[0]),
                shown(self.pending[count - 1])
            ),
        };
        // The file itself is neither where it is dirty or unknown.
        let from = self.applied + usize::from(changed != Changed::No);
        let not = match self.pending.get(from..).unwrap_or_default() {
            [] => String::new(),
            [one] => format!(", not applied is {}", shown(one)),
            [first, .., last] => format!(", not applied are {} to {}", shown(first), shown(last)),
        };
        format!("{applied}{not}")
    }

    /// Reads the ledger in full and says where it is not what this run wrote, then records the schema
    /// as it is now, whether all migrations were applied or only some. Whether the record was changed.
    pub(crate) fn record_schema(
        &self,
        writer: &mut dyn Writer,
        resolved: &Resolved,
        report: &mut Report,
    ) -> Changed {
        // In full, once: what the run has written is what is there.
        let ledger = match writer.ledger() {
            Ok(ledger) => ledger,
            Err(error) if is_about_what_is_there(&error) => {
                let what = format!("it can't be read: {}", Failure::from(error).line());
                self.distrust(&what, report);
                return Changed::No;
            }
            // Each row was confirmed as it was written; that nobody answers now takes nothing back.
            Err(error) => return db_write::not_recorded(error, report),
        };
        let ledger_state = migrations::ledger_state(&ledger);
        report.fact("ledger_state", &ledger_state);
        if !is_as_written(&ledger, &self.ledger, self.unfinished.as_deref()) {
            let what = "it is not as this run wrote it: a file or somebody else changed it";
            self.distrust(what, report);
        }
        let scope = Scope::from_settings(&resolved.settings);
        db_write::record_schema(writer, &scope, ledger_state, report)
    }

    /// Says that the ledger is not what it has to be after this run.
    fn distrust(&self, what: &str, report: &mut Report) {
        report
            .broken(&APPLIED, "ledger", what)
            .remedy(LEDGER_REMEDY);
        // What stopped the run before the last file is told first.
        if self.applied == self.pending.len() {
            report.stopped_by(
                Failure::new(Class::Partial, format!("cannot trust the ledger: {what}"))
                    .remedy(LEDGER_REMEDY),
            );
        }
    }
}

/// Whether an error says something of the ledger, and not that nobody answered or waited for it.
fn is_about_what_is_there(error: &db_write::Error) -> bool {
    !matches!(error, db_write::Error::Stopped { .. })
        && !matches!(error.class(), Class::Busy | Class::Unavailable)
}

/// Whether the ledger that is there is the one that the run wrote.
fn is_as_written(ledger: &[LedgerRow], written: &[LedgerRow], unfinished: Option<&str>) -> bool {
    match ledger.strip_prefix(written) {
        Some([]) => true,
        Some([row]) => Some(row.version.as_str()) == unfinished,
        _ => false,
    }
}

/// Whether a file calls `setval`, as far as its text tells: code that is made at run time does not.
/// `nextval` leaves no more than a gap, and `ALTER SEQUENCE` is rolled back.
fn sets_sequences(migration: &Migration) -> bool {
    sql::names(sql::Dialect::Postgres, &migration.up).contains("setval")
}

fn shown(migration: &Migration) -> String {
    migration.file.display().to_string()
}

fn names(migrations: &[&Migration]) -> Vec<String> {
    migrations.iter().copied().map(shown).collect()
}

fn counted(count: usize) -> String {
    match count {
        1 => "1 migration".to_owned(),
        count => format!("{count} migrations"),
    }
}
