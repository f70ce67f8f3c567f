use super::*;

const HEAD: &str = "pipeline = 1\nname = \"p\"\n";

#[track_caller]
fn refused(text: &str, expected: &str, line: Option<u32>) {
    let wrong = parse(text).unwrap_err();
    assert!(
        wrong.what.contains(expected),
        "{:?} lacks {expected:?}",
        wrong.what
    );
    let found = wrong.at.map(|at| line_at(text.as_bytes(), at));
    assert_eq!(found, line, "{}", wrong.what);
}

#[test]
fn the_design_example_parses() {
    let pipeline = parse(
        r#"
        pipeline = 1
        name = "production"
        environment = "production"
        [defaults]
        timeout = "60s"
        grace = "5s"
        [[step]]
        run = ["verify-guards"]
        retry = { on = ["unavailable", "busy"], attempts = 5, delay = "2s" }
        [[step]]
        run = ["deploy-db"]
        timeout = "20m"
        grace = "60s"
        env = ["DATABASE_URL"]
        [[step]]
        name = "start the new release"
        run = ["systemctl", "restart", "app"]
        changes = "service"
        [[rollback]]
        run = ["restore-snapshot", "--latest"]
        [[finally]]
        run = ["thaw-db"]
        "#,
    )
    .unwrap();
    assert_eq!(pipeline.steps.len(), 3);
    assert_eq!(pipeline.steps[1].timeout, Some(Duration::from_secs(1200)));
    assert_eq!(pipeline.steps[2].changes, Some(Changes::Service));
    assert_eq!(pipeline.steps[0].line, Some(8));
    assert_eq!(pipeline.rollback[0].run, ["restore-snapshot", "--latest"]);
    assert_eq!(pipeline.finally[0].run, ["thaw-db"]);
    let retry = pipeline.steps[0].retry.as_ref().unwrap();
    assert_eq!((retry.attempts, retry.delay), (5, Duration::from_secs(2)));
}

#[test]
fn an_unknown_key_names_the_nearest_and_its_line() {
    let step = format!("{HEAD}[[step]]\nrun = [\"a\"]\n");
    refused(
        &format!("{step}timout = \"5s\"\n"),
        "did you mean \"timeout\"?",
        Some(5),
    );
    refused(
        &format!("{step}shell = true\n"),
        "known are name, run",
        Some(5),
    );
    refused(
        &format!("{HEAD}[[steps]]\nrun = [\"a\"]\n"),
        "did you mean \"step\"?",
        Some(3),
    );
    refused(
        &format!("{HEAD}[[finaly]]\nrun = [\"a\"]\n"),
        "did you mean \"finally\"?",
        Some(3),
    );
    refused(
        &format!("{step}[defaults]\ngrase = \"1s\"\n"),
        "did you mean \"grace\"?",
        Some(6),
    );
    refused(
        &format!("{step}retry = {{ on = [\"busy\"], attempt = 2 }}\n"),
        "did you mean \"attempts\"?",
        Some(5),
    );
}

#[test]
fn durations_have_units_and_bounds() {
    for (text, expected) in [
        ("\"0s\"", "zero would mean no limit"),
        ("\"60\"", "write 60s"),
        ("\"60 sec\"", "write 60s"),
        ("60", "write 60s"),
        ("\"-5s\"", "a whole number and"),
        ("\"5s ago\"", "a whole number and"),
        ("\"\"", "a whole number and"),
        ("\"200h\"", "longer than a week"),
        ("\"999999999999999999999s\"", "too long"),
    ] {
        let text = format!("{HEAD}[[step]]\nrun = [\"a\"]\ntimeout = {text}\n");
        refused(&text, expected, Some(5));
    }
}

