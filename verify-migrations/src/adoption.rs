//! At which version a database is that has tables and no ledger: the files are applied one after the
//! other in a scratch database, and after each the schema is compared with the live one.
//!
//! A sketch is compared each time, an outline where the sketches are the same, and the schema itself
//! where the outlines are; what is nearest, where no version has the schema, is read in a second pass.

use std::cmp::Reverse;

use contract::{Class, Failure, Progress, Report, Run};
use db_read::Session;
use migrations::{Migration, Set};
use plan::adoption::{Adoption, NONE, Proof, files_digest};
use records::Survey;
use schema::{Outline, OutlineCache, Schema, Scope, Sketch, SketchCache};
use scratch::{Scratch, ServerFacts, Wanted};
use settings::Resolved;

use crate::TOOL;

/// How many differences from the nearest version are named.
const NAMED_MAX: usize = 3;

/// How many versions are read in full to find the nearest.
const NEAR_MAX: usize = 8;

/// What is read of a live database before its session is closed.
pub(crate) struct Live {
    schema: Schema,
    sketch: Sketch,
    outline: Outline,
    scope: Scope,
    server: Option<ServerFacts>,
}

impl Live {
    pub(crate) fn read(resolved: &Resolved, session: &mut Session) -> Result<Live, Failure> {
        let scope = Scope::from_settings(&resolved.settings);
        Ok(match session {
            Session::Sqlite(session) => Live {
                schema: schema::read_sqlite(session.connection(), &scope)?,
                sketch: Sketch::read_sqlite(
                    session.connection(),
                    &scope,
                    &mut SketchCache::default(),
                )?,
                outline: Outline::read_sqlite(
                    session.connection(),
                    &scope,
                    &mut OutlineCache::default(),
                )?,
                scope,
                server: None,
            },
            Session::Postgres(session) => Live {
                schema: schema::read_postgres(session.client(), &scope)?,
                sketch: Sketch::read_postgres(
                    session.client(),
                    &scope,
                    &mut SketchCache::default(),
                    None,
                )?,
                outline: Outline::read_postgres(session.client(), &scope)?,
                scope,
                server: Some(ServerFacts::read(session)?),
            },
        })
    }

    /// Finds the versions whose schema this is. That they can't be found is an answer too; only a
    /// signal ends the run.
    pub(crate) fn find(
        &self,
        resolved: &Resolved,
        survey: &Survey,
        set: &Set,
        run: &Run,
        report: &mut Report,
    ) -> Result<Adoption, Failure> {
        if !scratch::is_named(resolved) {
            return Ok(Adoption::Unknown {
                why: "no scratch server is named, on which the files could be replayed".to_owned(),
                remedy: scratch::LINES.to_owned(),
            });
        }
        if set.has_failures() || set.migrations.is_empty() {
            return Ok(Adoption::Unknown {
                why: "there are no files that could be replayed as they are".to_owned(),
                remedy: "mend what else fails here, and run this again".to_owned(),
            });
        }
        let wanted = Wanted {
            resolved,
            survey,
            server: self.server.as_ref(),
            tool: TOOL.name,
            run,
        };
        match self.search(&wanted, set, report) {
            Err(failure) if scratch::stopped() => Err(failure),
            Err(failure) => Ok(Adoption::Unknown {
                remedy: failure
                    .remedy
                    .clone()
                    .unwrap_or_else(|| scratch::LINES.to_owned()),
                why: failure.line(),
            }),
            Ok(adoption) => Ok(adoption),
        }
    }

    fn search(
        &self,
        wanted: &Wanted<'_>,
        set: &Set,
        report: &mut Report,
    ) -> Result<Adoption, Failure> {
        let migrations: Vec<&Migration> = set.migrations.iter().collect();
        let digest = schema::digest(&self.schema);
        let tried = scratch::with(wanted, &migrations, report, |scratch| {
            let mut progress = wanted.run.progress("looked for the version");
            self.try_each(scratch, set, &digest, &mut progress)
        })?;
        let version = |at: usize| match at {
            0 => NONE.to_owned(),
            at => set.migrations[at - 1].version.clone(),
        };
        let fit: Vec<String> = (0..tried.each.len())
            .filter(|at| tried.each[*at].fits)
            .map(version)
            .collect();
        if !fit.is_empty() {
            return Ok(Adoption::Found(Proof {
                versions: fit,
                schema: digest,
                files: files_digest(set),
                stopped: tried.stopped,
            }));
        }
        let near = tried.nearest();
        let read = scratch::with(wanted, &migrations, report, |scratch| {
            let mut progress = wanted.run.progress("read the nearest versions");
            self.read_each(scratch, set, &near, &mut progress)
        })?;
        // Two that the sketches told apart and that do not differ: what was not compared may be the same.
        let same: Vec<String> = read
            .iter()
            .filter(|(_, differing)| differing.is_empty())
            .map(|(at, _)| version(*at))
            .collect();
        if !same.is_empty() {
            return Ok(Adoption::Found(Proof {
                versions: same,
                schema: digest,
                files: files_digest(set),
                stopped: Some("only the nearest versions were compared in full".to_owned()),
            }));
        }
        // Of two that differ in as much the one whose sketch is nearer, or the later one.
        let best = read.into_iter().min_by_key(|(at, differing)| {
            (differing.len(), tried.each[*at].distance, Reverse(*at))
        });
        let Some((at, differing)) = best else {
            return Err(Failure::new(Class::Error, "cannot replay the files twice"));
        };
        Ok(Adoption::Nearest {
            version: version(at),
            differences: differing.len(),
            first: differing.into_iter().take(NAMED_MAX).collect(),
            stopped: tried.stopped,
        })
    }

