//! Keys and tokens that are known by what they look like.

use crate::Kind;

/// Which characters follow a token's beginning.
#[derive(Debug, Clone, Copy)]
enum Of {
    /// Letters and digits.
    Alnum,
    /// Capitals and digits.
    Upper,
    /// Hexadecimal digits, small or capital.
    Hex,
    /// Letters, digits, `_` and `-`.
    Word,
    /// Those, and `.`, `+`, `/`, `=`, `~`.
    Any,
}

impl Of {
    fn has(self, byte: u8) -> bool {
        match self {
            Of::Alnum => byte.is_ascii_alphanumeric(),
            Of::Upper => byte.is_ascii_uppercase() || byte.is_ascii_digit(),
            Of::Hex => byte.is_ascii_hexdigit(),
            Of::Word => byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'),
            Of::Any => {
                byte.is_ascii_alphanumeric()
                    || matches!(byte, b'_' | b'-' | b'.' | b'+' | b'/' | b'=' | b'~')
            }
        }
    }
}

/// A token's beginning, what follows it and at least how much of it, and whose it is. The lists of
/// gitleaks, detect-secrets and trufflehog; where they differ the shortest length counts.
#[rustfmt::skip]
const TOKENS: [(&str, Of, usize, &str); 92] = [
    ("AKIA", Of::Upper, 16, "AWS"), ("ASIA", Of::Upper, 16, "AWS"), ("ABIA", Of::Upper, 16, "AWS"),
    ("ACCA", Of::Upper, 16, "AWS"), ("ABSK", Of::Any, 109, "AWS Bedrock"),
    ("AIza", Of::Word, 35, "Google"), ("ya29.", Of::Word, 20, "Google"), ("GOCSPX-", Of::Word, 28, "Google"),
    ("LTAI", Of::Alnum, 20, "Alibaba Cloud"),
    ("ghp_", Of::Alnum, 36, "GitHub"), ("gho_", Of::Alnum, 36, "GitHub"), ("ghu_", Of::Alnum, 36, "GitHub"),
    ("ghs_", Of::Alnum, 36, "GitHub"), ("ghr_", Of::Alnum, 36, "GitHub"), ("github_pat_", Of::Word, 22, "GitHub"),
    ("glpat-", Of::Word, 20, "GitLab"), ("gldt-", Of::Word, 20, "GitLab"), ("glptt-", Of::Hex, 40, "GitLab"),
    ("glrt-", Of::Word, 20, "GitLab"), ("glcbt-", Of::Word, 20, "GitLab"), ("glft-", Of::Word, 20, "GitLab"),
    ("glsoat-", Of::Word, 20, "GitLab"), ("glimt-", Of::Word, 25, "GitLab"), ("gloas-", Of::Word, 64, "GitLab"),
    ("glagent-", Of::Word, 50, "GitLab"), ("GR1348941", Of::Word, 20, "GitLab"),
    ("sk_live_", Of::Alnum, 10, "Stripe"), ("rk_live_", Of::Alnum, 10, "Stripe"),
    ("sk_test_", Of::Alnum, 10, "Stripe"), ("rk_test_", Of::Alnum, 10, "Stripe"), ("whsec_", Of::Any, 24, "Stripe"),
    ("xoxb-", Of::Word, 20, "Slack"), ("xoxp-", Of::Word, 20, "Slack"), ("xoxa-", Of::Word, 20, "Slack"),
    ("xoxr-", Of::Word, 20, "Slack"), ("xoxs-", Of::Word, 20, "Slack"), ("xoxo-", Of::Word, 20, "Slack"),
    ("xoxe-", Of::Word, 20, "Slack"), ("xoxe.xox", Of::Word, 20, "Slack"), ("xapp-", Of::Word, 20, "Slack"),
    ("hooks.slack.com/services/", Of::Any, 40, "Slack"),
    ("discord.com/api/webhooks/", Of::Any, 40, "Discord"),
    ("SG.", Of::Any, 60, "SendGrid"), ("key-", Of::Hex, 32, "Mailgun"), ("xkeysib-", Of::Word, 64, "Brevo"),
    ("npm_", Of::Alnum, 36, "npm"), ("pypi-AgE", Of::Word, 50, "PyPI"), ("rubygems_", Of::Hex, 48, "RubyGems"),
    ("CLOJARS_", Of::Alnum, 60, "Clojars"), ("cio", Of::Alnum, 32, "Cargo"), ("dckr_pat_", Of::Word, 27, "Docker"),
    ("AKCp", Of::Alnum, 69, "Artifactory"), ("cmVmd", Of::Alnum, 59, "Artifactory"),
    ("sk-ant-", Of::Word, 80, "Anthropic"), ("sk-proj-", Of::Word, 40, "OpenAI"), ("sk-svcacct-", Of::Word, 40, "OpenAI"),
    ("hf_", Of::Alnum, 34, "Hugging Face"), ("pplx-", Of::Alnum, 48, "Perplexity"), ("gsk_", Of::Alnum, 40, "Groq"),
    ("dop_v1_", Of::Hex, 64, "DigitalOcean"), ("doo_v1_", Of::Hex, 64, "DigitalOcean"),
    ("dor_v1_", Of::Hex, 64, "DigitalOcean"), ("dapi", Of::Hex, 32, "Databricks"),
    ("dp.pt.", Of::Alnum, 40, "Doppler"), ("dp.st.", Of::Any, 40, "Doppler"), ("hvs.", Of::Word, 24, "Vault"),
    ("hvb.", Of::Word, 24, "Vault"), ("fm1r_", Of::Any, 40, "Fly.io"), ("fm2_", Of::Any, 40, "Fly.io"),
    ("fo1_", Of::Word, 43, "Fly.io"), ("HRKU-AA", Of::Word, 50, "Heroku"), ("rnd_", Of::Alnum, 28, "Render"),
    ("pscale_tkn_", Of::Any, 32, "PlanetScale"), ("pscale_pw_", Of::Any, 32, "PlanetScale"),
    ("pscale_oauth_", Of::Any, 32, "PlanetScale"), ("sbp_", Of::Hex, 40, "Supabase"), ("sb_secret_", Of::Word, 22, "Supabase"),
    ("napi_", Of::Alnum, 40, "Neon"), ("lin_api_", Of::Alnum, 40, "Linear"), ("ntn_", Of::Alnum, 40, "Notion"),
    ("PMAK-", Of::Word, 59, "Postman"), ("pul-", Of::Hex, 40, "Pulumi"), ("shpat_", Of::Hex, 32, "Shopify"),
    ("shpca_", Of::Hex, 32, "Shopify"), ("shppa_", Of::Hex, 32, "Shopify"), ("shpss_", Of::Hex, 32, "Shopify"),
    ("sq0atp-", Of::Word, 22, "Square"), ("sq0csp-", Of::Word, 43, "Square"), ("sntrys_", Of::Any, 60, "Sentry"),
    ("sntryu_", Of::Hex, 64, "Sentry"), ("glsa_", Of::Word, 40, "Grafana"), ("AGE-SECRET-KEY-1", Of::Upper, 58, "age"),
];

