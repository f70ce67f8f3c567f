//! Who answers: the server or a pooler, a primary or a replica.

use postgres::{Client, SimpleQueryMessage};
use settings::target::SessionAttrs;

use crate::Route;

/// What the session itself says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) pid: Option<i32>,
    pub(crate) in_recovery: bool,
    pub(crate) read_only: bool,
    /// As in `server_version`: `15.18 (Debian 15.18-0+deb12u1)`.
    pub(crate) version: String,
    /// As in `server_version_num`: 150018.
    pub(crate) version_num: u32,
}

/// Asks in one message and in one statement, so that a pooler keeps nothing of it.
pub(crate) fn ask(client: &mut Client) -> Result<Said, postgres::Error> {
    let messages = client.simple_query(
        "SELECT pg_catalog.pg_backend_pid(), pg_catalog.pg_is_in_recovery(), \
         pg_catalog.current_setting('transaction_read_only'), \
         pg_catalog.current_setting('server_version'), \
         pg_catalog.current_setting('server_version_num')",
    )?;
    let row = messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    let column = |at| row.and_then(|row| row.get(at));
    Ok(Said {
        pid: column(0).and_then(|pid| pid.parse().ok()),
        in_recovery: column(1) == Some("t"),
        read_only: column(2) == Some("on"),
        version: column(3).unwrap_or_default().to_owned(),
        version_num: column(4).and_then(|num| num.parse().ok()).unwrap_or(0),
    })
}

/// Compares the process that logging in named with the one that answers.
pub(crate) fn route(named: Option<i32>, answering: Option<i32>) -> Route {
    match (named, answering) {
        (Some(named), Some(answering)) if named == answering => Route::Direct,
        (Some(named), Some(answering)) => Route::Pooler {
            why: format!("the login named process {named}, and process {answering} answers"),
        },
        (None, _) => Route::Unknown {
            why: "the login named no process".to_owned(),
        },
        (_, None) => Route::Unknown {
            why: "the session does not say which process it is".to_owned(),
        },
    }
}

/// Whether the server is the kind that `target_session_attrs` wants. `prefer-standby` is the
/// caller's to relax.
pub(crate) fn fits(wanted: SessionAttrs, said: &Said) -> bool {
    match wanted {
        SessionAttrs::Any => true,
        SessionAttrs::ReadWrite => !said.read_only,
        SessionAttrs::ReadOnly => said.read_only,
        SessionAttrs::Primary => !said.in_recovery,
        SessionAttrs::Standby | SessionAttrs::PreferStandby => said.in_recovery,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_named_process_is_the_server() {
        assert_eq!(route(Some(7), Some(7)), Route::Direct);
        assert!(matches!(route(Some(7), Some(8)), Route::Pooler { .. }));
        assert!(matches!(route(None, Some(8)), Route::Unknown { .. }));
        assert!(matches!(route(Some(7), None), Route::Unknown { .. }));
    }

    #[test]
    fn session_attrs_are_those_of_libpq() {
        let primary = Said {
            pid: None,
            in_recovery: false,
            read_only: false,
            version: String::new(),
            version_num: 0,
        };
        let closed = Said {
            read_only: true,
            ..primary.clone()
        };
        let standby = Said {
            in_recovery: true,
            ..closed.clone()
        };
        for (wanted, fitting) in [
            (SessionAttrs::Any, [true, true, true]),
            (SessionAttrs::ReadWrite, [true, false, false]),
            (SessionAttrs::ReadOnly, [false, true, true]),
            (SessionAttrs::Primary, [true, true, false]),
            (SessionAttrs::Standby, [false, false, true]),
        ] {
            let found = [&primary, &closed, &standby].map(|said| fits(wanted, said));
            assert_eq!(found, fitting, "{wanted:?}");
        }
    }
}
