//! What a PostgreSQL server says of itself.

use std::time::Instant;

use contract::{Class, Failure};
use db_connect::{Route, StatementError};
use db_read::PostgresSession;
use records::{OWN_POSTGRES, PostgresRecords};
use settings::PostgresTarget;
use settings::file::Version;
use settings::target::Host;

use crate::observed::{Content, Marked, Observed, Question, Server, TABLES_SHOWN, TableSize};

/// Tables of one query that looks for a row.
const PROBED_AT_ONCE: usize = 50;

pub(crate) fn observe(target: &PostgresTarget, question: &Question) -> Result<Observed, Failure> {
    let mut session = PostgresSession::open(target, &question.options)?;
    let asked = Instant::now();
    session
        .client()
        .simple_query("")
        .map_err(|error| StatementError::new("measure the round trip", error))?;
    let round_trip = asked.elapsed();
    let mut records = PostgresRecords::new(session.client(), &question.ledger);
    let occupied_by = records.tables(TABLES_SHOWN as u32)?;
    let mut content = sizes(&mut session, question)?;
    content.occupied_by = occupied_by;
    if question.rows {
        content.has_rows = has_rows(&mut session, question)?;
    }
    let mark = marked(&mut session, target, question)?;
    let facts = session.facts().clone();
    let server = Server {
        endpoint: session.endpoint().to_owned(),
        socket: target
            .endpoints
            .iter()
            .any(|one| one.to_string() == session.endpoint() && is_socket(&one.host)),
        tls: session.tls().cloned(),
        primary: !facts.in_recovery,
        route: session.route().to_string(),
        pooled: match session.route() {
            Route::Direct => Some(false),
            Route::Pooler { .. } => Some(true),
            Route::Unknown { .. } => None,
        },
        role: facts.role,
        superuser: facts.superuser,
        encoding: facts.encoding,
        search_path: facts.search_path,
        round_trip,
        warnings: session.warnings().to_vec(),
    };
    session.close()?;
    Ok(Observed {
        engine: "PostgreSQL",
        version: version(facts.version_num),
        version_text: facts.version,
        server: Some(server),
        file: None,
        content,
        mark,
        damage: None,
        leftovers: Vec::new(),
    })
}

/// Read last: a refusal fails the transaction, and says nothing else about the database.
fn marked(
    session: &mut PostgresSession,
    target: &PostgresTarget,
    question: &Question,
) -> Result<Marked, records::Error> {
    let answered = session.endpoint().to_owned();
    let mut records = PostgresRecords::new(session.client(), &question.ledger);
    match records.mark() {
        Ok(None) => Ok(Marked::No),
        Ok(Some(mark)) => Ok(Marked::Yes {
            identity: mark.identity(&records.place(target, &answered)?),
            mark: Box::new(mark),
        }),
        Err(error) if error.is_forbidden() => Ok(Marked::Hidden),
        Err(error) => Err(error),
    }
}

fn is_socket(host: &Host) -> bool {
    matches!(host, Host::Socket(_))
}

/// `server_version_num` in parts: 150018 is 15.18, and 90624 was 9.6.24.
fn version(number: u32) -> Version {
    if number >= 100_000 {
        Version([number / 10_000, number % 10_000, 0])
    } else {
        Version([number / 10_000, number / 100 % 100, number % 100])
    }
}

