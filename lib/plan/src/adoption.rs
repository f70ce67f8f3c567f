//! At which version a database is that has tables and no ledger of ours: what a replay found, and how
//! a result says it.

use contract::Report;
use migrations::{Migration, Set};
use records::Survey;
use serde_json::{Value, json};

use crate::{ADOPTED, Plan};

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
                     project's, mark-migrations --applied-through {NONE}"
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
            ([version], None) => format!("mark-migrations --applied-through {version}"),
            (versions, _) => format!(
                "see by the rows which of them is applied, for the schema can't tell: \
                 mark-migrations --applied-through {}, or an earlier one of them",
                versions.last().map_or(NONE, String::as_str)
            ),
        };
        report.broken(&ADOPTED, subject, message).remedy(remedy);
    }
}
