//! What is found, from rules as a file has them and variables as a process has them.

use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use contract::Status;
use settings::Target;

use super::*;

/// The findings of `toml`'s rules, held and skipped ones left out, as `check name: message`.
#[track_caller]
fn found_in(toml: &str, environment: Option<&str>, set: &[(&str, &str)]) -> Vec<String> {
    let settings = settings(toml);
    let demands = match demands(&settings, None, environment) {
        Ok(demands) => demands,
        Err(error) => panic!("{error}"),
    };
    let report = check(&demands, &set.iter().copied().collect());
    findings(&report)
}

fn findings(report: &Report) -> Vec<String> {
    report
        .findings()
        .iter()
        .filter(|finding| matches!(finding.status, Status::Fail | Status::Warn))
        .map(|finding| format!("{} {}: {}", finding.check, finding.subject, finding.message))
        .collect()
}

fn settings(toml: &str) -> settings::Settings {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("lockstep.toml"), toml).unwrap();
    match settings::Settings::read(None, dir.path()) {
        Ok(settings) => settings,
        Err(error) => panic!(
            "{:?}",
            contract::Failure::from(settings::Error::from(error))
        ),
    }
}

/// Whether a rule for X accepts a value; if not, the checks that do not hold.
#[track_caller]
fn broken(rule: &str, value: &str) -> Vec<String> {
    let found = found_in(&format!("[env.X]\n{rule}"), None, &[("X", value)]);
    for finding in &found {
        assert!(value.len() < 4 || !finding.contains(value), "{finding}");
    }
    found
        .iter()
        .map(|finding| finding.split(' ').next().unwrap_or_default().to_owned())
        .collect()
}

#[track_caller]
fn refused(toml: &str, environment: Option<&str>) -> String {
    let settings = settings(toml);
    match demands(&settings, None, environment) {
        Ok(_) => panic!("accepted"),
        Err(error) => contract::Failure::from(error).line(),
    }
}

#[test]
fn a_required_variable_is_set_and_not_empty() {
    let toml = "[env.A]\n[env.B]\nrequired = false\n[env.C]\n";
    assert_eq!(
        found_in(toml, None, &[("A", ""), ("C", " \n")]),
        [
            "variable-set A: set but empty",
            "variable-set C: set to nothing but white space"
        ]
    );
    assert_eq!(
        found_in(toml, None, &[("A", "a")]),
        ["variable-set C: not set"]
    );
    assert!(found_in(toml, None, &[("A", "a"), ("C", "c")]).is_empty());
}

#[test]
fn every_fault_is_found_in_one_run() {
    let toml = "[env.A]\n[env.B]\nkind = \"port\"\n[env.C]\nkind = \"secret\"\nmin_length = 40\n\
                pattern = \"[a-f]+\"\n[env.D]\nforbidden = true\n";
    assert_eq!(
        found_in(toml, None, &[("B", "x"), ("C", "short"), ("D", "1")]),
        [
            "variable-set A: not set",
            "value-formed B: not a port, which is a number from 1 to 65535, digits alone",
            "value-allowed C: too short",
            "value-allowed C: does not match the pattern",
            "variable-absent D: set, and forbidden here",
        ]
    );
}

#[test]
fn a_condition_decides_whether_it_is_required() {
    let toml = "[env.A]\nrequired_if = \"OTHER\"\n[env.B]\nrequired_if = { MAIL = \"smtp\" }\n";
    assert!(found_in(toml, None, &[]).is_empty());
    assert!(found_in(toml, None, &[("OTHER", ""), ("MAIL", "log")]).is_empty());
    assert_eq!(
        found_in(toml, None, &[("OTHER", "1"), ("MAIL", "smtp")]),
        [
            "variable-set A: not set, and required: OTHER is set",
            "variable-set B: not set, and required by the value of MAIL"
        ]
    );
    let both = "[env.A]\nrequired_if = { X = \"1\", Y = \"2\" }\n";
    assert!(found_in(both, None, &[("X", "1")]).is_empty());
    assert_eq!(found_in(both, None, &[("X", "1"), ("Y", "2")]).len(), 1);
    // What is set is judged whether it is required or not.
    let kind = "[env.A]\nkind = \"port\"\nrequired_if = \"OTHER\"\n";
    assert_eq!(found_in(kind, None, &[("A", "x")]).len(), 1);
}

