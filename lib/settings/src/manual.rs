//! What the manual pages say of settings and targets.

use contract::Reads;

/// What [`SettingsArgs`](crate::SettingsArgs) reads.
pub const SETTINGS_READS: Reads = Reads {
    environment: &[(
        "LOCKSTEP_ENV",
        "The environment that is meant, where --environment does not say it; also the variable that \
         [environment] in lockstep.toml names.",
    )],
    files: &[(
        "lockstep.toml",
        "The settings, in the working folder or the nearest one above it, where --config names no \
         others.",
    )],
};

/// What [`TargetArgs`](crate::TargetArgs) reads, settings included.
pub const TARGET_READS: Reads = Reads {
    environment: &[
        SETTINGS_READS.environment[0],
        (
            "DATABASE_URL",
            "The database, where neither TARGET names one nor the environment declares one.",
        ),
        (
            "PGHOST, PGPORT, PGUSER, PGDATABASE, PGPASSWORD, PGPASSFILE, PGSSLMODE, PGSSLROOTCERT",
            "What a PostgreSQL target leaves out, as libpq has it.",
        ),
    ],
    files: &[
        SETTINGS_READS.files[0],
        (
            "~/.pgpass",
            "Passwords, where PGPASSFILE names no other file.",
        ),
    ],
};
