//! What a file's name says about what is in it.

/// How the text of a file is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// There to be filled in: `.env.example`.
    Example,
    /// A programming language: a value without quotes is an expression.
    Code,
    /// TOML, where text has quotes.
    Quoted,
    /// Anything else: a value without quotes is one.
    Plain,
}

const EXAMPLES: [&str; 5] = [".example", ".sample", ".template", ".dist", ".tmpl"];

const CODE: [&str; 32] = [
    "c", "cc", "cpp", "h", "hpp", "cs", "java", "kt", "kts", "scala", "groovy", "gradle", "go",
    "rs", "swift", "m", "js", "jsx", "mjs", "cjs", "ts", "tsx", "vue", "py", "rb", "php", "pl",
    "pm", "lua", "ex", "exs", "tf",
];

/// Ends of the names of files that hold keys alone.
const KEY_ENDS: [&str; 11] = [
    ".pem",
    ".key",
    ".p12",
    ".pfx",
    ".jks",
    ".keystore",
    ".kdbx",
    ".kdb",
    ".ppk",
    ".pkcs12",
    ".p8",
];

/// Names of files that hold keys or passwords alone.
const KEY_NAMES: [&str; 16] = [
    "id_rsa",
    "id_dsa",
    "id_ecdsa",
    "id_ed25519",
    "id_ecdsa_sk",
    "id_ed25519_sk",
    "identity",
    ".pgpass",
    "pgpass.conf",
    ".netrc",
    "_netrc",
    ".htpasswd",
    ".git-credentials",
    ".mylogin.cnf",
    "shadow",
    "credentials.json",
];

/// The form, and what the name alone says to hold secrets.
pub(crate) fn judge(name: &str) -> (Form, Option<&'static str>) {
    let name = name.to_lowercase();
    if EXAMPLES.iter().any(|end| name.ends_with(end)) || name.starts_with("example.") {
        return (Form::Example, None);
    }
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    let form = if CODE.contains(&extension) {
        Form::Code
    } else if extension == "toml" {
        Form::Quoted
    } else {
        Form::Plain
    };
    if name == ".env" || name.starts_with(".env.") || name.ends_with(".env") || name == ".envrc" {
        return (form, Some("a file of secret variables"));
    }
    let is_key = KEY_ENDS.iter().any(|end| name.ends_with(end));
    if is_key || KEY_NAMES.contains(&name.as_str()) {
        return (form, Some("a key or password file"));
    }
    (form, None)
}
