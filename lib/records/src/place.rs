//! Where a database is, as far as its mark remembers it.

use std::ffi::OsString;
use std::fmt;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use settings::target::{Endpoint, Host};
use settings::{PostgresTarget, SqliteTarget};

use crate::{Error, PostgresRecords, server};

/// What identifies the place of a database: a copy differs from its original in one of these.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// PostgreSQL: the cluster's system identifier, where the role may read it.
    pub system_identifier: Option<String>,
    /// PostgreSQL: the database's oid, which a dump that was restored does not keep.
    pub database_oid: Option<String>,
    /// PostgreSQL: host and port as dialled, all loopback addresses and sockets being `localhost`;
    /// of a target with several hosts the one that answered, then the others.
    /// SQLite: the canonical path, what is no UTF-8 in it as `\xff`, and `\` as `\\`.
    pub endpoint: String,
}

impl Place {
    /// The place of a SQLite file, which need not exist.
    pub fn sqlite(path: &Path) -> Place {
        let path = path.to_owned();
        Place {
            endpoint: escaped(&SqliteTarget { path }.canonical_path()),
            ..Place::default()
        }
    }

    /// The file that [`Place::sqlite`] was given.
    pub fn file(&self) -> PathBuf {
        unescaped(&self.endpoint)
    }

    /// Whether PostgreSQL's own identifiers show that `now` is another database than `self`, which
    /// a mark remembers, and not the same one reached another way: through a tunnel, a pooler or
    /// another name of its host. A physical clone has its original's identifiers, so it is never
    /// told from a tunnel; a SQLite file has none.
    pub fn is_another(&self, now: &Place) -> bool {
        let differs = |was: &Option<String>, is: &Option<String>| matches!((was, is), (Some(was), Some(is)) if was != is);
        differs(&self.system_identifier, &now.system_identifier)
            || differs(&self.database_oid, &now.database_oid)
    }

    /// What of `self`, which a mark remembers, is different in `now`, as `name: was → is`. What
    /// one of the two does not know is no difference, and `endpoints` are other addresses of the
    /// same database.
    pub fn moved_to(&self, now: &Place, endpoints: &[String]) -> Vec<String> {
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
        if !self.has_endpoint_of(now) && !now.is_at_one_of(endpoints) {
            moved.push(format!(
                "endpoint was {}, now {}",
                self.endpoint, now.endpoint
            ));
        }
        moved
    }

    /// Whether the database was reached at one of these addresses, which a person wrote: `host:port`,
    /// or a file's absolute path.
    pub fn is_at_one_of(&self, endpoints: &[String]) -> bool {
        if self.database_oid.is_none() {
            return endpoints
                .iter()
                .map(Path::new)
                .filter(|path| path.is_absolute())
                .any(|path| Place::sqlite(path).endpoint == self.endpoint);
        }
        let answered = self.endpoint.split(',').next();
        endpoints.iter().any(|written| {
            let (host, port) = written.rsplit_once(':').unwrap_or_default();
            port.parse()
                .is_ok_and(|port| Some(endpoint(host, port).as_str()) == answered)
        })
    }

    /// Whether `now` was reached where `self` may be reached: a cluster that failed over answers by
    /// another of the hosts that it was marked by.
    fn has_endpoint_of(&self, now: &Place) -> bool {
        if now.database_oid.is_none() {
            return self.endpoint == now.endpoint;
        }
        let answered = now.endpoint.split(',').next();
        self.endpoint
            .split(',')
            .any(|known| Some(known) == answered)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.endpoint)?;
        match &self.database_oid {
            // A server has several databases.
            Some(oid) => write!(f, "/{oid}"),
            None => Ok(()),
        }
    }
}

/// A path as text that no other path has.
fn escaped(path: &Path) -> String {
    let mut text = String::new();
    for chunk in path.as_os_str().as_bytes().utf8_chunks() {
        text.push_str(&chunk.valid().replace('\\', "\\\\"));
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text
}

/// The path that [`escaped`] was given.
fn unescaped(text: &str) -> PathBuf {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some((plain, escape)) = rest.split_once('\\') {
        bytes.extend(plain.bytes());
        let byte = escape.strip_prefix('x').and_then(|hex| hex.get(..2));
        match byte.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &escape[3..];
            }
            None => {
                bytes.push(b'\\');
                rest = escape.strip_prefix('\\').unwrap_or(escape);
            }
        }
    }
    bytes.extend(rest.bytes());
    PathBuf::from(OsString::from_vec(bytes))
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
    /// The place of this database, which `target` dialled, and of whose hosts `answered` did
    /// (`host:port`).
    ///
    /// # Errors
    ///
    /// When the catalog can't be read.
    pub fn place(&mut self, target: &PostgresTarget, answered: &str) -> Result<Place, Error> {
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
            endpoint: dialled(&target.endpoints, answered),
        })
    }
}