#[test]
fn what_is_no_pipeline_is_refused_with_its_place() {
    let step = "[[step]]\nrun = [\"a\"]\n";
    refused("", "missing field `pipeline`", Some(1));
    refused(HEAD, "nothing to run", None);
    refused(
        &format!("pipeline = 2\nname = \"p\"\n{step}"),
        "reads pipeline = 1",
        Some(1),
    );
    refused(
        &format!("pipeline = \"1\"\nname = \"p\"\n{step}"),
        "expected i64",
        Some(1),
    );
    refused(
        &format!("{HEAD}[[step]]\nrun = \"a b\"\n"),
        "run is a list of words",
        Some(4),
    );
    refused(
        &format!("{HEAD}[[step]]\nrun = []\n"),
        "run names no program",
        Some(4),
    );
    refused(
        &format!("{HEAD}[[step]]\nrun = [\"\"]\n"),
        "run names no program",
        Some(4),
    );
    refused(
        &format!("{HEAD}[[step]]\nname = \"x\"\n"),
        "missing field `run`",
        Some(3),
    );
    refused(
        &format!("{HEAD}[[step]]\nrun = [\"a\\u0000b\"]\n"),
        "NUL",
        Some(4),
    );
    refused(
        &format!("{HEAD}[step]\nrun = [\"a\"]\n"),
        "each begins with [[step]]",
        Some(3),
    );
    refused(
        &format!("{HEAD}{step}retry = 3\n"),
        "retry is a table, as retry = {",
        Some(5),
    );
    refused(
        &format!("{HEAD}{step}name = \"##[error]y\"\n"),
        "without ##[",
        Some(5),
    );
    refused(
        &format!("{HEAD}{step}name = \"a\u{202e}b\"\n"),
        "reorder a line",
        Some(5),
    );
    refused(
        &format!("{HEAD}[[step]]\nrun = [\"./##[error]y\"]\n"),
        "the step needs a name",
        Some(4),
    );
    refused(
        &format!("{HEAD}{step}changes = \"databse\"\n"),
        "did you mean \"database\"",
        Some(5),
    );
    refused(
        &format!("{HEAD}{step}env = [\"A=b\"]\n"),
        "does not set them",
        Some(5),
    );
    refused(
        &format!("{HEAD}{step}name = \"a\\nb\"\n"),
        "on one line",
        Some(5),
    );
    refused(
        &format!("{HEAD}{step}[[step]]\nrun = [\"a\"\n"),
        "",
        Some(6),
    );
    refused(
        &format!("pipeline = 1\nname = \"p\"\nenvironment = \"../x\"\n{step}"),
        "environment's name",
        Some(3),
    );
    let many = format!("{HEAD}{}", step.repeat(STEPS_MAX + 1));
    refused(&many, "more than the 1000", None);
}

#[test]
fn a_retry_is_for_what_passes_by_itself() {
    let with = |retry: &str| format!("{HEAD}[[step]]\nrun = [\"a\"]\nretry = {retry}\n");
    refused(
        &with("{ on = [\"fail\"], attempts = 2 }"),
        "can pass by themselves",
        Some(5),
    );
    refused(
        &with("{ on = [], attempts = 2 }"),
        "names no class",
        Some(5),
    );
    for attempts in [-1, 0, 1, 101] {
        let text = with(&format!("{{ on = [\"busy\"], attempts = {attempts} }}"));
        refused(&text, "from 2 to 100", Some(5));
    }
}

#[test]
fn no_change_of_a_byte_makes_the_parser_panic() {
    let readme = include_str!("../README.md");
    let (_, example) = readme.split_once("```toml\n").unwrap();
    let (example, _) = example.split_once("```").unwrap();
    parse(example).unwrap();
    // A linear congruential generator (Knuth's MMIX), so that a failure can be repeated.
    let mut state = 1_u64;
    let mut next = |below: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    let mut refused = 0;
    for _ in 0..3_000 {
        let mut bytes = example.as_bytes().to_vec();
        for _ in 0..=next(3) {
            let at = next(bytes.len());
            match next(3) {
                0 => bytes[at] = b" \"[]{}=#\n\\,.019azAZ\xff"[next(20)],
                1 => drop(bytes.remove(at)),
                _ => bytes.truncate(at + 1),
            }
        }
        let text = String::from_utf8_lossy(&bytes);
        refused += usize::from(parse(&text).is_err());
    }
    assert!((1..3_000).contains(&refused), "{refused}");
}
