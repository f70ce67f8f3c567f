use super::*;

const HERE: &str = "1b4e28ba-2fa1-4d3b-a3f5-ef19b5a7633b";
const ELSEWHERE: &str = "2c5f39cb-30b2-4e4c-b406-f02ac6b8744c";
const CHECK: Acceptable = Acceptable::SchemaAsRecorded;

fn digest(of: char) -> String {
    shown(&of.to_string().repeat(64))
}

fn line(check: Acceptable, target: &str, of: char, because: &str) -> Accept {
    Accept {
        check,
        target: target.to_owned(),
        digest: digest(of),
        because: because.to_owned(),
        line: 7,
    }
}

fn entry(target: &str, of: char, because: &str) -> Accepted {
    Accepted {
        check: CHECK.check_id().to_owned(),
        target: target.to_owned(),
        digest: digest(of),
        because: because.to_owned(),
        accepted_at: "2026-05-03T10:00:00Z".to_owned(),
        accepted_by: "ops@host".to_owned(),
        run_id: "run".to_owned(),
    }
}

fn settings(lines: &[Accept]) -> Settings {
    Settings {
        accept: lines.to_vec(),
        ..Settings::default()
    }
}

/// What is said of the digest of `a`s, found in the database `HERE`: `excused`, `used` or
/// `unexcused`.
#[track_caller]
fn check_verdict(lines: &[Accept], accepted: &[Accepted], expected: &str) {
    let settings = settings(lines);
    let lines = Lines::new(CHECK, &settings, Some(HERE), accepted);
    let said = match lines.judge(&digest('a')) {
        Verdict::Excused(_) => "excused",
        Verdict::Used(..) => "used",
        Verdict::Unexcused => "unexcused",
    };
    assert_eq!(said, expected);
}

#[test]
fn a_line_excuses_one_digest_of_one_check_in_one_database() {
    let fits = line(CHECK, HERE, 'a', "x");
    check_verdict(std::slice::from_ref(&fits), &[], "excused");
    check_verdict(&[], &[], "unexcused");
    check_verdict(&[line(CHECK, ELSEWHERE, 'a', "x")], &[], "unexcused");
    check_verdict(&[line(CHECK, HERE, 'b', "x")], &[], "unexcused");
    let other = Acceptable::AdoptionProven;
    check_verdict(&[line(other, HERE, 'a', "x")], &[], "unexcused");
}

#[test]
fn a_line_excuses_once() {
    let fits = line(CHECK, HERE, 'a', "x");
    check_verdict(
        std::slice::from_ref(&fits),
        &[entry(HERE, 'a', "x")],
        "used",
    );
    // Another entry is of another line.
    for other in [entry(ELSEWHERE, 'a', "x"), entry(HERE, 'b', "x")] {
        check_verdict(std::slice::from_ref(&fits), &[other], "excused");
    }
    let again = line(CHECK, HERE, 'a', "once more");
    check_verdict(&[fits, again], &[entry(HERE, 'a', "x")], "excused");
}

#[test]
fn nothing_is_excused_in_a_copy_or_without_a_mark() {
    let settings = settings(&[line(CHECK, HERE, 'a', "x")]);
    let copy = format!("{HERE} copied-or-moved localhost:5432/7");
    for target in [None, Some(copy.as_str())] {
        let lines = Lines::new(CHECK, &settings, target, &[]);
        assert_eq!(lines.judge(&digest('a')), Verdict::Unexcused);
    }
    assert_eq!(Lines::new(CHECK, &settings, None, &[]).entry("x"), None);
}

/// How many lines are said to fit, and to excuse nothing.
#[track_caller]
fn check_fit(
    settings: &Settings,
    accepted: &[Accepted],
    found: Option<char>,
    expected: [usize; 2],
) {
    let found = found.map(digest);
    let mut report = Report::default();
    Lines::new(CHECK, settings, Some(HERE), accepted).report(found.as_deref(), &mut report);
    let counts = report.counts();
    assert_eq!(
        [counts.pass, counts.warn],
        expected,
        "{:?}",
        report.findings()
    );
}

#[test]
fn a_line_that_excuses_nothing_is_said() {
    let fits = settings(&[line(CHECK, HERE, 'a', "x")]);
    check_fit(&fits, &[], Some('a'), [1, 0]);
    check_fit(&fits, &[], Some('b'), [0, 1]);
    check_fit(&fits, &[], None, [0, 1]);
    // Used ones do no harm.
    check_fit(&fits, &[entry(HERE, 'a', "x")], None, [1, 0]);
    check_fit(&fits, &[entry(HERE, 'a', "x")], Some('b'), [1, 0]);

    let mut elsewhere = settings(&[line(CHECK, ELSEWHERE, 'a', "x")]);
    check_fit(&elsewhere, &[], Some('a'), [0, 1]);
    for name in ["production", "staging"] {
        let declared = settings::file::EnvironmentSettings::default();
        elsewhere.environments.insert(name.to_owned(), declared);
    }
    // It may be the other environment's.
    check_fit(&elsewhere, &[], Some('a'), [0, 0]);
    let other = settings(&[line(Acceptable::AdoptionProven, HERE, 'a', "x")]);
    check_fit(&other, &[], None, [0, 0]);
}

#[test]
fn the_entry_that_is_asked_for_is_one_that_excuses() {
    let empty = Settings::default();
    let entry = Lines::new(CHECK, &empty, Some(HERE), &[]).entry(&digest('a'));
    let dir = std::env::temp_dir().join(contract::new_uuid());
    std::fs::create_dir(&dir).unwrap();
    std::fs::write(dir.join(FILE_NAME), entry.unwrap().join("\n")).unwrap();
    let read = Settings::read(None, &dir);
    std::fs::remove_dir_all(&dir).unwrap();
    let read = read.unwrap();
    let lines = Lines::new(CHECK, &read, Some(HERE), &[]);
    assert!(matches!(lines.judge(&digest('a')), Verdict::Excused(_)));
}

#[test]
fn an_adoption_is_unproven_until_it_is_taken_back_or_replayed() {
    let of = |check: &str| Accepted {
        check: check.to_owned(),
        ..entry(HERE, 'a', "x")
    };
    let is_unproven = |checks: &[&str]| {
        let entries: Vec<Accepted> = checks.iter().map(|check| of(check)).collect();
        unproven_adoption(&entries).is_some()
    };
    let adopted = "adoption-proven";
    assert!(!is_unproven(&[]));
    assert!(!is_unproven(&["schema-as-recorded"]));
    assert!(is_unproven(&[adopted, "schema-as-recorded"]));
    assert!(!is_unproven(&[adopted, REPLAY_PASSED]));
    assert!(!is_unproven(&[adopted, ADOPTION_UNDONE]));
    assert!(is_unproven(&[adopted, ADOPTION_UNDONE, adopted]));
}