#[test]
fn a_rule_counts_in_its_environments() {
    let toml = "[env.A]\nenvironments = [\"production\", \"staging\"]\n\
                [env.DEBUG]\nforbidden = true\nenvironments = [\"production\"]\n[env.Z]\n";
    let set = [("DEBUG", "1"), ("Z", "z")];
    assert_eq!(
        found_in(toml, Some("production"), &set),
        [
            "variable-set A: not set",
            "variable-absent DEBUG: set, and forbidden here"
        ]
    );
    assert_eq!(
        found_in(toml, Some("staging"), &set),
        ["variable-set A: not set"]
    );
    assert!(found_in(toml, Some("dev"), &set).is_empty());
    assert!(refused(toml, None).contains("no environment is named"));
    let only = "[env.A]\nenvironments = [\"production\"]";
    assert!(refused(only, Some("dev")).contains("for the environment \"dev\""));
}

#[test]
fn kinds_are_told_apart() {
    let formed = ["value-formed"];
    for (kind, good, bad) in [
        (
            "integer",
            &["0", "-7", "+7", "9223372036854775807"][..],
            &["", "1.5", "1e3", "x", "0x1f", "9223372036854775808", " 1"][..],
        ),
        (
            "port",
            &["1", "5432", "65535"],
            &["0", "65536", "-1", "+80", "http"],
        ),
        (
            "boolean",
            &["true", "False", "1", "0", "YES", "off"],
            &["2", "ja", "truee"],
        ),
        (
            "email",
            &["a@b.org", "a.b+c@sub.example.co.uk", "müller@müller.de"],
            &[
                "a",
                "a@b",
                "@b.org",
                "a@",
                "a b@c.org",
                "a@b..org",
                ".a@b.org",
                "A <a@b.org>",
                "a@-b.org",
                "a@b.org,c@d.org",
            ],
        ),
        (
            "url",
            &[
                "https://x.org",
                "http://localhost:3000/a?b=c#d",
                "postgres://u:p%40@h:5432/d",
                "postgres:///d?host=/run",
                "postgres://",
                "postgres://hashy:k9#Zq7wLmT2@127.0.0.1:6101/postgres",
                "postgresql+asyncpg://u@h/d",
                "sqlite:///app.db",
                "sqlite:app.db",
                "file:dev.db",
                "redis://:pw@[::1]:6379/0",
                "mongodb://a:1,b:2/d",
                "mailto:a@b.org",
                "jdbc:postgresql://h/d",
            ],
            &[
                "x.org",
                "localhost:5432",
                "https://",
                "https:///path",
                "http//x.org",
                "://x.org",
                "https://x .org",
                "https://h:port/",
                "https://h:70000/",
                "https://h:+80/",
                "postgres://u:p/w@h/d",
                "1http://x.org",
                "sqlite:",
                "postgres://u:p%zz@127.0.0.1:6101/db",
                "postgres://u:p@ss/w#rd@h/db",
                "postgres://u@h/d?sslmode=sure",
                "amqp://u:k9#Zq7@h/v",
                "redis://[::1:6379",
                "jdbc:x",
            ],
        ),
    ] {
        let rule = format!("kind = \"{kind}\"");
        for value in good {
            assert_eq!(broken(&rule, value), Vec::<String>::new(), "{kind} {value}");
        }
        for value in bad.iter().filter(|value| !value.is_empty()) {
            let found = broken(&rule, value);
            assert!(
                found.starts_with(&formed.map(str::to_owned)),
                "{kind} {value}: {found:?}"
            );
        }
    }
}

