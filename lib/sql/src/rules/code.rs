use super::{Loss, Moment};
use crate::act::What;

pub(super) fn unread(moment: &Moment) -> Option<Loss> {
    let What::Unread { subject, message } = moment.what else {
        return None;
    };
    Some(Loss {
        subject: subject.clone(),
        message: message.clone(),
        is_note: false,
    })
}

pub(super) fn writable_schema(moment: &Moment) -> Option<Loss> {
    let What::WritableSchema(subject) = moment.what else {
        return None;
    };
    Some(Loss {
        subject: subject.clone(),
        message: "an error in the schema table makes the database unreadable".to_owned(),
        is_note: false,
    })
}

pub(super) fn catalog_written(moment: &Moment) -> Option<Loss> {
    let What::CatalogWrite(table) = moment.what else {
        return None;
    };
    Some(Loss {
        subject: table.to_string(),
        message: "what a catalog says decides what every table holds".to_owned(),
        is_note: false,
    })
}
