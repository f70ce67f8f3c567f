//! Verifies that the database answers, and is the database that was demanded.
//!
//! Opens one read-only session, asks, and closes it. Changes nothing, creates no file, and reads no
//! row but to see whether there is one, unless `--quick-check` asks for the whole SQLite file.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use contract::{Check, Class, Failure, Manual, Report, Run, Tool};
use settings::file::Version;
use settings::{SETTINGS_USED, TargetArgs};

mod deadline;
mod demands;
mod observed;
mod postgres;
mod sqlite;
#[cfg(test)]
mod tests;

use demands::Demands;
use observed::{Marked, Observed, Question};

const TOOL: Tool = contract::tool!([
    DATABASE_ANSWERS,
    VERSION_SUFFICIENT,
    CONNECTION_ENCRYPTED,
    SERVER_ROLE,
    CONTENT_EXPECTED,
    FILE_SOUND,
    MARK_READABLE,
    TRACE_ABSENT,
    SETTINGS_USED,
])
.with_manual(Manual {
    examples: &[
        (
            "verify-connection sqlite:app.db",
            "look whether the file is a database that can be read",
        ),
        (
            "verify-connection --wait 30s",
            "wait until the environment's database answers",
        ),
    ],
    reads: &[settings::TARGET_READS],
    see_also: &["verify-env", "verify-schema", "orchestrator"],
});

const DATABASE_ANSWERS: Check = Check {
    id: "database-answers",
    holds: "the database is there, lets this session in, and answers",
    remedy: "check the target and what the role may do",
};

const VERSION_SUFFICIENT: Check = Check {
    id: "version-sufficient",
    holds: "the server, or SQLite, is at least the version that is demanded",
    remedy: "upgrade the server, or demand less with min_version in [connection]",
};

const CONNECTION_ENCRYPTED: Check = Check {
    id: "connection-encrypted",
    holds: "the connection is encrypted, or a socket of this machine",
    remedy: "switch TLS on at the server, and demand it with sslmode=verify-full",
};

const SERVER_ROLE: Check = Check {
    id: "server-role",
    holds: "the server is the primary, or the replica, that is demanded",
    remedy: "name the other host, or let target_session_attrs choose",
};

const CONTENT_EXPECTED: Check = Check {
    id: "content-expected",
    holds: "the database holds rows, or nothing at all, as it is demanded",
    remedy: "see whether this is the database that is meant",
};

const FILE_SOUND: Check = Check {
    id: "file-sound",
    holds: "SQLite's quick_check finds no damage in the file",
    remedy: "keep a copy of the file as it is, and restore the newest snapshot",
};

const MARK_READABLE: Check = Check {
    id: "mark-readable",
    holds: "this role may read whose the database is, if it is marked",
    remedy: "grant the role USAGE on the schema lockstep and SELECT on its tables",
};

const TRACE_ABSENT: Check = Check {
    id: "trace-absent",
    holds: "reading left nothing beside the SQLite file",
    remedy: "leave the files: the next program that writes the database takes them away",
};

/// How long the database may take to answer where nothing says: a serverless one wakes up in that
/// time.
const TIMEOUT_DEFAULT: Duration = Duration::from_secs(15);

/// Without it these options would stand under the heading of those before them.
const HEADING: &str = "Demands";

#[derive(clap::Args)]
struct Args {
    #[command(flatten)]
    target: TargetArgs,

    /// Longest time for the whole answer [default: on PostgreSQL the target's connect_timeout, else
    /// 15s; on SQLite none, but a lock is waited for 5s at most].
    #[arg(long, value_name = "TIME", value_parser = settings::duration::parse_limit, help_heading = HEADING)]
    timeout: Option<Duration>,

    /// Try again for so long while the database is unavailable.
    #[arg(long, value_name = "TIME", value_parser = settings::duration::parse_limit, help_heading = HEADING)]
    wait: Option<Duration>,

    /// Demand at least this version of the server, or of SQLite, as 15 or 15.4.
    #[arg(long, value_name = "VERSION", value_parser = demands::parse_version, help_heading = HEADING)]
    min_version: Option<Version>,

    /// Demand an encrypted connection.
    #[arg(long, help_heading = HEADING)]
    require_tls: bool,

    /// Demand the primary, not a replica.
    #[arg(long, conflicts_with = "require_replica", help_heading = HEADING)]
    require_primary: bool,

    /// Demand a replica.
    #[arg(long, help_heading = HEADING)]
    require_replica: bool,

    /// Demand at least one row, or neither table, view nor sequence.
    #[arg(long, value_name = "CONTENT", help_heading = HEADING)]
    expect: Option<Expect>,

