//! Every `sslmode`, and every certificate that can be wrong.

use contract::{Class, Classify as _};
use db_connect::{CertificateProblem, ConnectError, Link};
use tests::certificates::{Authority, Issued, Wish};
use tests::postgres_server::{PASSWORD, Server, USER};

use crate::{cancel_asleep, dial};

/// A server with TLS whose certificate and access rules change as the test goes on.
struct Tls {
    server: Server,
    authority: Authority,
}

impl Tls {
    fn start() -> Tls {
        let authority = Authority::new("Test authority");
        let issued = authority.issue("server", &Wish::default());
        let server = Server::start(&[]);
        let tls = Tls { server, authority };
        tls.present(&issued);
        tls.set(&[("ssl", "on")]);
        tls
    }

    /// Makes the server present a certificate.
    fn present(&self, issued: &Issued) {
        let name = issued.cert.file_stem().unwrap().to_str().unwrap();
        let (cert, key) = (format!("{name}.crt"), format!("{name}.key"));
        for (from, to) in [(&issued.cert, &cert), (&issued.key, &key)] {
            let to = self.server.dir().join(to);
            std::fs::copy(from, &to).unwrap();
            self.server.adopt_key(&to);
        }
        let file = |name: &str| self.server.dir().join(name).display().to_string();
        self.set(&[
            ("ssl_cert_file", &file(&cert)),
            ("ssl_key_file", &file(&key)),
        ]);
    }

    /// Changes settings and waits until new sessions have them.
    fn set(&self, settings: &[(&str, &str)]) {
        let mut client = self.server.connect("postgres");
        for (name, value) in settings {
            client
                .batch_execute(&format!("ALTER SYSTEM SET {name} = '{value}'"))
                .unwrap();
        }
        client.batch_execute("SELECT pg_reload_conf()").unwrap();
        for (name, value) in settings {
            loop {
                let row = self
                    .server
                    .connect("postgres")
                    .query_one(&format!("SHOW {name}"), &[]);
                if row.unwrap().get::<_, String>(0) == *value {
                    break;
                }
            }
        }
    }

    /// Replaces the rules for TCP and waits until the server has read them.
    fn admit(&self, rules: &str) {
        let text = format!("local all all trust\n{rules}\n");
        std::fs::write(self.server.data().join("pg_hba.conf"), text).unwrap();
        let mut client = self.server.connect("postgres");
        let before: String = client
            .query_one("SELECT pg_conf_load_time()::text", &[])
            .unwrap()
            .get(0);
        client.batch_execute("SELECT pg_reload_conf()").unwrap();
        loop {
            let now: String = self
                .server
                .connect("postgres")
                .query_one("SELECT pg_conf_load_time()::text", &[])
                .unwrap()
                .get(0);
            if now != before {
                return;
            }
        }
    }

    fn dial(&self, host: &str, settings: &str) -> Result<Link, ConnectError> {
        dial(&format!(
            "host={host} hostaddr=127.0.0.1 port={} user={USER} password='{PASSWORD}' \
             dbname=postgres {settings}",
            self.server.port()
        ))
    }

    fn root(&self) -> String {
        format!("sslrootcert='{}'", self.authority.root().display())
    }
}

const ANYBODY: &str = "host all all 127.0.0.1/32 scram-sha-256";

#[test]
fn every_sslmode_with_every_kind_of_server() {
    use Outcome::{Encrypted, Plain, Refused};
    let tls = Tls::start();
    let root = tls.root();
    for (ssl, rules, outcomes) in [
        (
            "off",
            ANYBODY,
            [Plain, Plain, Plain, Refused, Refused, Refused],
        ),
        (
            "on",
            ANYBODY,
            [Plain, Plain, Encrypted, Encrypted, Encrypted, Encrypted],
        ),
        (
            "on",
            "hostssl all all 127.0.0.1/32 scram-sha-256",
            [
                Refused, Encrypted, Encrypted, Encrypted, Encrypted, Encrypted,
            ],
        ),
        (
            "on",
            "hostnossl all all 127.0.0.1/32 scram-sha-256",
            [Plain, Plain, Plain, Refused, Refused, Refused],
        ),
    ] {
        tls.set(&[("ssl", ssl)]);
        tls.admit(rules);
        let modes = [
            ("disable", ""),
            ("allow", ""),
            ("prefer", ""),
            ("require", ""),
            ("verify-ca", root.as_str()),
            ("verify-full", root.as_str()),
        ];
        for ((mode, root), expected) in modes.into_iter().zip(outcomes) {
            let result = tls.dial("localhost", &format!("sslmode={mode} {root}"));
            let found = match &result {
                Ok(link) if link.tls.is_some() => Encrypted,
                Ok(_) => Plain,
                Err(error) => {
                    assert_eq!(error.class(), Class::Fail, "{error:?}");
                    Refused
                }
            };
            assert_eq!(found, expected, "ssl = {ssl}, {rules}, {mode}: {result:?}");
        }
    }
}

