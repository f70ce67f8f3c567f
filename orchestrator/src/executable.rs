//! Whether the system would start a file: what execve(2) would refuse later, as far as it can be
//! seen now.
//!
//! Scripts as Linux reads them (`fs/binfmt_script.c`), ELF as elf(5) has it, and formats that are
//! registered (the kernel's `admin-guide/binfmt-misc`).

use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use rustix::fs::{Access, AtFlags, CWD, accessat};

use crate::elf;

/// How much of a file the kernel reads to see what it is (`BINPRM_BUF_SIZE`).
const HEAD_BYTES: u64 = 256;
/// How often an interpreter may be a script itself.
const INTERPRETERS_MAX: usize = 4;

/// Why a file can't be started, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Obstacle {
    pub(crate) why: String,
    pub(crate) remedy: String,
}

fn obstacle(why: impl Into<String>, remedy: impl Into<String>) -> Option<Obstacle> {
    Some(Obstacle {
        why: why.into(),
        remedy: remedy.into(),
    })
}

/// What stands against starting the file; none where nothing is to be seen.
pub(crate) fn obstacle_to(path: &Path, metadata: &Metadata) -> Option<Obstacle> {
    look(path, metadata, 0)
}

fn look(path: &Path, metadata: &Metadata, depth: usize) -> Option<Obstacle> {
    let shown = path.display();
    if metadata.is_dir() {
        return obstacle("it is a folder", "name a program in it");
    }
    if !metadata.is_file() {
        return obstacle("it is not a file", "name a program");
    }
    if let Err(errno) = accessat(CWD, path, Access::EXEC_OK, AtFlags::EACCESS) {
        let error = std::io::Error::from(errno);
        let remedy = if metadata.permissions().mode() & 0o111 == 0 {
            format!("chmod +x {shown}")
        } else {
            "see whose it is, and whether its file system is mounted noexec".to_owned()
        };
        return obstacle(format!("it may not be executed: {error}"), remedy);
    }
    if metadata.len() == 0 {
        return obstacle("it is empty", "write the program, or take the step out");
    }
    // What may be executed and not read, only the kernel can judge.
    let mut file = File::open(path).ok()?;
    let mut head = Vec::new();
    (&mut file).take(HEAD_BYTES).read_to_end(&mut head).ok()?;
    let found = if head.starts_with(b"#!") {
        return look_at_script(path, &head, depth);
    } else if head.starts_with(elf::MAGIC) {
        elf::look(&head, &file, metadata.len()).and_then(|why| {
            obstacle(
                why,
                format!("build {shown} for this machine, or fetch it anew"),
            )
        })
    } else {
        look_at_other(path, &head)
    };
    found.filter(|_| !is_registered(path, &head))
}

/// Neither a script nor a program of this system.
fn look_at_other(path: &Path, head: &[u8]) -> Option<Obstacle> {
    const MACH_O: [&[u8]; 3] = [
        b"\xcf\xfa\xed\xfe",
        b"\xce\xfa\xed\xfe",
        b"\xca\xfe\xba\xbe",
    ];
    let shown = path.display();
    if head.starts_with(b"\xef\xbb\xbf#!") {
        return obstacle(
            "a byte order mark stands before its #!",
            format!("sed -i '1s/^\\xEF\\xBB\\xBF//' {shown}"),
        );
    }
    let of_other = [
        (head.starts_with(b"MZ"), "Windows"),
        (MACH_O.iter().any(|magic| head.starts_with(magic)), "macOS"),
    ];
    if let Some((_, system)) = of_other.into_iter().find(|(is, _)| *is) {
        let remedy = format!("build {shown} for this machine");
        return obstacle(format!("it is a program for {system}"), remedy);
    }
    if head.contains(&0) {
        return obstacle("it is no program", "name a program");
    }
    obstacle(
        "it is a text whose first line does not name its interpreter by #!",
        format!(
            "write #!/bin/sh, or what it is written for, as the first line of {shown}, or name the \
             interpreter in run, as [\"sh\", \"{shown}\"]"
        ),
    )
}

fn look_at_script(path: &Path, head: &[u8], depth: usize) -> Option<Obstacle> {
    let correct = || format!("correct the first line of {}", path.display());
    let Some((name, argument)) = interpreter(head) else {
        return obstacle("its first line names no interpreter behind #!", correct());
    };
    let interpreter = Path::new(OsStr::from_bytes(name));
    let shown = interpreter.display().to_string().escape_debug().to_string();
    let metadata = interpreter.metadata();
    // What the line ends of another system make of it.
    let returns = (metadata.is_err() && name.contains(&b'\r'))
        || (argument.ends_with(b"\r") && minds_the_return(interpreter, argument));
    if returns {
        return obstacle(
            "a carriage return ends its first line and is taken for a part of the interpreter's \
             name or argument",
            format!(
                "sed -i 's/\\r$//' {}, and see that it is not converted again (in git: \
                 `* text=auto eol=lf` in .gitattributes)",
                path.display()
            ),
        );
    }
    let Ok(metadata) = metadata else {
        let remedy = format!("install {shown}, or {}", correct());
        return obstacle(format!("its interpreter {shown} is missing"), remedy);
    };
    if depth == INTERPRETERS_MAX {
        return obstacle(
            "its interpreter is a script, and so on too often",
            correct(),
        );
    }
    if let Some(found) = look(interpreter, &metadata, depth + 1) {
        let why = format!("its interpreter {shown} can't be run: {}", found.why);
        return obstacle(why, found.remedy);
    }
    if interpreter.file_name() == Some(OsStr::new("env")) {
        return look_for_env(argument, &correct());
    }
    None
}

