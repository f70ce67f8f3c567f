//! A PostgreSQL transaction that reads.

use std::time::Duration;

use db_connect::{CancelHandle, Link, Route, StatementError, TlsFacts};
use postgres::{Client, SimpleQueryMessage, SimpleQueryRow};
use settings::PostgresTarget;

use crate::{OpenError, Options, timeouts};

/// How much longer than a statement may take we wait for the server's own word that it took too
/// long. The whole answer to one request, which may hold a few short statements beside a long one,
/// gets twice the time.
const ANSWER_SLACK: Duration = Duration::from_secs(5);

/// One read-only transaction on a PostgreSQL server, at `REPEATABLE READ`: every statement sees the
/// same snapshot.
///
/// `search_path` is empty in it, and what shapes texts (dates, numbers, quoting) is pinned, so that
/// what the server prints does not depend on role or database. Use [`PostgresSession::rows`] or the
/// client's `query_typed` and `simple_query`: the client's `query` leaves a named statement behind,
/// which a pooler would hand to its next client.
#[derive(Debug)]
pub struct PostgresSession {
    link: Link,
    begin: String,
    facts: PostgresFacts,
    open: bool,
}

/// What a server and its database are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PostgresFacts {
    /// As in `server_version`: `15.18 (Debian 15.18-0+deb12u1)`.
    pub version: String,
    /// As in `server_version_num`: 150018.
    pub version_num: u32,
    /// Who statements run as.
    pub role: String,
    /// Whether that is a superuser.
    pub superuser: bool,
    /// Whether the server is in recovery: a replica.
    pub in_recovery: bool,
    /// Whether transactions are read-only unless they say otherwise (`default_transaction_read_only`
    /// as the role, the database or the server sets it).
    pub read_only_by_default: bool,
    /// The role's own `search_path`, as it is set.
    pub search_path: String,
    /// The schemas that it comes to, in order.
    pub search_schemas: Vec<String>,
    /// The database's name.
    pub database: String,
    /// The database's oid.
    pub database_oid: u32,
    /// Its encoding: `UTF8`.
    pub encoding: String,
    /// The server's TimeZone setting for this role, before it was pinned.
    pub time_zone: String,
}

/// Asked before anything is pinned, so that it is the role's own settings: its `search_path` may lead
/// to other operators than the catalog's.
const FACTS: &str = "SELECT \
    pg_catalog.current_setting('server_version'), \
    pg_catalog.current_setting('server_version_num'), \
    current_user, \
    pg_catalog.current_setting('is_superuser'), \
    pg_catalog.pg_is_in_recovery(), \
    pg_catalog.current_setting('default_transaction_read_only'), \
    pg_catalog.current_setting('search_path'), \
    pg_catalog.current_database(), \
    d.oid, \
    pg_catalog.pg_encoding_to_char(d.encoding), \
    pg_catalog.current_setting('TimeZone') \
    FROM pg_catalog.pg_database d \
    WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database(); \
    SELECT pg_catalog.unnest(pg_catalog.current_schemas(false))";

/// What shapes the texts that the server prints. `jit` costs a query of the catalog more than the
/// query itself.
const PINNED: &str = "SET LOCAL search_path = ''; \
    SET LOCAL TimeZone = 'UTC'; \
    SET LOCAL DateStyle = 'ISO, YMD'; \
    SET LOCAL IntervalStyle = 'postgres'; \
    SET LOCAL extra_float_digits = 3; \
    SET LOCAL bytea_output = 'hex'; \
    SET LOCAL standard_conforming_strings = on; \
    SET LOCAL quote_all_identifiers = off; \
    SET LOCAL jit = off";

impl PostgresSession {
    /// Connects and begins.
    ///
    /// # Errors
    ///
    /// There is no connection, or the server does not begin the transaction.
    pub fn open(target: &PostgresTarget, options: &Options) -> Result<PostgresSession, OpenError> {
        let connect = db_connect::Options {
            application_name: options.application_name.clone(),
            connect_timeout: options.connect_timeout,
            answer_timeout: Some(options.statement_timeout + ANSWER_SLACK),
            request_limit: Some(2 * options.statement_timeout + ANSWER_SLACK),
        };
        let mut link = db_connect::connect(target, &connect)?;
        let begin = timeouts::begin(options, link.server_version_num);
        let facts = if link.route.is_direct() {
            // The session is our own, so it is made read-only beyond the transaction too.
            let own = format!("{FACTS}; SET default_transaction_read_only = on");
            let facts = ask(&mut link.client, &own)?;
            ask(&mut link.client, &format!("{begin}; {PINNED}"))?;
            facts
        } else {
            ask(&mut link.client, &format!("{begin}; {FACTS}; {PINNED}"))?
        };
        Ok(PostgresSession {
            link,
            begin,
            facts,
            open: true,
        })
    }

