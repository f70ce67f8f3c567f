//! Everything that decides whether an action may begin, read in one go.

use std::path::Path;

use migrations::LedgerRow;
use postgres::types::Type;
use settings::PostgresTarget;

use crate::{
    Error, ForeignLedger, Intruder, LEDGER_DEFAULT, LEDGER_FORMAT, MARK_FORMAT, Mark, Outdated,
    Own, Place, PostgresRecords, RecordedSchema, SqliteRecords, server,
};

/// Tables that a message names before it says "and more".
const TABLES_NAMED_MAX: u32 = 4;

const SEARCH_PATH: &str = "search_path";

/// What a database is, as far as an action has to know before it begins.
#[derive(Clone, Debug, Default)]
pub struct Survey {
    /// Its mark.
    pub mark: Option<Mark>,
    /// Where it is now.
    pub place: Place,
    /// The first tables that are not Lockstep's; empty where there are none.
    pub tables: Vec<String>,
    /// The ledger's rows; `None` where there is no ledger.
    pub ledger: Option<Vec<LedgerRow>>,
    /// The format of the ledger, where there is one.
    pub ledger_format: Option<i32>,
    /// The state of the ledger that the recorded schema belongs to. Where there is one, somebody
    /// deployed here or adopted the database, even where the ledger has no row.
    pub recorded_state: Option<String>,
    /// How many tables the recorded schema has; looked up where there are none now, to tell lost
    /// ones from those that no migration ever made.
    pub tables_recorded: Option<usize>,
    /// Ledgers that other tools keep here.
    pub foreign: Vec<ForeignLedger>,
    /// What stands on Lockstep's own tables and is not its own.
    pub intruders: Vec<Intruder>,
    /// PostgreSQL: the role's own `search_path`, in which files run, with its own schema in the
    /// place of `$user` where it has one.
    pub search_path: Option<String>,
    /// PostgreSQL: the session's own values of the settings that a file may mean to run under.
    pub settings: Vec<Setting>,
}

/// A setting of PostgreSQL, as role, database and connection have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Its name.
    pub name: String,
    /// Its value, as the server prints it.
    pub value: String,
    /// Whether a server has this value where nothing sets another.
    pub is_default: bool,
}

impl Survey {
    /// Whether there is a table that is not Lockstep's.
    pub fn occupied(&self) -> bool {
        !self.tables.is_empty()
    }

    /// The rows of the ledger, none where there is no ledger.
    pub fn rows(&self) -> &[LedgerRow] {
        self.ledger.as_deref().unwrap_or_default()
    }

    /// Whether the database has tables that no ledger of ours accounts for: it is not "all
    /// pending", somebody has to say what of it was applied.
    pub fn not_adopted(&self) -> bool {
        self.rows().is_empty() && self.occupied() && self.recorded_state.is_none()
    }

    /// Whether the recorded schema is another than the ledger's, because a run ended before it could
    /// record what it had done.
    pub fn record_is_stale(&self) -> bool {
        !self.rows().is_empty()
            && self.recorded_state.as_ref() != Some(&migrations::ledger_state(self.rows()))
    }

    /// Those of Lockstep's own tables that an earlier release wrote, which the next action
    /// upgrades.
    pub fn outdated(&self) -> Vec<Outdated> {
        let mark = self.mark.as_ref().map(|mark| mark.format);
        [
            (Own::Mark, mark, MARK_FORMAT),
            (Own::Ledger, self.ledger_format, LEDGER_FORMAT),
        ]
        .into_iter()
        .filter_map(|(what, from, to)| {
            let from = from.filter(|from| *from < to)?;
            Some(Outdated { what, from, to })
        })
        .collect()
    }

    /// The tables in words, for a message.
    pub fn tables_named(&self) -> String {
        let most = TABLES_NAMED_MAX as usize - 1;
        let mut named = self
            .tables
            .iter()
            .take(most)
            .cloned()
            .collect::<Vec<_>>()
            .join(", ");
        if self.tables.len() > most {
            named.push_str(" and more");
        }
        named
    }

    /// What the target is called in plans and evidence: the mark's UUID, or, as long as there is no
    /// mark, where it is.
    pub fn identity(&self) -> String {
        match &self.mark {
            None => format!("unmarked {}", self.place),
            Some(mark) => mark.identity(&self.place),
        }
    }

    /// Why the database should have tables although it may have none.
    pub fn data_expected(&self) -> Option<String> {
        if self.tables_recorded == Some(0) {
            return None;
        }
        match self.rows().len() {
            0 => None,
            1 => Some("its ledger has a migration".to_owned()),
            count => Some(format!("its ledger has {count} migrations")),
        }
    }
}