#[derive(Debug, PartialEq)]
enum Outcome {
    Plain,
    Encrypted,
    Refused,
}

#[test]
fn a_certificate_is_held_to_what_sslmode_asks() {
    use CertificateProblem::{Expired, OldVersion, OtherName, UnknownIssuer};
    let tls = Tls::start();
    let authority = &tls.authority;
    let elsewhere = Authority::new("Somebody else");
    let wish = Wish::default();
    let other_name = Wish {
        alt_names: "DNS:db.example.org",
        ..wish
    };
    let late = Wish {
        expired: true,
        ..wish
    };
    let nameless = Wish {
        alt_names: "",
        ..wish
    };
    let old = Wish {
        version_1: true,
        ..wish
    };
    let example = || OtherName(vec!["DnsName(\"db.example.org\")".to_owned()]);
    let cases = [
        (authority.issue("good", &wish), false, None, None),
        (
            authority.issue("named", &other_name),
            false,
            None,
            Some(example()),
        ),
        (
            authority.issue("nameless", &nameless),
            false,
            None,
            Some(OtherName(Vec::new())),
        ),
        (
            authority.issue("late", &late),
            false,
            Some(Expired),
            Some(Expired),
        ),
        (
            elsewhere.issue("foreign", &wish),
            false,
            Some(UnknownIssuer),
            Some(UnknownIssuer),
        ),
        (
            authority.issue("old", &old),
            false,
            Some(OldVersion),
            Some(OldVersion),
        ),
        // Signed by themselves, and named as root certificate.
        (authority.self_signed("own", &wish), true, None, None),
        (
            authority.self_signed("own-named", &other_name),
            true,
            None,
            Some(example()),
        ),
        (
            authority.self_signed("own-late", &late),
            true,
            Some(Expired),
            Some(Expired),
        ),
    ];
    for (issued, itself, of_ca, of_full) in cases {
        let root = if itself {
            format!("sslrootcert='{}'", issued.cert.display())
        } else {
            tls.root()
        };
        tls.present(&issued);
        let name = issued.cert.display();
        // Without a root certificate nothing is verified, as with libpq.
        let link = tls.dial("localhost", "sslmode=require").unwrap();
        assert!(link.tls.is_some(), "{name}");
        for (mode, expected) in [
            // With one, `require` verifies the authority.
            ("require", &of_ca),
            ("verify-ca", &of_ca),
            ("verify-full", &of_full),
        ] {
            let result = tls.dial("localhost", &format!("sslmode={mode} {root}"));
            match (result, expected) {
                (Ok(link), None) => assert!(link.tls.is_some()),
                (Err(ConnectError::Certificate { problem, .. }), Some(expected)) => {
                    assert_eq!(problem, *expected, "{name} {mode}");
                }
                (result, _) => panic!("{name} {mode}: {result:?}"),
            }
        }
    }
}

#[test]
fn a_host_is_known_by_name_or_by_address() {
    let tls = Tls::start();
    let root = tls.root();
    for host in ["localhost", "127.0.0.1"] {
        tls.dial(host, &format!("sslmode=verify-full {root}"))
            .unwrap();
    }
    for host in ["127.0.0.2", "db.example.org"] {
        let error = tls
            .dial(host, &format!("sslmode=verify-full {root}"))
            .unwrap_err();
        let line = contract::Failure::from(error).line();
        assert!(line.contains("its certificate is for localhost"), "{line}");
    }
    let error = tls
        .dial("localhost", "sslmode=verify-ca sslrootcert=/absent")
        .unwrap_err();
    assert_eq!(error.class(), Class::Usage);
}

