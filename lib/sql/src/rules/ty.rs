use super::{Loss, Moment};
use crate::act::{Name, Type, What};
use crate::rebuild::Fate;

pub(super) fn narrowed(moment: &Moment) -> Option<Loss> {
    if let What::DropTable(table) = moment.what {
        return narrowed_by_rebuild(moment, table);
    }
    let What::ChangeType {
        table,
        column,
        to,
        plain,
    } = moment.what
    else {
        return None;
    };
    let history = moment.history;
    if history.is_new(table) || history.is_new_column(table, column) {
        return None;
    }
    let old = history.column_type(table, column);
    let fits = *plain && old.map_or_else(|| holds_everything(to), |old| holds(to, old));
    if fits {
        return None;
    }
    let message = match old {
        _ if !plain => format!("USING makes other values of the old ones, as {to}"),
        Some(old) => format!("{to} does not hold every {old}"),
        None => format!("{to} may not hold every value of the old type, which is not known here"),
    };
    Some(Loss {
        subject: format!("{table}.{column}"),
        message,
    })
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
