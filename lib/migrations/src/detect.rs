//! Which layout a folder has. A folder whose files fit two is never read as a mixture.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::layouts::{prisma, sections};
use crate::listing::{Entry, Kind};
use crate::names::{self, Name};
use crate::source::Sources;
use crate::{Error, Layout};

/// As many files of one layout for each of another, as make the other a slip and not a second layout.
const OUTWEIGHS: usize = 5;

/// The layout that the files show; plain if they show none. A few files of another layout among many
/// of one are misspelt, and named as such when the folder is read.
pub(crate) fn detect(
    dir: &Path,
    entries: &[Entry],
    sources: &mut Sources,
) -> Result<Layout, Error> {
    let mut found = Found::default();
    let mut unmarked: Option<(&Path, usize)> = None;
    for entry in entries.iter().filter(|entry| !entry.is_hidden()) {
        match &entry.kind {
            Kind::File => match names::read(&entry.name) {
                Name::Flat { rest, .. } => match marked(&entry.file, sources) {
                    Some(layout) => found.note(layout, &entry.file),
                    None if names::named(rest).is_some() => {
                        let (_, count) = unmarked.get_or_insert((&entry.file, 0));
                        *count += 1;
                    }
                    None => {}
                },
                Name::Other if entry.name == prisma::LOCK => {
                    found.note(Layout::Prisma, &entry.file);
                }
                name => {
                    if let Some(layout) = names::layout(&name) {
                        found.note(layout, &entry.file);
                    }
                }
            },
            Kind::Folder(_) => folder(entry, &mut found),
            Kind::FolderLink | Kind::Unlisted(_) | Kind::Special => {}
        }
    }
    // Where some files have sections, one without is a file that forgot them, and is named as such.
    if let Some((file, count)) = unmarked
        && found.count(Layout::Dbmate).max(found.count(Layout::Goose)) * OUTWEIGHS <= count
    {
        found.0.insert(Layout::Plain, (file.to_owned(), count));
    }
    let all: usize = found.0.values().map(|(_, count)| count).sum();
    match found.0.iter().max_by_key(|(_, (_, count))| *count) {
        None => Ok(Layout::Plain),
        Some((layout, (_, count))) if (all - count) * OUTWEIGHS <= *count => Ok(*layout),
        Some(_) => Err(Error::Ambiguous {
            dir: dir.to_owned(),
            found: found
                .0
                .into_iter()
                .map(|(layout, (file, _))| (layout, file))
                .collect(),
        }),
    }
}

/// The layouts that were seen: the first file of each, and how many there are.
#[derive(Default)]
struct Found(BTreeMap<Layout, (PathBuf, usize)>);

impl Found {
    fn note(&mut self, layout: Layout, file: &Path) {
        let (_, count) = self.0.entry(layout).or_insert_with(|| (file.to_owned(), 0));
        *count += 1;
    }

    fn count(&self, layout: Layout) -> usize {
        self.0.get(&layout).map_or(0, |(_, count)| *count)
    }
}

fn folder(entry: &Entry, found: &mut Found) {
    for (file, layout) in [
        ("up.sql", Layout::Diesel),
        ("down.sql", Layout::Diesel),
        ("migration.sql", Layout::Prisma),
    ] {
        if entry.has_file(file) {
            found.note(layout, &entry.file.join(file));
        }
    }
    for child in entry.entries().iter().filter(|child| child.is_file()) {
        if let Name::Versioned { .. } = names::read(&child.name) {
            found.note(Layout::Versioned, &child.file);
        }
    }
}

/// The layout that the marks in a file belong to.
fn marked(file: &Path, sources: &mut Sources) -> Option<Layout> {
    let source = sources.peek(file).as_ref().ok()?;
    sections::marked(&source.text).map(|(layout, _)| layout)
}