/// Calls `add` with the place and kind of each.
pub(crate) fn find(text: &str, add: &mut dyn FnMut(usize, Kind)) {
    private_keys(text, add);
    let bytes = text.as_bytes();
    for (beginning, of, least, service) in TOKENS {
        for (at, _) in text.match_indices(beginning) {
            let follows = bytes[at + beginning.len()..].iter();
            let body: Vec<u8> = follows.copied().take_while(|byte| of.has(*byte)).collect();
            if begins_here(text, at) && body.len() >= least && !is_example(&body) {
                add(at, Kind::Token(service));
            }
        }
    }
    json_web_tokens(text, add);
}

/// Whether a word begins at this place.
fn begins_here(text: &str, at: usize) -> bool {
    let before = text[..at].chars().next_back();
    before.is_none_or(|c| !c.is_alphanumeric() && c != '_')
}

/// `AKIAIOSFODNN7EXAMPLE`, `ghp_xxxxxxxx…`: of the services' own manuals.
fn is_example(body: &[u8]) -> bool {
    let first = body.first().copied().unwrap_or_default();
    body.ends_with(b"EXAMPLE") || body.iter().all(|byte| byte.eq_ignore_ascii_case(&first))
}

fn private_keys(text: &str, add: &mut dyn FnMut(usize, Kind)) {
    for (at, begin) in text.match_indices("-----BEGIN ") {
        let rest = &text[at + begin.len()..];
        let end = rest.find("-----").unwrap_or(0);
        if end <= 60 && rest[..end].contains("PRIVATE KEY") {
            add(at, Kind::PrivateKey);
        }
    }
    for (at, _) in text.match_indices("PuTTY-User-Key-File-") {
        add(at, Kind::PrivateKey);
    }
    // The same as base64, as a kubeconfig has it; a certificate begins alike.
    for (at, _) in text.match_indices("LS0tLS1CRUdJTi") {
        let head: Vec<u8> = text.as_bytes()[at..].iter().copied().take(80).collect();
        let decoded = base64(&head).unwrap_or_default();
        if String::from_utf8_lossy(&decoded).contains("PRIVATE KEY") {
            add(at, Kind::PrivateKey);
        }
    }
}

