//! Every combination, against the two sentences of the rule written a second time.

use std::collections::BTreeMap;

use settings::file::Required;

use super::*;

#[derive(Clone, Copy, Debug, PartialEq)]
enum MarkOf {
    None,
    Protected,
    Unprotected,
    ProtectedOther,
    UnprotectedOther,
    ProtectedCopy,
    UnprotectedCopy,
}

const MARKS: [MarkOf; 7] = [
    MarkOf::None,
    MarkOf::Protected,
    MarkOf::Unprotected,
    MarkOf::ProtectedOther,
    MarkOf::UnprotectedOther,
    MarkOf::ProtectedCopy,
    MarkOf::UnprotectedCopy,
];

fn place(endpoint: &str) -> Place {
    Place {
        endpoint: endpoint.to_owned(),
        ..Place::default()
    }
}

fn mark(of: MarkOf) -> Option<Mark> {
    let (environment, protected, endpoint) = match of {
        MarkOf::None => return None,
        MarkOf::Protected => ("blue", true, "here"),
        MarkOf::Unprotected => ("blue", false, "here"),
        MarkOf::ProtectedOther => ("green", true, "here"),
        MarkOf::UnprotectedOther => ("green", false, "here"),
        MarkOf::ProtectedCopy => ("blue", true, "there"),
        MarkOf::UnprotectedCopy => ("blue", false, "there"),
    };
    Some(Mark {
        environment: environment.to_owned(),
        protected,
        uuid: "u".to_owned(),
        place: place(endpoint),
        marked_at: String::new(),
        marked_by: String::new(),
        format: records::MARK_FORMAT,
        terms: None,
    })
}

/// Terms that require one variable.
fn ref_is(value: &str) -> Terms {
    Terms {
        require: BTreeMap::from([("REF".to_owned(), Required::Value(value.to_owned()))]),
        ..Terms::default()
    }
}

/// A process with that variable.
fn on(value: &str) -> Process {
    Process {
        values: BTreeMap::from([("REF".to_owned(), value.to_owned())]),
        ..Process::default()
    }
}

/// The rule again, in its shortest form: what must be allowed, and nothing else.
#[expect(
    clippy::too_many_arguments,
    reason = "everything that the rule depends on, side by side"
)]
fn expected(
    action: Action,
    of: MarkOf,
    named: Option<&str>,
    variable: Option<&str>,
    ci: bool,
    declared_protected: bool,
    requirement_met: bool,
    occupied: bool,
) -> bool {
    match of {
        MarkOf::Protected => {
            ci && named == Some("blue") && variable == Some("blue") && requirement_met
        }
        MarkOf::Unprotected => named == Some("blue") && !declared_protected && requirement_met,
        MarkOf::None => {
            named.is_some() && !occupied && !declared_protected && action == Action::Deploy
        }
        _ => false,
    }
}

#[test]
fn every_combination_is_as_the_rule_says() {
    let here = place("here");
    let names = [None, Some("blue"), Some("green")];
    let mut seen = (0, 0);
    for action in [Action::Deploy, Action::Other] {
        for of in MARKS {
            for (named, variable) in names.iter().flat_map(|n| names.iter().map(move |v| (n, v))) {
                for bits in 0..16_u8 {
                    let bit = |number: u8| bits & (1 << number) != 0;
                    let (ci, declared_protected, met, occupied) = (bit(0), bit(1), bit(2), bit(3));
                    // A green database is another environment's only for a blue run.
                    if matches!(of, MarkOf::ProtectedOther | MarkOf::UnprotectedOther)
                        && *named == Some("green")
                    {
                        continue;
                    }
                    let mark = mark(of);
                    let terms = ref_is("main");
                    let situation = Situation {
                        action,
                        environment: *named,
                        variable: *variable,
                        variable_name: "LOCKSTEP_ENV",
                        process: Process {
                            ci,
                            ..on(if met { "main" } else { "topic" })
                        },
                        declared: Declared {
                            protected: declared_protected,
                            terms: Some(&terms),
                        },
                        mark: mark.as_ref(),
                        place: &here,
                        occupied,
                        claimed_by: None,
                        data_expected: None,
                    };
                    let verdict = allowed(&judge(&situation));
                    let rule = expected(
                        action,
                        of,
                        *named,
                        *variable,
                        ci,
                        declared_protected,
                        met,
                        occupied,
                    );
                    assert_eq!(verdict, rule, "{situation:?}");
                    if verdict { seen.0 += 1 } else { seen.1 += 1 }
                }
            }
        }
    }
    assert!(seen.0 > 0 && seen.1 > 1000, "{seen:?}");
}

