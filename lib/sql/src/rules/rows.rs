use super::{Loss, Moment};
use crate::act::What;
use crate::rebuild::Fate;

pub(super) fn truncated(moment: &Moment) -> Option<Loss> {
    let What::Truncate { table, cascade } = moment.what else {
        return None;
    };
    if *cascade {
        return Some(Loss {
            subject: table.to_string(),
            message: "the table loses all its rows, and with CASCADE so does every table that \
                      refers to it"
                .to_owned(),
            is_note: false,
        });
    }
    (!moment.history.is_new(table) && !moment.finds_no_table(table)).then(|| Loss {
        subject: table.to_string(),
        message: "the table loses all its rows".to_owned(),
        is_note: false,
    })
}

pub(super) fn deleted(moment: &Moment) -> Option<Loss> {
    let What::Delete {
        table,
        every_row: true,
    } = moment.what
    else {
        return None;
    };
    (!moment.history.is_new(table) && !moment.finds_no_table(table)).then(|| Loss {
        subject: table.to_string(),
        message: "every row is deleted".to_owned(),
        is_note: false,
    })
}

/// Filling a column that the pending files have just added overwrites nothing.
pub(super) fn updated(moment: &Moment) -> Option<Loss> {
    if let What::DropTable(table) = moment.what {
        let lost = moment.rebuild?.lost(moment.history, table);
        let columns: Vec<String> = lost
            .into_iter()
            .filter(|(_, fate)| *fate == Fate::Overwritten)
            .map(|(column, _)| column)
            .collect();
        return (!columns.is_empty()).then(|| Loss {
            subject: table.to_string(),
            message: format!(
                "the rebuild of the table overwrites {} in every row",
                columns.join(", ")
            ),
            is_note: false,
        });
    }
    let What::Update {
        table,
        every_row: true,
        columns,
    } = moment.what
    else {
        return None;
    };
    let fills = !columns.is_empty()
        && columns
            .iter()
            .all(|column| moment.history.is_new_column(table, column));
    (!fills && !moment.history.is_new(table) && !moment.finds_no_table(table)).then(|| Loss {
        subject: table.to_string(),
        message: match columns.as_slice() {
            [] => "every row is overwritten".to_owned(),
            columns => format!("{} is overwritten in every row", columns.join(", ")),
        },
        is_note: false,
    })
}

/// A row that is replaced loses the columns that the statement does not name, and what refers to it.
pub(super) fn replaced(moment: &Moment) -> Option<Loss> {
    let What::ReplaceRows(table) = moment.what else {
        return None;
    };
    (!moment.history.is_new(table) && !moment.finds_no_table(table)).then(|| Loss {
        subject: table.to_string(),
        message:
            "rows with the same key are deleted, with the columns that the new ones do not name"
                .to_owned(),
        is_note: false,
    })
}
