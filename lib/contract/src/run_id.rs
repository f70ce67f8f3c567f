//! Names for runs, and the randomness behind them.

/// `N` random bytes of the operating system.
pub(crate) fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    if getrandom::fill(&mut bytes).is_err() {
        // Only a kernel without getrandom(2) in a sandbox without /dev/urandom. Uniqueness on this
        // machine is all that is needed of these bytes; none of them is a secret.
        let now = crate::run::timestamp().as_nanosecond().to_le_bytes();
        let pid = std::process::id().to_le_bytes();
        for (byte, seed) in bytes.iter_mut().zip(now.iter().chain(&pid).cycle()) {
            *byte = *seed;
        }
    }
    bytes
}

/// The run that this process belongs to: `LOCKSTEP_RUN_ID`, which the orchestrator sets, or a new
/// name. UTC time first, so that names sort by age.
pub fn run_id() -> String {
    match std::env::var("LOCKSTEP_RUN_ID") {
        Ok(id) if !id.is_empty() && id.len() <= 64 && id.chars().all(is_plain) => id,
        _ => new_run_id(),
    }
}

/// A name that no other run has.
pub fn new_run_id() -> String {
    let now = format!("{:.0}", crate::run::timestamp()).replace(['-', ':'], "");
    format!("{now}-{}", crate::evidence::hex(&random_bytes::<4>()))
}

/// A random UUID, version 4 of RFC 9562.
pub fn new_uuid() -> String {
    let mut bytes = random_bytes::<16>();
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let hex = crate::evidence::hex(&bytes);
    format!(
        "{}-{}-{}-{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..]
    )
}

/// Who acts: the person that a CI job runs for or the account, and the machine.
pub fn actor() -> String {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let person = ["GITHUB_ACTOR", "GITLAB_USER_LOGIN", "USER", "LOGNAME"]
        .into_iter()
        .find_map(variable)
        .unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw()));
    let uname = rustix::system::uname();
    format!("{person}@{}", uname.nodename().to_string_lossy())
}

fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_says_that_it_is_random() {
        let uuid = new_uuid();
        assert_eq!(uuid.len(), 36);
        assert_eq!(&uuid[14..15], "4");
        assert!(matches!(&uuid[19..20], "8" | "9" | "a" | "b"));
        assert_ne!(uuid, new_uuid());
    }
}
