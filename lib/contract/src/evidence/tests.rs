use super::*;
use serde_json::json;

fn three_lines() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let evidence = Evidence::open(dir.path()).unwrap();
    for number in 1..=3 {
        evidence
            .append(&json!({ "tool": "t", "number": number }))
            .unwrap();
    }
    dir
}

fn rewrite(dir: &Path, change: impl Fn(String) -> String) {
    let path = dir.join(LINES_FILE);
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, change(text)).unwrap();
}

#[test]
fn lines_are_chained_and_read_back() {
    let dir = three_lines();
    let (lines, head) = read(dir.path()).unwrap();
    assert_eq!(head.lines, 3);
    assert_eq!(lines[2].hash, head.hash);
    assert_eq!(lines[1].value["prev"], lines[0].hash);
    assert_eq!(lines[0].value["prev"], head.origin);
}

#[test]
fn a_changed_a_removed_and_a_cut_line_are_seen() {
    for change in [
        |text: String| text.replace("\"number\":2", "\"number\":9"),
        |text: String| {
            text.lines()
                .skip(1)
                .map(|line| format!("{line}\n"))
                .collect()
        },
        |text: String| {
            text.lines()
                .take(2)
                .map(|line| format!("{line}\n"))
                .collect()
        },
        |text: String| format!("{text}\n"),
    ] {
        let dir = three_lines();
        rewrite(dir.path(), change);
        assert!(read(dir.path()).is_err());
        assert!(Evidence::open(dir.path()).is_err());
    }
}

#[test]
fn a_writer_that_died_does_not_stop_the_next_one() {
    let dir = three_lines();
    // Between the line and HEAD, and in the middle of a line.
    let (_, head) = read(dir.path()).unwrap();
    let line = json!({ "prev": head.hash, "tool": "t" }).to_string();
    rewrite(dir.path(), |text| format!("{text}{line}\n{{\"prev\":\"to"));
    assert_eq!(read(dir.path()).unwrap().0.len(), 4);
    let evidence = Evidence::open(dir.path()).unwrap();
    assert_eq!(evidence.append(&json!({})).unwrap().lines, 5);
    assert_eq!(read(dir.path()).unwrap().0.len(), 5);
}

#[test]
fn a_file_that_is_no_chain_is_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(LINES_FILE);
    std::fs::write(&path, "somebody's only copy").unwrap();
    assert!(Evidence::open(dir.path()).is_err());
    assert_eq!(
        std::fs::read_to_string(&path).unwrap(),
        "somebody's only copy"
    );
}

#[test]
fn without_its_head_a_line_is_not_kept() {
    let dir = three_lines();
    let evidence = Evidence::open(dir.path()).unwrap();
    // In the way of the new HEAD.
    std::fs::create_dir(dir.path().join("HEAD.new")).unwrap();
    assert!(evidence.append(&json!({ "class": "pass" })).is_err());
    std::fs::remove_dir(dir.path().join("HEAD.new")).unwrap();
    assert_eq!(read(dir.path()).unwrap().0.len(), 3);
}

#[test]
fn a_chain_that_is_held_is_given_up() {
    let dir = three_lines();
    let holder = File::open(dir.path().join(LINES_FILE)).unwrap();
    rustix::fs::flock(&holder, FlockOperation::LockShared).unwrap();
    let evidence = Evidence {
        dir: dir.path().to_owned(),
    };
    let given_up = evidence.append_within(Duration::from_millis(50), &json!({}));
    assert!(matches!(given_up, Err(EvidenceError::Held { .. })));
    drop(holder);
    assert_eq!(evidence.append(&json!({})).unwrap().lines, 4);
}

#[test]
fn a_missing_head_is_not_a_new_chain() {
    let dir = three_lines();
    std::fs::remove_file(dir.path().join(HEAD_FILE)).unwrap();
    assert!(Evidence::open(dir.path()).is_err());
}
