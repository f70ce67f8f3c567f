use super::*;

/// A file that may be executed.
fn file(dir: &tempfile::TempDir, name: &str, content: &[u8]) -> std::path::PathBuf {
    let path = dir.path().join(name);
    std::fs::write(&path, content).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn found(path: &Path) -> Option<Obstacle> {
    obstacle_to(path, &path.metadata().unwrap())
}

/// Whether the system itself starts it.
fn starts(path: &Path) -> bool {
    let mut command = std::process::Command::new(path);
    let child = command.stdin(std::process::Stdio::null()).output();
    // env(1) and a shell are started, and say so themselves.
    child.is_ok_and(|output| ![2, 126, 127].contains(&output.status.code().unwrap_or(0)))
}

/// A program of this machine with some bytes changed.
fn altered(dir: &tempfile::TempDir, name: &str, at: usize, bytes: &[u8]) -> std::path::PathBuf {
    let mut content = std::fs::read("/bin/true").unwrap();
    content[at..at + bytes.len()].copy_from_slice(bytes);
    file(dir, name, &content)
}

#[test]
fn what_the_system_starts_has_no_obstacle() {
    let dir = tempfile::tempdir().unwrap();
    let long = format!("#!/bin/sh {}\n", "x".repeat(400));
    let script = file(&dir, "script", b"#!/bin/sh\n");
    let nested = format!("#!{}\n", script.display());
    for (name, content) in [
        ("plain", &b"#!/bin/sh\necho\n"[..]),
        ("spaced", b"#! \t/bin/sh\t\n"),
        ("argument", b"#!/bin/sh -e\n"),
        ("unended", b"#!/bin/sh"),
        ("env", b"#!/usr/bin/env sh\n"),
        ("split", b"#!/usr/bin/env -S sh -e\n"),
        ("split-crlf", b"#!/usr/bin/env -S sh -e\r\n"),
        ("assigned", b"#!/usr/bin/env -S A=1 sh\n"),
        ("nested", nested.as_bytes()),
        ("crlf-body", b"#!/bin/sh\nexit 0\r\n"),
    ] {
        let path = file(&dir, name, content);
        assert_eq!(found(&path), None, "{name}");
    }
    let program = altered(&dir, "program", 0, b"\x7f");
    assert!(starts(&program));
    assert_eq!(found(&program), None);
    assert_eq!(found(&script), None);
    // A carriage return may be a part of a name.
    let odd = file(&dir, "odd\r", b"#!/bin/sh\n");
    let named = format!("#!{}\n", odd.display());
    assert_eq!(found(&file(&dir, "named", named.as_bytes())), None);
    // The kernel cuts an argument, and never a name.
    assert_eq!(found(&file(&dir, "long", long.as_bytes())), None);
}

#[test]
fn what_the_system_does_not_start_is_seen_with_its_cause() {
    let dir = tempfile::tempdir().unwrap();
    let circle = format!("#!{}\n", dir.path().join("circle").display());
    let text = format!("#!{}\n", file(&dir, "data", b"data").display());
    let long = format!("#!/{}\n", "x".repeat(300));
    for (name, content, expected) in [
        ("crlf", &b"#!/bin/sh\r\necho\r\n"[..], "a carriage return"),
        ("crlf-e", b"#!/bin/sh -e\r\n", "a carriage return"),
        ("crlf-env", b"#!/usr/bin/env sh\r\n", "a carriage return"),
        ("cr", b"#!/bin/sh\recho\r", "a carriage return"),
        ("bom", b"\xef\xbb\xbf#!/bin/sh\n", "a byte order mark"),
        ("none", b"echo\n", "does not name its interpreter"),
        ("late", b"\n#!/bin/sh\n", "does not name its interpreter"),
        ("blank", b"#!\necho\n", "names no interpreter"),
        ("spaces", b"#! \t \n", "names no interpreter"),
        ("long", long.as_bytes(), "names no interpreter"),
        ("missing", b"#!/no/such/sh -x\n", "/no/such/sh is missing"),
        ("relative", b"#!no/such/sh\n", "no/such/sh is missing"),
        ("folder", b"#!/bin\n", "/bin can't be run: it is a folder"),
        (
            "file",
            b"#!/etc/passwd\n",
            "/etc/passwd can't be run: it may not be executed",
        ),
        ("of-text", text.as_bytes(), "can't be run: it is a text"),
        ("circle", circle.as_bytes(), "too often"),
        (
            "env",
            b"#!/usr/bin/env no-such-sh\n",
            "no-such-sh is not in PATH",
        ),
        (
            "env-path",
            b"#!/usr/bin/env /no/such/sh\n",
            "/no/such/sh is not in PATH",
        ),
        (
            "env-words",
            b"#!/usr/bin/env sh -e\n",
            "takes all of \"sh -e\"",
        ),
        (
            "env-split",
            b"#!/usr/bin/env -S no-such-sh -e\n",
            "no-such-sh is not in PATH",
        ),
        ("windows", b"MZ\x90\x00\x03", "a program for Windows"),
        (
            "macos",
            b"\xcf\xfa\xed\xfe\x07\0\0\x01",
            "a program for macOS",
        ),
        ("binary", b"\0\x01\x02", "no program"),
        (
            "cut-elf",
            b"\x7fELF\x02\x01\x01",
            "ELF header is damaged or cut",
        ),
        (
            "no-elf",
            b"\x7fELF, or so it says, and says a good deal more than that",
            "ELF header",
        ),
    ] {
        let path = file(&dir, name, content);
        assert!(!starts(&path), "{name}");
        let found = found(&path).unwrap_or_else(|| panic!("{name}"));
        assert!(found.why.contains(expected), "{name}: {found:?}");
        assert!(!found.remedy.is_empty(), "{name}");
    }
    for (path, expected) in [
        (dir.path().to_owned(), "it is a folder"),
        ("/dev/null".into(), "it is not a file"),
        (file(&dir, "empty", b""), "it is empty"),
    ] {
        assert!(found(&path).unwrap().why.contains(expected), "{expected}");
    }
    let plain = file(&dir, "plain", b"#!/bin/sh\n");
    std::fs::set_permissions(&plain, std::fs::Permissions::from_mode(0o644)).unwrap();
    let unset = found(&plain).unwrap();
    assert!(unset.why.contains("may not be executed"), "{unset:?}");
    assert_eq!(unset.remedy, format!("chmod +x {}", plain.display()));
}

#[test]
fn a_program_of_another_machine_or_one_that_is_not_whole_is_seen() {
    let dir = tempfile::tempdir().unwrap();
    let whole = std::fs::read("/bin/true").unwrap();
    let loader = b"/ld-";
    let loader = whole
        .windows(loader.len())
        .position(|found| found == loader)
        .unwrap();
    // Offsets as in elf(5): e_machine, e_type, EI_DATA, e_phnum.
    for (name, at, bytes, expected) in [
        (
            "machine",
            18,
            &b"\x08\x01"[..],
            "a program for machine 264, and this",
        ),
        (
            "mips",
            18,
            b"\x08\0",
            "a program for mips, and this machine is ",
        ),
        ("object", 16, b"\x01\0", "an object file"),
        ("core", 16, b"\x04\0", "a memory image"),
        ("order", 5, b"\x02", "a program for"),
        ("class", 4, b"\x07", "damaged"),
        ("parts", 56, b"\0\0", "cut short"),
        ("loader", loader, b"/no-", "loader /lib"),
    ] {
        let path = altered(&dir, name, at, bytes);
        let found = found(&path).unwrap_or_else(|| panic!("{name}"));
        assert!(found.why.contains(expected), "{name}: {found:?}");
        // The kernel believes the machine alone.
        assert!(
            ["order", "class"].contains(&name) || !starts(&path),
            "{name}"
        );
    }
    let half = file(&dir, "half", &whole[..whole.len() / 2]);
    assert_eq!(found(&half).unwrap().why, "it is cut short");
    // No byte of a header makes it panic.
    for at in 0..64 {
        for byte in [0, 1, 0x7f, 0xff] {
            found(&altered(&dir, "any", at, &[byte]));
        }
    }
    for length in 0..64 {
        found(&file(&dir, "any", &whole[..length]));
    }
}

#[test]
fn a_registered_format_is_the_kernels_to_start() {
    let entry = |rest: &str| format!("enabled\ninterpreter /usr/bin/x\nflags: \n{rest}\n");
    let head = b"\x7fELF\x02\x01\x01\0rest";
    for (rest, name, fit) in [
        ("extension .jar", "a.b.jar", true),
        ("extension .jar", "jar", false),
        ("extension .jar", "a.jar.b", false),
        ("offset 0\nmagic 7f454c46", "a", true),
        ("offset 1\nmagic 454c46", "a", true),
        ("offset 1\nmagic 7f454c46", "a", false),
        ("offset 0\nmagic 7f454c4601\nmask ffffffff00", "a", true),
        ("offset 0\nmagic 7f454c4601\nmask ffffffffff", "a", false),
        ("offset 9999\nmagic 7f", "a", false),
        ("offset 0\nmagic 7", "a", false),
        ("offset 0", "a", false),
    ] {
        assert_eq!(fits(&entry(rest), name.as_bytes(), head), fit, "{rest}");
    }
    let disabled = entry("extension .jar").replace("enabled", "disabled");
    assert!(!fits(&disabled, b"a.jar", head));
}
