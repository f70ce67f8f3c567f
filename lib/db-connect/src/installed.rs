//! Where this machine has PostgreSQL's programs of one major version.

use std::path::PathBuf;

/// The folders that may hold them: those of the usual packages, then those of PATH.
pub fn program_folders(major: u32) -> impl Iterator<Item = PathBuf> {
    let versioned = [
        format!("/usr/lib/postgresql/{major}/bin"),
        format!("/usr/pgsql-{major}/bin"),
        format!("/usr/lib/postgresql{major}/bin"),
        format!("/usr/libexec/postgresql{major}"),
        format!("/opt/homebrew/opt/postgresql@{major}/bin"),
        format!("/usr/local/opt/postgresql@{major}/bin"),
    ];
    let path = std::env::var_os("PATH").unwrap_or_default();
    let named: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let folders = versioned.into_iter().map(PathBuf::from).chain(named);
    folders.filter(|folder| folder.is_absolute())
}

/// `15` of `15.18`, `18` of `18beta1`.
pub fn major_of(version: &str) -> Option<u32> {
    let digits: String = version.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

/// The version in what a program of PostgreSQL says to `--version`: "initdb (PostgreSQL) 15.18 (Debian
/// …)"; empty where there is none.
pub fn version_said(said: &str) -> &str {
    let version = said.split_once("(PostgreSQL) ").map(|(_, rest)| rest);
    let mut words = version.unwrap_or_default().split_whitespace();
    words.next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_the_programs_write_them() {
        for (said, version, major) in [
            (
                "pg_dump (PostgreSQL) 15.18 (Debian 15.18-0)\n",
                "15.18",
                Some(15),
            ),
            ("initdb (PostgreSQL) 18beta1", "18beta1", Some(18)),
            ("a shell", "", None),
        ] {
            assert_eq!(version_said(said), version);
            assert_eq!(major_of(version_said(said)), major);
        }
    }
}
