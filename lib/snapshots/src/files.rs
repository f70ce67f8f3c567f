//! Files that go into a snapshot beside the database, and those that never do.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Component, Path, PathBuf};

use regex_lite::Regex;
use sha2::{Digest as _, Sha256};

use crate::error::Error;
use crate::manifest;
use crate::publish::new_file;

/// The folder in the snapshot that holds them.
pub const FOLDER: &str = "files";

/// Bytes that are read at once.
const READ_BYTES: usize = 1 << 16;

/// Bytes that are looked at again with those that follow them, so that what begins at the end of
/// one piece is seen whole.
const AGAIN_BYTES: usize = 1 << 12;

/// Files that may go into a snapshot.
#[derive(Debug)]
pub struct Chosen {
    /// Where each stands, by its place below the root.
    files: BTreeMap<PathBuf, PathBuf>,
}

/// Looks at `files`, paths that lead to somewhere below `root`, links followed. One that is named
/// twice counts once.
///
/// # Errors
///
/// [`Error::SecretFile`] for a file that looks like a secret; [`Error::FileOutside`];
/// [`Error::FileUnread`].
pub fn choose(root: &Path, files: &[PathBuf]) -> Result<Chosen, Error> {
    let unread = |path: &Path| {
        let path = path.to_owned();
        move |source| Error::FileUnread { path, source }
    };
    let mut chosen = BTreeMap::new();
    for path in files {
        let outside = || Error::FileOutside {
            path: path.clone(),
            root: root.to_owned(),
        };
        let relative = below(root, path).ok_or_else(outside)?;
        let leads_to = fs::canonicalize(path).map_err(unread(path))?;
        let folder = if root.as_os_str().is_empty() {
            Path::new(".")
        } else {
            root
        };
        if !leads_to.starts_with(fs::canonicalize(folder).map_err(unread(folder))?) {
            return Err(outside());
        }
        // Opened as what it is: a pipe would wait for a writer.
        if !fs::metadata(path).map_err(unread(path))?.is_file() {
            let source = io::Error::other("it is no file");
            return Err(unread(path)(source));
        }
        let mut file = File::open(path).map_err(unread(path))?;
        read(path, &mut file, |_| Ok(()))?;
        chosen.insert(relative, path.clone());
    }
    Ok(Chosen { files: chosen })
}

impl Chosen {
    /// Copies them into `folder/files`, each at its place below the root, and syncs them.
    ///
    /// # Errors
    ///
    /// [`Error::SecretFile`] for a file that looks like a secret by now; [`Error::FileUnread`],
    /// [`Error::Create`], [`Error::Write`], [`Error::Sync`].
    pub fn copy(&self, folder: &Path) -> Result<Vec<manifest::File>, Error> {
        let copy = |(relative, path): (&PathBuf, &PathBuf)| {
            let to = folder.join(FOLDER).join(relative);
            if let Some(parent) = to.parent() {
                let mut builder = fs::DirBuilder::new();
                builder
                    .recursive(true)
                    .mode(0o700)
                    .create(parent)
                    .map_err(Error::create(parent))?;
            }
            let mut from = File::open(path).map_err(|source| Error::FileUnread {
                path: path.clone(),
                source,
            })?;
            let mut file = new_file(&to)?;
            let mut hasher = Sha256::new();
            let size = read(path, &mut from, |bytes| {
                hasher.update(bytes);
                file.write_all(bytes).map_err(Error::write(&to))
            })?;
            file.sync_all().map_err(Error::sync(&to))?;
            Ok(manifest::File {
                path: format!("{FOLDER}/{}", relative.to_string_lossy()),
                size,
                sha256: crate::hex(&hasher.finalize()),
            })
        };
        self.files.iter().map(copy).collect()
    }
}

/// Reads a file piece by piece, as long as it does not look like a secret; says how long it is.
fn read(
    path: &Path,
    file: &mut File,
    mut take: impl FnMut(&[u8]) -> Result<(), Error>,
) -> Result<u64, Error> {
    let mut size = 0;
    let mut piece = Vec::new();
    loop {
        let again = piece.len().min(AGAIN_BYTES);
        piece.drain(..piece.len() - again);
        let unread = |source| Error::FileUnread {
            path: path.to_owned(),
            source,
        };
        let count = file.take(READ_BYTES as u64).read_to_end(&mut piece);
        let count = count.map_err(unread)?;
        if let Some(found) = secret(path, &piece) {
            return Err(Error::SecretFile {
                path: path.to_owned(),
                found,
            });
        }
        if count == 0 {
            return Ok(size);
        }
        size += count as u64;
        take(&piece[again..])?;
    }
}

/// The place of a path below the root, if it names one that a manifest can hold.
fn below(root: &Path, path: &Path) -> Option<PathBuf> {
    let mut relative = PathBuf::new();
    for component in path.strip_prefix(root).ok()?.components() {
        match component {
            Component::Normal(part) => relative.push(part.to_str()?),
            Component::CurDir => {}
            _ => return None,
        }
    }
    (!relative.as_os_str().is_empty()).then_some(relative)
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
    if !example && assigns_secret(&text) {
        return Some("it gives a password, a key or another secret a value");
    }
    None
}

