use super::{Loss, Moment};
use crate::act::What;
use crate::rebuild::Fate;

pub(super) fn dropped(moment: &Moment) -> Option<Loss> {
    match moment.what {
        What::DropColumn { table, column } => {
            let history = moment.history;
            if history.is_new(table)
                || history.is_new_column(table, column)
                || moment.finds_no_table(table)
                || moment.may_find_nothing && history.is_absent_column(table, column)
            {
                return None;
            }
            Some(Loss {
                subject: format!("{table}.{column}"),
                message: "the column is dropped with its values".to_owned(),
                is_note: false,
            })
        }
        What::DropTable(table) => {
            let lost = moment.rebuild?.lost(moment.history, table);
            let left_out: Vec<String> = lost
                .into_iter()
                .filter(|(_, fate)| *fate == Fate::LeftOut)
                .map(|(column, _)| column)
                .collect();
            let first = left_out.first()?;
            let message = match left_out.as_slice() {
                [_] => "the rebuild of the table leaves the column out".to_owned(),
                all => format!("the rebuild of the table leaves out {}", all.join(", ")),
            };
            Some(Loss {
                subject: format!("{table}.{first}"),
                message,
                is_note: false,
            })
        }
        _ => None,
    }
}
