//! What an error of the snapshot means to whoever runs the program.

use contract::{Class, Failure};
use snapshots::{Cause, Error};

/// The failure with its class and remedy.
pub(crate) fn failed(error: Error) -> Failure {
    let class = match error.cause() {
        Cause::Refused => Class::Fail,
        Cause::Unavailable => Class::Unavailable,
        Cause::Busy => Class::Busy,
        Cause::Unknown => Class::Error,
    };
    let failure = match std::error::Error::source(&error) {
        Some(source) => Failure::caused_by(class, error.to_string(), source),
        None => Failure::new(class, error.to_string()),
    };
    match remedy(&error) {
        Some(remedy) => failure.remedy(remedy),
        None => failure,
    }
}

fn remedy(error: &Error) -> Option<String> {
    let remedy = match error {
        _ if error.is_disk_full() => "make room, or name a folder on another disk with --dir",
        Error::NoRight { .. } => {
            "grant the role SELECT on them; for tables and sequences membership in pg_read_all_data \
             does too"
        }
        Error::RowSecurity { .. } => "use a role with BYPASSRLS, or the tables' owner",
        Error::NoPgDump { wanted, .. } => {
            return Some(format!(
                "install the client programs of PostgreSQL {wanted}, or name a command with \
                 pg_dump in [backup] of lockstep.toml"
            ));
        }
        Error::WrongPgDump { wanted, .. } => {
            return Some(format!(
                "name a pg_dump of version {wanted}, as the server's"
            ));
        }
        Error::NoLocks { wanted, .. } => {
            return Some(format!(
                "ALTER SYSTEM SET max_locks_per_transaction = {wanted}, and restart the server"
            ));
        }
        Error::Locked { .. }
        | Error::LockedOut { .. }
        | Error::TablesKeepChanging { .. }
        | Error::ChangedBetween { .. } => "try again once the change of the schema is done",
        Error::SourceDamaged { .. } | Error::CopyDiffers { .. } => {
            "keep the file as it is; look for faults of the disk, and at what PRAGMA integrity_check and \
             sqlite3's .recover say of a copy of it"
        }
        Error::FileUnread { .. } => "correct files in [backup] of lockstep.toml",
        Error::SecretFile { .. } => "leave it out of [backup] files, or move the secret out of it",
        Error::FileOutside { .. } => {
            "name in [backup] files what lies beside lockstep.toml or below it only"
        }
        _ => return None,
    };
    Some(remedy.to_owned())
}