#[test]
fn a_number_out_of_range_is_told_from_what_is_none() {
    let said = |value: &str| found_in("[env.X]\nkind = \"integer\"\n", None, &[("X", value)]);
    for value in ["9223372036854775808", "-99999999999999999999"] {
        let said = said(value).concat();
        assert!(said.contains("out of range: an integer is from"), "{said}");
    }
    assert_eq!(said("1.5"), ["value-formed X: not a whole number"]);
}

#[test]
fn a_database_url_is_judged_as_the_other_programs_read_it() {
    let toml = "[env.X]\nkind = \"url\"\n";
    for value in [
        "postgres://u:hunter2%zz@h/d",
        "postgres://u:hunter2@ss/w#rd@h/db",
        "postgresql+psycopg:hunter2",
        "postgres://u@h/d?hunter2=1",
        "postgres://u@h/d?sslmode=hunter2",
        "sqlite:app.db?key=hunter2",
        "sqlite:",
    ] {
        let error = match Target::parse(value, Path::new("")) {
            Ok(target) => panic!("{value}: {target:?}"),
            Err(error) => error,
        };
        let found = found_in(toml, None, &[("X", value)]);
        let said = format!("value-formed X: not a usable database URL: {error}");
        assert!(found.contains(&said), "{value}: {found:?}");
        assert!(!found.concat().contains("hunter2"), "{found:?}");
    }
    // What the target leaves out, libpq's variables fill in for it.
    let url = ("X", "postgres://u@h/d?sslmode=verify-ca");
    let root = ("PGSSLROOTCERT", "/ca.pem");
    let home = ("HOME", "/nowhere");
    assert_eq!(found_in(toml, None, &[url, home]).len(), 1);
    assert!(found_in(toml, None, &[url, home, root]).is_empty());
}

#[test]
fn limits_bound_a_value() {
    for (rule, good, bad) in [
        ("kind = \"secret\"\nmin_length = 4", "äöüß", "äöü"),
        ("kind = \"integer\"\nmin = -1", "-1", "-2"),
        ("kind = \"integer\"\nmax = 64", "64", "65"),
        ("kind = \"port\"\nmin = 1024", "1024", "1023"),
        ("one_of = [\"debug\", \"info\"]", "info", "Info"),
        ("pattern = \"v[0-9]+\"", "v12", "v12x"),
        ("pattern = \"a|b\"", "b", "bc"),
        ("pattern = \"a.b\"", "a-b", "a-b\nc"),
        (
            "kind = \"url\"\nschemes = [\"https\"]",
            "https://x.org",
            "http://x.org",
        ),
        (
            "kind = \"url\"\nschemes = [\"postgres\"]",
            "postgresql+psycopg://u@h/d",
            "mysql://u@h/d",
        ),
        (
            "kind = \"url\"\nschemes = [\"postgres\"]",
            "postgres://u:k9#Zq7@h/d",
            "jdbc:postgresql://h/d",
        ),
        (
            "kind = \"url\"\nschemes = [\"jdbc\"]",
            "jdbc:postgresql://h/d",
            "postgres://u@h/d",
        ),
        (
            "kind = \"url\"\nschemes = [\"sqlite\"]",
            "sqlite3:app.db",
            "postgres://u@h/d",
        ),
    ] {
        assert_eq!(broken(rule, good), Vec::<String>::new(), "{rule}");
        assert_eq!(broken(rule, bad), ["value-allowed"], "{rule}");
    }
}