/// The interpreter and its one argument, empty where there is none; nothing where the kernel would
/// find none, or only the beginning of its name.
fn interpreter(head: &[u8]) -> Option<(&[u8], &[u8])> {
    let rest = head.get(2..)?;
    let end = rest.iter().position(|byte| *byte == b'\n');
    let line = trim(&rest[..end.unwrap_or(rest.len())]);
    let ends = |byte: &u8| matches!(byte, b' ' | b'\t' | 0);
    match line.iter().position(ends) {
        Some(at) if line[at] == 0 => Some((&line[..at], &[][..])),
        Some(at) => Some((&line[..at], trim(&line[at..]))),
        None if end.is_none() && head.len() as u64 == HEAD_BYTES => None,
        None => Some((line, &[][..])),
    }
    .filter(|(name, _)| !name.is_empty())
}

/// Without the spaces and tabs around it, which is all that the kernel takes for white space.
fn trim(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

/// Whether an interpreter refuses an argument that ends in a carriage return. For env's -S it is
/// white space.
fn minds_the_return(interpreter: &Path, argument: &[u8]) -> bool {
    match interpreter.file_name().and_then(OsStr::to_str) {
        Some("env") => !argument.starts_with(b"-S"),
        Some("sh" | "bash" | "dash" | "ash" | "ksh" | "zsh") => true,
        _ => false,
    }
}

/// env(1) looks in PATH for the interpreter that its argument names. Only what surely names one is
/// judged.
fn look_for_env(argument: &[u8], correct: &str) -> Option<Obstacle> {
    let argument = std::str::from_utf8(argument).ok()?;
    let (program, whole) = match argument.strip_prefix("-S") {
        // A part of it may be quoted, or a variable.
        Some(words) if words.contains(['\'', '"', '\\', '$']) => return None,
        Some(words) => (words.split_ascii_whitespace().next()?, false),
        None => (argument, true),
    };
    if program.is_empty() || program.starts_with('-') || program.contains('=') {
        return None;
    }
    let runs = |path: &Path| {
        path.is_file() && accessat(CWD, path, Access::EXEC_OK, AtFlags::EACCESS).is_ok()
    };
    let found = if program.contains('/') {
        runs(Path::new(program))
    } else {
        let path = std::env::var_os("PATH")?;
        std::env::split_paths(&path).any(|folder| runs(&folder.join(program)))
    };
    if found {
        return None;
    }
    match program.split_once([' ', '\t']) {
        Some((first, _)) if whole => obstacle(
            format!("env takes all of {program:?} for its interpreter's name"),
            format!("{correct}: #!/usr/bin/env -S {first} …"),
        ),
        _ => obstacle(
            format!("its interpreter {program} is not in PATH"),
            format!("install {program}, or {correct}"),
        ),
    }
}

/// Where the kernel lists the formats that it starts by a program of the user's.
const REGISTERED: &str = "/proc/sys/fs/binfmt_misc";

/// Whether the kernel hands such a file to a program that somebody registered: an emulator, Wine,
/// a Java machine.
fn is_registered(path: &Path, head: &[u8]) -> bool {
    let Ok(entries) = std::fs::read_dir(REGISTERED) else {
        return false;
    };
    let name = path.file_name().unwrap_or_default().as_bytes();
    let mut entries = entries.flatten();
    entries.any(|entry| {
        let text = std::fs::read_to_string(entry.path()).unwrap_or_default();
        fits(&text, name, head)
    })
}

/// Whether an entry as the kernel shows it fits a file.
fn fits(entry: &str, name: &[u8], head: &[u8]) -> bool {
    let mut lines = entry.lines();
    if lines.next() != Some("enabled") {
        return false;
    }
    let value = |key: &str| {
        let mut lines = lines.clone();
        lines.find_map(|line| line.strip_prefix(key))
    };
    if let Some(extension) = value("extension .") {
        let split = name.iter().rposition(|byte| *byte == b'.');
        return split.is_some_and(|dot| &name[dot + 1..] == extension.as_bytes());
    }
    let (Some(magic), Some(offset)) = (
        value("magic ").and_then(bytes),
        value("offset ").and_then(|offset| offset.parse::<usize>().ok()),
    ) else {
        return false;
    };
    let mask = value("mask ")
        .and_then(bytes)
        .unwrap_or_else(|| vec![0xff; magic.len()]);
    let found = head.get(offset..).unwrap_or_default();
    found.len() >= magic.len()
        && magic
            .iter()
            .zip(found)
            .zip(mask)
            .all(|((magic, found), mask)| magic & mask == found & mask)
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    let pairs = (0..hex.len()).step_by(2);
    pairs
        .map(|at| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok())
        .collect()
}

#[cfg(test)]
#[path = "executable_tests.rs"]
mod tests;
