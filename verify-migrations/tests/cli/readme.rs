//! README.md lists what there is, and its sample says what is printed.

use tests::own_tables::Engine;

use crate::support::Place;

fn readme() -> String {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn the_readme_lists_the_programs_checks() {
    let readme = readme();
    let place = Place::new(Engine::Sqlite, &[]);
    let checks = place.json(&["--list-checks"]);
    for check in checks.as_array().unwrap() {
        let (id, holds) = (check["id"].as_str(), check["holds"].as_str());
        let row = format!("| `{}` | {} |", id.unwrap(), holds.unwrap());
        assert!(readme.contains(&row), "README.md lacks: {row}");
    }
}

#[test]
fn the_readmes_sample_prints_what_it_shows() {
    let readme = readme();
    let mut blocks = readme.split("```").skip(1).step_by(2);
    let sql = blocks
        .find_map(|block| block.strip_prefix("sql\n"))
        .unwrap();
    let console = blocks.find_map(|block| block.strip_prefix("console\n"));
    let (command, expected) = console.unwrap().split_once('\n').unwrap();
    assert_eq!(command, "$ verify-migrations sqlite:app.db");
    let place = Place::new(
        Engine::Sqlite,
        &[(
            "0001_users.sql",
            "CREATE TABLE users (id INTEGER, age INT);\n",
        )],
    );
    place.apply_all("applied");
    place.mark("5f0c9a52-8d0e-4b3a-9a59-3d1f3b8f7c11");
    place.write("0002_no_age.sql", sql);
    assert_eq!(place.run(&["sqlite:app.db"]).stdout, expected);
}