#[test]
fn a_placeholder_is_no_value() {
    for (kind, value) in [
        ("string", "changeme"),
        ("string", "<your key>"),
        ("secret", "xxxxxxxx"),
        ("secret", "keyboardcat"),
        ("url", "postgres://app:changeme@db.internal/app"),
        ("url", "postgres://app:XXXX@db.internal/app"),
        ("url", "https://${HOST}/x"),
        ("secret", "sk-<your key>"),
    ] {
        let found = broken(&format!("kind = \"{kind}\""), value);
        assert_eq!(found, ["value-replaced"], "{kind} {value}");
    }
    for value in [
        "postgres://my_app:Zk3pq9@db/app",
        "postgres://app:Zk3pq9@my-db:5432/todo",
        "postgres://todo:Zk3pq9@todo/todo",
        "postgres://app:xxx#Zk3pq9@db/app",
    ] {
        assert_eq!(broken("kind = \"url\"", value), Vec::<String>::new());
    }
    assert!(broken("one_of = [\"placeholder\", \"real\"]", "placeholder").is_empty());
    let named = |name: &str, value: &str| {
        let toml = format!("[env.{name}]\n");
        found_in(&toml, None, &[(name, value)])
    };
    // A name that asks for a secret asks more than one that does not.
    for value in ["{{name}}", "${id}", "Your Home Store"] {
        assert_eq!(named("API_TOKEN", value).len(), 1, "{value}");
    }
    assert!(named("API_TOKEN", "${id}")[0].starts_with("value-replaced API_TOKEN: a placeholder"));
}

#[test]
fn a_shop_an_address_and_an_own_template_are_values() {
    for value in [
        "Your Home Store",
        "Replacement Parts",
        "Shop <mail@example.org>",
        "Dear {{name}}, your order ${id} is on its way",
        "<strong>Sale</strong>",
        "[Shop] ",
        "https://cdn.example.org/{{id}}.png",
    ] {
        let found = found_in("[env.X]\n", None, &[("X", value)]);
        let of_value: Vec<&String> = found
            .iter()
            .filter(|one| one.starts_with("value-r"))
            .collect();
        assert!(of_value.is_empty(), "{value}: {found:?}");
    }
    assert!(broken("kind = \"url\"", "https://cdn.example.org/{{id}}.png").is_empty());
    assert_eq!(
        broken("kind = \"url\"", "https://{{host}}/{{id}}.png"),
        ["value-replaced"]
    );
    let said = found_in(
        "[env.X]\nkind = \"email\"\n",
        None,
        &[("X", "Shop <a@b.org>")],
    );
    assert!(said[0].contains("a name stands before it"), "{said:?}");
}

#[test]
fn what_may_be_a_template_is_a_warning_unless_it_is_listed() {
    for value in ["{{name}}", "${id}", "Todo"] {
        let toml = |rule: &str| settings(&format!("[env.X]\n{rule}"));
        let settings = toml("");
        let demands = demands(&settings, None, None).unwrap_or_else(|error| panic!("{error}"));
        let report = check(&demands, &[("X", value)].into_iter().collect());
        let warned: Vec<Status> = report
            .findings()
            .iter()
            .filter(|finding| finding.check == VALUE_REPLACED.id)
            .map(|finding| finding.status)
            .collect();
        assert_eq!(warned, [Status::Warn], "{value}");
        assert!(
            broken(&format!("one_of = [\"{value}\"]"), value).is_empty(),
            "{value}"
        );
    }
}

#[test]
fn two_variables_that_must_differ_are_compared_by_meaning() {
    let differ = |kind: &str, one: &str, two: &str| {
        let toml = format!("[env.A]\nkind = \"{kind}\"\nmust_differ_from = \"B\"\n");
        found_in(&toml, None, &[("A", one), ("B", two)])
    };
    assert_eq!(
        differ("secret", "s3cret-A", "s3cret-A"),
        ["values-distinct A: the same value as B"]
    );
    assert!(differ("secret", "s3cret-A", "s3cret-B").is_empty());
    assert!(differ("secret", "s3cret-A", "").is_empty());
    // What a shell left around one of them makes no difference.
    assert_eq!(
        differ("secret", "s3cret-A", "s3cret-A\n"),
        ["values-distinct A: the same value as B"]
    );
    assert_eq!(
        differ("url", "postgres://u:a@h/d", "postgresql://test:b@H:5432/d"),
        ["values-distinct A: the same database as B"]
    );
    assert!(differ("url", "postgres://u:a@h/d", "postgres://u:a@h/d_test").is_empty());
}

