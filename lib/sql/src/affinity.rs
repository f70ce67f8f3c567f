//! What a SQLite column does to a value that is put into it (sqlite.org `datatype3`).

use crate::act::Type;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Affinity {
    Integer,
    Text,
    /// Keeps every value as it is.
    Blob,
    Real,
    Numeric,
}

/// Whether a column of the type `new` keeps every value that a column of the type `old` may hold.
///
/// A text that looks like a number becomes one where the column is numeric, so that `007` is `7`; an
/// integer that becomes real keeps 53 bits. A number that becomes text keeps the 17 digits that name
/// it (before SQLite 3.53: 15).
pub(crate) fn holds(new: &Type, old: &Type) -> bool {
    use Affinity::{Blob, Integer, Numeric, Real, Text};
    match (of(old), of(new)) {
        (_, Blob | Text) | (Integer | Real | Numeric, Integer | Numeric) => true,
        (old, new) => old == new,
    }
}

/// Whether `CAST(… AS cast)` keeps every value that a column of the type `old` may hold. A cast makes
/// something of every value, of a text that is no number too: 0.
pub(crate) fn cast_holds(cast: &Type, old: &Type) -> bool {
    of(cast) == Affinity::Text && holds(cast, old)
}

/// The first of these rules that fits, on the type as it was declared in lower case.
fn of(ty: &Type) -> Affinity {
    let has = |part: &str| ty.name.contains(part);
    if has("int") {
        Affinity::Integer
    } else if has("char") || has("clob") || has("text") {
        Affinity::Text
    } else if ty.name.is_empty() || has("blob") {
        Affinity::Blob
    } else if has("real") || has("floa") || has("doub") {
        Affinity::Real
    } else {
        Affinity::Numeric
    }
}
