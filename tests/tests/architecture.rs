//! The rules of ARCHITECTURE.md, held against the workspace itself.

#![allow(clippy::unwrap_used, reason = "a test that can not go on fails")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tests::programs::{names, root};

/// The workspace as cargo sees it.
struct Workspace {
    /// Folder of each member.
    folders: BTreeMap<String, String>,
    /// What each package links, members and others: dependencies that are not for tests.
    links: BTreeMap<String, BTreeSet<String>>,
}

impl Workspace {
    fn read() -> Workspace {
        let output = Command::new(std::env::var_os("CARGO").unwrap())
            .args(["metadata", "--format-version", "1", "--locked"])
            .current_dir(root())
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
        let packages = metadata["packages"].as_array().unwrap();
        let name_of: BTreeMap<&str, &str> = packages
            .iter()
            .map(|package| {
                (
                    package["id"].as_str().unwrap(),
                    package["name"].as_str().unwrap(),
                )
            })
            .collect();
        let members: BTreeSet<&str> = metadata["workspace_members"]
            .as_array()
            .unwrap()
            .iter()
            .map(|id| id.as_str().unwrap())
            .collect();
        let folders = packages
            .iter()
            .filter(|package| members.contains(package["id"].as_str().unwrap()))
            .map(|package| {
                let manifest = Path::new(package["manifest_path"].as_str().unwrap());
                let folder = manifest.parent().unwrap().strip_prefix(root()).unwrap();
                (
                    package["name"].as_str().unwrap().to_owned(),
                    folder.to_str().unwrap().to_owned(),
                )
            })
            .collect();
        let mut links: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for node in metadata["resolve"]["nodes"].as_array().unwrap() {
            let entry = links
                .entry(name_of[node["id"].as_str().unwrap()].to_owned())
                .or_default();
            for dependency in node["deps"].as_array().unwrap() {
                let normal = dependency["dep_kinds"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .any(|kind| kind["kind"].is_null());
                if normal {
                    entry.insert(name_of[dependency["pkg"].as_str().unwrap()].to_owned());
                }
            }
        }
        Workspace { folders, links }
    }

    /// Everything that a package links, however far down.
    fn all_links(&self, package: &str) -> BTreeSet<String> {
        let mut seen = BTreeSet::new();
        let mut open = vec![package.to_owned()];
        while let Some(next) = open.pop() {
            for link in &self.links[&next] {
                if seen.insert(link.clone()) {
                    open.push(link.clone());
                }
            }
        }
        seen
    }
}

#[test]
fn folder_package_and_program_share_one_name() {
    let workspace = Workspace::read();
    for name in names() {
        assert_eq!(workspace.folders.get(&name), Some(&name));
    }
    for (package, folder) in &workspace.folders {
        assert_eq!(
            Path::new(folder).file_name().unwrap().to_str().unwrap(),
            package
        );
    }
}

#[test]
fn what_may_only_read_does_not_link_what_writes() {
    let workspace = Workspace::read();
    for name in names() {
        let links = workspace.all_links(&name);
        let may_change = ["deploy-", "mark-"]
            .iter()
            .any(|verb| name.starts_with(verb));
        assert_eq!(links.contains("db-write"), may_change, "{name}");
        // Nothing that is guarded replays anything, and no library does.
        let replays = ["verify-schema", "verify-migrations"].contains(&name.as_str());
        assert!(replays || !links.contains("scratch"), "{name}");
    }
    for lib in [
        "db-read",
        "records",
        "guards",
        "plan",
        "migrations",
        "schema",
        "sql",
        "snapshots",
        "scratch",
    ] {
        assert!(!workspace.all_links(lib).contains("db-write"), "{lib}");
    }
}

#[test]
fn a_program_without_a_database_links_no_driver() {
    let workspace = Workspace::read();
    for name in ["verify-env", "orchestrator"] {
        let links = workspace.all_links(name);
        for driver in ["rusqlite", "postgres", "rustls"] {
            assert!(!links.contains(driver), "{name} links {driver}");
        }
    }
}

#[test]
fn the_contract_knows_no_database() {
    let links = Workspace::read().all_links("contract");
    for other in ["rusqlite", "postgres", "settings", "migrations", "toml"] {
        assert!(!links.contains(other), "{other}");
    }
}

#[test]
fn a_package_uses_every_dependency_that_it_names() {
    let workspace = Workspace::read();
    for (package, folder) in &workspace.folders {
        let manifest = std::fs::read_to_string(root().join(folder).join("Cargo.toml")).unwrap();
        let source: String = sources(&root().join(folder))
            .into_iter()
            .map(|(_, text)| text)
            .collect();
        let named = manifest
            .lines()
            .skip_while(|line| *line != "[dependencies]")
            .filter_map(|line| line.split_once(['.', ' ', '=']))
            .map(|(name, _)| name.trim())
            .filter(|name| !name.is_empty() && !name.starts_with(['[', '#']));
        for name in named.filter(|name| *name != "workspace") {
            let used = name.replace('-', "_");
            assert!(
                source.contains(&used),
                "{package} names {name} and does not use it"
            );
        }
    }
}

#[test]
fn every_crate_says_what_does_not_belong_in_it() {
    for (package, folder) in &Workspace::read().folders {
        if let Some(name) = folder.strip_prefix("lib/") {
            let page = std::fs::read_to_string(root().join(folder).join("README.md"))
                .unwrap_or_else(|error| panic!("{package}: {error}"));
            assert!(page.starts_with(&format!("# {name}\n")), "{package}");
            assert!(page.to_lowercase().contains("does not belong"), "{package}");
        }
    }
}

#[test]
fn only_the_contract_prints_and_exits() {
    for (package, folder) in &Workspace::read().folders {
        if ["contract", "tests", "xtask"].contains(&package.as_str()) {
            continue;
        }
        for (path, text) in sources(&root().join(folder).join("src")) {
            // The orchestrator hands its steps' output on as it comes; they have masked it.
            if path.ends_with("orchestrator/src/terminal.rs") {
                continue;
            }
            for call in [
                "println!",
                "eprintln!",
                "print!(",
                "process::exit",
                "stdout()",
            ] {
                assert!(!text.contains(call), "{path} has {call}");
            }
        }
    }
}

#[test]
fn the_architecture_names_every_crate_and_only_those() {
    let page = std::fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let folders: BTreeSet<String> = Workspace::read().folders.into_values().collect();
    for folder in &folders {
        assert!(
            page.contains(&format!("`{folder}`")),
            "{folder} is not in ARCHITECTURE.md"
        );
    }
    let named = page
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|name| name.starts_with("lib/"));
    for name in named {
        assert!(
            folders.contains(name),
            "ARCHITECTURE.md names {name}, which is not there"
        );
    }
    // Each invariant names the test that holds it.
    let tests: String = sources(&root()).into_iter().map(|(_, text)| text).collect();
    let held: Vec<&str> = page
        .lines()
        .filter_map(|line| line.trim().strip_prefix("Held by `")?.split('`').next())
        .collect();
    assert!(held.len() >= 5, "{held:?}");
    for test in held {
        assert!(
            tests.contains(&format!("fn {test}(")),
            "there is no test {test}"
        );
    }
}

/// Rust sources under a folder, without what was built.
fn sources(folder: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            let built = [root().join("target"), root().join("demo")].contains(&path);
            if path.is_dir() && !built && !name.starts_with('.') {
                open.push(path);
            } else if name.ends_with(".rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                found.push((path.display().to_string(), text));
            }
        }
    }
    found
}
