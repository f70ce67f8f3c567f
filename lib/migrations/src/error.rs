//! Why no set of migrations could be read at all.

use std::io;
use std::path::PathBuf;

use crate::Layout;

/// Why a folder can't be read as migrations.
///
/// What is wrong with a single file is no error but a [`crate::Problem`] of the set.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folder does not exist or can't be listed.
    #[error("cannot read migrations folder {}", dir.display())]
    ReadDir {
        /// The folder.
        dir: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Files of several layouts stand in one folder.
    #[error("cannot tell the layout of migrations folder {}: {}", dir.display(), listed(found))]
    Ambiguous {
        /// The folder.
        dir: PathBuf,
        /// Each layout that was seen, with one file that fits it.
        found: Vec<(Layout, PathBuf)>,
    },
    /// A name that is no layout's.
    #[error("cannot use the layout {name:?}")]
    UnknownLayout {
        /// The name as written.
        name: String,
    },
}

impl Error {
    /// What to do about it.
    pub fn remedy(&self) -> Option<String> {
        match self {
            Self::ReadDir { .. } => Some("name the folder as dir under [migrations]".to_owned()),
            Self::Ambiguous { found, .. } => {
                let choices: Vec<String> = found
                    .iter()
                    .map(|(layout, _)| format!("layout = \"{layout}\""))
                    .collect();
                Some(format!(
                    "write {} under [migrations], and move the other files out of the folder",
                    choices.join(" or ")
                ))
            }
            Self::UnknownLayout { .. } => {
                let names: Vec<String> = Layout::ALL
                    .iter()
                    .map(
                        |layout| match layout.tools().to_lowercase() == layout.name() {
                            true => layout.name().to_owned(),
                            false => format!("{layout} ({})", layout.tools()),
                        },
                    )
                    .collect();
                Some(format!("write one of {}", names.join(", ")))
            }
        }
    }
}

fn listed(found: &[(Layout, PathBuf)]) -> String {
    let each: Vec<String> = found
        .iter()
        .map(|(layout, file)| format!("{} is {layout}", file.display()))
        .collect();
    each.join(", ")
}
