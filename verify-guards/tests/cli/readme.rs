//! README.md lists what there is, and its sample says what is printed.

use tests::own_tables::Engine;

use crate::support::{Judged as _, Place};

fn readme() -> String {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn the_readme_lists_the_programs_checks() {
    let readme = readme();
    let place = Place::new(Engine::Sqlite);
    let checks = place
        .run(&["--list-checks", "--format", "json"], &[])
        .json();
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
    let toml = blocks.find_map(|block| block.strip_prefix("toml\n"));
    let console = blocks.find_map(|block| block.strip_prefix("console\n"));
    let (command, expected) = console.unwrap().split_once('\n').unwrap();
    assert_eq!(command, "$ LOCKSTEP_ENV=dev verify-guards sqlite:app.db");
    let place = Place::new(Engine::Sqlite);
    place.change("CREATE TABLE t (a int)");
    place.mark("production", true, false);
    place.write("lockstep.toml", toml.unwrap());
    let ran = place.run(&["sqlite:app.db"], &[("LOCKSTEP_ENV", "dev")]);
    let folder = std::fs::canonicalize(place.path("app.db")).unwrap();
    let shown = ran
        .stdout
        .replace(&folder.display().to_string(), "/srv/app/app.db");
    assert_eq!(shown, expected);
}
