//! Whether a schema is the one that was recorded, and what accounts for the difference.

mod reach;
mod report;
mod since;
#[cfg(test)]
mod tests;

use accept::Lines;
use contract::{Class, Classify, Failure, Report};
use migrations::{LedgerRow, Migration, Set};
use records::RecordedSchema;
use schema::{Difference, Schema, Scope};

pub use reach::Reach;
pub use report::SCHEMA_AS_RECORDED;
pub use since::Age;

/// Why it can't be told.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The ledger holds what this version does not understand.
    #[error("cannot understand the schema that the ledger holds")]
    Record(#[source] schema::Error),
}

impl Classify for Error {
    fn class(&self) -> Class {
        Class::Error
    }

    fn remedy(&self) -> Option<String> {
        Some("use the version of Lockstep that recorded it, or a newer one".into())
    }
}

/// What a live schema is held against.
#[derive(Debug)]
pub struct Basis<'a> {
    record: Option<&'a RecordedSchema>,
    rows: &'a [LedgerRow],
    /// What counts by `lockstep.toml`.
    scope: &'a Scope,
    /// What counted when the schema was recorded, where that is something else.
    recorded_scope: Option<Scope>,
    age: Age,
}

impl<'a> Basis<'a> {
    /// For what is recorded in a database, the ledger's rows, and the scope of `lockstep.toml`.
    ///
    /// # Errors
    ///
    /// When the record's scope can't be read.
    pub fn new(
        record: Option<&'a RecordedSchema>,
        rows: &'a [LedgerRow],
        scope: &'a Scope,
    ) -> Result<Basis<'a>, Error> {
        let recorded_scope = match record {
            // What the first release recorded says none: then it was that of the file.
            Some(record) => scope.of_document(&record.document).map_err(Error::Record)?,
            None => None,
        };
        Ok(Basis {
            record,
            rows,
            scope,
            recorded_scope: recorded_scope.filter(|recorded| recorded != scope),
            age: match record {
                Some(record) => since::age(rows, &record.ledger_state),
                None if rows.is_empty() => Age::Current,
                None => Age::Before(0),
            },
        })
    }

    /// Counts the files of the rows from this one on among those that may account for a difference,
    /// as if they had come after the record.
    pub fn reach_from(&mut self, row: usize) {
        self.age = match self.age {
            Age::Before(earlier) => Age::Before(earlier.min(row)),
            Age::Current | Age::Unknown => Age::Before(row),
        };
    }

    /// The scope in which the live schema has to be read to be compared.
    pub fn scope(&self) -> &Scope {
        self.recorded_scope.as_ref().unwrap_or(self.scope)
    }

    /// Whether that is another one than `lockstep.toml` says.
    pub fn is_scope_changed(&self) -> bool {
        self.recorded_scope.is_some()
    }

    /// How old the record is.
    pub fn age(&self) -> Age {
        self.age
    }

    /// Whether there is nothing that a schema could be held against: nothing was deployed yet.
    pub fn is_nothing(&self) -> bool {
        self.record.is_none() && self.rows.is_empty()
    }

    /// Compares `live`, which was read in [`Basis::scope`]. `reach` says what the file of a row may
    /// have changed.
    ///
    /// # Errors
    ///
    /// When the record can't be read.
    pub fn compare(
        &self,
        live: &Schema,
        reach: &dyn Fn(&LedgerRow) -> Reach,
    ) -> Result<Drift, Error> {
        let mut drift = Drift {
            age: self.age,
            by_hand: Vec::new(),
            by_files: Vec::new(),
            since: Vec::new(),
            recorded_by: self.record.map(RecordedBy::of),
            digest_recorded: None,
            majors: None,
            is_scope_changed: self.is_scope_changed(),
        };
        if let Age::Before(count) = self.age {
            let after = self.rows.iter().skip(count);
            drift.since = after.map(|row| row.version.clone()).collect();
        }
        if self.is_nothing() || self.is_as_written(live) {
            return Ok(drift);
        }
        let recorded = match self.record {
            Some(record) => {
                let recorded = Schema::from_json(&record.document).map_err(Error::Record)?;
                self.scope.within(&recorded)
            }
            None => Schema {
                // A new database has both of its own.
                schemas: live.schemas.clone(),
                extensions: live.extensions.clone(),
                ..Schema::empty(live.engine)
            },
        };
        let live = self.scope.within(live);
        drift.majors = match (recorded.server_major, live.server_major) {
            (Some(was), Some(is)) if was != is => Some((was, is)),
            _ => None,
        };
        if self.record.is_some() {
            drift.digest_recorded = Some(accept::shown(&schema::digest(&recorded)));
        }
        let differences = schema::diff(&without_states(recorded), &without_states(live.clone()));
        let reaches: Vec<Reach> = match self.age {
            Age::Before(count) if !differences.is_empty() => {
                self.rows.iter().skip(count).map(reach).collect()
            }
            Age::Before(_) | Age::Current | Age::Unknown => Vec::new(),
        };
        let in_schemas = live.engine == schema::Engine::Postgres;
        (drift.by_files, drift.by_hand) = differences.into_iter().partition(|difference| {
            let accounts = |reach: &Reach| reach.accounts_for(difference, in_schemas);
            reaches.iter().any(accounts)
        });
        Ok(drift)
    }

    /// Whether the record is this very text: the usual case, and a fraction of the time that a
    /// comparison takes.
    fn is_as_written(&self, live: &Schema) -> bool {
        let document = self.record.map(|record| &record.document);
        let live = live.recorded_in(self.scope);
        !self.is_scope_changed() && live.to_json().is_ok_and(|text| Some(&text) == document)
    }
}

