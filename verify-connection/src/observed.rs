//! What is asked of a database, and what it answered.

use std::path::PathBuf;
use std::time::Duration;

use contract::{Failure, Report, Run};
use db_connect::TlsFacts;
use records::{LedgerName, Mark};
use serde::Serialize;
use settings::file::Version;
use settings::{Resolved, Target};

use crate::{Args, Expect, TIMEOUT_DEFAULT, TOOL};

/// What is asked.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    pub(crate) target: Target,
    pub(crate) ledger: LedgerName,
    pub(crate) options: db_read::Options,
    /// Longest time for all of it.
    pub(crate) limit: Option<Duration>,
    /// Whether to look for rows.
    pub(crate) rows: bool,
    pub(crate) quick_check: bool,
}

impl Question {
    pub(crate) fn of(args: &Args, resolved: &Resolved, run: &Run) -> Result<Question, Failure> {
        let of_target = match &resolved.target {
            Target::Postgres(target) => target.connect_timeout,
            Target::Sqlite(_) => None,
        };
        let limit = args.timeout.or(of_target).unwrap_or(TIMEOUT_DEFAULT);
        let mut options = db_read::Options::new(format!("{}/{}", TOOL.name, run.run_id()));
        options.connect_timeout = Some(limit);
        options.statement_timeout = limit;
        options.lock_timeout = options.lock_timeout.min(limit);
        // What a local file makes one wait for is a lock, and that wait has its own limit. A thread
        // that watches over the rest costs a fifth of the run, so it has to be asked for.
        let unlimited = matches!(resolved.target, Target::Sqlite(_)) && args.timeout.is_none();
        Ok(Question {
            target: resolved.target.clone(),
            ledger: LedgerName::new(resolved.settings.migrations.ledger.as_deref())?,
            options,
            limit: (!unlimited).then_some(limit),
            rows: args.expect == Some(Expect::Data),
            quick_check: args.quick_check,
        })
    }
}

/// What the database is.
#[derive(Clone, Debug)]
pub(crate) struct Observed {
    /// `PostgreSQL` or `SQLite`.
    pub(crate) engine: &'static str,
    pub(crate) version: Version,
    /// As the engine writes it.
    pub(crate) version_text: String,
    pub(crate) server: Option<Server>,
    pub(crate) file: Option<File>,
    pub(crate) content: Content,
    pub(crate) mark: Marked,
    /// Lines of `quick_check`, none where the file is sound; `None` where it was not made.
    pub(crate) damage: Option<Vec<String>>,
    /// Files that reading left behind.
    pub(crate) leftovers: Vec<PathBuf>,
}

/// Whose the database is, as its mark says.
#[derive(Clone, Debug)]
pub(crate) enum Marked {
    No,
    Yes {
        mark: Box<Mark>,
        /// See [`Mark::identity`].
        identity: String,
    },
    /// The role may not read whether it has one.
    Hidden,
}

/// What only a server has.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    pub(crate) endpoint: String,
    pub(crate) socket: bool,
    pub(crate) tls: Option<TlsFacts>,
    pub(crate) primary: bool,
    pub(crate) route: String,
    /// Whether a pooler is in between; `None` where that can't be told.
    pub(crate) pooled: Option<bool>,
    pub(crate) role: String,
    pub(crate) superuser: bool,
    pub(crate) encoding: String,
    pub(crate) search_path: String,
    pub(crate) round_trip: Duration,
    pub(crate) warnings: Vec<String>,
}

/// What only a file has.
#[derive(Clone, Debug)]
pub(crate) struct File {
    pub(crate) journal_mode: String,
    pub(crate) page_size: u32,
    pub(crate) page_count: u32,
    pub(crate) encoding: String,
}

/// What is in it. Lockstep's own tables do not count, nor an extension's.
#[derive(Clone, Debug, Default)]
pub(crate) struct Content {
    pub(crate) tables: u64,
    /// The largest, with about how many rows each.
    pub(crate) largest: Vec<TableSize>,
    /// About how many rows in all tables of which that is known.
    pub(crate) rows_approximate: Option<u64>,
    /// The first names of what makes it not empty: tables, views, sequences.
    pub(crate) occupied_by: Vec<String>,
    /// Whether any table has a row; only where that was asked.
    pub(crate) has_rows: bool,
    /// SQLite: virtual tables whose module is not here, so that they could not be asked.
    pub(crate) unread: Vec<String>,
}

/// A table and about how many rows it has.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct TableSize {
    pub(crate) name: String,
    /// Not known before the first ANALYZE, and not counted in a large SQLite file.
    pub(crate) rows_approximate: Option<u64>,
}

/// How many tables are named in the result.
pub(crate) const TABLES_SHOWN: usize = 20;

impl Observed {
    /// Puts everything into the result.
    pub(crate) fn facts(&self, report: &mut Report) {
        report
            .fact(
                "engine",
                if self.server.is_some() {
                    "postgres"
                } else {
                    "sqlite"
                },
            )
            .fact("engine_version", &self.version_text)
            .fact("tables", self.content.tables)
            .fact("rows_approximate", self.content.rows_approximate)
            .fact("largest_tables", &self.content.largest);
        if let Some(server) = &self.server {
            report
                .fact("endpoint", &server.endpoint)
                .fact("server_role", role(server.primary))
                .fact("route", &server.route)
                .fact("pooled", server.pooled)
                .fact("role", &server.role)
                .fact("superuser", server.superuser)
                .fact("encoding", &server.encoding)
                .fact("search_path", &server.search_path)
                .fact("round_trip_us", micros(server.round_trip))
                .fact("tls", server.tls.as_ref().map(|tls| tls.version))
                .fact("tls_cipher", server.tls.as_ref().map(|tls| &tls.cipher));
        }
        if let Some(file) = &self.file {
            report
                .fact("journal_mode", &file.journal_mode)
                .fact("page_size", file.page_size)
                .fact("page_count", file.page_count)
                .fact("encoding", &file.encoding);
        }
        if let Marked::Yes { mark, .. } = &self.mark {
            report
                .fact("marked_as", &mark.environment)
                .fact("protected", mark.protected);
        }
    }

    /// The answer in one line.
    pub(crate) fn summary(&self) -> String {
        let number = self.version_text.split(' ').next().unwrap_or_default();
        let mut words = vec![format!("{} {number}", self.engine)];
        if let Some(server) = &self.server {
            words.push(role(server.primary).to_owned());
            words.push(match &server.tls {
                Some(tls) => tls.version.to_owned(),
                None if server.socket => "socket".to_owned(),
                None => "not encrypted".to_owned(),
            });
            if server.pooled == Some(true) {
                words.push("through a pooler".to_owned());
            }
        }
        if let Some(file) = &self.file {
            words.push(format!("journal mode {}", file.journal_mode));
        }
        words.push(match self.content.tables {
            0 => "no table".to_owned(),
            1 => "1 table".to_owned(),
            count => format!("{count} tables"),
        });
        words.join(", ")
    }
}

fn role(primary: bool) -> &'static str {
    if primary { "primary" } else { "replica" }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
