//! The file that lists an application's variables, as `.env.example`.

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
        let bytes = contract::file::read_limited(path, SIZE_BYTES_MAX).map_err(|source| {
            let path = path.to_owned();
            Error::ReadExample { path, source }
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
