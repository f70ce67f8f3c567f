//! The acts of a file with those of the routines and triggers that they set off, as far as the pending
//! files created them.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use crate::Dialect;
use crate::act::{Act, Name, TriggerName, What};

/// Code that the pending files have kept so far and not surely dropped, by the last part of the name of
/// its function or of its table: whichever of several it is, all of it may run.
#[derive(Default)]
pub(crate) struct Kept {
    routines: HashMap<String, Vec<Routine>>,
    triggers: HashMap<String, Vec<Trigger>>,
    /// What was dropped, in case that is taken back.
    dropped_routines: Vec<Routine>,
    dropped_triggers: Vec<Trigger>,
    /// A name without a schema may mean another object than it did.
    is_path_changed: bool,
    /// Whether a trigger takes the place of one of its name. SQLite keeps the former one where the latter
    /// has IF NOT EXISTS, and both where one is temporary.
    replaces_triggers: bool,
    /// Names of temporary tables, which stand before others of the same name.
    temporary: HashSet<String>,
}

#[derive(Clone)]
struct Routine {
    name: Name,
    args: Option<Vec<String>>,
    is_function: bool,
    body: Vec<Act>,
}

#[derive(Clone)]
struct Trigger {
    name: TriggerName,
    table: Name,
    body: Vec<Act>,
}

/// An act in the order in which a file comes to it.
pub(crate) struct Step<'a> {
    pub(crate) act: Cow<'a, Act>,
    /// What it was set off by, if it does not stand in the file as such: `f()`, `a trigger of t`.
    pub(crate) by: Option<String>,
}

impl Kept {
    pub(crate) fn new(dialect: Dialect) -> Kept {
        Kept {
            replaces_triggers: dialect == Dialect::Postgres,
            ..Kept::default()
        }
    }

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
                    if_exists: act_within.if_exists,
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
        let certain = act.certain;
        match &act.what {
            What::CreateRoutine {
                name,
                args,
                is_function,
                body,
            } => {
                if certain && args.is_some() {
                    self.drop_routine(name, |known| known.args == *args);
                }
                let known = self.routines.entry(name.name.clone()).or_default();
                known.push(Routine {
                    name: name.clone(),
                    args: args.clone(),
                    is_function: *is_function,
                    body: body.clone(),
                });
            }
            What::DropRoutine { name, args } if certain => match args {
                Some(args) => self.drop_routine(name, |known| known.args.as_ref() == Some(args)),
                None => self.drop_routine(name, |known| known.is_function),
            },
            What::RenameRoutine { from, to } => {
                let copies = self.routines.get(&from.name).cloned().unwrap_or_default();
                let renamed = copies.into_iter().map(|routine| Routine {
                    name: routine.name.sibling(to.clone()),
                    ..routine
                });
                let known = self.routines.entry(to.clone()).or_default();
                known.extend(renamed);
            }
            What::CreateTrigger { name, table, body } => {
                if certain && self.replaces_triggers {
                    self.drop_trigger(table, |known| known.name == *name);
                }
                let known = self.triggers.entry(table.name.clone()).or_default();
                known.push(Trigger {
                    name: name.clone(),
                    table: table.clone(),
                    body: body.clone(),
                });
            }
            What::DropTrigger { name, table } if certain => match table {
                Some(table) => self.drop_trigger(table, |known| known.name == *name),
                None => self.drop_trigger_by_name(name),
            },
            What::RenameTrigger { table, from, to } => {
                let known = self.triggers.get_mut(&table.name);
                for trigger in known.into_iter().flatten() {
                    if trigger.name == *from && trigger.table == *table && certain {
                        trigger.name = to.clone();
                    }
                }
            }
            // Its triggers go with it.
            What::DropTable(table) if certain && !self.temporary.contains(&table.name) => {
                self.drop_trigger(table, |_| true);
            }
            What::RenameTable { from, to } => {
                let copies = self.triggers.get(&from.name).cloned().unwrap_or_default();
                if certain && !self.temporary.contains(&from.name) {
                    self.drop_trigger(from, |_| true);
                }
                let moved = copies.into_iter().map(|trigger| Trigger {
                    table: to.clone(),
                    ..trigger
                });
                let known = self.triggers.entry(to.name.clone()).or_default();
                known.extend(moved);
            }
            What::CreateTable(create) if create.temporary => {
                self.temporary.insert(create.table.name.clone());
            }
            What::SetPath(_) | What::ForgetPath | What::RenameSchema { .. } => {
                self.is_path_changed = true;
            }
            What::ForgetAll => self.take_back(),
            _ => (),
        }
    }

    /// Whether two names that are written alike mean the same.
    fn is_clear(&self, name: &Name) -> bool {
        name.schema.is_some() || !self.is_path_changed
    }

    fn drop_routine(&mut self, name: &Name, is_meant: impl Fn(&Routine) -> bool) {
        if !self.is_clear(name) {
            return;
        }
        if let Some(known) = self.routines.get_mut(&name.name) {
            let dropped =
                known.extract_if(.., |routine| routine.name == *name && is_meant(routine));
            self.dropped_routines.extend(dropped);
        }
    }

    fn drop_trigger(&mut self, table: &Name, is_meant: impl Fn(&Trigger) -> bool) {
        if !self.is_clear(table) {
            return;
        }
        if let Some(known) = self.triggers.get_mut(&table.name) {
            let dropped =
                known.extract_if(.., |trigger| trigger.table == *table && is_meant(trigger));
            self.dropped_triggers.extend(dropped);
        }
    }

    /// SQLite. A temporary one of the same name stands before the other.
    fn drop_trigger_by_name(&mut self, name: &TriggerName) {
        let mut named = self
            .triggers
            .values()
            .flatten()
            .filter(|known| known.name == *name);
        let (Some(table), None) = (named.next().map(|known| known.table.clone()), named.next())
        else {
            return;
        };
        self.drop_trigger(&table, |known| known.name == *name);
    }

    fn take_back(&mut self) {
        for routine in self.dropped_routines.drain(..) {
            let known = self.routines.entry(routine.name.name.clone()).or_default();
            known.push(routine);
        }
        for trigger in self.dropped_triggers.drain(..) {
            let known = self.triggers.entry(trigger.table.name.clone()).or_default();
            known.push(trigger);
        }
    }

    /// The acts that an act sets off, last first. A body that was seen is not gone through again.
    fn set_off(&self, what: &What, seen: &mut HashSet<String>) -> Vec<(String, Act)> {
        let (by, bodies) = match what {
            What::Call(name) => {
                let known = self.routines.get(&name.name).into_iter().flatten();
                let bodies: Vec<&[Act]> = known.map(|routine| routine.body.as_slice()).collect();
                (format!("{name}()"), bodies)
            }
            What::Insert { table, .. }
            | What::Update { table, .. }
            | What::Delete { table, .. }
            | What::Truncate { table, .. } => {
                let known = self.triggers.get(&table.name).into_iter().flatten();
                let bodies: Vec<&[Act]> = known.map(|trigger| trigger.body.as_slice()).collect();
                (format!("a trigger of {table}"), bodies)
            }
            _ => return Vec::new(),
        };
        if bodies.is_empty() || !seen.insert(by.clone()) {
            return Vec::new();
        }
        let acts = bodies.into_iter().flatten().rev();
        acts.map(|act| (by.clone(), act.clone())).collect()
    }
}
