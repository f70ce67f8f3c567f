//! At which version a database is that has tables and no ledger of ours: what a replay found, how a
//! result says it, and how it is found again there.

use std::collections::BTreeSet;

use contract::evidence::Line;
use contract::{Check, Report};
use migrations::{Migration, Set};
use records::Survey;
use serde_json::{Value, json};
use sql::Made;

use crate::{ADOPTED, Plan};

/// What the rows of an adoption say is proven.
pub const ADOPTION_PROVEN: Check = Check {
    id: "adoption-proven",
    holds: "a replay of the files makes the schema that is there, at the version that is adopted and \
            at no other",
    remedy: "run verify-migrations with the same --evidence folder first",
};

/// What `--applied-through` takes for a database in which nothing of the folder was applied.
pub const NONE: &str = "none";

/// The fact that a proof stands in.
const FACT: &str = "adoption";

/// What a replay came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Adoption {
    /// The schema is that of these versions; [`NONE`] is the one before the first file.
    Found(Proof),
    /// No version has it.
    Nearest {
        /// The one with the fewest differences.
        version: String,
        /// How many there are.
        differences: usize,
        /// The first of them.
        first: Vec<String>,
        /// Why the files after some version were not tried.
        stopped: Option<String>,
    },
    /// Nobody could look.
    Unknown {
        /// Why.
        why: String,
        /// What to do.
        remedy: String,
    },
}

/// Versions whose schema is the live one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// All of them, in order.
    pub versions: Vec<String>,
    /// The digest of that schema.
    pub schema: String,
    /// See [`files_digest`].
    pub files: String,
    /// Why the files after some version were not tried: one of theirs may have the same schema.
    pub stopped: Option<String>,
}

/// Names all migrations of the folder, with their bytes and in their order.
pub fn files_digest(set: &Set) -> String {
    let all: Vec<&Migration> = set.migrations.iter().collect();
    migrations::plan_hash("adoption", "", &all, &[])
}

/// Names what an adoption at a version claims: the files up to it, and the schema. What an
/// `[[accept]]` line excuses, of 64 hexadecimal digits.
pub fn claim(adopted: &[&Migration], schema: &str) -> String {
    let version = adopted.last().map_or(NONE, |last| last.version.as_str());
    migrations::plan_hash("adoption-proven", version, adopted, &[("schema", schema)])
}

/// The versions in words: `version 3`, `the versions 3 and 4`.
fn versions_named(versions: &[String]) -> String {
    match versions {
        [one] => format!("version {one}"),
        [before @ .., last] => format!("the versions {} and {last}", before.join(", ")),
        [] => String::new(),
    }
}

impl Proof {
    fn fact(&self) -> Value {
        json!({
            "versions": self.versions,
            "schema": self.schema,
            "files": self.files,
            "stopped": self.stopped,
        })
    }

    fn of_fact(fact: &Value) -> Option<Proof> {
        let text = |name: &str| Some(fact.get(name)?.as_str()?.to_owned());
        let versions = fact.get("versions")?.as_array()?;
        Some(Proof {
            versions: versions
                .iter()
                .map(|version| version.as_str().map(str::to_owned))
                .collect::<Option<_>>()?,
            schema: text("schema")?,
            files: text("files")?,
            stopped: text("stopped"),
        })
    }
}

/// Why an adoption at `version` is not proven by the evidence; nothing where it is. `schema` is the
/// digest of the live schema, `identity` the target's.
///
/// The last verify-migrations of this target counts. Nothing is remembered anywhere else.
pub fn unproven(
    chain: Option<&[Line]>,
    identity: &str,
    set: &Set,
    schema: &str,
    version: &str,
) -> Option<String> {
    let Some(chain) = chain else {
        return Some("no evidence folder was named".to_owned());
    };
    let last = chain.iter().rev().find(|line| {
        let of_this = line.value["target"]["identity"].as_str() == Some(identity);
        line.value["tool"] == "verify-migrations" && of_this
    });
    let Some(last) = last else {
        return Some(
            "there is no result of verify-migrations for this target in the evidence".to_owned(),
        );
    };
    let Some(proof) = Proof::of_fact(&last.value["facts"][FACT]) else {
        return Some("the last verify-migrations found no version with this schema".to_owned());
    };
    if proof.files != files_digest(set) {
        return Some("the files have changed since verify-migrations replayed them".to_owned());
    }
    if proof.schema != schema {
        return Some("the schema has changed since verify-migrations read it".to_owned());
    }
    if !proof.versions.iter().any(|proven| proven == version) {
        return Some(format!(
            "the schema is that of {}",
            versions_named(&proof.versions)
        ));
    }
    if proof.versions.len() > 1 {
        return Some(format!(
            "{} have the same schema",
            versions_named(&proof.versions)
        ));
    }
    let stopped = proof.stopped?;
    Some(format!(
        "a later version may have the same schema: {stopped}"
    ))
}

