//! The published schemas of `lockstep.toml` and of pipelines say what the parsers take: the same
//! keys, the same words, and everything that is shipped or shown.

#![allow(clippy::unwrap_used, reason = "a test that can not go on fails")]

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::{Value, json};
use tests::programs::{blocks, program, root};

const SETTINGS: &str = "pipelines/lockstep.schema.json";
const PIPELINE: &str = "pipelines/pipeline.schema.json";

/// No key and no word, and near none.
const STRANGER: &str = "zzzzzzzz";

fn read(schema: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(root().join(schema)).unwrap()).unwrap()
}

fn from_toml(text: &str) -> Value {
    toml::from_str(text).unwrap_or_else(|error| panic!("{error}:\n{text}"))
}

/// What a schema has against a document, if anything.
fn fault(schema: &str, document: &Value) -> Option<String> {
    let mut schemas = boon::Schemas::new();
    let mut compiler = boon::Compiler::new();
    let place = format!("file:///{schema}");
    compiler.add_resource(&place, read(schema)).unwrap();
    let index = compiler.compile(&place, &mut schemas).unwrap();
    let found = schemas.validate(document, index);
    found.err().map(|error| format!("{error:#}"))
}

/// A step from a schema's document into it.
#[derive(Clone, Debug)]
enum Part {
    /// The value of a key; of any key where the document names them.
    Key(String),
    /// An item of an array.
    Item,
}

/// A place in a schema: what is there, and the way to it.
#[derive(Debug)]
struct Place {
    way: Vec<Part>,
    keys: Option<BTreeSet<String>>,
    words: Option<BTreeSet<String>>,
}

fn places(schema: &Value) -> Vec<Place> {
    let mut found = Vec::new();
    walk(schema, schema, &[], &mut found);
    found
}

fn walk(schema: &Value, node: &Value, way: &[Part], found: &mut Vec<Place>) {
    if let Some(reference) = node["$ref"].as_str() {
        let target = schema
            .pointer(reference.strip_prefix('#').unwrap())
            .unwrap();
        return walk(schema, target, way, found);
    }
    let then = |part: Part| [way, &[part]].concat();
    for one in node["anyOf"].as_array().into_iter().flatten() {
        walk(schema, one, way, found);
    }
    let words = node["enum"].as_array();
    let words = words.map(|words| words.iter().map(|word| word.as_str().unwrap().to_owned()));
    let keys = node["properties"].as_object();
    if words.is_some() || keys.is_some() {
        found.push(Place {
            way: way.to_vec(),
            keys: keys.map(|keys| keys.keys().cloned().collect()),
            words: words.map(Iterator::collect),
        });
    }
    for (key, one) in keys.into_iter().flatten() {
        walk(schema, one, &then(Part::Key(key.clone())), found);
    }
    if node["additionalProperties"].is_object() {
        let any = then(Part::Key("ANY".to_owned()));
        walk(schema, &node["additionalProperties"], &any, found);
    }
    if node["items"].is_object() {
        walk(schema, &node["items"], &then(Part::Item), found);
    }
}

/// A document that has a value at the end of a way, and nothing else.
fn document(way: &[Part], value: Value) -> Value {
    way.iter().rev().fold(value, |inner, part| match part {
        Part::Key(key) => json!({ key: inner }),
        Part::Item => json!([inner]),
    })
}

/// What the parser of these documents says of one.
fn said(schema: &str, document: &Value) -> String {
    let dir = tempfile::tempdir().unwrap();
    let text = toml::to_string(document).unwrap();
    let mut command = if schema == PIPELINE {
        std::fs::write(dir.path().join("p.toml"), text).unwrap();
        let mut command = program("orchestrator", dir.path());
        command.args(["check", "p.toml"]);
        command
    } else {
        std::fs::write(dir.path().join("lockstep.toml"), text).unwrap();
        program("verify-env", dir.path())
    };
    let output = command.output().unwrap();
    assert!(!output.status.success(), "{document}");
    String::from_utf8(output.stderr).unwrap() + &String::from_utf8(output.stdout).unwrap()
}

/// The names that a message lists behind a phrase.
fn listed(said: &str, phrase: &str) -> Option<BTreeSet<String>> {
    let (_, rest) = said.split_once(phrase)?;
    let line = rest.lines().next()?;
    Some(line.split(", ").map(str::to_owned).collect())
}

#[test]
fn each_table_of_a_schema_has_the_keys_that_the_parser_knows() {
    for schema in [SETTINGS, PIPELINE] {
        let mut tables = 0;
        for place in places(&read(schema)) {
            let Some(keys) = place.keys else { continue };
            tables += 1;
            let said = said(schema, &document(&place.way, json!({ STRANGER: 1 })));
            let known = listed(&said, "known are ");
            assert_eq!(known, Some(keys), "{schema} {:?}: {said}", place.way);
        }
        assert!(tables >= 4, "{schema}: {tables}");
    }
}