    /// Read the whole SQLite file and look for damage.
    #[arg(long, help_heading = HEADING)]
    quick_check: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Expect {
    /// At least one row in a table that is not Lockstep's.
    Data,
    /// Neither table, view nor sequence but Lockstep's.
    Empty,
}

fn main() -> ExitCode {
    contract::run(&TOOL, |args: Args, run| verify(&args, run))
}

fn verify(args: &Args, run: &Run) -> Result<Report, Failure> {
    let resolved = args.target.load(run)?;
    let mut report = Report::default();
    settings::report(&resolved.warnings, &mut report);
    let demands = Demands::of(args, &resolved.settings.connection);
    let question = Question::of(args, &resolved, run)?;
    let subject = resolved.target.to_string();
    match ask(&question, args.wait, run) {
        Ok(observed) => {
            if let Marked::Yes { identity, .. } = &observed.mark {
                run.target_identity(identity);
            }
            report.held(&DATABASE_ANSWERS, subject);
            judge(&observed, &demands, &mut report);
            observed.facts(&mut report);
            report.summary(observed.summary());
        }
        Err(failure) if failure.class == Class::Fail => {
            let finding = report.broken(&DATABASE_ANSWERS, subject, failure.line());
            if let Some(remedy) = failure.remedy {
                finding.remedy(remedy);
            }
        }
        Err(failure) => {
            report.stopped_by(failure);
        }
    }
    Ok(report)
}

/// Asks until there is an answer, or `wait` is over. Only what is unavailable is asked again: no
/// other answer changes by itself.
fn ask(question: &Question, wait: Option<Duration>, run: &Run) -> Result<Observed, Failure> {
    let until = Instant::now() + wait.unwrap_or_default();
    let mut pause = Duration::from_millis(100);
    let mut said = String::new();
    loop {
        let failure = match deadline::ask_within(question) {
            Err(failure) if failure.class == Class::Unavailable => failure,
            answer => return answer,
        };
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(failure);
        }
        if failure.line() != said {
            said = failure.line();
            run.say(&format!("{said}; trying again"));
        }
        std::thread::sleep(pause.min(left));
        pause = (pause * 2).min(Duration::from_secs(2));
    }
}

/// Holds what was observed against what is demanded.
fn judge(observed: &Observed, demands: &Demands, report: &mut Report) {
    if let Some(version) = demands.min_version {
        let subject = observed.engine;
        if observed.version >= version {
            report.held(&VERSION_SUFFICIENT, subject);
        } else {
            report
                .broken(&VERSION_SUFFICIENT, subject, "older than demanded")
                .expected(format!("{version} or newer"))
                .actual(&observed.version_text);
        }
    }
    judge_encryption(observed, demands, report);
    judge_role(observed, demands, report);
    judge_content(observed, demands, report);
    match &observed.damage {
        Some(damage) if damage.is_empty() => {
            report.held(&FILE_SOUND, "");
        }
        Some(damage) => {
            for line in damage {
                report.broken(&FILE_SOUND, "", line);
            }
        }
        None if demands.quick_check => {
            report.skipped(&FILE_SOUND, "", "this is for SQLite files");
        }
        None => {}
    }
    if matches!(observed.mark, Marked::Hidden) {
        report.warned(
            &MARK_READABLE,
            "mark",
            "not readable for this role, so the result names neither environment nor identity",
        );
    }
    for file in &observed.leftovers {
        report.warned(
            &TRACE_ABSENT,
            file.display().to_string(),
            "SQLite made it for reading and could not take it away",
        );
    }
}

fn judge_encryption(observed: &Observed, demands: &Demands, report: &mut Report) {
    let Some(server) = &observed.server else {
        if demands.tls {
            report.skipped(
                &CONNECTION_ENCRYPTED,
                "",
                "a file is opened, not connected to",
            );
        }
        return;
    };
    match &server.tls {
        Some(tls) if demands.tls => {
            report.held(&CONNECTION_ENCRYPTED, tls.version);
        }
        None if demands.tls && server.socket => {
            report.held(&CONNECTION_ENCRYPTED, "socket");
        }
        None if demands.tls => {
            report.broken(&CONNECTION_ENCRYPTED, &server.endpoint, "not encrypted");
        }
        _ => {}
    }
    for warning in &server.warnings {
        report.warned(&CONNECTION_ENCRYPTED, &server.endpoint, warning);
    }
}

fn judge_role(observed: &Observed, demands: &Demands, report: &mut Report) {
    let Some(primary) = demands.primary else {
        return;
    };
    let Some(server) = &observed.server else {
        report.skipped(&SERVER_ROLE, "", "a file has no replica");
        return;
    };
    let name = |primary| if primary { "primary" } else { "replica" };
    if server.primary == primary {
        report.held(&SERVER_ROLE, &server.endpoint);
    } else {
        report
            .broken(&SERVER_ROLE, &server.endpoint, "of the other kind")
            .expected(name(primary))
            .actual(name(server.primary));
    }
}

fn judge_content(observed: &Observed, demands: &Demands, report: &mut Report) {
    let content = &observed.content;
    match demands.content {
        None => {}
        Some(Expect::Empty) if content.occupied_by.is_empty() => {
            report.held(&CONTENT_EXPECTED, "empty");
        }
        Some(Expect::Empty) => {
            report
                .broken(&CONTENT_EXPECTED, "empty", "the database is not empty")
                .actual(content.occupied_by.join(", "));
        }
        Some(Expect::Data) if content.has_rows => {
            report.held(&CONTENT_EXPECTED, "data");
        }
        Some(Expect::Data) => {
            let found = match content.tables {
                0 => "no table".to_owned(),
                1 => "1 table without rows".to_owned(),
                count => format!("{count} tables without rows"),
            };
            report
                .broken(&CONTENT_EXPECTED, "data", "no table has a row")
                .actual(found);
        }
    }
}
