//! README.md lists what there is, and its sample says what is printed.

use crate::sqlite::TARGET;
use crate::support::{Place, json};

fn readme() -> String {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn the_readme_lists_the_programs_checks() {
    let readme = readme();
    let place = Place::new();
    let checks = json(&place.run(&["--list-checks", "--format", "json"]));
    for check in checks.as_array().unwrap() {
        let id = check["id"].as_str().unwrap();
        let row = format!("| `{id}` | {} |", check["holds"].as_str().unwrap());
        // Three checks for each of the classes, which the page names by class.
        let by_class = ["-present", "-declared", "-as-expected"]
            .iter()
            .find_map(|end| id.strip_suffix(end))
            .is_some_and(|class| readme.contains(&format!("`{class}`")));
        assert!(by_class || readme.contains(&row), "README.md lacks: {row}");
    }
}

#[test]
fn the_readmes_sample_prints_what_it_shows() {
    let readme = readme();
    let blocks: Vec<&str> = readme.split("```").skip(1).step_by(2).collect();
    let sql: Vec<&str> = blocks
        .iter()
        .filter_map(|block| block.strip_prefix("sql\n"))
        .collect();
    let console = blocks
        .iter()
        .find_map(|block| block.strip_prefix("console\n"));
    let (command, expected) = console.unwrap().split_once('\n').unwrap();
    assert_eq!(
        command,
        format!("$ verify-schema {TARGET} --expected schema.toml")
    );
    let place = Place::new();
    place.sqlite(sql[0]);
    place.record("schema.toml");
    place.sqlite(sql[1]);
    let ran = place.run(&[TARGET, "--expected", "schema.toml"]);
    assert_eq!(ran.stdout, expected);
}