/// What the planner believes about the tables; nothing is counted. A table counts once, whatever
/// its partitions; rows are those of the partitions.
fn sizes_sql() -> String {
    format!(
        "SELECT \
    pg_catalog.format('%I.%I', s.nspname, s.relname), \
    s.rows, \
    pg_catalog.sum(s.rows) OVER ()::pg_catalog.int8, \
    pg_catalog.count(*) FILTER (WHERE s.counts) OVER () \
    FROM (SELECT n.nspname, c.relname, \
        c.relkind IN ('r', 'p', 'f') AND NOT c.relispartition AS counts, \
        CASE WHEN c.relkind IN ('r', 'm') AND (c.reltuples > 0 OR (c.reltuples = 0 AND c.relpages > 0)) \
            THEN c.reltuples::pg_catalog.int8 END AS rows \
        FROM pg_catalog.pg_class c \
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
        WHERE c.relkind IN ('r', 'p', 'm', 'f') AND c.relpersistence <> 't' \
        AND n.nspname NOT IN ('pg_catalog', 'information_schema') \
        AND n.nspname !~ '^pg_toast' AND NOT {OWN_POSTGRES} \
        AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d \
            WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass \
            AND d.objid = c.oid AND d.deptype = 'e')) s \
    ORDER BY s.rows DESC NULLS LAST, 1 LIMIT $2"
    )
}

fn sizes(session: &mut PostgresSession, question: &Question) -> Result<Content, StatementError> {
    use postgres::types::Type;
    let limit = i64::try_from(TABLES_SHOWN).unwrap_or(i64::MAX);
    let rows = session
        .client()
        .query_typed(
            &sizes_sql(),
            &[
                (&question.ledger.as_str(), Type::TEXT),
                (&limit, Type::INT8),
            ],
        )
        .map_err(|error| StatementError::new("read the tables", error))?;
    let number = |value: Option<i64>| value.and_then(|value| u64::try_from(value).ok());
    let first = rows.first();
    Ok(Content {
        tables: number(first.map(|row| row.get(3))).unwrap_or_default(),
        rows_approximate: number(first.and_then(|row| row.get(2))),
        largest: rows
            .iter()
            .map(|row| TableSize {
                name: row.get(0),
                rows_approximate: number(row.get(1)),
            })
            .collect(),
        ..Content::default()
    })
}

/// The tables that may hold rows, those that are believed to first; and whether this role sees all
/// of their rows. Partitions are read through their parents.
fn probed_sql() -> String {
    format!(
        "SELECT pg_catalog.format('%I.%I', n.nspname, c.relname), \
        pg_catalog.has_schema_privilege(n.oid, 'USAGE') \
            AND pg_catalog.has_any_column_privilege(c.oid, 'SELECT') \
            AND NOT pg_catalog.row_security_active(c.oid) \
    FROM pg_catalog.pg_class c \
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
    WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence <> 't' \
    AND n.nspname NOT IN ('pg_catalog', 'information_schema') \
    AND n.nspname !~ '^pg_toast' AND NOT {OWN_POSTGRES} \
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d \
        WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass \
        AND d.objid = c.oid AND d.deptype = 'e') \
    ORDER BY c.reltuples DESC, 1"
    )
}

/// Whether any table has a row.
fn has_rows(session: &mut PostgresSession, question: &Question) -> Result<bool, Failure> {
    use postgres::types::Type;
    let act = "look for a row";
    let rows = session
        .client()
        .query_typed(&probed_sql(), &[(&question.ledger.as_str(), Type::TEXT)])
        .map_err(|error| StatementError::new(act, error))?;
    let (readable, hidden): (Vec<_>, Vec<_>) = rows
        .iter()
        .map(|row| (row.get::<_, String>(0), row.get::<_, bool>(1)))
        .partition(|(_, readable)| *readable);
    for tables in readable.chunks(PROBED_AT_ONCE) {
        let probes: Vec<String> = tables
            .iter()
            .map(|(table, _)| format!("EXISTS (SELECT FROM {table})"))
            .collect();
        let sql = format!("SELECT {}", probes.join(" OR "));
        if session
            .rows(act, &sql)?
            .first()
            .is_some_and(|row| row.get(0))
        {
            return Ok(true);
        }
    }
    match hidden.first() {
        None => Ok(false),
        Some((table, _)) => Err(Failure::new(
            Class::Error,
            format!(
                "cannot tell whether the database has rows: none can be seen, and {} of its tables \
                 are closed to this role, {table} among them",
                hidden.len()
            ),
        )
        .remedy("use a role that may read the tables, past row security")),
    }
}