/// The hosts of a target as one text, the one that answered first.
fn dialled(endpoints: &[Endpoint], answered: &str) -> String {
    let (first, others): (Vec<&Endpoint>, Vec<&Endpoint>) = endpoints
        .iter()
        .partition(|place| place.to_string() == answered);
    let mut hosts: Vec<String> = Vec::new();
    for place in first.into_iter().chain(others) {
        let host = match &place.host {
            Host::Tcp { name, .. } => endpoint(name, place.port),
            Host::Socket(_) => endpoint("localhost", place.port),
        };
        if !hosts.contains(&host) {
            hosts.push(host);
        }
    }
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
        assert_eq!(known.moved_to(&restricted, &[]), Vec::<String>::new());
        let clone = Place {
            system_identifier: Some("2".into()),
            ..known.clone()
        };
        assert_eq!(
            known.moved_to(&clone, &[]),
            ["system identifier was 1, now 2"]
        );
    }
    #[test]
    fn one_of_several_hosts_is_where_it_was() {
        let at = |endpoint: &str| Place {
            database_oid: Some("5".into()),
            endpoint: endpoint.into(),
            ..Place::default()
        };
        let marked = at("a:5432,b:5432");
        for same in ["a:5432", "b:5432", "b:5432,a:5432", "a:5432,c:5432"] {
            assert!(marked.moved_to(&at(same), &[]).is_empty(), "{same}");
        }
        // Another one answered, although the one that is known was asked too.
        assert!(!marked.moved_to(&at("c:5432,a:5432"), &[]).is_empty());
        assert!(at("a:5432").moved_to(&at("a:5432,b:5432"), &[]).is_empty());
        assert!(!at("a:5432").moved_to(&at("b:5432,a:5432"), &[]).is_empty());
    }

    #[test]
    fn a_listed_address_is_no_move_and_no_alibi_for_a_clone() {
        let at = |endpoint: &str, oid: &str| Place {
            database_oid: Some(oid.into()),
            endpoint: endpoint.into(),
            ..Place::default()
        };
        let marked = at("db.internal:5432", "5");
        let listed = ["LOCALHOST:6543".to_owned(), "10.0.0.7:5432".to_owned()];
        for (now, moved) in [
            (at("localhost:6543", "5"), 0),
            (at("10.0.0.7:5432", "5"), 0),
            (at("db.internal:5432", "5"), 0),
            (at("localhost:5432", "5"), 1),
            (at("localhost:6543,db.internal:5432", "5"), 0),
            (at("other:1,localhost:6543", "5"), 1),
            (at("localhost:6543", "6"), 1),
        ] {
            assert_eq!(marked.moved_to(&now, &listed).len(), moved, "{now:?}");
        }
        let file = Place::sqlite(Path::new("/srv/app.db"));
        let mounted = Place::sqlite(Path::new("/data/app.db"));
        assert_eq!(file.moved_to(&mounted, &listed).len(), 1);
        assert!(
            file.moved_to(&mounted, &["/data/app.db".to_owned()])
                .is_empty()
        );
    }

    #[test]
    fn the_host_that_answered_comes_first() {
        let endpoints: Vec<Endpoint> = [("one", 1), ("two", 2), ("127.0.0.1", 3), ("::1", 3)]
            .into_iter()
            .map(|(name, port)| Endpoint {
                host: Host::Tcp {
                    name: name.into(),
                    address: None,
                },
                port,
                passfile_password: None,
            })
            .collect();
        assert_eq!(dialled(&endpoints, "two:2"), "two:2,one:1,localhost:3");
        assert_eq!(dialled(&endpoints[..1], "one:1"), "one:1");
    }

    #[test]
    fn every_path_has_a_text_of_its_own() {
        let mut seen = std::collections::BTreeSet::new();
        for bytes in [
            &b"/a/app.db"[..],
            b"/a\xff/app.db",
            b"/a\xfe/app.db",
            b"/a\\xff/app.db",
            b"/a\\\\xff/app.db",
            b"/\\",
            "/ä,ö/app.db".as_bytes(),
        ] {
            let path = PathBuf::from(OsString::from_vec(bytes.to_vec()));
            let text = escaped(&path);
            assert_eq!(unescaped(&text), path, "{text}");
            assert!(seen.insert(text));
        }
        // A comma parts hosts, and is nothing special in a path.
        let comma = Place::sqlite(Path::new("/a,b"));
        assert!(
            !comma
                .moved_to(&Place::sqlite(Path::new("/a")), &[])
                .is_empty()
        );
    }
}
