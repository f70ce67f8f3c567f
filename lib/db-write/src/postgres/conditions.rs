//! What has to be so for a row of the ledger to be written, asked by the statement that writes it.

use migrations::LedgerRow;
use postgres::GenericClient;
use postgres::types::{ToSql, Type};

use crate::writer::{LEDGER_ROWS_COMPARED, ledger_digest};
use crate::{NewMark, Options};

/// One of [`Conditions`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    /// The transaction is the one that was begun.
    Transaction,
    /// This session holds the deployment lock.
    Lock,
    /// The database carries the mark that the guards judged.
    Mark,
    /// The ledger has as many rows as were read and written, and the last ones are those.
    Ledger,
}

type Parameter<'a> = (&'a (dyn ToSql + Sync), Type);

/// Everything that a file could have changed under the row that is to be written. What is not
/// given is not asked for.
#[derive(Debug, Default)]
pub(super) struct Conditions {
    transaction: Option<i64>,
    /// Its key; no session has a lock that none was taken of.
    lock: Option<Option<i64>>,
    mark: Option<NewMark>,
    /// Its terms, as it stores them.
    terms: Option<String>,
    /// How many rows it has, and their [`ledger_digest`].
    ledger: Option<(i64, String)>,
}

impl Conditions {
    pub(super) fn in_transaction(mut self, id: i64) -> Conditions {
        self.transaction = Some(id);
        self
    }

    pub(super) fn under_lock(mut self, key: Option<i64>) -> Conditions {
        self.lock = Some(key);
        self
    }

    pub(super) fn under_mark(mut self, mark: Option<&NewMark>) -> Conditions {
        self.mark = mark.cloned();
        self.terms = mark.and_then(NewMark::stored_terms);
        self
    }

    pub(super) fn after_rows(mut self, rows: &[LedgerRow]) -> Conditions {
        let count = i64::try_from(rows.len()).unwrap_or(i64::MAX);
        self.ledger = Some((count, ledger_digest(rows)));
        self
    }

    /// The conditions in SQL, whose parameters are added to `values`.
    pub(super) fn sql<'a>(
        &'a self,
        options: &Options,
        values: &mut Vec<Parameter<'a>>,
    ) -> Vec<(Condition, String)> {
        let mut conditions = Vec::new();
        let mut add = |value: &'a (dyn ToSql + Sync), of: Type| {
            values.push((value, of));
            format!("${}", values.len())
        };
        if let Some(id) = &self.transaction {
            let id = add(id, Type::INT8);
            let sql = format!("pg_catalog.txid_current() OPERATOR(pg_catalog.=) {id}");
            conditions.push((Condition::Transaction, sql));
        }
        if let Some(key) = self.lock {
            let sql = key.map_or_else(|| "false".to_owned(), holds_lock);
            conditions.push((Condition::Lock, sql));
        }
        if let Some(mark) = &self.mark {
            let sql = format!(
                "EXISTS (SELECT 1 FROM ONLY \"lockstep\".\"environment\" m \
                 WHERE m.id OPERATOR(pg_catalog.=) 1 AND m.name OPERATOR(pg_catalog.=) {} \
                 AND m.protected OPERATOR(pg_catalog.=) {} AND m.uuid OPERATOR(pg_catalog.=) {} \
                 AND coalesce(m.terms, '') OPERATOR(pg_catalog.=) coalesce({}, ''))",
                add(&mark.environment, Type::TEXT),
                add(&mark.protected, Type::BOOL),
                add(&mark.uuid, Type::TEXT),
                add(&self.terms, Type::TEXT),
            );
            conditions.push((Condition::Mark, sql));
        }
        if let Some((count, digest)) = &self.ledger {
            let digest = add(digest, Type::TEXT);
            let count = add(count, Type::INT8);
            let table = options.ledger.postgres_table("migrations");
            // In one piece, so that the rows need not be sent.
            let sql = format!(
                "(SELECT pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(\
                    coalesce(pg_catalog.string_agg(pg_catalog.concat_ws(' ', l.position, \
                        l.version, l.name, l.sha256, l.sha256_tokens, l.state), \
                        pg_catalog.chr(10) ORDER BY l.position), ''), 'UTF8')), 'hex') \
                 FROM (SELECT * FROM ONLY {table} ORDER BY position DESC LIMIT {LEDGER_ROWS_COMPARED}) l) \
                    OPERATOR(pg_catalog.=) {digest} \
                 AND (SELECT pg_catalog.count(*) FROM ONLY {table}) OPERATOR(pg_catalog.=) {count}"
            );
            conditions.push((Condition::Ledger, sql));
        }
        conditions
    }

    /// The first one that does not hold, if any.
    pub(super) fn broken<C: GenericClient>(
        &self,
        client: &mut C,
        options: &Options,
    ) -> Result<Option<Condition>, postgres::Error> {
        let mut values = Vec::new();
        let conditions = self.sql(options, &mut values);
        let columns: Vec<&str> = conditions.iter().map(|(_, sql)| sql.as_str()).collect();
        let rows = client.query_typed(&format!("SELECT {}", columns.join(", ")), &values)?;
        Ok(rows.first().and_then(|row| {
            let holds = |at: usize| row.get::<_, Option<bool>>(at) == Some(true);
            let at = (0..conditions.len()).find(|at| !holds(*at))?;
            Some(conditions[at].0)
        }))
    }
}

/// Whether this very session holds the lock: a pooler that came in between, or a file that let go
/// of it, would let a second deployment in. classid and objid are the key's halves, unsigned.
fn holds_lock(key: i64) -> String {
    format!(
        "EXISTS (SELECT 1 FROM pg_catalog.pg_locks \
         WHERE locktype = 'advisory' AND granted AND objsubid = 1 \
         AND pid = pg_catalog.pg_backend_pid() AND classid = '{}' AND objid = '{}')",
        (key.cast_unsigned() >> 32),
        (key.cast_unsigned() & 0xffff_ffff),
    )
}
