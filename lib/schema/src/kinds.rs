//! The checks that a comparison makes, as data.

use contract::Check;

/// Both schemas are of the same engine.
pub const ENGINE_AS_EXPECTED: Check = Check {
    id: "engine-as-expected",
    holds: "the schema was recorded on the same engine",
    remedy: "record the expected schema on the engine that it is compared with",
};

/// No index is invalid.
pub const INDEX_VALID: Check = Check {
    id: "index-valid",
    holds: "every index is valid",
    remedy: "drop the invalid index and create it again; IF NOT EXISTS would keep it",
};

/// Every schema of the scope is there.
pub const SCHEMA_EXISTS: Check = Check {
    id: "schema-exists",
    holds: "every PostgreSQL schema that lockstep.toml names exists",
    remedy: "correct schemas in [schema] of lockstep.toml, or apply the migration that creates it",
};

/// The kinds of one class of objects.
#[derive(Debug)]
pub(crate) struct Kinds {
    /// An expected one is there.
    pub(crate) present: &'static Check,
    /// One that is there is expected.
    pub(crate) declared: &'static Check,
    /// One that is both is as it should be.
    pub(crate) as_expected: &'static Check,
}

const APPLY: &str = "apply the pending migrations, or restore what was dropped outside of them";
const DECLARE: &str = "drop it, or put it into a migration and record the schema again";
const ALIGN: &str = "write a migration that brings both together, or record the schema again";

macro_rules! classes {
    ($($class:ident $id:literal $one:literal $many:literal;)*) => {
        /// A class of objects, in the order in which findings on one table come.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) enum Class {
            $($class,)*
        }

        /// Every check that a comparison makes, each once.
        pub const CHECKS: &[Check] = &[
            ENGINE_AS_EXPECTED,
            INDEX_VALID,
            $(
                *Class::$class.kinds().present,
                *Class::$class.kinds().declared,
                *Class::$class.kinds().as_expected,
            )*
        ];

        impl Class {
            pub(crate) fn id(self) -> &'static str {
                match self {
                    $(Class::$class => $id,)*
                }
            }

            /// So many of them, in words.
            pub(crate) fn counted(self, count: usize) -> String {
                let (one, many) = match self {
                    $(Class::$class => ($one, $many),)*
                };
                format!("{count} {}", if count == 1 { one } else { many })
            }

            pub(crate) const fn kinds(self) -> Kinds {
                match self {
                    $(Class::$class => Kinds {
                        present: &Check {
                            id: concat!($id, "-present"),
                            holds: concat!("every expected ", $one, " is there"),
                            remedy: APPLY,
                        },
                        declared: &Check {
                            id: concat!($id, "-declared"),
                            holds: concat!("there are no ", $many, " but the expected ones"),
                            remedy: DECLARE,
                        },
                        as_expected: &Check {
                            id: concat!($id, "-as-expected"),
                            holds: concat!("every ", $one, " is defined as expected"),
                            remedy: ALIGN,
                        },
                    },)*
                }
            }
        }
    };
}

classes! {
    Schema "schema" "schema" "schemas";
    Extension "extension" "extension" "extensions";
    Enum "enum" "enum" "enums";
    Domain "domain" "domain" "domains";
    Type "type" "composite or range type" "composite or range types";
    Sequence "sequence" "sequence" "sequences";
    Function "function" "function or procedure" "functions or procedures";
    Table "table" "table" "tables";
    View "view" "view" "views";
    Column "column" "column" "columns";
    PrimaryKey "primary-key" "primary key" "primary keys";
    Unique "unique" "unique constraint" "unique constraints";
    Check "check" "check constraint" "check constraints";
    ForeignKey "foreign-key" "foreign key" "foreign keys";
    Exclusion "exclusion" "exclusion constraint" "exclusion constraints";
    Index "index" "index" "indexes";
    Trigger "trigger" "trigger" "triggers";
    Policy "policy" "row security policy" "row security policies";
    Rule "rule" "rewrite rule" "rewrite rules";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique() {
        let mut ids: Vec<_> = CHECKS.iter().map(|check| check.id).collect();
        let all = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), all);
        assert!(ids.contains(&"column-as-expected") && ids.contains(&"index-valid"));
    }
}