    /// Applies file after file and looks at the schema after each.
    fn try_each(
        &self,
        scratch: &mut Scratch,
        set: &Set,
        digest: &str,
        progress: &mut Progress<'_>,
    ) -> Result<Tried, Failure> {
        let mut tried = Tried::default();
        // What was read last of the schema in full, and of which state of the catalog.
        let mut last = None;
        for at in 0..=set.migrations.len() {
            if let Some(before) = at.checked_sub(1) {
                let migration = &set.migrations[before];
                if let Some(fault) = scratch.apply(set, migration)? {
                    tried.stopped = Some(match fault.line {
                        Some(line) => format!(
                            "{}:{line} can't be replayed: {}",
                            fault.subject, fault.message
                        ),
                        None => format!("{} can't be replayed: {}", fault.subject, fault.message),
                    });
                    break;
                }
            }
            let distance = scratch
                .sketch(&self.scope, &self.sketch)?
                .distance(&self.sketch);
            let mut fits = false;
            if distance == 0 {
                let stamp = scratch.stamp()?;
                fits = match &last {
                    Some((of, fits)) if *of == stamp => *fits,
                    _ => self.is_reached(scratch, digest)?,
                };
                last = Some((stamp, fits));
            }
            tried.each.push(Version { distance, fits });
            progress.at_file(at, set.migrations.len());
        }
        Ok(tried)
    }

    /// Whether the scratch database has the live schema.
    fn is_reached(&self, scratch: &mut Scratch, digest: &str) -> Result<bool, Failure> {
        let is_alike = scratch.outline(&self.scope)?.distance(&self.outline) == 0;
        Ok(is_alike && schema::digest(&scratch.read_schema(&self.scope)?) == digest)
    }

    /// How the schema differs from the live one at each of some versions.
    fn read_each(
        &self,
        scratch: &mut Scratch,
        set: &Set,
        near: &[usize],
        progress: &mut Progress<'_>,
    ) -> Result<Vec<(usize, Vec<String>)>, Failure> {
        let mut found = Vec::new();
        for at in 0..=set.migrations.len() {
            if at > 0 && scratch.apply(set, &set.migrations[at - 1])?.is_some() {
                break;
            }
            progress.at_file(at, set.migrations.len());
            if near.contains(&at) {
                let schema = scratch.read_schema(&self.scope)?;
                let differences = schema::diff(&schema, &self.schema);
                let named = differences
                    .iter()
                    .map(|found| format!("{} {}: {}", found.kind.id, found.subject, found.message));
                found.push((at, named.collect()));
            }
            if near.iter().all(|near| *near <= at) {
                break;
            }
        }
        Ok(found)
    }
}

/// What came of applying the files.
#[derive(Default)]
struct Tried {
    /// By how many files were applied, from none.
    each: Vec<Version>,
    stopped: Option<String>,
}

struct Version {
    /// How far its sketch is from the live one.
    distance: usize,
    /// Whether its schema is the live one.
    fits: bool,
}

impl Tried {
    /// The versions with the least distance, the later first.
    fn nearest(&self) -> Vec<usize> {
        let mut near: Vec<usize> = (0..self.each.len()).collect();
        near.sort_by_key(|at| (self.each[*at].distance, Reverse(*at)));
        near.truncate(NEAR_MAX);
        near
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_are_those_of_the_least_distance() {
        let tried = |distances: &[usize]| Tried {
            each: distances
                .iter()
                .map(|distance| Version {
                    distance: *distance,
                    fits: false,
                })
                .collect(),
            stopped: None,
        };
        assert_eq!(tried(&[4, 3, 1, 1, 2]).nearest(), [3, 2, 4, 1, 0]);
        assert_eq!(tried(&[9; 12]).nearest(), [11, 10, 9, 8, 7, 6, 5, 4]);
    }
}
