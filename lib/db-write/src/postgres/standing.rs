//! Whether mark and own tables still are what the guards judged: asked behind every row that is
//! written, and before it is committed.

use contract::{Class, Classify as _};
use db_connect::StatementError;
use migrations::LedgerRow;
use postgres::{SimpleQueryMessage, Statement};
use records::{Own, OwnTables};

use super::PostgresWriter;
use crate::{ApplyError, Cause, Error, NewMark, Options};

const REMEDY: &str = "leave the schema lockstep to Lockstep: put no trigger, rule, constraint, child or grant on its tables";

/// What completes "cannot" where they could not be looked at.
const ACT: &str = "look at the mark again";

fn no_answer() -> Cause {
    Cause::new(Class::Error, format!("cannot {ACT}: no answer"))
}

/// The question, which the server has parsed and planned, and the answer that it began with.
#[derive(Default)]
pub(super) struct Standing {
    prepared: Option<(String, Statement)>,
    /// The own tables as they were when the run began; nothing before they were looked at.
    own_tables: Option<Seen>,
}

/// What was seen of the own tables.
struct Seen {
    own: OwnTables,
    /// Everything that hangs on them, and whose they are.
    state: Vec<String>,
    /// What the catalog's rows were when `state` was last found to be so.
    print: String,
}

impl Standing {
    /// Lets the server forget the question.
    pub(super) fn forget(&mut self) {
        self.prepared = None;
    }

    /// The tables that were looked at are gone with their transaction.
    pub(super) fn forget_tables(&mut self) {
        self.own_tables = None;
    }

    /// Whether the own tables were looked at.
    pub(super) fn is_known(&self) -> bool {
        self.own_tables.is_some()
    }
}

impl PostgresWriter {
    /// Lets the server forget what is prepared, before a file that may name or drop any prepared
    /// statement, and where the session is another.
    pub(super) fn forget_prepared(&mut self) {
        self.row_insert.forget();
        self.standing.forget();
    }

    /// Whether what the writer prepared is all that the session's prepared statements are: rows of
    /// `from_sql` and `statement`.
    pub(super) fn is_all_prepared(&self, messages: &[SimpleQueryMessage]) -> bool {
        let mut found: Vec<(Option<&str>, Option<&str>)> = messages
            .iter()
            .filter_map(|message| match message {
                // Rows of one column are those of other statements in the message.
                SimpleQueryMessage::Row(row) if row.len() == 2 => Some((row.get(0), row.get(1))),
                _ => None,
            })
            .collect();
        let standing = self.standing.prepared.as_ref().map(|(sql, _)| sql.as_str());
        let mut own: Vec<_> = self
            .row_insert
            .prepared()
            .into_iter()
            .chain(standing)
            .map(|sql| (Some("f"), Some(sql)))
            .collect();
        found.sort_unstable();
        own.sort_unstable();
        found == own
    }

    /// Looks at the own tables for the first time. `made` is whether they were made just now: whatever
    /// is on them then, an event trigger put there.
    pub(super) fn begin_standing(&mut self, made: bool) -> Result<(), Cause> {
        if made && let Some(what) = self.attached()? {
            return Err(what);
        }
        let (own, state) = self.read_own_tables()?;
        self.standing.own_tables = Some(Seen {
            own,
            state,
            print: String::new(),
        });
        let (_, print) = self.read_standing()?;
        self.note_print(print);
        Ok(())
    }

    fn note_print(&mut self, print: String) {
        if let Some(seen) = &mut self.standing.own_tables {
            seen.print = print;
        }
    }

    /// Says what is not as it was.
    pub(super) fn check_standing(&mut self) -> Result<(), Cause> {
        let (mark, print) = self.read_standing()?;
        if mark != self.judged {
            return Err(Cause::new(
                Class::Fail,
                "it changed the database's mark, on which every guard stands",
            )
            .remedy("leave the mark to mark-db"));
        }
        let seen = self.standing.own_tables.as_ref();
        if seen.is_some_and(|seen| seen.print == print) {
            return Ok(());
        }
        // A row of the catalog is another: whether it matters, only a look at all of it tells.
        let (own, state) = self.read_own_tables()?;
        let seen = self.standing.own_tables.as_ref();
        if seen.is_some_and(|seen| seen.own == own && seen.state == state) {
            self.note_print(print);
            return Ok(());
        }
        Err(self.attached()?.unwrap_or_else(|| {
            Cause::new(
                Class::Fail,
                "it changed Lockstep's own tables, or whose they are",
            )
            .remedy(REMEDY)
        }))
    }

    /// Everything that hangs on the own tables, and which they are.
    fn read_own_tables(&mut self) -> Result<(OwnTables, Vec<String>), Cause> {
        let ledger = &self.options.ledger;
        let sql = format!(
            "SELECT o.*, {} FROM ({}) o(tables, schemas)",
            records::own_tables_state(ledger),
            records::own_tables_query(ledger)
        );
        let asked = self.link.client.query_typed(&sql, &[]);
        let rows = asked.map_err(|error| self.stopped_or(ACT, error))?;
        let row = rows.first().ok_or_else(no_answer)?;
        let own = OwnTables {
            tables: row.get(0),
            schemas: row.get(1),
        };
        Ok((own, row.get(2)))
    }

    /// What hangs on the own tables, as a cause.
    fn attached(&mut self) -> Result<Option<Cause>, Cause> {
        let attached = self.records().attached().map_err(Cause::from)?;
        Ok((!attached.is_empty()).then(|| {
            Cause::new(
                Class::Fail,
                format!(
                    "something hangs on Lockstep's own tables: {}",
                    attached.join(", ")
                ),
            )
            .remedy(REMEDY)
        }))
    }

