//! The file that lists an application's variables, as `.env.example`.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use settings::dotenv::{self, Assignment};
use settings::file::SIZE_BYTES_MAX;

use crate::error::Error;

/// An example file's names and values.
pub(crate) struct Example {
    pub(crate) path: PathBuf,
    pub(crate) assignments: Vec<Assignment>,
}

impl Example {
    pub(crate) fn read(path: &Path) -> Result<Example, Error> {
        let mut bytes = Vec::new();
        std::fs::File::open(path)
            .and_then(|file| file.take(SIZE_BYTES_MAX + 1).read_to_end(&mut bytes))
            .map_err(|source| Error::ReadExample {
                path: path.to_owned(),
                source,
            })?;
        let assignments = dotenv::parse(&bytes).map_err(|source| Error::UseExample {
            path: path.to_owned(),
            source,
        })?;
        Ok(Example {
            path: path.to_owned(),
            assignments,
        })
    }
}