    /// The driver's client, within the transaction.
    pub fn client(&mut self) -> &mut Client {
        &mut self.link.client
    }

    /// What server, role and database are.
    pub fn facts(&self) -> &PostgresFacts {
        &self.facts
    }

    /// Who answers: the server itself or a pooler.
    pub fn route(&self) -> &Route {
        &self.link.route
    }

    /// What encrypts the connection.
    pub fn tls(&self) -> Option<&TlsFacts> {
        self.link.tls.as_ref()
    }

    /// The endpoint that answered, as `host:port`.
    pub fn endpoint(&self) -> &str {
        &self.link.endpoint
    }

    /// What somebody should know about the connection.
    pub fn warnings(&self) -> &[String] {
        &self.link.warnings
    }

    /// Something that another thread can cancel the running statement with.
    pub fn cancel_handle(&self) -> CancelHandle {
        self.link.cancel_handle()
    }

    /// Runs one query without parameters by an unnamed statement; `act` completes "cannot" in an
    /// error's message.
    ///
    /// # Errors
    ///
    /// The server's, or the connection's.
    pub fn rows(&mut self, act: &str, sql: &str) -> Result<Vec<postgres::Row>, StatementError> {
        self.link
            .client
            .query_typed(sql, &[])
            .map_err(|error| StatementError::new(act, error))
    }

    /// What names the cluster and every copy of its files, where the role may ask for it.
    ///
    /// # Errors
    ///
    /// The server's, or the connection's.
    pub fn system_identifier(&mut self) -> Result<Option<String>, StatementError> {
        let act = "read the system identifier";
        // Two queries: a function's privilege is checked even where a CASE would leave it out.
        let may = self.rows(
            act,
            "SELECT pg_catalog.has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE')",
        )?;
        if !may.first().is_some_and(|row| row.get(0)) {
            return Ok(None);
        }
        let rows = self.rows(
            act,
            "SELECT system_identifier::pg_catalog.text FROM pg_catalog.pg_control_system()",
        )?;
        Ok(rows.first().map(|row| row.get(0)))
    }

    /// Ends the snapshot and begins a new one, which sees what was committed since. The facts stay
    /// those of the first.
    ///
    /// # Errors
    ///
    /// The server's, or the connection's.
    pub fn renew_snapshot(&mut self) -> Result<(), StatementError> {
        let sql = format!("COMMIT; {}; {PINNED}", self.begin);
        ask(&mut self.link.client, &sql).map(drop)
    }

    /// Ends the transaction and the connection.
    ///
    /// # Errors
    ///
    /// The connection was lost before its end; nothing was to be kept anyway.
    pub fn close(mut self) -> Result<(), StatementError> {
        self.end()
    }

    fn end(&mut self) -> Result<(), StatementError> {
        if !std::mem::take(&mut self.open) {
            return Ok(());
        }
        self.link
            .client
            .batch_execute("ROLLBACK")
            .map_err(|error| StatementError::new("end the read-only transaction", error))
    }
}

impl Drop for PostgresSession {
    fn drop(&mut self) {
        // A pooler closes its connection to the server when a client leaves inside a transaction.
        if !self.link.route.is_direct() && !self.link.client.is_closed() {
            let _ = self.end();
        }
    }
}

/// Sends one message, and reads the facts where [`FACTS`] is among its statements.
fn ask(client: &mut Client, sql: &str) -> Result<PostgresFacts, StatementError> {
    let failed = |error| StatementError::new("begin a read-only transaction", error);
    let messages = client.simple_query(sql).map_err(failed)?;
    let rows = messages.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    let mut facts = PostgresFacts::default();
    for row in rows {
        if row.len() == 1 {
            facts.search_schemas.push(text(row, 0));
        } else {
            read_facts(row, &mut facts);
        }
    }
    Ok(facts)
}

/// In the order of [`FACTS`].
fn read_facts(row: &SimpleQueryRow, facts: &mut PostgresFacts) {
    facts.version = text(row, 0);
    facts.version_num = text(row, 1).parse().unwrap_or_default();
    facts.role = text(row, 2);
    facts.superuser = text(row, 3) == "on";
    facts.in_recovery = text(row, 4) == "t";
    facts.read_only_by_default = text(row, 5) == "on";
    facts.search_path = text(row, 6);
    facts.database = text(row, 7);
    facts.database_oid = text(row, 8).parse().unwrap_or_default();
    facts.encoding = text(row, 9);
    facts.time_zone = text(row, 10);
}

fn text(row: &SimpleQueryRow, at: usize) -> String {
    row.get(at).unwrap_or_default().to_owned()
}
