//! Whether a mark may be written, over what is there and who asks.

use records::Place;

use super::*;

fn wish() -> Wish {
    Wish {
        environment: Some("dev".into()),
        protected: false,
        ci: false,
        variable: None,
        require: BTreeMap::new(),
        confirm: Some("sqlite:app.db".into()),
        target: "sqlite:app.db".into(),
        claimed_by: None,
    }
}

fn survey(mark: Option<(&str, bool, &str)>) -> Survey {
    Survey {
        mark: mark.map(|(environment, protected, endpoint)| Mark {
            environment: environment.into(),
            protected,
            uuid: "u".into(),
            // What is "there" has another oid; "tunnelled" is the same database by another address.
            place: Place {
                endpoint: endpoint.into(),
                database_oid: Some(if endpoint == "there" { "4" } else { "5" }.into()),
                ..Place::default()
            },
            marked_at: String::new(),
            marked_by: String::new(),
            format: records::MARK_FORMAT,
        }),
        place: Place {
            endpoint: "here".into(),
            database_oid: Some("5".into()),
            ..Place::default()
        },
        ..Survey::default()
    }
}

#[track_caller]
fn check(
    change: impl FnOnce(&mut Wish),
    mark: Option<(&str, bool, &str)>,
    others: &[&str],
    broken: &[&str],
) {
    let mut wish = wish();
    change(&mut wish);
    let others: Vec<String> = others.iter().map(|other| (*other).to_owned()).collect();
    let mut report = Report::default();
    let found = Found {
        survey: &survey(mark),
        others: &others,
        original_stands: false,
    };
    decide(&wish, &found, &mut report);
    let found: Vec<&str> = report
        .findings()
        .iter()
        .filter(|finding| finding.status == contract::Status::Fail)
        .map(|finding| finding.check)
        .collect();
    assert_eq!(found, broken);
}

fn ci_production(wish: &mut Wish) {
    wish.environment = Some("production".into());
    wish.protected = true;
    wish.ci = true;
    wish.variable = Some("production".into());
    wish.confirm = None;
}

#[test]
fn a_developer_marks_an_unprotected_name_after_confirming() {
    check(|_| {}, None, &[], &[]);
    check(|_| {}, Some(("test", false, "here")), &[], &[]);
    check(|wish| wish.confirm = None, None, &[], &["target-confirmed"]);
    check(
        |wish| wish.confirm = Some("app".into()),
        None,
        &[],
        &["target-confirmed"],
    );
    check(|_| {}, None, &["app"], &["no-other-session"]);
    check(
        |wish| wish.environment = None,
        None,
        &[],
        &["environment-named"],
    );
}

#[test]
fn a_developer_gives_no_protected_name_and_takes_no_protected_mark() {
    check(
        |wish| wish.protected = true,
        None,
        &[],
        &["ci-run", "variable-matches"],
    );
    check(
        |_| {},
        Some(("production", true, "here")),
        &[],
        &["mark-replaceable"],
    );
}

#[test]
fn a_copy_of_production_may_become_a_development_database() {
    check(|_| {}, Some(("production", true, "there")), &[], &[]);
}

#[test]
fn a_tunnel_to_production_is_no_copy_of_it() {
    let tunnelled = Some(("production", true, "tunnelled"));
    check(|_| {}, tunnelled, &[], &["mark-replaceable"]);
    check(ci_production, tunnelled, &[], &[]);
    check(
        ci_production,
        Some(("staging", true, "tunnelled")),
        &[],
        &["mark-replaceable"],
    );
}

#[test]
fn ci_marks_its_own_environment_and_renews_it_but_does_not_take_anothers() {
    check(ci_production, None, &["app"], &[]);
    check(ci_production, Some(("production", true, "here")), &[], &[]);
    check(
        ci_production,
        Some(("staging", true, "here")),
        &[],
        &["mark-replaceable"],
    );
    check(ci_production, Some(("production", true, "there")), &[], &[]);
    check(
        |wish| {
            ci_production(wish);
            wish.variable = Some("staging".into());
        },
        None,
        &[],
        &["variable-matches"],
    );
    check(
        |wish| {
            ci_production(wish);
            wish.require
                .insert("GITHUB_REF".into(), ("main".into(), None));
        },
        None,
        &[],
        &["requirement-met"],
    );
}

#[test]
fn ci_does_not_unprotect_either() {
    check(
        ci_dev,
        Some(("production", true, "here")),
        &[],
        &["mark-replaceable"],
    );
}

fn ci_dev(wish: &mut Wish) {
    wish.ci = true;
    wish.variable = Some("dev".into());
}

#[test]
fn ci_spares_an_unprotected_mark_nothing() {
    check(ci_dev, None, &[], &[]);
    check(ci_dev, None, &["app"], &["no-other-session"]);
    for ci in [false, true] {
        let here = |wish: &mut Wish| {
            wish.ci = ci;
            wish.variable = Some("dev".into());
        };
        check(
            |wish| {
                here(wish);
                wish.confirm = None;
            },
            None,
            &[],
            &["target-confirmed"],
        );
        check(
            |wish| {
                here(wish);
                wish.variable = Some("test".into());
            },
            None,
            &[],
            &["variable-matches"],
        );
        check(
            |wish| {
                here(wish);
                let required = ("main".into(), None);
                wish.require.insert("GITHUB_REF".into(), required);
            },
            None,
            &[],
            &["requirement-met"],
        );
    }
    check(|wish| wish.ci = true, None, &[], &["variable-matches"]);
}
