//! Who else has a file open, as Linux shows it. Elsewhere, and for processes of other users, this
//! sees nobody.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// Processes that a message names.
const NAMED_MAX: usize = 3;

/// Other processes that have the file open, as `name (process 7)`.
pub(super) fn of(path: &Path) -> Vec<String> {
    let Ok(file) = std::fs::metadata(path) else {
        return Vec::new();
    };
    let own = std::process::id();
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut holders = Vec::new();
    for process in processes {
        let name = process.file_name();
        let Some(id) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        if id == own || holders.len() == NAMED_MAX {
            continue;
        }
        let open = std::fs::read_dir(process.path().join("fd"))
            .into_iter()
            .flatten()
            .flatten();
        let has_it = open
            .filter_map(|descriptor| std::fs::metadata(descriptor.path()).ok())
            .any(|open| open.ino() == file.ino() && open.dev() == file.dev());
        if has_it {
            let name = std::fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            holders.push(format!("{} (process {id})", name.trim()));
        }
    }
    holders
}

/// The same as the end of a message: empty where nobody is seen.
pub(super) fn in_words(path: &Path) -> String {
    let holders = of(path);
    if holders.is_empty() {
        String::new()
    } else {
        format!("; {} has it open", holders.join(", "))
    }
}
