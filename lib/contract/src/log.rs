//! The file of `--log`: the full account, whatever the format of stdout.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::console::within_patience;
use crate::{Class, Failure};

/// An open one.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    pub(crate) path: PathBuf,
    file: Arc<File>,
}

impl Log {
    pub(crate) fn open(path: &Path) -> Result<Log, Failure> {
        let unfit = |error: &dyn std::error::Error| {
            let act = format!("cannot open the log {}", path.display());
            Failure::caused_by(Class::Usage, act, error)
                .remedy("name a file that can be written with --log")
        };
        crate::file::refuse_pipe(path).map_err(|error| unfit(&error))?;
        let mut options = std::fs::OpenOptions::new();
        options.create(true).append(true).read(true);
        let mut file = match options.open(path) {
            // A device or a pipe that can't be read.
            Err(_) => options.read(false).open(path),
            opened => opened,
        }
        .map_err(|error| unfit(&error))?;
        // A mistyped name must not end in somebody's data.
        let mut start = [0; 1024];
        let is_file = file.metadata().is_ok_and(|meta| meta.is_file());
        if is_file
            && file
                .read(&mut start)
                .is_ok_and(|read| start[..read].contains(&0))
        {
            return Err(unfit(&std::io::Error::other("it is no text file")));
        }
        Ok(Log {
            path: path.to_owned(),
            file: Arc::new(file),
        })
    }

    /// The verdict does not hang on its copy.
    pub(crate) fn write(&self, text: &str) -> Result<(), std::io::Error> {
        let (file, text) = (Arc::clone(&self.file), text.to_owned());
        within_patience(&*self.file, move || (&*file).write_all(text.as_bytes()))
            .unwrap_or_else(|| Err(std::io::Error::other("nobody reads it")))
    }
}