#[test]
fn each_list_of_words_of_a_schema_is_the_parsers() {
    for schema in [SETTINGS, PIPELINE] {
        for place in places(&read(schema)) {
            let Some(words) = place.words else { continue };
            let last = place.way.iter().rev().find_map(|part| match part {
                Part::Key(key) => Some(key.as_str()),
                Part::Item => None,
            });
            // A program with migrations reads it, and a step has more to it than one key.
            if ["layout", "on", "changes"].contains(&last.unwrap()) {
                continue;
            }
            let said = said(schema, &document(&place.way, json!(STRANGER)));
            let known = listed(&said, "must be one of ");
            assert_eq!(known, Some(words), "{schema} {:?}: {said}", place.way);
        }
    }
    let words = |schema: &str, pointer: &str| -> BTreeSet<String> {
        let schema = read(schema);
        let words = schema.pointer(pointer).unwrap().as_array().unwrap();
        words
            .iter()
            .map(|word| word.as_str().unwrap().to_owned())
            .collect()
    };
    let step = |rest: &str| {
        let text =
            format!("pipeline = 1\nname = \"p\"\n[[step]]\nrun = [\"verify-env\"]\n{rest}\n");
        said(PIPELINE, &from_toml(&text))
    };
    let changes = "/definitions/step/properties/changes/enum";
    assert_eq!(
        listed(&step(&format!("changes = {STRANGER:?}")), "known are "),
        Some(words(PIPELINE, changes))
    );
    let on = "/definitions/step/properties/retry/properties/on/items/enum";
    let said = step(&format!("retry = {{ on = [{STRANGER:?}], attempts = 2 }}"));
    for word in words(PIPELINE, on) {
        assert!(said.contains(&format!("{word:?}")), "{said}");
    }
    let layouts = "/properties/migrations/properties/layout/enum";
    let dir = tempfile::tempdir().unwrap();
    rusqlite::Connection::open(dir.path().join("a.db")).unwrap();
    let text = format!("[migrations]\nlayout = {STRANGER:?}\n");
    std::fs::write(dir.path().join("lockstep.toml"), text).unwrap();
    let mut command = program("verify-migrations", dir.path());
    let output = command.arg("sqlite:a.db").output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    for word in words(SETTINGS, layouts) {
        assert!(said.contains(&word), "{word}: {said}");
    }
}

/// The pipelines and settings of the repository.
fn files() -> Vec<PathBuf> {
    let pipelines = std::fs::read_dir(root().join("pipelines")).unwrap();
    let pipelines = pipelines.map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = pipelines
        .filter(|path| path.extension().is_some_and(|ending| ending == "toml"))
        .collect();
    files.push(root().join("pipelines/demo/lockstep.toml"));
    files.push(root().join("tests/samples/frozen.toml"));
    files
}

#[test]
fn each_file_names_its_schema_and_fits_it() {
    for path in files() {
        let text = std::fs::read_to_string(&path).unwrap();
        let named = text.lines().next().unwrap().strip_prefix("#:schema ");
        let named = named.unwrap_or_else(|| panic!("{} names no schema", path.display()));
        let named = path.parent().unwrap().join(named).canonicalize().unwrap();
        let schema = if path.ends_with("lockstep.toml") {
            SETTINGS
        } else {
            PIPELINE
        };
        assert_eq!(named, root().join(schema).canonicalize().unwrap());
        let fault = fault(schema, &from_toml(&text));
        assert_eq!(fault, None, "{}", path.display());
    }
}

#[test]
fn each_example_of_a_page_fits_its_schema() {
    let mut seen = (0, 0);
    for folder in [root(), root().join("lib")] {
        let mut pages: Vec<PathBuf> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path().join("README.md"))
            .filter(|page| page.exists())
            .collect();
        pages.push(root().join("README.md"));
        for page in pages {
            let page = page
                .strip_prefix(root())
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned();
            for block in blocks(&page, "toml") {
                let document = from_toml(&block);
                let schema = if document.get("step").is_some() {
                    seen.0 += 1;
                    PIPELINE
                } else {
                    seen.1 += 1;
                    SETTINGS
                };
                assert_eq!(fault(schema, &document), None, "{page}:\n{block}");
            }
        }
    }
    assert!(seen.0 >= 1 && seen.1 >= 8, "{seen:?}");
}