#[test]
fn what_a_shell_left_around_a_value_is_a_warning() {
    for value in ["s3cret-A\n", " s3cret-A", "\"s3cret-A\"", "'s3cret-A'"] {
        assert_eq!(
            broken("kind = \"secret\"", value),
            ["value-clean"],
            "{value:?}"
        );
    }
    assert!(broken("kind = \"secret\"", "\"s3cret-A").is_empty());
}

#[test]
fn a_path_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    let (dir, file) = (dir.path().to_str().unwrap(), file.to_str().unwrap());
    for (rule, value, holds) in [
        ("", dir, true),
        ("", file, true),
        ("", "/nowhere/at/all", false),
        ("must_exist = \"file\"", file, true),
        ("must_exist = \"file\"", dir, false),
        ("must_exist = \"dir\"", dir, true),
        ("must_exist = \"dir\"", file, false),
    ] {
        let found = broken(&format!("kind = \"path\"\n{rule}"), value);
        assert_eq!(found.is_empty(), holds, "{rule} {value}: {found:?}");
    }
}

#[test]
fn bytes_that_are_no_text_are_a_fault() {
    let settings = settings("[env.X]\nkind = \"secret\"\n");
    let demands = demands(&settings, None, None).unwrap_or_else(|error| panic!("{error}"));
    let value = std::ffi::OsStr::from_bytes(b"a\xff");
    let report = check(&demands, &[("X", value)].into_iter().collect());
    assert_eq!(findings(&report), ["value-formed X: not UTF-8"]);
}

#[test]
fn a_rule_that_could_not_count_is_refused() {
    for (toml, expected) in [
        (
            "[env.X]\nkind = \"port\"\nmin_length = 3",
            "min_length says nothing",
        ),
        ("[env.X]\nschemes = [\"https\"]", "schemes says nothing"),
        ("[env.X]\nmin = 1", "min says nothing"),
        (
            "[env.X]\nkind = \"url\"\nmust_exist = \"file\"",
            "must_exist says nothing",
        ),
        (
            "[env.X]\nkind = \"integer\"\nmin = 2\nmax = 1",
            "min is greater than max",
        ),
        (
            "[env.X]\nkind = \"url\"\nfor = [\"deploy-db\"]",
            "for says nothing of this kind",
        ),
        (
            "[env.X]\nkind = \"secret\"\nforbidden = true\nfor = [\"deploy-db\"]",
            "a forbidden variable",
        ),
        ("[env.X]\none_of = []", "an empty list"),
        ("[env.X]\nenvironments = []", "an empty list"),
        ("[env.X]\nrequired_if = {}", "required_if names no variable"),
        (
            "[env.X]\nrequired = true\nrequired_if = \"Y\"",
            "exclude each other",
        ),
        ("[env.X]\nrequired_if = \"X\"", "refers to itself"),
        ("[env.X]\nmust_differ_from = \"X\"", "refers to itself"),
        (
            "[env.API_KEY]\n[env.X]\nmust_differ_from = \"APIKEY\"",
            "did you mean \"API_KEY\"?",
        ),
        (
            "[env.X]\nforbidden = true\nmust_differ_from = \"Y\"",
            "a forbidden variable",
        ),
        ("[env.\"a b\"]", "no name of a variable"),
        (
            "[env.X]\npattern = \"(\"",
            "cannot use the pattern in [env.X]: ",
        ),
        (
            "[env.X]\npattern = \"a)|(b\"",
            "cannot use the pattern in [env.X]: ",
        ),
        (
            "[environments.production]\n[env.X]\nenvironments = [\"prodution\"]",
            "did you mean \"production\"?",
        ),
        ("", "no variable is described"),
    ] {
        let said = refused(toml, Some("production"));
        assert!(said.contains(expected), "{toml}: {said}");
    }
}
