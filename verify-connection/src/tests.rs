//! The verdict, as a function of what was observed.

use std::time::Duration;

use contract::{Report, Status};
use db_connect::TlsFacts;
use settings::file::Version;

use crate::Expect;
use crate::demands::{Demands, parse_version};
use crate::judge;
use crate::observed::{Content, Observed, Server};

fn server() -> Observed {
    Observed {
        engine: "PostgreSQL",
        version: Version([15, 4, 0]),
        version_text: "15.4".to_owned(),
        server: Some(Server {
            endpoint: "db:5432".to_owned(),
            socket: false,
            tls: None,
            primary: true,
            route: "the server itself".to_owned(),
            pooled: Some(false),
            role: "app".to_owned(),
            superuser: false,
            encoding: "UTF8".to_owned(),
            search_path: "public".to_owned(),
            round_trip: Duration::ZERO,
            warnings: Vec::new(),
        }),
        file: None,
        content: Content::default(),
        mark: crate::observed::Marked::No,
        damage: None,
        leftovers: Vec::new(),
    }
}

fn with(change: impl FnOnce(&mut Server)) -> Observed {
    let mut observed = server();
    if let Some(server) = &mut observed.server {
        change(server);
    }
    observed
}

fn file() -> Observed {
    Observed {
        engine: "SQLite",
        server: None,
        ..server()
    }
}

#[track_caller]
fn check(observed: &Observed, demands: &Demands, expected: &[(&str, Status)]) {
    let mut report = Report::default();
    judge(observed, demands, &mut report);
    let found: Vec<_> = report
        .findings()
        .iter()
        .map(|finding| (finding.check, finding.status))
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn nothing_is_judged_that_is_not_demanded() {
    check(&server(), &Demands::default(), &[]);
    check(&file(), &Demands::default(), &[]);
}

#[test]
fn versions_compare_by_their_parts() {
    for (version, status) in [
        ("9.6.24", Status::Pass),
        ("15", Status::Pass),
        ("15.4", Status::Pass),
        ("15.10", Status::Fail),
        ("16", Status::Fail),
    ] {
        let demands = Demands {
            min_version: Some(parse_version(version).unwrap()),
            ..Demands::default()
        };
        check(&server(), &demands, &[("version-sufficient", status)]);
    }
    for text in ["", "new", "15.x", "1.2.3.4", "-1"] {
        assert!(parse_version(text).is_err(), "{text}");
    }
}

#[test]
fn encryption_is_tls_or_a_socket() {
    let demands = Demands {
        tls: true,
        ..Demands::default()
    };
    let tls = Some(TlsFacts {
        version: "TLSv1.3",
        cipher: "TLS_AES_256_GCM_SHA384".to_owned(),
    });
    for (observed, status) in [
        (server(), Status::Fail),
        (with(|server| server.tls = tls), Status::Pass),
        (with(|server| server.socket = true), Status::Pass),
        (file(), Status::Skip),
    ] {
        check(&observed, &demands, &[("connection-encrypted", status)]);
    }
    let fallen_back = with(|server| server.warnings.push("not encrypted".to_owned()));
    check(
        &fallen_back,
        &Demands::default(),
        &[("connection-encrypted", Status::Warn)],
    );
}

#[test]
fn the_role_is_the_one_demanded() {
    for (demanded, is, status) in [
        (true, true, Status::Pass),
        (true, false, Status::Fail),
        (false, true, Status::Fail),
        (false, false, Status::Pass),
    ] {
        let demands = Demands {
            primary: Some(demanded),
            ..Demands::default()
        };
        let observed = with(|server| server.primary = is);
        check(&observed, &demands, &[("server-role", status)]);
        check(&file(), &demands, &[("server-role", Status::Skip)]);
    }
}

#[test]
fn tables_without_rows_are_neither_data_nor_empty() {
    let content = |occupied: &[&str], has_rows| Observed {
        content: Content {
            tables: occupied.len() as u64,
            occupied_by: occupied.iter().map(|name| (*name).to_owned()).collect(),
            has_rows,
            ..Content::default()
        },
        ..server()
    };
    for (observed, data, empty) in [
        (content(&[], false), Status::Fail, Status::Pass),
        (content(&["t"], false), Status::Fail, Status::Fail),
        (content(&["t"], true), Status::Pass, Status::Fail),
    ] {
        for (expect, status) in [(Expect::Data, data), (Expect::Empty, empty)] {
            let demands = Demands {
                content: Some(expect),
                ..Demands::default()
            };
            check(&observed, &demands, &[("content-expected", status)]);
        }
    }
}

#[test]
fn damage_is_a_finding_for_each_line() {
    let demands = Demands {
        quick_check: true,
        ..Demands::default()
    };
    let damaged = |lines: &[&str]| Observed {
        damage: Some(lines.iter().map(|line| (*line).to_owned()).collect()),
        ..file()
    };
    check(&damaged(&[]), &demands, &[("file-sound", Status::Pass)]);
    check(
        &damaged(&["page 2", "page 3"]),
        &demands,
        &[("file-sound", Status::Fail), ("file-sound", Status::Fail)],
    );
    check(&server(), &demands, &[("file-sound", Status::Skip)]);
}