/// Header, claims and signature, each base64 and joined by dots.
fn json_web_tokens(text: &str, add: &mut dyn FnMut(usize, Kind)) {
    for (at, _) in text.match_indices("eyJ") {
        if !begins_here(text, at) {
            continue;
        }
        let bytes = text.as_bytes()[at..].iter().copied();
        let token: Vec<u8> = bytes
            .take_while(|byte| Of::Word.has(*byte) || *byte == b'.')
            .collect();
        let parts: Vec<&[u8]> = token.split(|byte| *byte == b'.').collect();
        let [header, claims, signature, ..] = &parts[..] else {
            continue;
        };
        if header.len() >= 17 && claims.len() >= 10 && signature.len() >= 10 {
            add(at, Kind::Token("a service that gives out JSON Web Tokens"));
        }
    }
}

/// Base64 of either alphabet, as far as it goes; nothing where it is none.
pub(crate) fn base64(text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let (mut bits, mut count) = (0_u32, 0);
    for byte in text.iter().take_while(|byte| **byte != b'=') {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count & 0xff) as u8);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(of: Of, length: usize) -> String {
        let letters = match of {
            Of::Alnum | Of::Word | Of::Any => "k3Zq9Lm2Xp7Vb5Nc8Rt1",
            Of::Upper => "K3ZQ7LM2XP7VB5NC2RT4",
            Of::Hex => "3f9a0c7d5e1b8624",
        };
        letters.chars().cycle().take(length).collect()
    }

    fn found(text: &str) -> Vec<Kind> {
        let mut found = Vec::new();
        find(text, &mut |_, kind| found.push(kind));
        found
    }

    #[test]
    fn every_token_is_found_from_its_shortest_form_on() {
        for (beginning, of, least, service) in TOKENS {
            let whole = format!("{beginning}{}", body(of, least));
            let kind = Kind::Token(service);
            assert!(found(&whole).contains(&kind), "{whole}");
            assert!(
                found(&format!("x = \"{whole}\"\n")).contains(&kind),
                "{whole}"
            );
            let short = &whole[..whole.len() - 1];
            assert!(!found(short).contains(&kind), "{short}");
            assert!(!found(&format!("a{whole}")).contains(&kind), "a{whole}");
            let crossed = format!("{beginning}{}", "x".repeat(least));
            assert!(!found(&crossed).contains(&kind), "{crossed}");
        }
    }

    #[test]
    fn private_keys_are_found_in_each_form() {
        let begin = |what: &str| format!("-----BEGIN {what}-----\n");
        for what in [
            "RSA PRIVATE KEY",
            "PRIVATE KEY",
            "EC PRIVATE KEY",
            "OPENSSH PRIVATE KEY",
            "ENCRYPTED PRIVATE KEY",
            "PGP PRIVATE KEY BLOCK",
        ] {
            assert_eq!(found(&begin(what)), [Kind::PrivateKey], "{what}");
        }
        for what in [
            "CERTIFICATE",
            "PUBLIC KEY",
            "PGP PUBLIC KEY BLOCK",
            "CERTIFICATE REQUEST",
        ] {
            assert_eq!(found(&begin(what)), [], "{what}");
        }
        let encoded = "LS0tLS1CRUdJTiBSU0EgUFJJVkFURSBLRVktLS0tLQpNSUlFcA==";
        assert_eq!(
            found(&format!("client-key-data: {encoded}")),
            [Kind::PrivateKey]
        );
        let certificate = "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1JSUM=";
        assert_eq!(
            found(&format!("client-certificate-data: {certificate}")),
            []
        );
    }

    #[test]
    fn a_web_token_has_three_parts() {
        let part = body(Of::Alnum, 20);
        let whole = format!("eyJ{part}.eyJ{part}.{part}");
        assert_eq!(found(&whole).len(), 1, "{whole}");
        assert_eq!(found(&format!("eyJ{part}.eyJ{part}")), []);
    }

    #[test]
    fn base64_is_read_in_both_alphabets() {
        assert_eq!(base64(b"aGk_Pz8="), Some(b"hi???".to_vec()));
        assert_eq!(base64(b"aGk/Pz8="), Some(b"hi???".to_vec()));
        assert_eq!(base64(b"not base64"), None);
    }
}
