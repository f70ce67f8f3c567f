//! Names of variables and settings that ask for a secret.

/// How surely a name asks for a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asks {
    /// `DB_PASSWORD`, `apiKey`, `client-secret`.
    Surely,
    /// `KEY`, `SALT`, `PIN`: also the name of much that is none.
    Perhaps,
}

/// Last words that are a secret's alone.
const SURE: [&str; 13] = [
    "pass",
    "passwd",
    "pwd",
    "passcode",
    "passphrase",
    "pw",
    "psk",
    "credential",
    "credentials",
    "requirepass",
    "masterauth",
    "kennwort",
    "contrasena",
];

/// What such a word ends in, as in `PGPASSWORD` and `accessToken`.
const SURE_ENDS: [&str; 12] = [
    "secret",
    "password",
    "passwd",
    "passwort",
    "passphrase",
    "token",
    "apikey",
    "secretkey",
    "privatekey",
    "accesskey",
    "authkey",
    "encryptionkey",
];

/// What makes a `key` a secret one, in front of it.
const KEYS: [&str; 33] = [
    "api",
    "access",
    "auth",
    "encryption",
    "encrypt",
    "decryption",
    "master",
    "private",
    "priv",
    "secret",
    "signing",
    "sign",
    "signature",
    "account",
    "storage",
    "shared",
    "app",
    "application",
    "service",
    "sas",
    "client",
    "hmac",
    "aes",
    "crypto",
    "db",
    "database",
    "deploy",
    "webhook",
    "jwt",
    "session",
    "cookie",
    "ssh",
    "license",
];

/// Last words that may be a secret's.
const PERHAPS: [&str; 4] = ["pin", "key", "salt", "pepper"];

/// Whether the name of a variable asks for a secret: `DB_PASSWORD`, `apiKey`, also
/// `SECRET_KEY_BASE` and `JWT_SECRET_2`. `TOKEN_TTL` and `KEY_LENGTH` are numbers that somebody chose.
pub fn names_secret(name: &str) -> Option<Asks> {
    let mut words = words(name);
    while words.len() > 1
        && words.last().is_some_and(|word| {
            word == "base" || word == "value" || word.bytes().all(|byte| byte.is_ascii_digit())
        })
    {
        words.pop();
    }
    let last = words.pop()?;
    let last = last.trim_end_matches(|c: char| c.is_ascii_digit());
    if SURE.contains(&last) || SURE_ENDS.iter().any(|end| last.ends_with(end)) {
        return Some(Asks::Surely);
    }
    let before = words.last().map_or("", String::as_str);
    if last == "key" && KEYS.contains(&before) {
        return Some(Asks::Surely);
    }
    PERHAPS.contains(&last).then_some(Asks::Perhaps)
}

/// `db`, `password` of `db_password`, `dbPassword`, `db.password` and `DB-PASSWORD`.
fn words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut before = None;
    for c in name.chars() {
        let begins = match before {
            None => true,
            Some(before) if !char::is_alphanumeric(before) => true,
            Some(before) => c.is_uppercase() && !before.is_uppercase(),
        };
        before = Some(c);
        if !c.is_alphanumeric() {
            continue;
        }
        if begins {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut() {
            word.extend(c.to_lowercase());
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_judged_by_its_last_words() {
        let surely = [
            "password",
            "DB_PASSWORD",
            "PGPASSWORD",
            "db.password",
            "dbPassword",
            "userPwd",
            "smtp_pass",
            "SECRET",
            "client-secret",
            "JWT_SECRET_2",
            "SECRET_KEY_BASE",
            "token",
            "accessToken",
            "GITHUB_TOKEN",
            "apiKey",
            "APIKEY",
            "api_key_2",
            "aws_secret_access_key",
            "privateKey",
            "AccountKey",
            "credentials",
            "password1",
            "_authToken",
            "spring.datasource.password",
        ];
        for name in surely {
            assert_eq!(names_secret(name), Some(Asks::Surely), "{name}");
        }
        for name in ["key", "ADMIN_PIN", "salt", "SSL_KEY", "sort_key"] {
            assert_eq!(names_secret(name), Some(Asks::Perhaps), "{name}");
        }
        let none = [
            "",
            "_",
            "1",
            "password_min_length",
            "TOKEN_TTL",
            "KEY_LENGTH",
            "max_tokens",
            "secretName",
            "token_url",
            "password_file",
            "PASSWORD_ENV",
            "keys",
            "monkey",
            "bypass",
            "compass",
            "passwords",
            "secretary",
            "author",
            "passenger",
            "kind",
        ];
        for name in none {
            assert_eq!(names_secret(name), None, "{name}");
        }
    }
}
