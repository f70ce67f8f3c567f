//! Every combination, against the two sentences of the rule written a second time.

use tests::own_tables::Engine;

use crate::support::Place;

#[derive(Clone, Copy, Debug)]
struct MarkOf {
    environment: &'static str,
    protected: bool,
    is_copy: bool,
}

const ENVIRONMENTS: [&str; 2] = ["blue", "green"];

/// How a run says which environment it is for.
#[derive(Clone, Copy, Debug)]
enum Named {
    Not,
    ByArgument(&'static str),
    ByVariable(&'static str),
}

fn marks() -> Vec<Option<MarkOf>> {
    let mut marks = vec![None];
    for (environment, is_copy) in [("blue", false), ("blue", true), ("green", false)] {
        for protected in [false, true] {
            marks.push(Some(MarkOf {
                environment,
                protected,
                is_copy,
            }));
        }
    }
    marks
}

fn allowed(
    mark: Option<MarkOf>,
    named: Named,
    ci: bool,
    declared_protected: bool,
    occupied: bool,
    deploys: bool,
) -> bool {
    let (name, variable) = match named {
        Named::Not => return false,
        Named::ByArgument(name) => (name, None),
        Named::ByVariable(name) => (name, Some(name)),
    };
    match mark {
        None => deploys && !occupied && !declared_protected,
        Some(MarkOf { is_copy: true, .. }) => false,
        Some(mark) if mark.protected => mark.environment == name && variable == Some(name) && ci,
        Some(mark) => mark.environment == name && !declared_protected,
    }
}

fn check(engine: Engine) {
    let mut seen = (0, 0);
    for mark in marks() {
        for occupied in [false, true] {
            let place = Place::new(engine);
            if occupied {
                place.change("CREATE TABLE t (a int)");
            }
            if let Some(mark) = mark {
                place.mark(mark.environment, mark.protected, mark.is_copy);
            }
            for declared_protected in [false, true] {
                let environments = ENVIRONMENTS.map(|name| {
                    format!("[environments.{name}]\nprotected = {declared_protected}\n")
                });
                place.write("lockstep.toml", &environments.concat());
                let before = place.contents();
                for named in [
                    Named::Not,
                    Named::ByArgument("blue"),
                    Named::ByVariable("blue"),
                    Named::ByVariable("green"),
                ] {
                    for (ci, action) in [
                        (false, "deploy"),
                        (true, "deploy"),
                        (false, "backup"),
                        (true, "backup"),
                    ] {
                        let mut args = vec!["--action", action];
                        let mut variables = Vec::new();
                        match named {
                            Named::Not => {}
                            Named::ByArgument(name) => args.extend(["--environment", name]),
                            Named::ByVariable(name) => variables.push(("LOCKSTEP_ENV", name)),
                        }
                        if ci {
                            variables.push(("CI", "true"));
                        }
                        let deploys = action == "deploy";
                        let rule = allowed(mark, named, ci, declared_protected, occupied, deploys);
                        let ran = place.run_here(&args, &variables);
                        assert_eq!(
                            ran.code,
                            Some(i32::from(!rule)),
                            "{mark:?} {named:?} ci {ci} declared protected {declared_protected} \
                             occupied {occupied} {action}\n{}{}",
                            ran.stdout,
                            ran.stderr
                        );
                        let word = if rule { "allowed\n" } else { "refused\n" };
                        assert!(ran.stdout.ends_with(word), "{}", ran.stdout);
                        if rule { seen.0 += 1 } else { seen.1 += 1 }
                    }
                }
                assert_eq!(place.contents(), before, "no run leaves a trace");
            }
        }
    }
    assert!(seen.0 > 20 && seen.1 > 200, "{seen:?}");
}

#[test]
fn every_combination_on_sqlite_is_as_the_rule_says() {
    check(Engine::Sqlite);
}

#[test]
fn every_combination_on_postgresql_is_as_the_rule_says() {
    check(Engine::Postgres);
}
