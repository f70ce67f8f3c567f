//! Which layout a folder has. A folder whose files fit two is never read as a mixture.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::layouts::{prisma, sections};
use crate::listing::{Entry, Kind};
use crate::names::{self, Name};
use crate::source::Sources;
use crate::{Error, Layout};

/// The layout that the files show; plain if they show none.
pub(crate) fn detect(
    dir: &Path,
    entries: &[Entry],
    sources: &mut Sources,
) -> Result<Layout, Error> {
    let mut found: BTreeMap<Layout, PathBuf> = BTreeMap::new();
    let mut unmarked: Option<&Path> = None;
    for entry in entries.iter().filter(|entry| !entry.is_hidden()) {
        match &entry.kind {
            Kind::File => match names::read(&entry.name) {
                Name::Flat { rest, .. } => match marked(&entry.file, sources) {
                    Some(layout) => note(&mut found, layout, &entry.file),
                    None if rest.starts_with('_') => {
                        unmarked.get_or_insert(&entry.file);
                    }
                    None => {}
                },
                Name::Other if entry.name == prisma::LOCK => {
                    note(&mut found, Layout::Prisma, &entry.file);
                }
                name => {
                    if let Some(layout) = names::layout(&name) {
                        note(&mut found, layout, &entry.file);
                    }
                }
            },
            Kind::Folder(_) => folder(entry, &mut found),
            Kind::FolderLink | Kind::Unlisted(_) | Kind::Special => {}
        }
    }
    // Where some files have sections, one without is a file that forgot them, and is named as such.
    if let Some(file) = unmarked
        && !found.contains_key(&Layout::Dbmate)
        && !found.contains_key(&Layout::Goose)
    {
        note(&mut found, Layout::Plain, file);
    }
    match found.len() {
        0 => Ok(Layout::Plain),
        1 => Ok(found.into_keys().next().unwrap_or(Layout::Plain)),
        _ => Err(Error::Ambiguous {
            dir: dir.to_owned(),
            found: found.into_iter().collect(),
        }),
    }
}

fn folder(entry: &Entry, found: &mut BTreeMap<Layout, PathBuf>) {
    for (file, layout) in [
        ("up.sql", Layout::Diesel),
        ("down.sql", Layout::Diesel),
        ("migration.sql", Layout::Prisma),
    ] {
        if entry.has_file(file) {
            note(found, layout, &entry.file.join(file));
        }
    }
    for child in entry.entries().iter().filter(|child| child.is_file()) {
        if let Name::Versioned { .. } = names::read(&child.name) {
            note(found, Layout::Versioned, &child.file);
        }
    }
}

/// The layout that the marks in a file belong to.
fn marked(file: &Path, sources: &mut Sources) -> Option<Layout> {
    let source = sources.peek(file).as_ref().ok()?;
    sections::marked(&source.text).map(|(layout, _)| layout)
}

fn note(found: &mut BTreeMap<Layout, PathBuf>, layout: Layout, file: &Path) {
    found.entry(layout).or_insert_with(|| file.to_owned());
}
