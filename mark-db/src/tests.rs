//! Whether a mark may be written, over what is there and who asks.

use std::collections::BTreeMap;

use records::{Mark, Place};
use settings::file::{Required, RunsIn};

use super::*;

fn wish() -> Wish {
    Wish {
        environment: Some("dev".into()),
        declared: true,
        protected: false,
        terms: Terms::default(),
        process: Process::default(),
        variable: None,
        rename: None,
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
            terms: None,
        }),
        place: Place {
            endpoint: "here:1".into(),
            database_oid: Some("5".into()),
            ..Place::default()
        },
        ..Survey::default()
    }
}

fn broken_on(wish: &Wish, survey: &Survey, others: &[&str]) -> Vec<&'static str> {
    let others: Vec<String> = others.iter().map(|other| (*other).to_owned()).collect();
    let mut report = Report::default();
    let found = Found {
        survey,
        others: &others,
        original_stands: false,
    };
    decide(wish, &found, &mut report);
    report
        .findings()
        .iter()
        .filter(|finding| finding.status == contract::Status::Fail)
        .map(|finding| finding.check)
        .collect()
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
    assert_eq!(broken_on(&wish, &survey(mark), others), broken);
}

fn requires(name: &str, value: &str) -> Terms {
    Terms {
        require: BTreeMap::from([(name.to_owned(), Required::Value(value.to_owned()))]),
        ..Terms::default()
    }
}

fn ci_production(wish: &mut Wish) {
    wish.environment = Some("production".into());
    wish.protected = true;
    wish.process.ci = true;
    wish.variable = Some("production".into());
}

#[test]
fn a_developer_marks_an_unprotected_name_after_confirming() {
    check(|_| {}, None, &[], &[]);
    check(|_| {}, Some(("test", false, "here:1")), &[], &[]);
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
        Some(("production", true, "here:1")),
        &[],
        &["mark-replaceable"],
    );
}

#[test]
fn a_protected_name_is_a_reviewed_one_and_its_target_is_confirmed() {
    check(
        |wish| {
            ci_production(wish);
            wish.environment = Some("producton".into());
            wish.variable = Some("producton".into());
            wish.declared = false;
        },
        None,
        &[],
        &["environment-declared"],
    );
    for confirm in [None, Some("sqlite:other.db".to_owned())] {
        check(
            |wish| {
                ci_production(wish);
                wish.confirm = confirm;
            },
            None,
            &[],
            &["target-confirmed"],
        );
    }
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
fn an_environment_that_lists_its_addresses_is_marked_at_one_of_them() {
    let at = |endpoint: &str| Terms {
        endpoints: vec![endpoint.to_owned()],
        ..Terms::default()
    };
    for (endpoint, broken) in [("here:1", &[][..]), ("there:1", &["endpoint-declared"])] {
        check(
            |wish| {
                ci_production(wish);
                wish.terms = at(endpoint);
            },
            None,
            &[],
            broken,
        );
        check(|wish| wish.terms = at(endpoint), None, &[], broken);
    }
    // Reached by another address that the mark stores, it is where it was.
    let mut survey = survey(Some(("dev", false, "elsewhere:1")));
    let uuid = |survey: &Survey| new_mark("dev", &wish(), survey).uuid;
    assert_ne!(uuid(&survey), "u");
    survey.mark.as_mut().unwrap().terms = Some(at("here:1"));
    assert_eq!(uuid(&survey), "u");
}

#[test]
fn ci_marks_its_own_environment_and_renews_it_but_does_not_take_anothers() {
    check(ci_production, None, &["app"], &[]);
    check(
        ci_production,
        Some(("production", true, "here:1")),
        &[],
        &[],
    );
    check(
        ci_production,
        Some(("staging", true, "here:1")),
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
            wish.terms = requires("GITHUB_REF", "main");
        },
        None,
        &[],
        &["requirement-met"],
    );
}

#[test]
fn a_changed_requirement_is_renewed_by_the_job_that_meets_the_new_one() {
    let mut survey = survey(Some(("production", true, "here:1")));
    survey.mark.as_mut().unwrap().terms = Some(requires("GITHUB_REF", "master"));
    let mut wish = wish();
    ci_production(&mut wish);
    wish.terms = requires("GITHUB_REF", "main");
    for (found, broken) in [("main", &[][..]), ("master", &["requirement-met"])] {
        let values = BTreeMap::from([("GITHUB_REF".to_owned(), found.to_owned())]);
        wish.process.values = values;
        assert_eq!(broken_on(&wish, &survey, &[]), broken, "{found}");
    }
    let mark = new_mark("production", &wish, &survey);
    assert_eq!(mark.terms, Some(wish.terms.clone()));
    assert_eq!(mark.uuid, "u");
}