#[track_caller]
fn check_broken(change: impl FnOnce(&mut Situation<'_>), expected: &[&str]) {
    check_broken_on(MarkOf::Protected, change, expected);
}

#[track_caller]
fn check_broken_on(of: MarkOf, change: impl FnOnce(&mut Situation<'_>), expected: &[&str]) {
    let here = place("here");
    let marked = mark(of);
    let mut situation = Situation {
        action: Action::Deploy,
        environment: Some("blue"),
        variable: Some("blue"),
        variable_name: "LOCKSTEP_ENV",
        process: Process {
            ci: true,
            ..Process::default()
        },
        declared: Declared::nothing(),
        mark: marked.as_ref(),
        place: &here,
        occupied: true,
        claimed_by: None,
        data_expected: None,
    };
    change(&mut situation);
    let rulings = judge(&situation);
    let broken: Vec<&str> = rulings
        .iter()
        .filter(|ruling| !ruling.held)
        .map(|ruling| ruling.guard.id)
        .collect();
    assert_eq!(broken, expected);
}

#[test]
fn a_deployment_of_its_own_environment_passes() {
    check_broken(|_| {}, &[]);
}

#[test]
fn a_developer_whose_url_is_productions_is_refused_by_production() {
    check_broken(
        |situation| {
            situation.process.ci = false;
            situation.variable = None;
            situation.environment = Some("dev");
            situation.declared.protected = false;
        },
        &["mark-matches", "ci-run", "variable-matches"],
    );
}

#[test]
fn a_file_edited_to_say_unprotected_opens_nothing() {
    check_broken(
        |situation| {
            situation.process.ci = false;
            situation.declared.protected = false;
        },
        &["ci-run"],
    );
}

#[test]
fn a_production_run_on_a_developers_database_is_not_told_to_unprotect_production() {
    check_broken_on(MarkOf::UnprotectedOther, |_| {}, &["mark-matches"]);
}

#[test]
fn a_staging_job_with_productions_url_is_refused() {
    check_broken(
        |situation| {
            situation.environment = Some("staging");
            situation.variable = Some("staging");
        },
        &["mark-matches", "variable-matches"],
    );
}

#[test]
fn a_database_that_another_environment_declares_is_not_begun_on() {
    check_broken(
        |situation| {
            situation.environment = Some("dev");
            situation.mark = None;
            situation.occupied = false;
            situation.declared.protected = false;
            situation.claimed_by = Some("production");
        },
        &["target-own"],
    );
}

#[test]
fn an_emptied_production_is_not_a_first_run() {
    check_broken(
        |situation| {
            situation.occupied = false;
            situation.data_expected = Some("its ledger has 7 migrations");
        },
        &["data-present"],
    );
    check_broken(
        |situation| {
            situation.mark = None;
            situation.occupied = false;
            situation.declared.protected = false;
            situation.data_expected = Some("the newest snapshot has 3 tables");
        },
        &["data-present"],
    );
}

#[test]
fn a_requirement_is_added_and_its_found_value_is_not_shown() {
    let here = place("here");
    let production = mark(MarkOf::Protected);
    let terms = ref_is("refs/heads/main");
    let rulings = judge(&Situation {
        action: Action::Other,
        environment: Some("blue"),
        variable: Some("blue"),
        variable_name: "LOCKSTEP_ENV",
        process: Process {
            ci: true,
            ..on("hunter22")
        },
        declared: Declared {
            protected: true,
            terms: Some(&terms),
        },
        mark: production.as_ref(),
        place: &here,
        occupied: true,
        claimed_by: None,
        data_expected: None,
    });
    assert!(!allowed(&rulings));
    assert!(!format!("{rulings:?}").contains("hunter22"));
}

#[test]
fn a_moved_database_is_told_who_may_renew_its_mark() {
    let here = place("here");
    for (of, says) in [
        (MarkOf::ProtectedCopy, "in the CI job of blue"),
        (MarkOf::UnprotectedCopy, "mark-db --environment green"),
    ] {
        let marked = mark(of);
        let rulings = judge(&Situation {
            action: Action::Deploy,
            environment: Some("green"),
            variable: None,
            variable_name: "LOCKSTEP_ENV",
            process: Process::default(),
            declared: Declared::nothing(),
            mark: marked.as_ref(),
            place: &here,
            occupied: true,
            claimed_by: None,
            data_expected: None,
        });
        let ruling = rulings
            .iter()
            .find(|ruling| ruling.guard.id == MARK_IN_PLACE.id)
            .unwrap();
        assert!(ruling.remedy.as_ref().unwrap().contains(says), "{ruling:?}");
    }
}

/// A deployment of blue on its own protected database, whose mark stores `stored` and whose file
/// declares `declared`: the guards that do not let it pass, and those that warn.
fn guards_of(
    stored: Option<Terms>,
    declared: Option<Terms>,
    process: Process,
) -> [Vec<&'static str>; 2] {
    let here = place("here");
    let marked = Mark {
        terms: stored,
        ..mark(MarkOf::Protected).unwrap()
    };
    let rulings = judge(&Situation {
        action: Action::Deploy,
        environment: Some("blue"),
        variable: Some("blue"),
        variable_name: "LOCKSTEP_ENV",
        process,
        declared: Declared {
            protected: true,
            terms: declared.as_ref(),
        },
        mark: Some(&marked),
        place: &here,
        occupied: true,
        claimed_by: None,
        data_expected: None,
    });
    let ids = |which: &dyn Fn(&Ruling) -> bool| {
        let found = rulings.iter().filter(|ruling| which(ruling));
        found.map(|ruling| ruling.guard.id).collect()
    };
    [ids(&|ruling| !ruling.held), ids(&|ruling| ruling.warns)]
}

#[test]
fn an_action_meets_what_the_mark_stores_and_what_the_file_declares() {
    let release = |require: &str| Terms {
        runs_in: RunsIn::Release,
        ..ref_is(require)
    };
    let with = |ci, terminal, value: &str| Process {
        ci,
        terminal,
        ..on(value)
    };
    let unset = |ci| Process {
        ci,
        ..Process::default()
    };
    let any = Terms {
        require: BTreeMap::from([("REF".to_owned(), Required::Present)]),
        ..Terms::default()
    };
    let (main, topic) = (ref_is("main"), ref_is("topic"));
    const REF: &str = "requirement-met";
    const CI: &str = "ci-run";
    const CURRENT: &str = "mark-current";
    let same = |terms: &Terms| (Some(terms.clone()), Some(terms.clone()));
    for ((stored, declared), process, broken, warned) in [
        (same(&main), with(true, false, "main"), &[][..], &[][..]),
        (same(&main), with(true, false, "topic"), &[REF], &[]),
        // A file that was edited takes nothing from the mark.
        (
            (Some(main.clone()), Some(Terms::default())),
            with(true, false, "main"),
            &[],
            &[CURRENT],
        ),
        (
            (Some(main.clone()), Some(Terms::default())),
            with(true, false, "topic"),
            &[REF],
            &[CURRENT],
        ),
        (
            (Some(main.clone()), Some(topic.clone())),
            with(true, false, "topic"),
            &[REF],
            &[CURRENT],
        ),
        (
            (Some(main.clone()), None),
            with(true, false, "topic"),
            &[REF],
            &[],
        ),
        // What it adds counts at once.
        (
            (Some(Terms::default()), Some(main.clone())),
            with(true, false, "topic"),
            &[REF],
            &[CURRENT],
        ),
        (
            (None, Some(main.clone())),
            with(true, false, "topic"),
            &[REF],
            &[CURRENT],
        ),
        ((None, None), unset(true), &[], &[]),
        // Present, whatever it is.
        (same(&any), with(true, false, "topic"), &[], &[]),
        (same(&any), unset(true), &[REF], &[]),
        // Inside the application's machine.
        (same(&release("shop")), with(false, false, "shop"), &[], &[]),
        (same(&release("shop")), with(true, false, "shop"), &[], &[]),
        (
            same(&release("shop")),
            with(false, true, "shop"),
            &[CI],
            &[],
        ),
        (same(&release("shop")), unset(false), &[REF], &[]),
        (same(&release("shop")), unset(true), &[REF], &[]),
        // The file alone can't do without CI.
        (
            (Some(Terms::default()), Some(release("shop"))),
            with(false, false, "shop"),
            &[CI],
            &[CURRENT],
        ),
        (
            (None, Some(release("shop"))),
            with(false, false, "shop"),
            &[CI],
            &[CURRENT],
        ),
        (
            (Some(release("shop")), Some(Terms::default())),
            with(false, false, "shop"),
            &[CI],
            &[CURRENT],
        ),
        // A mark that somebody wrote by hand.
        (
            same(&Terms {
                runs_in: RunsIn::Release,
                ..Terms::default()
            }),
            unset(false),
            &[REF],
            &[],
        ),
    ] {
        let found = guards_of(stored.clone(), declared.clone(), process.clone());
        assert_eq!(
            found,
            [broken, warned],
            "{stored:?} {declared:?} {process:?}"
        );
    }
}
