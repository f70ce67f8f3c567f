//! Certificates of an authority of one's own, made by the `openssl` program.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A certificate authority in a folder that lasts as long as it does.
#[derive(Debug)]
pub struct Authority {
    dir: tempfile::TempDir,
}

/// A certificate and its key, in PEM.
#[derive(Clone, Debug)]
pub struct Issued {
    /// The certificate, followed by its chain where it has one.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// What a certificate is like.
#[derive(Clone, Copy, Debug)]
pub struct Wish<'a> {
    /// The subject's common name.
    pub common_name: &'a str,
    /// `subjectAltName`, as openssl has it (`DNS:localhost,IP:127.0.0.1`); empty for none.
    pub alt_names: &'a str,
    /// Its last day is over.
    pub expired: bool,
    /// X.509 of version 1, as PostgreSQL's manual makes it.
    pub version_1: bool,
    /// The kind of key, as `openssl genpkey -algorithm` has it.
    pub algorithm: &'a str,
    /// The hash that the authority signs with.
    pub digest: &'a str,
}

impl Default for Wish<'_> {
    fn default() -> Self {
        Wish {
            common_name: "localhost",
            alt_names: "DNS:localhost,IP:127.0.0.1",
            expired: false,
            version_1: false,
            algorithm: "EC",
            digest: "sha256",
        }
    }
}

impl Authority {
    /// A new authority of that name.
    pub fn new(name: &str) -> Authority {
        Authority::with_key(name, "EC")
    }

    /// A new authority whose own key is of a kind (`EC`, `RSA`, `ED25519`), which decides how it
    /// signs.
    pub fn with_key(name: &str, algorithm: &str) -> Authority {
        let dir = tempfile::Builder::new()
            .prefix("lockstep-ca-")
            .tempdir()
            .unwrap();
        let authority = Authority { dir };
        std::fs::set_permissions(authority.dir.path(), std::fs::Permissions::from_mode(0o755))
            .unwrap();
        authority.make_key("root", algorithm);
        authority.openssl(&[
            "req",
            "-x509",
            "-new",
            "-key",
            "root.key",
            "-out",
            "root.crt",
            "-days",
            "30",
            "-subj",
            &format!("/CN={name}"),
        ]);
        authority
    }

    /// The authority's own certificate.
    pub fn root(&self) -> PathBuf {
        self.path("root.crt")
    }

    /// Issues a certificate; `file` names its files.
    pub fn issue(&self, file: &str, wish: &Wish<'_>) -> Issued {
        let Wish {
            common_name,
            alt_names,
            expired,
            version_1,
            algorithm,
            digest,
        } = *wish;
        self.make_key(file, algorithm);
        let (key, csr, crt) = (
            format!("{file}.key"),
            format!("{file}.csr"),
            format!("{file}.crt"),
        );
        let subject = format!("/CN={common_name}");
        self.openssl(&["req", "-new", "-key", &key, "-out", &csr, "-subj", &subject]);
        let mut extensions = String::from("basicConstraints=CA:FALSE\n");
        if !alt_names.is_empty() {
            extensions.push_str(&format!("subjectAltName={alt_names}\n"));
        }
        std::fs::write(self.path(&format!("{file}.ext")), extensions).unwrap();
        let extensions = format!("{file}.ext");
        let digest = format!("-{digest}");
        let mut args = vec![
            "x509",
            "-req",
            "-in",
            &csr,
            "-CA",
            "root.crt",
            "-CAkey",
            "root.key",
            "-set_serial",
            "17",
            "-out",
            &crt,
            &digest,
            "-days",
            if expired { "-1" } else { "30" },
        ];
        if !version_1 {
            args.extend(["-extfile", &extensions]);
        }
        self.openssl(&args);
        self.issued(file)
    }

    /// A certificate that signs itself, as `openssl req -x509` makes it: for a server, and yet
    /// calling itself an authority.
    pub fn self_signed(&self, file: &str, wish: &Wish<'_>) -> Issued {
        self.make_key(file, wish.algorithm);
        let [key, csr, crt, extensions] =
            ["key", "csr", "crt", "ext"].map(|end| format!("{file}.{end}"));
        let subject = format!("/CN={}", wish.common_name);
        self.openssl(&["req", "-new", "-key", &key, "-out", &csr, "-subj", &subject]);
        let text = format!(
            "basicConstraints=CA:TRUE\nsubjectAltName={}\n",
            wish.alt_names
        );
        std::fs::write(self.path(&extensions), text).unwrap();
        let days = if wish.expired { "-1" } else { "30" };
        self.openssl(&[
            "x509",
            "-req",
            "-in",
            &csr,
            "-signkey",
            &key,
            "-out",
            &crt,
            "-days",
            days,
            "-extfile",
            &extensions,
        ]);
        self.issued(file)
    }

    fn issued(&self, file: &str) -> Issued {
        Issued {
            cert: self.path(&format!("{file}.crt")),
            key: self.path(&format!("{file}.key")),
        }
    }

    fn make_key(&self, file: &str, algorithm: &str) {
        let out = format!("{file}.key");
        let mut args = vec!["genpkey", "-out", &out, "-algorithm", algorithm];
        match algorithm {
            "EC" => args.extend(["-pkeyopt", "ec_paramgen_curve:P-256"]),
            "RSA" => args.extend(["-pkeyopt", "rsa_keygen_bits:2048"]),
            _ => {}
        }
        self.openssl(&args);
    }

    fn path(&self, file: &str) -> PathBuf {
        self.dir.path().join(file)
    }

    fn openssl(&self, args: &[&str]) {
        run(self.dir.path(), args);
    }
}

fn run(dir: &Path, args: &[&str]) {
    let output = Command::new("openssl")
        .args(args)
        .current_dir(dir)
        .output()
        .unwrap_or_else(|error| panic!("cannot run openssl: {error}; install it"));
    assert!(
        output.status.success(),
        "openssl {args:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}
