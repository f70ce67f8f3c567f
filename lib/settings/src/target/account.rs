//! The account that this process runs as: libpq's last resort for the user, and where its files are.

use std::path::PathBuf;
use std::sync::LazyLock;

use crate::Variables;

/// Name and home folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// The login name.
    pub name: Option<String>,
    /// The home folder, with `.pgpass` and `.postgresql/`.
    pub home: Option<PathBuf>,
}

impl Account {
    /// From `/etc/passwd` by the effective user id, as libpq does; `HOME` comes before its home
    /// folder. An account that only a directory service knows is named by `LOGNAME` or `USER`: a
    /// statically linked program can't ask the service.
    pub fn of_process(variables: &Variables) -> Account {
        let (name, home) = PASSWD_LINE.clone().unzip();
        let variable = |name: &str| variables.text(name).ok().flatten();
        Account {
            name: name
                .or_else(|| variable("LOGNAME").map(str::to_owned))
                .or_else(|| variable("USER").map(str::to_owned)),
            home: variable("HOME").map(PathBuf::from).or(home),
        }
    }

    pub(super) fn without_home(self) -> Account {
        Account { home: None, ..self }
    }
}

/// What `/etc/passwd` says of the effective user id.
static PASSWD_LINE: LazyLock<Option<(String, PathBuf)>> = LazyLock::new(|| {
    let uid = rustix::process::geteuid().as_raw();
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    find(&passwd, uid)
});

/// Name and home of a user id. The format is that of passwd(5).
fn find(passwd: &str, uid: u32) -> Option<(String, PathBuf)> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let found: u32 = fields.nth(1)?.parse().ok()?;
        let home = fields.nth(2)?;
        (found == uid).then(|| (name.to_owned(), PathBuf::from(home)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_passwd_line_of_the_user_id_counts() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\n# note\napp:x:1000:1000::/home/app:/bin/sh\n";
        assert_eq!(
            find(passwd, 1000),
            Some(("app".to_owned(), PathBuf::from("/home/app")))
        );
        assert_eq!(find(passwd, 1), None);
    }
}
