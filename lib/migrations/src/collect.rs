//! What the layouts have in common: reading files, and putting migrations together.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;
use std::path::{Path, PathBuf};

use sql::Dialect;

use crate::layouts::{self, sections};
use crate::listing::{Entry, Kind};
use crate::marks;
use crate::names::{self, Name};
use crate::source::{Source, Sources};
use crate::version::Key;
use crate::{Down, Layout, Migration, Named, Problem, ProblemKind, Set};

/// A set in the making.
pub(crate) struct Collector {
    pub(crate) layout: Layout,
    pub(crate) dialect: Dialect,
    sources: Sources,
    migrations: Vec<(Key, Migration)>,
    repeatable: Vec<Named>,
    baselines: Vec<(Key, Migration)>,
    set_aside: Vec<Named>,
    ignored: Vec<Named>,
    problems: Vec<Problem>,
    /// First file of each version, whether or not it can be used.
    versions: HashMap<String, PathBuf>,
    unusable: BTreeSet<String>,
}

/// A migration before its text was looked into.
pub(crate) struct Draft {
    /// Canonical.
    pub(crate) version: String,
    pub(crate) name: String,
    pub(crate) file: PathBuf,
    pub(crate) source: Source,
    /// The part of the text that applies; all of it if none.
    pub(crate) section: Option<Section>,
    /// What the layout's own mark says.
    pub(crate) no_transaction: bool,
    pub(crate) down: Option<Down>,
    /// Problems that count only until it is applied; file and version are filled in.
    pub(crate) until_applied: Vec<Problem>,
}

impl Draft {
    /// A migration that is all of a file.
    pub(crate) fn whole(version: String, name: &str, file: &Path, source: Source) -> Self {
        Self {
            version,
            name: name.to_owned(),
            file: file.to_owned(),
            source,
            section: None,
            no_transaction: false,
            down: None,
            until_applied: Vec::new(),
        }
    }
}

/// The part of a file that applies.
pub(crate) struct Section {
    pub(crate) bytes: Range<usize>,
    /// 1-based.
    pub(crate) line: u32,
}

impl Collector {
    pub(crate) fn new(layout: Layout, dialect: Dialect, sources: Sources) -> Self {
        Self {
            layout,
            dialect,
            sources,
            migrations: Vec::new(),
            repeatable: Vec::new(),
            baselines: Vec::new(),
            set_aside: Vec::new(),
            ignored: Vec::new(),
            problems: Vec::new(),
            versions: HashMap::new(),
            unusable: BTreeSet::new(),
        }
    }