#[test]
fn inside_the_applications_machine_its_variables_stand_for_ci() {
    let release = Terms {
        runs_in: RunsIn::Release,
        ..requires("FLY_APP_NAME", "shop")
    };
    let shop = || BTreeMap::from([("FLY_APP_NAME".to_owned(), "shop".to_owned())]);
    for (ci, terminal, set, broken) in [
        (false, false, true, &[][..]),
        (false, true, true, &["ci-run", "no-other-session"]),
        (
            false,
            false,
            false,
            &["requirement-met", "no-other-session"],
        ),
        // The first mark may as well come from a CI job, which has none of them.
        (true, false, false, &[]),
    ] {
        check(
            |wish| {
                ci_production(wish);
                wish.terms = release.clone();
                wish.process = Process {
                    ci,
                    terminal,
                    values: if set { shop() } else { BTreeMap::new() },
                };
            },
            None,
            &["app"],
            broken,
        );
    }
}

#[test]
fn a_wrong_name_is_replaced_by_a_job_that_runs_in_it() {
    let rename = |wish: &mut Wish| {
        ci_production(wish);
        wish.variable = Some("producton".into());
        wish.rename = Some(Rename {
            wrong: "producton".into(),
            terms: None,
        });
    };
    let wrong = Some(("producton", true, "here:1"));
    check(rename, wrong, &["app"], &[]);
    // Another job, another shell, another target.
    check(
        |wish| {
            rename(wish);
            wish.variable = Some("production".into());
        },
        wrong,
        &[],
        &["variable-matches"],
    );
    check(
        |wish| {
            rename(wish);
            wish.process.ci = false;
        },
        wrong,
        &[],
        &["ci-run"],
    );
    check(
        |wish| {
            rename(wish);
            wish.confirm = None;
        },
        wrong,
        &[],
        &["target-confirmed"],
    );
    // The right name is a reviewed one too, and the mark has the wrong one.
    check(
        |wish| {
            rename(wish);
            wish.declared = false;
        },
        wrong,
        &[],
        &["environment-declared"],
    );
    for other in [
        Some(("staging", true, "here:1")),
        Some(("producton", false, "here:1")),
        None,
    ] {
        check(rename, other, &[], &["mark-replaceable"]);
    }
    // What is protected stays protected.
    check(
        |wish| {
            rename(wish);
            wish.protected = false;
        },
        wrong,
        &[],
        &["mark-replaceable"],
    );
    // What the mark itself demands counts, not what the right environment will.
    let mut survey = survey(wrong);
    survey.mark.as_mut().unwrap().terms = Some(requires("GITHUB_REF", "staging"));
    let mut wish = wish();
    rename(&mut wish);
    wish.terms = requires("GITHUB_REF", "main");
    for (found, broken) in [("staging", &[][..]), ("main", &["requirement-met"])] {
        wish.process.values = BTreeMap::from([("GITHUB_REF".to_owned(), found.to_owned())]);
        assert_eq!(broken_on(&wish, &survey, &[]), broken, "{found}");
    }
    // Nothing that was shown of the wrong name counts for the right one.
    assert_ne!(new_mark("production", &wish, &survey).uuid, "u");
}

#[test]
fn ci_does_not_unprotect_either() {
    check(
        ci_dev,
        Some(("production", true, "here:1")),
        &[],
        &["mark-replaceable"],
    );
}

fn ci_dev(wish: &mut Wish) {
    wish.process.ci = true;
    wish.variable = Some("dev".into());
}

#[test]
fn ci_spares_an_unprotected_mark_nothing() {
    check(ci_dev, None, &[], &[]);
    check(ci_dev, None, &["app"], &["no-other-session"]);
    for ci in [false, true] {
        let here = |wish: &mut Wish| {
            wish.process.ci = ci;
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
                wish.terms = requires("GITHUB_REF", "main");
            },
            None,
            &[],
            &["requirement-met"],
        );
    }
    check(
        |wish| wish.process.ci = true,
        None,
        &[],
        &["variable-matches"],
    );
}