/// How many tables a recorded schema has; nothing where it can't be read.
fn tables_of(recorded: &RecordedSchema) -> Option<usize> {
    let document: serde_json::Value = serde_json::from_str(&recorded.document).ok()?;
    document.as_object()?;
    Some(
        document["tables"]
            .as_object()
            .map_or(0, |tables| tables.len()),
    )
}

impl SqliteRecords<'_> {
    /// The survey of the database file at `path`.
    ///
    /// # Errors
    ///
    /// When one of the records can't be read.
    pub fn survey(&self, path: &Path) -> Result<Survey, Error> {
        let tables = self.tables(TABLES_NAMED_MAX)?;
        let recorded = match tables.is_empty() {
            true => self.recorded_schema()?,
            false => None,
        };
        let ledger = self.ledger()?;
        Ok(Survey {
            mark: self.mark()?,
            place: Place::sqlite(path),
            tables_recorded: recorded.as_ref().and_then(tables_of),
            tables,
            ledger_format: match ledger {
                Some(_) => Some(self.ledger_format()?),
                None => None,
            },
            ledger,
            recorded_state: self.recorded_state()?,
            foreign: self.foreign_ledgers()?,
            intruders: self.intruders()?,
            search_path: None,
            settings: Vec::new(),
        })
    }
}

impl<C: postgres::GenericClient> PostgresRecords<'_, C> {
    /// The survey of the database that `target` led to, and of whose hosts `answered` did.
    ///
    /// # Errors
    ///
    /// When one of the records can't be read.
    pub fn survey(&mut self, target: &PostgresTarget, answered: &str) -> Result<Survey, Error> {
        let (search_path, settings) = self.settings()?;
        let tables = self.tables(TABLES_NAMED_MAX)?;
        let recorded = match tables.is_empty() {
            true => self.recorded_schema()?,
            false => None,
        };
        let ledger = self.ledger()?;
        Ok(Survey {
            tables_recorded: recorded.as_ref().and_then(tables_of),
            search_path,
            settings,
            mark: self.mark()?,
            place: self.place(target, answered)?,
            tables,
            ledger_format: match ledger {
                Some(_) => Some(self.ledger_format()?),
                None => None,
            },
            ledger,
            recorded_state: self.recorded_state()?,
            foreign: self.foreign_ledgers()?,
            intruders: self.intruders()?,
        })
    }

    /// The `search_path` that files run in, and the settings that are recorded. Not the current values:
    /// a session that only reads has set its own.
    fn settings(&mut self) -> Result<(Option<String>, Vec<Setting>), Error> {
        // `$user` leads somewhere only where the role has a schema of its name; then two roles with one
        // setting run a file in two schemas. Of our own schemas deploy-db takes it out. The settings of
        // PL/pgSQL are listed once it is loaded, and have a value before that where one is set.
        let own = [LEDGER_DEFAULT, self.ledger.as_str()];
        let rows = self
            .client
            .query_typed(
                "SELECT r.name, CASE WHEN r.name OPERATOR(pg_catalog.=) 'search_path' \
                        AND n.nspname IS NOT NULL \
                    THEN pg_catalog.replace(s.reset_val, '\"$user\"', \
                        pg_catalog.quote_ident(n.nspname)) \
                    ELSE coalesce(s.reset_val, nullif(pg_catalog.current_setting(r.name, true), '')) END, \
                    coalesce(s.reset_val OPERATOR(pg_catalog.=) s.boot_val, false) \
                 FROM pg_catalog.unnest($2) AS r(name) \
                 LEFT JOIN pg_catalog.pg_settings s ON s.name OPERATOR(pg_catalog.=) r.name \
                 LEFT JOIN pg_catalog.pg_namespace n \
                    ON n.nspname OPERATOR(pg_catalog.=) current_user \
                    AND NOT (n.nspname OPERATOR(pg_catalog.=) ANY ($1))",
                &[
                    (&own.as_slice(), Type::NAME_ARRAY),
                    (
                        &[&[SEARCH_PATH], sql::RECORDED.as_slice()].concat(),
                        Type::TEXT_ARRAY,
                    ),
                ],
            )
            .map_err(server("the session's settings"))?;
        let mut search_path = None;
        let mut settings = Vec::new();
        for row in &rows {
            let (name, value): (String, Option<String>) = (row.get(0), row.get(1));
            match value {
                value if name == SEARCH_PATH => search_path = value,
                Some(value) if !is_as_unset(&name, &value) => settings.push(Setting {
                    name,
                    value,
                    is_default: row.get(2),
                }),
                _ => {}
            }
        }
        Ok((search_path, settings))
    }
}

/// Whether the setting has the value that it has where PL/pgSQL is not loaded and nothing set one.
fn is_as_unset(name: &str, value: &str) -> bool {
    matches!(
        (name, value),
        ("plpgsql.check_asserts", "on")
            | ("plpgsql.extra_errors", "none")
            | ("plpgsql.variable_conflict", "error")
    )
}
