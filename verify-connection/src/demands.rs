//! What is demanded of the database, on the command line or in `[connection]`.

use serde::Deserialize as _;
use serde::de::IntoDeserializer as _;
use serde::de::value::{Error, StrDeserializer};
use settings::file::{ConnectionSettings, Version};

use crate::{Args, Expect};

/// What has to be so, over and above an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Demands {
    pub(crate) min_version: Option<Version>,
    pub(crate) tls: bool,
    pub(crate) primary: Option<bool>,
    pub(crate) content: Option<Expect>,
    pub(crate) quick_check: bool,
}

impl Demands {
    /// The command line adds to the file; what the file demands it can't take back, except that it
    /// names another version or role in its place.
    pub(crate) fn of(args: &Args, file: &ConnectionSettings) -> Demands {
        let role = match (args.require_primary, args.require_replica) {
            (true, _) => Some(true),
            (_, true) => Some(false),
            _ => None,
        };
        Demands {
            min_version: args.min_version.or(file.min_version),
            tls: args.require_tls || file.tls.unwrap_or_default(),
            primary: role.or(file.primary),
            content: args.expect,
            quick_check: args.quick_check,
        }
    }
}

/// Reads a version as `lockstep.toml` has it.
pub(crate) fn parse_version(text: &str) -> Result<Version, String> {
    let text: StrDeserializer<'_, Error> = text.into_deserializer();
    Version::deserialize(text).map_err(|error| error.to_string())
}