    pub(crate) fn problem(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    pub(crate) fn repeatable(&mut self, file: &Path, why: &str) {
        self.repeatable.push(Named {
            file: file.to_owned(),
            why: why.to_owned(),
        });
    }

    /// Adds a baseline. Whether it counts, the ledger decides.
    pub(crate) fn baseline(&mut self, draft: Draft) {
        let same = self
            .baselines
            .iter()
            .find(|(_, other)| other.version == draft.version);
        if let Some((_, first)) = same {
            let message = format!("has the same version as {}", first.file.display());
            let problem = Problem::new(ProblemKind::DuplicateVersion, message);
            let problem = problem.version(&draft.version).file(&draft.file);
            self.problems.push(problem);
        }
        if let Some(built) = self.build(draft) {
            self.baselines.push(built);
        }
    }

    /// Names a file that is not run here.
    pub(crate) fn set_aside(&mut self, file: &Path, why: &str) {
        self.set_aside.push(Named {
            file: file.to_owned(),
            why: why.to_owned(),
        });
    }

    /// Names something that is no migration, as a failure or a warning by its kind.
    pub(crate) fn ignore(&mut self, kind: ProblemKind, file: &Path, why: impl Into<String>) {
        let why = why.into();
        self.problem(Problem::new(kind, &why).file(file));
        self.ignored.push(Named {
            file: file.to_owned(),
            why,
        });
    }

    /// The canonical version of a file whose version is an integer; a problem if it is too large.
    pub(crate) fn integer_version(&mut self, digits: &str, entry: &Entry) -> Option<String> {
        let version = self.layout.canonical_version(digits);
        if version.is_none() {
            let why = format!("has a version above {}, the largest of a bigint", i64::MAX);
            self.ignore(ProblemKind::NameUnfit, &entry.file, why);
        }
        version
    }

    /// Reads the file of a version. A file that can't be read is a problem, and its version known.
    pub(crate) fn read(&mut self, version: &str, file: &Path) -> Option<Source> {
        match self.sources.take(file) {
            Ok(source) => Some(source),
            Err(unread) => {
                self.unusable(version, file, unread.problem(file));
                None
            }
        }
    }

    /// Reads a file that says something about migrations and is none. None if it is not there.
    pub(crate) fn read_beside(&mut self, file: &Path) -> Option<Source> {
        match self.sources.take(file) {
            Ok(source) => Some(source),
            Err(unread) => {
                self.problem(unread.problem(file));
                None
            }
        }
    }

    /// Reads a whole file that reverts.
    pub(crate) fn down(&mut self, file: &Path) -> Option<Down> {
        let source = self.read_beside(file)?;
        Some(Down {
            file: file.to_owned(),
            sql: source.text,
        })
    }

    /// Records that the file of a version can't be run, and why.
    pub(crate) fn unusable(&mut self, version: &str, file: &Path, problem: Problem) {
        self.claim(version, file);
        self.problem(problem.version(version));
        self.unusable.insert(version.to_owned());
    }

    /// Looks into a migration's text and adds it.
    pub(crate) fn add(&mut self, draft: Draft) {
        let (version, file) = (draft.version.clone(), draft.file.clone());
        if let Some(built) = self.build(draft) {
            self.claim(&version, &file);
            self.migrations.push(built);
        }
    }

    fn build(&self, draft: Draft) -> Option<(Key, Migration)> {
        let Draft {
            version,
            name,
            file,
            source,
            section,
            no_transaction,
            down,
            until_applied,
        } = draft;
        let key = match self.layout {
            // dbmate sorts by file name, in which the digits of 10 come before the `_` of 1_.
            Layout::Dbmate => Some(Key::Text(file.to_string_lossy().into_owned())),
            layout => layout.key(&version),
        };
        let key = key?;
        let mut problems = until_applied;

        // Directives may stand above a section's first line; those below it concern what reverts.
        let last = section
            .as_ref()
            .map_or(source.text.len(), |section| section.bytes.end);
        let directives = directives(self.dialect, &source.text[..last]);
        for sql::Problem { line, message } in directives.problems {
            problems.push(Problem::new(ProblemKind::DirectiveInvalid, message).line(line));
        }
        problems.extend(self.unread_mark(&source.text[..last], section.is_some()));
        let (up, up_line) = match section {
            Some(section) => (source.text[section.bytes].to_owned(), section.line),
            None => (source.text, 1),
        };
        problems.sort_by_key(|problem| problem.line);
        let until_applied = problems
            .into_iter()
            .map(|problem| problem.version(&version).file(&file))
            .collect();
        let tokens = sql::token_digest(self.dialect, &up);
        let migration = Migration {
            sha256_tokens: tokens.map(|tokens| tokens.current),
            tokens,
            version,
            name,
            file,
            up,
            up_line,
            sha256: source.sha256,
            no_transaction: no_transaction || directives.no_transaction.is_some(),
            down,
            allows: directives.allowances,
            until_applied,
        };
        Some((key, migration))
    }

    /// The first line that a tool takes for a mark and this layout does not. One for a file: the
    /// others belong to it.
    fn unread_mark(&self, text: &str, has_sections: bool) -> Option<Problem> {
        let read: BTreeSet<u32> = if has_sections {
            sections::marks(text).iter().map(|mark| mark.line).collect()
        } else if layouts::reads_sqlx(self.layout) && text.starts_with(layouts::SQLX_MARK) {
            BTreeSet::from([1])
        } else {
            BTreeSet::new()
        };
        let marks = marks::find(self.dialect, text, |line| read.contains(&line));
        // What reverts does the harm.
        let mark = *marks.iter().find(|mark| mark.reverts).or(marks.first())?;
        let text = mark.text(text);
        if mark.layout == Some(self.layout) {
            let message = format!(
                "has a line that is nearly a mark of {}, and would be a comment",
                mark.tool
            );
            let problem = Problem::new(ProblemKind::MarkNearly, message);
            return Some(problem.line(mark.line).differs(mark.written, text));
        }
        let message = format!(
            "has a line that {} takes for a mark (`{}`), and that is a comment in the layout {}",
            mark.tool, mark.written, self.layout
        );
        let mut problem = Problem::new(ProblemKind::MarkForeign, message).line(mark.line);
        problem.actual = Some(text);
        Some(problem)
    }

    /// Every file of a version comes by here once.
    fn claim(&mut self, version: &str, file: &Path) {
        if file.to_str().is_none() {
            let problem = Problem::new(ProblemKind::NameUnfit, "has a name that is not UTF-8");
            self.problems.push(problem.version(version).file(file));
        }
        if let Some(first) = self.versions.get(version) {
            let message = format!("has the same version as {}", first.display());
            let problem = Problem::new(ProblemKind::DuplicateVersion, message);
            self.problems.push(problem.version(version).file(file));
        } else {
            self.versions.insert(version.to_owned(), file.to_owned());
        }
    }

    /// Names an entry that the layout has no use for, unless nobody could take it for a migration.
    pub(crate) fn leave(&mut self, entry: &Entry) {
        match &entry.kind {
            Kind::File => self.leave_file(entry),
            Kind::Folder(_) if entry.is_hidden() => {}
            Kind::Folder(children) => {
                if let Some((child, is_migration)) = sql_within(children) {
                    let kind = if is_migration {
                        ProblemKind::NameUnfit
                    } else {
                        ProblemKind::NameForeign
                    };
                    let why = format!(
                        "is a folder with SQL files ({}), which the layout {} does not read",
                        child.name, self.layout
                    );
                    self.ignore(kind, &entry.file, why);
                }
            }
            Kind::FolderLink => {
                let kind = match self.layout {
                    Layout::Diesel | Layout::Prisma | Layout::Versioned => ProblemKind::NameUnfit,
                    _ => ProblemKind::NameForeign,
                };
                let why = "is a symbolic link to a folder, which is not followed";
                self.ignore(kind, &entry.file, why);
            }
            Kind::Unlisted(error) => {
                let message = format!("cannot be listed: {error}");
                self.problem(Problem::new(ProblemKind::Unreadable, message).file(&entry.file));
            }
            Kind::Special => {
                if names::read(&entry.name) != Name::Other {
                    let message = "is no regular file";
                    self.problem(Problem::new(ProblemKind::Unreadable, message).file(&entry.file));
                }
            }
        }
    }

    fn leave_file(&mut self, entry: &Entry) {
        let name = names::read(&entry.name);
        let pattern = self.layout.pattern();
        let (kind, why) = match name {
            Name::Other => return,
            Name::Sql { begins: false } => (
                ProblemKind::NameForeign,
                format!(
                    "is no migration by its name; the layout {} has {pattern}",
                    self.layout
                ),
            ),
            _ => match names::layout(&name).filter(|layout| *layout != self.layout) {
                Some(layout) => (
                    ProblemKind::NameUnfit,
                    format!("has a name of the layout {layout}, not of {}", self.layout),
                ),
                None => (
                    ProblemKind::NameUnfit,
                    format!(
                        "looks like a migration, but the layout {} has {pattern}",
                        self.layout
                    ),
                ),
            },
        };
        let likely = names::likely(self.layout, &entry.name);
        self.ignore(kind, &entry.file, why);
        if kind == ProblemKind::NameUnfit
            && let (Some(likely), Some(problem)) = (likely, self.problems.last_mut())
            && likely != entry.name
        {
            problem.expected = Some(likely);
            problem.actual = Some(entry.name.clone());
        }
    }

    /// A folder of which no file fits is one thing that is wrong, not one for each file. Where nothing
    /// else is to be deployed, SQL files with a number in their names are migrations, not company.
    fn gather_unfit(&mut self) {
        const NAMED_MAX: usize = 3;
        let is_unfit = |problem: &Problem| {
            matches!(
                problem.kind,
                ProblemKind::NameUnfit | ProblemKind::NameForeign
            )
        };
        if !self.versions.is_empty() || !self.repeatable.is_empty() || !self.baselines.is_empty() {
            return;
        }
        for problem in &mut self.problems {
            let file = problem.file.as_deref().and_then(Path::file_name);
            let name = file.and_then(|name| name.to_str()).unwrap_or_default();
            if problem.kind == ProblemKind::NameForeign && names::is_numbered(name) {
                problem.kind = ProblemKind::NameUnfit;
            }
        }
        let unfit: Vec<&Problem> = self.problems.iter().filter(|p| is_unfit(p)).collect();
        if unfit.len() <= NAMED_MAX || !unfit.iter().any(|p| p.is_failure()) {
            return;
        }
        let named: Vec<String> = unfit.iter().map(|problem| problem.subject()).collect();
        let looks = unfit
            .iter()
            .filter_map(|problem| problem.file.as_deref()?.file_name()?.to_str())
            .find_map(names::looks_like);
        let mut message = format!(
            "none of {} files has a name of a layout: {}, …",
            named.len(),
            named[..NAMED_MAX].join(", ")
        );
        if let Some(looks) = looks {
            message.push_str(&format!("; they look like {looks}"));
        }
        self.problems.retain(|problem| !is_unfit(problem));
        self.problems
            .push(Problem::new(ProblemKind::NamesUnfit, message).differs(
                format!("{} ({})", self.layout.pattern(), self.layout),
                &named[0],
            ));
    }

    pub(crate) fn finish(mut self, dir: &Path) -> Set {
        self.gather_unfit();
        self.problems
            .sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
        Set {
            layout: self.layout,
            dir: dir.to_owned(),
            dialect: self.dialect,
            migrations: sorted(self.migrations),
            repeatable: self.repeatable,
            baselines: sorted(self.baselines),
            set_aside: self.set_aside,
            ignored: self.ignored,
            problems: self.problems,
            unusable: self.unusable,
        }
    }
}

/// In the order of their keys, then of their files.
fn sorted(mut migrations: Vec<(Key, Migration)>) -> Vec<Migration> {
    migrations.sort_by(|a, b| (&a.0, &a.1.file).cmp(&(&b.0, &b.1.file)));
    migrations
        .into_iter()
        .map(|(_, migration)| migration)
        .collect()
}

pub(crate) fn has_sql(entries: &[Entry]) -> bool {
    sql_within(entries).is_some()
}

/// An SQL file in a folder or below, and whether it looks like a migration: one that does goes first.
fn sql_within(entries: &[Entry]) -> Option<(&Entry, bool)> {
    let found = entries.iter().filter_map(|entry| match &entry.kind {
        Kind::Folder(children) if !entry.is_hidden() => sql_within(children),
        Kind::File => match names::read(&entry.name) {
            Name::Other => None,
            name => Some((entry, looks_like_migration(&entry.name, &name))),
        },
        _ => None,
    });
    // Of equals the first.
    found.reduce(|first, other| if first.1 >= other.1 { first } else { other })
}

fn looks_like_migration(file: &str, name: &Name) -> bool {
    matches!(
        name,
        Name::Flat { .. }
            | Name::Direction { up: true, .. }
            | Name::Versioned { .. }
            | Name::Sql { begins: true }
    ) || ["up.sql", "down.sql", "migration.sql"].contains(&file)
}

/// Most files have no directive, and looking for the word is much faster than reading tokens.
fn directives(dialect: Dialect, text: &str) -> sql::Directives {
    const NAME: &[u8] = b"lockstep";
    let is_named = |word: &[u8]| word.eq_ignore_ascii_case(NAME);
    if text.as_bytes().windows(NAME.len()).any(is_named) {
        sql::directives(dialect, text)
    } else {
        sql::Directives::default()
    }
}

/// Files that revert, until each has found its migration.
#[derive(Default)]
pub(crate) struct Downs(BTreeMap<String, Vec<PathBuf>>);

impl Downs {
    /// `belongs`: what the migration's own file has in common with this one.
    pub(crate) fn put(&mut self, belongs: &str, file: &Path) {
        self.0
            .entry(belongs.to_owned())
            .or_default()
            .push(file.to_owned());
    }

    /// The file that reverts a migration. Of several, the first by name; the others are named.
    pub(crate) fn take(&mut self, belongs: &str, out: &mut Collector) -> Option<Down> {
        let files = self.0.remove(belongs)?;
        for file in &files[1..] {
            let message = format!("reverts the same migration as {}", files[0].display());
            out.problem(Problem::new(ProblemKind::DownUnpaired, message).file(file));
        }
        out.down(&files[0])
    }

    /// Names those that are left over.
    pub(crate) fn finish(self, out: &mut Collector) {
        for file in self.0.into_values().flatten() {
            let message = "belongs to no migration";
            out.problem(Problem::new(ProblemKind::DownUnpaired, message).file(&file));
        }
    }
}
