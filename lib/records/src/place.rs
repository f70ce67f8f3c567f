//! Where a database is, as far as its mark remembers it.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use settings::PostgresTarget;
use settings::target::Host;

use crate::{Error, PostgresRecords, server};

/// What identifies the place of a database: a copy differs from its original in one of these.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// PostgreSQL: the cluster's system identifier, where the role may read it.
    pub system_identifier: Option<String>,
    /// PostgreSQL: the database's oid, which a dump that was restored does not keep.
    pub database_oid: Option<String>,
    /// PostgreSQL: host and port as dialled, all loopback addresses and sockets being `localhost`.
    /// SQLite: the canonical path.
    pub endpoint: String,
}

impl Place {
    /// The place of a SQLite file.
    pub fn sqlite(path: &Path) -> Place {
        let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        Place {
            endpoint: path.to_string_lossy().into_owned(),
            ..Place::default()
        }
    }

    /// Whether `now` is another database than `self`, which a mark remembers, and not the same one
    /// reached another way: through a tunnel, a pooler or another name of its host on PostgreSQL, a
    /// hard link or a bind mount on SQLite. A physical clone has its original's identifiers, so it
    /// is never told from a tunnel.
    pub fn is_another(&self, now: &Place) -> bool {
        let differs = |was: &Option<String>, is: &Option<String>| matches!((was, is), (Some(was), Some(is)) if was != is);
        if self.database_oid.is_some() || now.database_oid.is_some() {
            return differs(&self.system_identifier, &now.system_identifier)
                || differs(&self.database_oid, &now.database_oid);
        }
        if self.endpoint == now.endpoint {
            return false;
        }
        let Ok(file) = std::fs::metadata(&now.endpoint) else {
            return false;
        };
        let same = std::fs::metadata(&self.endpoint)
            .is_ok_and(|was| was.dev() == file.dev() && was.ino() == file.ino());
        !same && file.nlink() == 1
    }

    /// What of `self`, which a mark remembers, is different in `now`, as `name: was → is`. What
    /// one of the two does not know is no difference.
    pub fn moved_to(&self, now: &Place) -> Vec<String> {
        let known = |was: &Option<String>, is: &Option<String>| match (was, is) {
            (Some(was), Some(is)) if was != is => Some(format!("{was}, now {is}")),
            _ => None,
        };
        let mut moved = Vec::new();
        if let Some(change) = known(&self.system_identifier, &now.system_identifier) {
            moved.push(format!("system identifier was {change}"));
        }
        if let Some(change) = known(&self.database_oid, &now.database_oid) {
            moved.push(format!("database oid was {change}"));
        }
        if self.endpoint != now.endpoint {
            moved.push(format!(
                "endpoint was {}, now {}",
                self.endpoint, now.endpoint
            ));
        }
        moved
    }
}

/// Host and port as a mark remembers them: one spelling for this machine, however it was dialled.
fn endpoint(host: &str, port: u16) -> String {
    let lower = host.trim_end_matches('.').to_ascii_lowercase();
    let address = lower.trim_start_matches('[').trim_end_matches(']');
    let loopback = lower == "localhost"
        || address
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback());
    if loopback {
        format!("localhost:{port}")
    } else {
        format!("{lower}:{port}")
    }
}

impl<C: postgres::GenericClient> PostgresRecords<'_, C> {
    /// The place of this database, which `target` dialled.
    ///
    /// # Errors
    ///
    /// When the catalog can't be read.
    pub fn place(&mut self, target: &PostgresTarget) -> Result<Place, Error> {
        const WHAT: &str = "where the database is";
        let row = self
            .client
            .query_typed(
                "SELECT d.oid::pg_catalog.text, \
                    pg_catalog.has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE') \
                 FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()",
                &[],
            )
            .map_err(server(WHAT))?;
        let row = row.first().ok_or(Error::Unreadable {
            what: WHAT,
            why: "the database is not in its own catalog".to_owned(),
        })?;
        let system_identifier = if row.get(1) {
            let rows = self
                .client
                .query_typed(
                    "SELECT system_identifier::pg_catalog.text \
                     FROM pg_catalog.pg_control_system()",
                    &[],
                )
                .map_err(server(WHAT))?;
            rows.first().map(|row| row.get(0))
        } else {
            None
        };
        Ok(Place {
            system_identifier,
            database_oid: Some(row.get(0)),
            endpoint: dialled(target),
        })
    }
}

/// The hosts of a target, which are tried in turn, as one text.
fn dialled(target: &PostgresTarget) -> String {
    let hosts: Vec<String> = target
        .endpoints
        .iter()
        .map(|place| match &place.host {
            Host::Tcp { name, .. } => endpoint(name, place.port),
            Host::Socket(_) => endpoint("localhost", place.port),
        })
        .collect();
    hosts.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_one_spelling() {
        for host in ["localhost", "LOCALHOST", "127.0.0.1", "127.0.0.9", "::1"] {
            assert_eq!(endpoint(host, 5432), "localhost:5432");
        }
        assert_eq!(endpoint("Db.Example.Com.", 5432), "db.example.com:5432");
    }

    #[test]
    fn what_is_not_known_is_no_difference() {
        let known = Place {
            system_identifier: Some("1".into()),
            database_oid: Some("5".into()),
            endpoint: "db:5432".into(),
        };
        let restricted = Place {
            system_identifier: None,
            ..known.clone()
        };
        assert_eq!(known.moved_to(&restricted), Vec::<String>::new());
        let clone = Place {
            system_identifier: Some("2".into()),
            ..known.clone()
        };
        assert_eq!(known.moved_to(&clone), ["system identifier was 1, now 2"]);
    }
}