    /// The mark as far as guards judge it, and the print of the own tables.
    fn read_standing(&mut self) -> Result<(Option<NewMark>, String), Cause> {
        let own = self.standing.own_tables.as_ref().map(|seen| &seen.own);
        let print = records::own_tables_print(own.unwrap_or(&OwnTables::default()));
        // A database without a mark need not have its table.
        let sql = match self.judged {
            Some(_) => format!(
                "SELECT {print}, m.name, m.protected, m.uuid, m.terms \
                 FROM (SELECT 1) one LEFT JOIN ONLY \"lockstep\".\"environment\" m ON m.id = 1"
            ),
            None => format!("SELECT {print}, NULL::text, NULL::bool, NULL::text, NULL::text"),
        };
        let client = &mut self.link.client;
        let statement = match self.standing.prepared.take() {
            Some((of, statement)) if of == sql => Ok(statement),
            _ => client.prepare_typed(&sql, &[]),
        };
        let asked = statement.and_then(|statement| {
            let rows = client.query(&statement, &[])?;
            Ok((statement, rows))
        });
        let (statement, rows) = asked.map_err(|error| self.stopped_or(ACT, error))?;
        self.standing.prepared = Some((sql, statement));
        let row = rows.first().ok_or_else(no_answer)?;
        let mark = match row.get::<_, Option<String>>(1) {
            None => None,
            Some(environment) => Some(NewMark {
                environment,
                protected: row.get(2),
                uuid: row.get(3),
                terms: records::terms(row.get(4)).map_err(Cause::from)?,
            }),
        };
        Ok((mark, row.get(0)))
    }

    /// How a file ended that was rolled back: another session's work, or the file's own by another
    /// connection, may stand all the same. `ledger` is what it has to be again.
    pub(super) fn undone(&mut self, mut cause: Cause, ledger: &[LedgerRow]) -> ApplyError {
        match self.disturbed(ledger) {
            None => ApplyError::Undone(cause),
            Some(what) => {
                cause.class = Class::Partial;
                cause.message = format!("{}; and yet {what}", cause.message);
                ApplyError::Disturbed(cause.remedy(
                    "find out what wrote to the schema lockstep; verify-guards shows the mark, verify-migrations the ledger",
                ))
            }
        }
    }

    /// What of mark, ledger and own tables is not what it was before the file.
    fn disturbed(&mut self, ledger: &[LedgerRow]) -> Option<String> {
        let judged = match (&self.mark_with_first, &self.judged) {
            // The mark of a first file went with it.
            (Some(_), _) => Some(None),
            (None, judged) => judged.clone().map(|mut judged| {
                // So with its upgrade.
                if self
                    .outdated
                    .iter()
                    .any(|outdated| outdated.what == Own::Mark)
                {
                    judged.terms = None;
                }
                Some(judged)
            }),
        };
        let unread = |what: &str, error: records::Error| {
            // Nobody answers: what is known is that the server rolled back.
            let silent = error.class() == Class::Unavailable;
            (!silent).then(|| {
                format!(
                    "{what} can't be read: {}",
                    contract::Failure::from(error).line()
                )
            })
        };
        match self.records().mark() {
            Err(error) => return unread("the database's mark", error),
            Ok(mark) if judged.is_some_and(|judged| mark.as_ref().map(NewMark::from) != judged) => {
                return Some("the database's mark is not the one that was judged".to_owned());
            }
            Ok(_) => {}
        }
        match self.records().ledger() {
            Err(error) => return unread("the ledger", error),
            Ok(rows) if rows.as_deref().unwrap_or_default() != ledger => {
                return Some("the ledger is not the one that was read".to_owned());
            }
            Ok(_) => {}
        }
        match self.records().attached() {
            Err(error) => unread("what hangs on Lockstep's own tables", error),
            Ok(attached) => (!attached.is_empty()).then(|| {
                format!(
                    "something hangs on Lockstep's own tables: {}",
                    attached.join(", ")
                )
            }),
        }
    }
}

/// Looks at mark and own tables within a transaction that has written a row of ours; at the tables
/// alone where no mark was judged. `seen` is what this run has seen of them.
pub(super) fn hold(
    transaction: &mut postgres::Transaction<'_>,
    options: &Options,
    seen: &Standing,
    judged: Option<&NewMark>,
    act: &'static str,
) -> Result<(), Error> {
    let mut records = records::PostgresRecords::new(transaction, &options.ledger);
    let mark = records.mark()?.as_ref().map(NewMark::from);
    let what = if judged.is_some() && mark.as_ref() != judged {
        "the database's mark is not the one that was judged".to_owned()
    } else {
        if let Some(seen) = &seen.own_tables {
            let print = format!("SELECT {}", records::own_tables_print(&seen.own));
            let rows = transaction
                .query_typed(&print, &[])
                .map_err(|error| StatementError::new(act, error))?;
            if rows
                .first()
                .is_some_and(|row| row.get::<_, &str>(0) == seen.print)
            {
                return Ok(());
            }
        }
        let mut records = records::PostgresRecords::new(transaction, &options.ledger);
        let attached = records.attached()?;
        if attached.is_empty() {
            return Ok(());
        }
        format!(
            "something hangs on Lockstep's own tables: {}",
            attached.join(", ")
        )
    };
    Err(Error::Disturbed { act, what })
}
