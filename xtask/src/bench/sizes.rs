//! The programs on disk.

use super::Row;
use crate::{programs, target_dir};

/// Programs that link no database driver.
const WITHOUT_DATABASE: [&str; 2] = ["orchestrator", "verify-env"];

pub(crate) fn rows() -> Result<Vec<Row>, String> {
    programs()
        .into_iter()
        .map(|name| {
            let path = target_dir("dist").join(&name);
            let bytes = std::fs::metadata(&path)
                .map_err(|error| format!("cannot look at {}: {error}", path.display()))?
                .len();
            let limit = if WITHOUT_DATABASE.contains(&name.as_str()) {
                1.5
            } else {
                6.0
            };
            Ok(Row::at_most(
                format!("size of {name}"),
                bytes as f64 / (1024.0 * 1024.0),
                limit,
                "MiB",
            ))
        })
        .collect()
}
