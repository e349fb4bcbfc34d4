//! Rows for the details of a transaction, in the language of the app.

use crate::view::Detail;
use vitalsign_ipc::StepUp;
use vitalsign_protocol::details::{DetailsRow, rows};

pub(super) fn of(step_up: &StepUp, language: &str) -> Vec<Detail> {
    let details = step_up.authorization_details.as_ref();
    let rows = details.map(|details| rows(details, &step_up.details_schemas, language));
    let row = |DetailsRow { name, value, depth }| Detail { name, value, depth };
    rows.unwrap_or_default().into_iter().map(row).collect()
}