#[test]
fn versions_and_ciphers_are_known_and_can_be_demanded() {
    let tls = Tls::start();
    let link = tls.dial("localhost", "sslmode=require").unwrap();
    let facts = link.tls.clone().unwrap();
    assert_eq!(facts.version, "TLSv1.3");
    let (version, cipher) = said_by_the_server(link);
    assert_eq!((facts.version, facts.cipher), (version.as_str(), cipher));
    tls.set(&[("ssl_max_protocol_version", "TLSv1.2")]);
    let link = tls.dial("localhost", "sslmode=require").unwrap();
    assert_eq!(link.tls.unwrap().version, "TLSv1.2");
    let settings = "sslmode=require ssl_min_protocol_version=TLSv1.3";
    let error = tls.dial("localhost", settings).unwrap_err();
    assert!(matches!(error, ConnectError::Handshake { .. }), "{error:?}");
}

fn said_by_the_server(mut link: Link) -> (String, String) {
    let row = link
        .client
        .query_one(
            "SELECT version, cipher FROM pg_stat_ssl WHERE pid = pg_backend_pid()",
            &[],
        )
        .unwrap();
    (row.get(0), row.get(1))
}

#[test]
fn a_login_is_bound_to_the_channel_where_that_is_possible() {
    let tls = Tls::start();
    let bound = "sslmode=require channel_binding=require";
    let wish = Wish::default();
    for digest in ["sha1", "sha256", "sha384", "sha512"] {
        tls.present(&tls.authority.issue(digest, &Wish { digest, ..wish }));
        tls.dial("localhost", bound).unwrap();
    }
    let rsa = Authority::with_key("RSA authority", "RSA");
    tls.present(&rsa.issue(
        "rsa",
        &Wish {
            algorithm: "RSA",
            digest: "sha384",
            ..wish
        },
    ));
    tls.dial("localhost", bound).unwrap();
    tls.present(&tls.authority.issue(
        "old",
        &Wish {
            version_1: true,
            ..wish
        },
    ));
    tls.dial("localhost", bound).unwrap();
    for settings in [
        "sslmode=require channel_binding=disable",
        "sslmode=disable channel_binding=prefer",
    ] {
        tls.dial("localhost", settings).unwrap();
    }
    let error = tls
        .dial("localhost", "sslmode=disable channel_binding=require")
        .unwrap_err();
    assert_eq!(error.class(), Class::Fail, "{error:?}");
    assert!(
        matches!(error, ConnectError::Authentication { .. }),
        "{error:?}"
    );
}

#[test]
fn a_client_certificate_is_shown_where_there_is_one() {
    let tls = Tls::start();
    let ours = tls.authority.issue(
        "client",
        &Wish {
            common_name: USER,
            ..Wish::default()
        },
    );
    let elsewhere = Authority::new("Somebody else");
    let foreign = elsewhere.issue(
        "foreign",
        &Wish {
            common_name: USER,
            ..Wish::default()
        },
    );
    let root = tls.server.dir().join("root.crt");
    std::fs::copy(tls.authority.root(), &root).unwrap();
    tls.server.adopt_key(&root);
    tls.set(&[("ssl_ca_file", root.to_str().unwrap())]);
    tls.admit("hostssl all all 127.0.0.1/32 cert");
    let with = |issued: &Issued| {
        format!(
            "sslmode=require sslcert='{}' sslkey='{}'",
            issued.cert.display(),
            issued.key.display()
        )
    };
    tls.dial("localhost", &with(&ours)).unwrap();
    let error = tls.dial("localhost", "sslmode=require").unwrap_err();
    assert_eq!(error.class(), Class::Fail, "{error:?}");
    let error = tls.dial("localhost", &with(&foreign)).unwrap_err();
    assert!(
        matches!(error, ConnectError::ClientRefused { .. }),
        "{error:?}"
    );
    let swapped = Issued {
        cert: ours.cert.clone(),
        key: foreign.key.clone(),
    };
    let error = tls.dial("localhost", &with(&swapped)).unwrap_err();
    assert_eq!(error.class(), Class::Usage, "{error:?}");
}

#[test]
fn a_statement_is_canceled_over_tls() {
    let tls = Tls::start();
    tls.admit("hostssl all all 127.0.0.1/32 scram-sha-256");
    let settings = format!("sslmode=verify-full {}", tls.root());
    let mut link = tls.dial("localhost", &settings).unwrap();
    let canceling = cancel_asleep(
        tls.server.connect("postgres"),
        link.backend_pid.unwrap(),
        link.cancel_handle(),
    );
    let error = link
        .client
        .batch_execute("SELECT pg_sleep(600)")
        .unwrap_err();
    assert_eq!(error.code().unwrap().code(), "57014");
    canceling.join().unwrap();
}
