//! The acts of a file with those of the routines and triggers that they set off, as far as the pending
//! files created them.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use crate::act::{Act, What};

/// Code that the pending files have kept so far, by the last part of the name of its function or of its
/// table: whichever of several it is, all of it may run.
#[derive(Default)]
pub(crate) struct Kept {
    routines: HashMap<String, Vec<Act>>,
    triggers: HashMap<String, Vec<Act>>,
}

/// An act in the order in which a file comes to it.
pub(crate) struct Step<'a> {
    pub(crate) act: Cow<'a, Act>,
    /// What it was set off by, if it does not stand in the file as such: `f()`, `a trigger of t`.
    pub(crate) by: Option<String>,
}

impl Kept {
    /// Follows a file's acts. What they set off stands at their own line, and may not run.
    pub(crate) fn unfold<'a>(&mut self, acts: impl Iterator<Item = &'a Act>) -> Vec<Step<'a>> {
        let mut steps = Vec::new();
        for act in acts {
            self.keep(act);
            steps.push(Step {
                act: Cow::Borrowed(act),
                by: None,
            });
            let mut seen = HashSet::new();
            let mut pending = self.set_off(&act.what, &mut seen);
            while let Some((by, act_within)) = pending.pop() {
                let within = Act {
                    line: act.line,
                    certain: false,
                    what: act_within.what,
                };
                self.keep(&within);
                pending.extend(self.set_off(&within.what, &mut seen));
                steps.push(Step {
                    act: Cow::Owned(within),
                    by: Some(by),
                });
            }
        }
        steps
    }

    fn keep(&mut self, act: &Act) {
        let (kept, name, body) = match &act.what {
            What::CreateRoutine { name, body } => (&mut self.routines, name, body),
            What::CreateTrigger { table, body } => (&mut self.triggers, table, body),
            _ => return,
        };
        let known = kept.entry(name.name.clone()).or_default();
        known.extend(body.iter().cloned());
    }

    /// The acts that an act sets off, last first. A body that was seen is not gone through again.
    fn set_off(&self, what: &What, seen: &mut HashSet<String>) -> Vec<(String, Act)> {
        let (by, body) = match what {
            What::Call(name) => (format!("{name}()"), self.routines.get(&name.name)),
            What::Insert { table, .. }
            | What::Update { table, .. }
            | What::Delete { table, .. }
            | What::Truncate { table, .. } => (
                format!("a trigger of {table}"),
                self.triggers.get(&table.name),
            ),
            _ => return Vec::new(),
        };
        match body {
            Some(body) if seen.insert(by.clone()) => {
                let acts = body.iter().rev();
                acts.map(|act| (by.clone(), act.clone())).collect()
            }
            _ => Vec::new(),
        }
    }
}
