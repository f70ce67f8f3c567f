//! Files that go into a snapshot beside the database, and those that never do.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Component, Path, PathBuf};

use regex_lite::Regex;

use crate::error::Error;
use crate::manifest;
use crate::publish::new_file;

/// The folder in the snapshot that holds them.
pub const FOLDER: &str = "files";

/// Copies `files`, paths that lead to somewhere below `root`, into `folder/files`, at the same place below it, and syncs
/// them. All of them are looked at before the first is copied.
///
/// # Errors
///
/// [`Error::SecretFile`] for a file that looks like a secret; [`Error::FileOutside`];
/// [`Error::Read`], [`Error::Create`], [`Error::Write`], [`Error::Sync`].
pub fn copy(root: &Path, files: &[PathBuf], folder: &Path) -> Result<Vec<manifest::File>, Error> {
    let mut found = Vec::new();
    for path in files {
        let relative = path
            .strip_prefix(root)
            .ok()
            .filter(|inside| is_plain(inside));
        let path = path.clone();
        let Some(relative) = relative.map(Path::to_owned) else {
            return Err(Error::FileOutside {
                path,
                root: root.to_owned(),
            });
        };
        let bytes = fs::read(&path).map_err(Error::read(&path))?;
        if let Some(found) = secret(&path, &bytes) {
            return Err(Error::SecretFile { path, found });
        }
        found.push((relative, bytes));
    }
    let mut copied = Vec::new();
    for (relative, bytes) in found {
        let to = folder.join(FOLDER).join(&relative);
        if let Some(parent) = to.parent() {
            let mut builder = fs::DirBuilder::new();
            builder
                .recursive(true)
                .mode(0o700)
                .create(parent)
                .map_err(Error::create(parent))?;
        }
        let mut file = new_file(&to)?;
        file.write_all(&bytes).map_err(Error::write(&to))?;
        file.sync_all().map_err(Error::sync(&to))?;
        copied.push(manifest::File {
            path: format!("{FOLDER}/{}", relative.to_string_lossy()),
            size: bytes.len() as u64,
            sha256: crate::sha256_hex(&bytes),
        });
    }
    Ok(copied)
}

fn is_plain(path: &Path) -> bool {
    let plain = |component| matches!(component, Component::Normal(_));
    path.components().next().is_some() && path.components().all(plain) && path.to_str().is_some()
}

/// What makes a file look like a secret, if anything does. It errs on the side of refusing: who
/// wants the file in a snapshot can move the secret out of it.
pub fn secret(path: &Path, bytes: &[u8]) -> Option<&'static str> {
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .to_lowercase();
    let example = [".example", ".sample", ".template", ".dist"]
        .iter()
        .any(|end| name.ends_with(end));
    if (name == ".env" || name.starts_with(".env.") || name.ends_with(".env")) && !example {
        return Some("its name is that of a file of secret variables");
    }
    let key_ends = [".pem", ".key", ".p12", ".pfx", ".jks", ".keystore", ".kdbx"];
    let key_names = [
        "id_rsa",
        "id_dsa",
        "id_ecdsa",
        "id_ed25519",
        ".pgpass",
        ".netrc",
        ".htpasswd",
    ];
    if key_ends.iter().any(|end| name.ends_with(end)) || key_names.contains(&name.as_str()) {
        return Some("its name is that of a key or password file");
    }
    let text = String::from_utf8_lossy(bytes);
    let has = |pattern: &str| Regex::new(pattern).is_ok_and(|pattern| pattern.is_match(&text));
    if has("-----BEGIN [A-Z0-9 ]*PRIVATE KEY") {
        return Some("it holds a private key");
    }
    // Not a placeholder such as ${PASSWORD}, <password> or ***.
    if has(r"[a-zA-Z][a-zA-Z0-9+.-]*://[^\s/:@'\x22]*:[^\s/@$<{*'\x22][^\s/@'\x22]*@") {
        return Some("it holds a URL with a password");
    }
    if has(r"\b(AKIA|ASIA)[0-9A-Z]{16}\b") || has(r"\bgh[pousr]_[A-Za-z0-9]{36}") {
        return Some("it holds an access key");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_known_by_name_and_by_content() {
        let key = format!("-----BEGIN {} KEY-----", "RSA PRIVATE");
        let refused: [(&str, &str); 11] = [
            (".env", ""),
            ("config/.env.production", ""),
            ("prod.env", ""),
            ("tls/server.KEY", ""),
            ("server.pem", ""),
            ("id_ed25519", ""),
            ("note.txt", &key),
            ("app.toml", "url = \"postgres://app:hunter2@db/app\""),
            ("app.toml", "redis://:hunter2@cache"),
            ("app.toml", "key = AKIAABCDEFGHIJKLMNOP"),
            ("binary", "\u{0}-----BEGIN PRIVATE KEY-----\u{0}"),
        ];
        for (path, text) in refused {
            assert!(
                secret(Path::new(path), text.as_bytes()).is_some(),
                "{path} {text}"
            );
        }
        let allowed = [
            ("lockstep.toml", "database = { env = \"DATABASE_URL\" }"),
            (".env.example", "SECRET="),
            ("app.toml", "url = \"postgres://app@db:5432/app\""),
            ("app.toml", "url = \"postgres://app:${PASSWORD}@db/app\""),
            ("app.toml", "see https://example.org:8080/a@b"),
            ("monkey", "keys"),
        ];
        for (path, text) in allowed {
            assert_eq!(
                secret(Path::new(path), text.as_bytes()),
                None,
                "{path} {text}"
            );
        }
    }

    #[test]
    fn nothing_is_copied_when_one_is_a_secret_or_lies_outside() {
        let root = tempfile::tempdir().unwrap();
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("config")).unwrap();
        fs::write(root.path().join("config/app.toml"), "a = 1").unwrap();
        fs::write(root.path().join("tls.key"), "").unwrap();
        let good = root.path().join("config/app.toml");
        for bad in ["tls.key", "../x", "/etc/hostname", "missing"] {
            let files = [good.clone(), root.path().join(bad)];
            copy(root.path(), &files, folder.path()).unwrap_err();
            assert!(!folder.path().join(FOLDER).exists(), "{bad}");
        }
        let copied = copy(root.path(), &[good], folder.path()).unwrap();
        assert_eq!(
            (copied[0].path.as_str(), copied[0].size),
            ("files/config/app.toml", 5)
        );
        assert_eq!(
            fs::read(folder.path().join(&copied[0].path)).unwrap(),
            b"a = 1"
        );
    }
}