/// Whether an index is valid is a state that a migration mends, and no part of the digest that a
/// line accepts.
fn without_states(mut schema: Schema) -> Schema {
    let of_tables = schema.tables.values_mut().map(|table| &mut table.indexes);
    let of_views = schema.views.values_mut().map(|view| &mut view.indexes);
    for indexes in of_tables.chain(of_views) {
        for index in indexes.values_mut() {
            index.valid = true;
        }
    }
    schema
}

/// What a row's file may have changed: anything, where the file is not there as it was applied.
pub fn reach_in(set: &Set, row: &LedgerRow) -> Reach {
    let is_of = |migration: &&Migration| {
        let same_tokens =
            row.sha256_tokens.is_some() && row.sha256_tokens == migration.sha256_tokens;
        migration.version == row.version && (migration.sha256 == row.sha256 || same_tokens)
    };
    match set.migrations.iter().find(is_of) {
        Some(migration) => Reach::of(set.dialect, &migration.up),
        None => Reach::Everything,
    }
}

/// Who recorded a schema.
#[derive(Clone, Debug, PartialEq, Eq)]
struct RecordedBy {
    run_id: String,
    at: String,
}

impl RecordedBy {
    fn of(record: &RecordedSchema) -> RecordedBy {
        RecordedBy {
            run_id: record.run_id.clone(),
            at: record.recorded_at.clone(),
        }
    }
}

/// How a live schema differs from the recorded one.
#[derive(Debug)]
pub struct Drift {
    /// How old the record is.
    pub age: Age,
    /// The differences that no file accounts for.
    pub by_hand: Vec<Difference>,
    /// The differences that files which came after the record may account for.
    pub by_files: Vec<Difference>,
    /// The versions that came after the record.
    pub since: Vec<String>,
    /// The major versions of the server that printed the record and of this one, where they differ.
    pub majors: Option<(u32, u32)>,
    /// Whether `lockstep.toml` says another scope than the record.
    pub is_scope_changed: bool,
    recorded_by: Option<RecordedBy>,
    digest_recorded: Option<String>,
}

impl Drift {
    /// Whether nothing differs.
    pub fn is_none(&self) -> bool {
        self.by_hand.is_empty() && self.by_files.is_empty()
    }
}

/// How a database's schema differs from the recorded one.
#[derive(Debug)]
pub struct Found {
    /// The differences.
    pub drift: Drift,
    /// What the schema is in the scope of `lockstep.toml`, as findings print it; nothing where
    /// nothing differs.
    pub digest: Option<String>,
}

impl Found {
    /// Reports the differences, and which lines of `lockstep.toml` fit them.
    pub fn report(&self, lines: &Lines<'_>, report: &mut Report) {
        lines.report(self.to_accept(), report);
        let digest = self.digest.as_deref().unwrap_or_default();
        self.drift.report(digest, lines, report);
    }

    /// The line that would let the drift be accepted, to be copied from a terminal; nothing where
    /// there is no drift, or where it has one.
    pub fn line_to_write(&self, lines: &Lines<'_>) -> Vec<String> {
        self.to_accept()
            .map_or_else(Vec::new, |digest| lines.line_to_write(digest))
    }

    /// The digest that a line may excuse.
    fn to_accept(&self) -> Option<&str> {
        let digest = self.digest.as_deref();
        digest.filter(|_| !self.drift.by_hand.is_empty())
    }
}

/// Reads the schema with `read`, in the scope of the basis, and compares it.
///
/// # Errors
///
/// When the schema or the record can't be read.
pub fn look(
    basis: &Basis<'_>,
    read: &mut dyn FnMut(&Scope) -> Result<Schema, Failure>,
    reach: &dyn Fn(&LedgerRow) -> Reach,
) -> Result<Found, Failure> {
    let live = read(basis.scope())?;
    let drift = basis.compare(&live, reach)?;
    let digest = match drift.is_none() {
        true => None,
        false if basis.is_scope_changed() => Some(schema::digest(&read(basis.scope)?)),
        false => Some(schema::digest(&live)),
    };
    Ok(Found {
        drift,
        digest: digest.map(|digits| accept::shown(&digits)),
    })
}
