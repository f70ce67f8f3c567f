//! A snapshot with one byte of it changed, missing or added, at each place of each file.

use std::fs;
use std::path::{Path, PathBuf};

use snapshots::verify::{self, Known};
use snapshots::{Cause, Error, Manifest, Progress, manifest};

const SILENT: Progress<'static> = &|_, _, _| {};

/// What the snapshot is found to be: by its own manifest alone, and by what is known of it besides.
#[track_caller]
fn both_refuse(folder: &Path, known: Known<'_>, what: &str) {
    for known in [Known::default(), known] {
        let error = verify::hashed(folder, known, SILENT, &|| false).expect_err(what);
        assert_eq!(error.cause(), Cause::Refused, "{what}: {error}");
    }
}

fn names(folder: &Path, manifest: &Manifest) -> Vec<PathBuf> {
    let files = manifest.content.files.iter().map(|file| &file.path);
    let mut names: Vec<PathBuf> = files.map(|path| folder.join(path)).collect();
    names.push(folder.join(manifest::FILE_NAME));
    names
}

/// Holds that every byte of the whole snapshot in `folder` counts, and what stands beside its files.
pub(crate) fn every_byte_counts(folder: &Path) {
    let manifest = Manifest::read(folder).unwrap();
    let sha256 = manifest.sha256();
    let known = Known {
        manifest_sha256: Some(&sha256),
        database_sha256: None,
    };
    let whole = || verify::hashed(folder, known, SILENT, &|| false);
    assert_eq!(whole().unwrap(), manifest);
    for path in names(folder, &manifest) {
        let bytes = fs::read(&path).unwrap();
        assert!(bytes.len() < 20_000, "a small snapshot is enough");
        for at in 0..bytes.len() {
            let what = |how: &str| format!("byte {at} of {} is {how}", path.display());
            for bit in [1, 0x80] {
                let mut flipped = bytes.clone();
                flipped[at] ^= bit;
                fs::write(&path, flipped).unwrap();
                both_refuse(folder, known, &what("another"));
            }
            let mut shorter = bytes.clone();
            shorter.remove(at);
            fs::write(&path, shorter).unwrap();
            both_refuse(folder, known, &what("missing"));
            let mut longer = bytes.clone();
            longer.insert(at, bytes[at]);
            fs::write(&path, longer).unwrap();
            both_refuse(folder, known, &what("there twice"));
        }
        let mut longer = bytes.clone();
        longer.push(b'\n');
        fs::write(&path, longer).unwrap();
        both_refuse(folder, known, "a byte more at the end");
        fs::remove_file(&path).unwrap();
        let missing = whole().unwrap_err();
        assert!(matches!(missing, Error::Read { .. }), "{missing}");
        in_its_place(folder, known, &path, &bytes);
        fs::write(&path, &bytes).unwrap();
        whole().unwrap();
    }
    edited_with_its_checksum(folder, known, &manifest);
    beside(folder, known);
    whole().unwrap();
}

/// What is no file stands where one was.
fn in_its_place(folder: &Path, known: Known<'_>, path: &Path, bytes: &[u8]) {
    let elsewhere = tempfile::tempdir().unwrap();
    let copy = elsewhere.path().join("copy");
    fs::write(&copy, bytes).unwrap();
    std::os::unix::fs::symlink(&copy, path).unwrap();
    both_refuse(folder, known, "a link to the same bytes");
    fs::remove_file(path).unwrap();
    fs::create_dir(path).unwrap();
    both_refuse(folder, known, "a folder");
    fs::remove_dir(path).unwrap();
    // One that is waited for would never end this test.
    let made = std::process::Command::new("mkfifo").arg(path).status();
    assert!(made.unwrap().success());
    both_refuse(folder, known, "a pipe");
    fs::remove_file(path).unwrap();
    drop(std::os::unix::net::UnixListener::bind(path).unwrap());
    both_refuse(folder, known, "a socket");
    fs::remove_file(path).unwrap();
}

/// A manifest that was edited, and so were the files that it names and its own checksum.
fn edited_with_its_checksum(folder: &Path, known: Known<'_>, manifest: &Manifest) {
    let path = folder.join(manifest::FILE_NAME);
    let before = fs::read(&path).unwrap();
    let mut edited = manifest.clone();
    edited.content.source_held_ms += 1;
    fs::write(&path, edited.to_bytes()).unwrap();
    verify::hashed(folder, Known::default(), SILENT, &|| false).unwrap();
    let error = verify::hashed(folder, known, SILENT, &|| false).unwrap_err();
    assert!(matches!(error, Error::Damaged { .. }), "{error}");
    fs::write(&path, before).unwrap();
    let of_another = Known {
        manifest_sha256: None,
        database_sha256: Some("another"),
    };
    let error = verify::hashed(folder, of_another, SILENT, &|| false).unwrap_err();
    assert!(matches!(error, Error::Damaged { .. }), "{error}");
}

/// What the manifest does not name.
fn beside(folder: &Path, known: Known<'_>) {
    for name in ["more", ".more", "files/more", "manifest.json~"] {
        let path = folder.join(name);
        if !path.parent().unwrap().exists() {
            continue;
        }
        fs::write(&path, "").unwrap();
        both_refuse(folder, known, name);
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        both_refuse(folder, known, name);
        fs::remove_dir(&path).unwrap();
    }
}

/// An end that is asked for while the files are read ends the reading.
pub(crate) fn an_end_is_heard(folder: &Path) {
    let told = std::cell::Cell::new(0);
    let progress = |_, _, total: Option<u64>| {
        assert!(total.is_some());
        told.set(told.get() + 1);
    };
    let error = verify::hashed(folder, Known::default(), &progress, &|| true).unwrap_err();
    assert!(matches!(error, Error::ReadStopped), "{error}");
    assert_eq!(told.get(), 1);
}
