use super::{Loss, Moment};
use crate::act::What;

pub(super) fn dropped(moment: &Moment) -> Option<Loss> {
    match moment.what {
        What::DropColumn { table, column } => {
            if moment.history.is_new(table) || moment.history.is_new_column(table, column) {
                return None;
            }
            Some(Loss {
                subject: format!("{table}.{column}"),
                message: "the column is dropped with its values".to_owned(),
            })
        }
        What::DropTable(table) => {
            let left_out = moment.rebuild?.left_out(moment.history, table);
            let first = left_out.first()?;
            let message = match left_out.as_slice() {
                [_] => "the rebuild of the table leaves the column out".to_owned(),
                all => format!("the rebuild of the table leaves out {}", all.join(", ")),
            };
            Some(Loss {
                subject: format!("{table}.{first}"),
                message,
            })
        }
        _ => None,
    }
}