/// Whether a line `name = value` or `name: value` has the name of a secret and a value that is none
/// of those that stand for one: `${PASSWORD}`, `<password>`, `{ env = "PASSWORD" }`, `***`.
fn assigns_secret(text: &str) -> bool {
    let line = r#"(?im)^[\s\-]*(?:export\s+)?["']?[\w.-]*(?:password|passwd|passphrase|secret|token|credentials?|(?:api|access|auth|encryption|master|private|secret|signing)[_-]?key)["']?[ \t]*[:=][ \t]*(.*)$"#;
    let Ok(line) = Regex::new(line) else {
        return false;
    };
    let stands_for_one = |value: &str| {
        let value = value.trim().trim_end_matches([',', ';']);
        let bare = value.trim_matches(['"', '\'']).to_lowercase();
        let words = [
            "", "true", "false", "yes", "no", "null", "none", "~", "changeme",
        ];
        words.contains(&bare.as_str())
            || bare.starts_with(['#', '$', '<', '{', '[', '(', '%', '*', '|', '>', '&', '!'])
            || ["env", "os.", "process."]
                .iter()
                .any(|begin| bare.starts_with(begin))
    };
    let mut values = line.captures_iter(text).filter_map(|found| found.get(1));
    values.any(|value| !stands_for_one(value.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_known_by_name_and_by_content() {
        let key = format!("-----BEGIN {} KEY-----", "RSA PRIVATE");
        let refused: [(&str, &str); 17] = [
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
            ("app.toml", "[db]\npassword = \"hunter2\"\n"),
            ("app.py", "SECRET_KEY=\"8f3\""),
            ("app.yaml", "db:\n  - db_password: hunter2"),
            ("app.json", "{\n  \"api-key\": \"8f3\",\n}"),
            ("app.sh", "export GITHUB_TOKEN=8f3"),
            ("app.ini", "auth.Token = 12345"),
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
            (".env.example", "SECRET=write yours here"),
            ("app.toml", "url = \"postgres://app@db:5432/app\""),
            ("app.toml", "url = \"postgres://app:${PASSWORD}@db/app\""),
            ("app.toml", "see https://example.org:8080/a@b"),
            ("monkey", "keys"),
            (
                "app.toml",
                "password = \"${PASSWORD}\"\ntoken = { env = \"TOKEN\" }",
            ),
            (
                "app.yaml",
                "password: # none\nmax_tokens: 5\ntoken_ttl: 60\nsort_key: name",
            ),
            (
                "app.py",
                "SECRET_KEY = os.environ[\"SECRET_KEY\"]\ntoken = None",
            ),
            ("app.json", "\"password\": \"\","),
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
    fn what_is_a_secret_lies_outside_or_is_no_file_is_refused() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("config")).unwrap();
        fs::write(root.path().join("tls.key"), "").unwrap();
        std::os::unix::fs::symlink("/etc/hostname", root.path().join("link")).unwrap();
        for (bad, outside) in [
            ("tls.key", false),
            ("../x", true),
            ("/etc/hostname", true),
            ("link", true),
            ("missing", false),
            ("config", false),
        ] {
            let error = choose(root.path(), &[root.path().join(bad)]).unwrap_err();
            let found = matches!(error, Error::FileOutside { .. });
            assert_eq!(found, outside, "{bad}: {error}");
        }
    }

    #[test]
    fn files_are_copied_once_each_at_their_place() {
        let root = tempfile::tempdir().unwrap();
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("config")).unwrap();
        let text = "a = 1\n".repeat(READ_BYTES);
        fs::write(root.path().join("config/app.toml"), &text).unwrap();
        std::os::unix::fs::symlink("config/app.toml", root.path().join("link")).unwrap();
        let files = ["config/app.toml", "link", "config/./app.toml"];
        let files = files.map(|name| root.path().join(name));
        let copied = choose(root.path(), &files)
            .unwrap()
            .copy(folder.path())
            .unwrap();
        let paths: Vec<&str> = copied.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(paths, ["files/config/app.toml", "files/link"]);
        for file in &copied {
            let written = fs::read(folder.path().join(&file.path)).unwrap();
            assert_eq!(file.size, text.len() as u64);
            assert_eq!(written, text.as_bytes());
            assert_eq!(file.sha256, crate::sha256_hex(text.as_bytes()));
        }
    }

    #[test]
    fn a_secret_between_two_pieces_is_seen() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("large.txt");
        let text = format!("{}\npassword = hunter2\n", "x".repeat(READ_BYTES - 6));
        fs::write(&path, text).unwrap();
        let error = choose(root.path(), &[path]).unwrap_err();
        assert!(matches!(error, Error::SecretFile { .. }), "{error}");
    }
}
