use super::{Loss, Moment};
use crate::act::What;

pub(super) fn dropped(moment: &Moment) -> Option<Loss> {
    let What::DropTable(table) = moment.what else {
        return None;
    };
    if moment.rebuild.is_some()
        || moment.history.holds_nothing_else(table)
        || moment.finds_no_table(table)
    {
        return None;
    }
    Some(Loss {
        subject: table.to_string(),
        message: "the table is dropped with its rows".to_owned(),
        is_note: false,
    })
}