/// The text with each of the keys at the start of its lines misspelt in turn, where there is one.
fn misspelt(text: &str) -> Vec<(String, String)> {
    let key = |line: &str| {
        let (key, _) = line.split_once(" = ")?;
        let plain = |c: char| c.is_ascii_lowercase() || c == '_';
        key.chars().all(plain).then(|| key.to_owned())
    };
    let keys: BTreeSet<String> = text.lines().filter_map(key).collect();
    keys.into_iter()
        .map(|key| {
            let wrong =
                format!("\n{text}").replace(&format!("\n{key} = "), &format!("\n{key}s = "));
            (key, wrong)
        })
        .collect()
}

#[test]
fn a_misspelt_key_fits_neither_schema_nor_parser() {
    let pipeline = blocks("orchestrator/README.md", "toml").remove(0);
    let settings = blocks("README.md", "toml").concat();
    let mut seen = 0;
    for (schema, text) in [(PIPELINE, &pipeline), (SETTINGS, &settings)] {
        assert_eq!(fault(schema, &from_toml(text)), None);
        for (key, wrong) in misspelt(text) {
            seen += 1;
            let document = from_toml(&wrong);
            let fault = fault(schema, &document).unwrap_or_else(|| panic!("{schema}: {key}"));
            assert!(fault.contains(&key), "{fault}");
            let said = said(schema, &document);
            assert!(
                said.contains(&format!("did you mean \"{key}\"?")),
                "{key}: {said}"
            );
        }
        for (heading, wrong) in [("[[step]]", "[[steps]]"), ("[backup]", "[backups]")] {
            if text.contains(heading) {
                let document = from_toml(&text.replace(heading, wrong));
                assert!(fault(schema, &document).is_some(), "{wrong}");
            }
        }
    }
    assert!(seen >= 20, "{seen}");
}

#[test]
fn what_the_parsers_refuse_in_a_value_the_schemas_refuse_too() {
    let step =
        |rest: &str| format!("pipeline = 1\nname = \"p\"\n[[step]]\nrun = [\"a\"]\n{rest}\n");
    let accept = |rest: &str| {
        let digits = "0".repeat(64);
        format!(
            "[[accept]]\ncheck = \"schema-as-recorded\"\n\
             target = \"1b4e28ba-2fa1-4d3b-a3f5-ef19b5a7633b\"\n\
             digest = \"sha256:{digits}\"\nbecause = \"b\"\n{rest}\n"
        )
    };
    let mut documents: Vec<(&str, String)> = [
        "timeout = \"0s\"",
        "timeout = \"5\"",
        "timeout = 5",
        "grace = \"5 s\"",
        "changes = \"all\"",
        "env = [\"A=b\"]",
        "env = \"A\"",
        "retry = 3",
        "retry = { on = [], attempts = 2 }",
        "retry = { on = [\"fail\"], attempts = 2 }",
        "retry = { on = [\"busy\"], attempts = 1 }",
        "retry = { on = [\"busy\"] }",
        "name = \"\"",
    ]
    .into_iter()
    .map(|rest| (PIPELINE, step(rest)))
    .collect();
    documents.extend([
        (PIPELINE, step("").replace("pipeline = 1", "pipeline = 2")),
        (PIPELINE, step("").replace("[\"a\"]", "[]")),
        (PIPELINE, step("").replace("[\"a\"]", "\"a\"")),
        (PIPELINE, "pipeline = 1\nname = \"p\"\n".to_owned()),
        (
            PIPELINE,
            step("").replace("name = \"p\"", "name = \"p\"\nenvironment = \"../x\""),
        ),
        (
            SETTINGS,
            accept("").replace("because = \"b\"", "because = \" \""),
        ),
        (SETTINGS, accept("").replace("sha256:", "md5:")),
        (SETTINGS, accept("").replace("1b4e28ba-", "")),
    ]);
    documents.extend(
        [
            "[environments.\"a b\"]",
            "[environments.x]\nprotected = \"no\"",
            "[environments.x]\nendpoints = [\"db\"]",
            "[environments.x]\nruns_in = \"shell\"",
            "[environments.x]\ndatabase = { url = \"x\" }",
            "[environments.x.require]\nA = false",
            "[env.X]\nkind = \"secrets\"",
            "[env.X]\nmin_length = -1",
            "[env.X]\nfor = \"verify-env\"",
            "[backup]\nmax_age = \"0h\"",
            "[connection]\nmin_version = \"15.x\"",
            "[migrations]\ndir = 1",
            "[scratch]\nsame_server = 1",
        ]
        .map(|text| (SETTINGS, text.to_owned())),
    );
    for (schema, text) in documents {
        let document = from_toml(&text);
        assert!(fault(schema, &document).is_some(), "{text}");
        said(schema, &document);
    }
    assert_eq!(fault(PIPELINE, &from_toml(&step(""))), None);
    assert_eq!(fault(SETTINGS, &from_toml(&accept(""))), None);
}