/// Why an adoption at [`NONE`] is not so by the evidence; nothing where that does not say otherwise. The
/// parameters are those of [`unproven`].
pub fn not_none(chain: Option<&[Line]>, identity: &str, set: &Set, schema: &str) -> Option<String> {
    let proof = last_proof(chain?, identity)?;
    let is_of_this = proof.files == files_digest(set) && proof.schema == schema;
    let is_none = proof.versions.iter().any(|version| version == NONE);
    (is_of_this && !is_none)
        .then(|| format!("the schema is that of {}", versions_named(&proof.versions)))
}

/// The proof of the last verify-migrations of a target.
fn last_proof(chain: &[Line], identity: &str) -> Option<Proof> {
    let last = chain.iter().rev().find(|line| {
        let of_this = line.value["target"]["identity"].as_str() == Some(identity);
        line.value["tool"] == "verify-migrations" && of_this
    })?;
    Proof::of_fact(&last.value["facts"][FACT])
}

/// Why what is there can't tell whether any of the files was applied; nothing where it can. A table
/// that they make and keep is what tells, in a schema that can be read off the files.
pub fn untold(set: &Set) -> Option<String> {
    if set.migrations.is_empty() {
        return None;
    }
    let mut kept = BTreeSet::new();
    for migration in &set.migrations {
        if migration.up.to_ascii_lowercase().contains("search_path") {
            return Some(format!(
                "{} sets search_path, so that it can't be told where its tables are",
                migration.file.display()
            ));
        }
        let script = sql::parse(set.dialect, &migration.up);
        kept.extend(sql::made(&script).into_iter().map(|made| made.table));
        for gone in sql::unmade(&script) {
            kept.remove(&gone);
        }
    }
    kept.is_empty()
        .then(|| "the files keep no table by which it could be told".to_owned())
}

/// What the files of a folder make, by the table: nothing of it may be there where none of them was
/// applied.
pub fn made(set: &Set) -> BTreeSet<Made> {
    let scripts = set
        .migrations
        .iter()
        .map(|migration| sql::parse(set.dialect, &migration.up));
    scripts.flat_map(|script| sql::made(&script)).collect()
}

impl Plan {
    /// Reports that the database is not adopted, with what a replay came to, where one was tried.
    pub(crate) fn report_not_adopted(&self, survey: &Survey, report: &mut Report) {
        let what =
            "not adopted: there are tables, but no ledger that says which migrations made them";
        let subject = survey.tables_named();
        if let Some(foreign) = survey.foreign.first() {
            report.broken(&ADOPTED, subject, what).remedy(format!(
                "see {}: {} keeps there which migrations are applied, and it is not read here; no \
                 version can be named beside it",
                foreign.table, foreign.tool
            ));
            return;
        }
        match &self.adoption {
            None => {
                report.broken(&ADOPTED, subject, what).remedy(
                    "run verify-migrations: it finds the version by a replay, and names it",
                );
            }
            Some(Adoption::Found(proof)) => {
                report.fact(FACT, proof.fact());
                self.report_found(proof, subject, report);
            }
            Some(Adoption::Nearest {
                version,
                differences,
                first,
                stopped,
            }) => {
                let count = match differences {
                    1 => "1 difference".to_owned(),
                    many => format!("{many} differences"),
                };
                let more = if *differences > first.len() {
                    "; …"
                } else {
                    ""
                };
                let mut message = format!(
                    "{what}; no version has this schema, and the nearest is {version} with {count}: \
                     {}{more}",
                    first.join("; ")
                );
                if let Some(stopped) = stopped {
                    message.push_str(&format!("; {stopped}"));
                }
                report.broken(&ADOPTED, subject, message).remedy(format!(
                    "undo by hand what differs, and run this again; or, where the tables are another \
                     project's, mark-migrations --applied-through {NONE}; mark-migrations \
                     --applied-through {version} prints the [[accept]] line that accepts it as it is"
                ));
            }
            Some(Adoption::Unknown { why, remedy }) => {
                let message = format!("{what}; version unknown: {why}");
                report.broken(&ADOPTED, subject, message).remedy(remedy);
            }
        }
    }

    fn report_found(&self, proof: &Proof, subject: String, report: &mut Report) {
        let named = versions_named(&proof.versions);
        let mut message = format!("not adopted: its schema is that of {named}");
        if let Some(stopped) = &proof.stopped {
            message.push_str(&format!("; a later one may have it too: {stopped}"));
        }
        let remedy = match (&proof.versions[..], &proof.stopped) {
            ([version], None) => format!(
                "mark-migrations --applied-through {version}, with the same --evidence folder"
            ),
            (versions, _) => format!(
                "see which of them is applied: the schema can't tell; mark-migrations \
                 --applied-through {} prints the [[accept]] line that says so",
                versions.last().map_or(NONE, String::as_str)
            ),
        };
        report.broken(&ADOPTED, subject, message).remedy(remedy);
    }
}
