use super::{Loss, Moment};
use crate::act::{Name, Type, Using, What};
use crate::rebuild::Fate;

pub(super) fn narrowed(moment: &Moment) -> Option<Loss> {
    if let What::DropTable(table) = moment.what {
        return narrowed_by_rebuild(moment, table);
    }
    let What::ChangeType {
        table,
        column,
        to,
        using,
    } = moment.what
    else {
        return None;
    };
    let history = moment.history;
    if history.is_new(table) || history.is_new_column(table, column) || moment.finds_no_table(table)
    {
        return None;
    }
    let old = history.column_type(table, column);
    let subject = format!("{table}.{column}");
    match what_becomes(history.is_enum(to), old, to, using) {
        Outcome::Kept => None,
        Outcome::Noted(message) => Some(Loss {
            subject,
            message,
            is_note: true,
        }),
        Outcome::Lost(message) => Some(Loss {
            subject,
            message,
            is_note: false,
        }),
    }
}

enum Outcome {
    Kept,
    /// Kept, and yet to be known.
    Noted(String),
    Lost(String),
}

fn what_becomes(is_enum: bool, old: Option<&Type>, to: &Type, using: &Using) -> Outcome {
    let other = || Outcome::Lost(format!("USING makes other values of the old ones, as {to}"));
    match using {
        // A text is one of an enum's values to the letter, or the change fails.
        Using::Cast | Using::Text if is_enum && old.is_none_or(|old| old.array == to.array) => {
            Outcome::Kept
        }
        Using::Text | Using::Other => other(),
        Using::Zone(zone) => {
            // Of a date the zone makes a time without one, which is then read in the session's zone.
            let is_clock = |old: &&Type| old.name != "date" && is_other_clock(old, to);
            let Some(from) = old.filter(is_clock) else {
                return other();
            };
            match is_fixed(zone) {
                true => Outcome::Kept,
                // Of the hour that comes twice, and of the one that is left out.
                false if to.name == WITH_ZONE => Outcome::Noted(noted(from, to, zone)),
                false => other(),
            }
        }
        Using::Cast => match old {
            None if holds_everything(to) => Outcome::Kept,
            None => Outcome::Lost(format!(
                "{to} may not hold every value of the old type, which is not known here"
            )),
            Some(old) if holds(to, old) => Outcome::Kept,
            Some(old) if to.name == WITH_ZONE && is_other_clock(old, to) => {
                Outcome::Noted(noted(old, to, "the TimeZone of the session"))
            }
            Some(old) => Outcome::Lost(format!("{to} does not hold every {old}")),
        },
    }
}

const WITH_ZONE: &str = "timestamp with time zone";

/// Whether one of the types says the time of a zone and the other one the time itself, as exactly.
fn is_other_clock(old: &Type, new: &Type) -> bool {
    let names = (old.name.as_str(), new.name.as_str());
    let is_exact =
        new.args.is_empty() || (!old.args.is_empty() && new.args.first() >= old.args.first());
    old.array == new.array
        && is_exact
        && matches!(
            names,
            ("timestamp", WITH_ZONE) | (WITH_ZONE, "timestamp") | ("date", WITH_ZONE)
        )
}

/// Whether the clocks of a zone are never changed, so that each of its times is one moment. A list of
/// the names that mean UTC: what others mean changes with the server's time zone database.
fn is_fixed(zone: &str) -> bool {
    let zone = zone.to_ascii_uppercase();
    matches!(
        zone.as_str(),
        "UTC" | "GMT" | "Z" | "ETC/UTC" | "ETC/GMT" | "UCT" | "ZULU"
    )
}

fn noted(old: &Type, to: &Type, zone: &str) -> String {
    format!(
        "every {old} is taken for the time in {zone}, which makes the {to}; where clocks are put \
         forward there, an hour is taken for the next one"
    )
}

fn narrowed_by_rebuild(moment: &Moment, table: &Name) -> Option<Loss> {
    let lost = moment.rebuild?.lost(moment.history, table);
    lost.into_iter().find_map(|(column, fate)| match fate {
        Fate::Narrowed { from, to } => Some(Loss {
            subject: format!("{table}.{column}"),
            message: match from.name.as_str() {
                "" => format!("the rebuild of the table makes {to} of every value"),
                from => format!(
                    "the rebuild of the table makes {to} of every {from}, which does not keep all"
                ),
            },
            is_note: false,
        }),
        Fate::LeftOut | Fate::Overwritten => None,
    })
}

/// Types that take the text of any value.
fn holds_everything(ty: &Type) -> bool {
    ty.args.is_empty() && matches!(ty.name.as_str(), "text" | "character varying" | "citext")
}

/// Whether every value of `old` is also one of `new`, after the server's own conversion. A pair that
/// is not named here is not: the list is short on purpose.
fn holds(new: &Type, old: &Type) -> bool {
    if new.array != old.array {
        return false;
    }
    if new == old {
        return true;
    }
    match (old.name.as_str(), new.name.as_str()) {
        // Only these four are compared by their length.
        ("character" | "character varying", "character varying") | ("character", "character") => {
            length(old) <= length(new)
        }
        ("bit varying", "bit varying") => length(old) <= length(new),
        ("numeric", "numeric") => match (old.args.as_slice(), new.args.as_slice()) {
            (_, []) => true,
            ([], _) => false,
            (old, new) => {
                let (old_scale, new_scale) = (scale(old), scale(new));
                new_scale >= old_scale
                    && new[0].saturating_sub(new_scale) >= old[0].saturating_sub(old_scale)
            }
        },
        (old_name, new_name) if old_name == new_name => {
            // A type with a precision, as timestamp(3): none is the largest.
            new.args.is_empty() || (!old.args.is_empty() && new.args.first() >= old.args.first())
        }
        ("smallint", "integer" | "bigint" | "real" | "double precision")
        | ("integer", "bigint" | "double precision")
        | ("real", "double precision")
        | ("date", "timestamp")
        | ("jsonb", "json")
        | ("cidr", "inet") => new.args.is_empty(),
        // Not real and double precision: the server rounds them to 6 and 15 digits on the way.
        ("smallint" | "integer" | "bigint", "numeric") => new.args.is_empty(),
        _ => holds_everything(new),
    }
}

/// The longest text that a type takes. `char` alone is `char(1)`.
fn length(ty: &Type) -> u32 {
    let unbounded = if ty.name == "character" { 1 } else { u32::MAX };
    ty.args.first().copied().unwrap_or(unbounded)
}

fn scale(args: &[u32]) -> u32 {
    args.get(1).copied().unwrap_or(0)
}
