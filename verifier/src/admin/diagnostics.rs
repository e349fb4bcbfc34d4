//! `vitalsign-verifier device diagnostics`: shows diagnostics that people sent to IT.

use super::device_ref::{DeviceRef, find};
use super::table;
use anyhow::Context;
use serde_json::json;
use std::str::FromStr;
use vitalsign_protocol::device_code::DeviceCode;
use vitalsign_protocol::diagnostics::{DiagnosticsRef, DiagnosticsRefError};
use vitalsign_protocol::text::escape;
use vitalsign_verifier::store::Store;
use vitalsign_verifier::store::diagnostics::Diagnostics;

/// Names diagnostics: by their reference, or the newest of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum DiagnosticsArg {
    Reference(DiagnosticsRef),
    NewestOf(DeviceRef),
}

impl FromStr for DiagnosticsArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // A device's code may begin with R too: it has letters or another length, and its own check character.
        if let Ok(device) = text.parse() {
            return Ok(Self::NewestOf(device));
        }
        text.parse().map(Self::Reference).map_err(|error| match error {
            DiagnosticsRefError::Check => error.to_string(),
            DiagnosticsRefError::Form => {
                "a reference such as R-0471, or a device's code or ID, was expected".to_owned()
            }
        })
    }
}

/// Prints the diagnostics.
pub(super) async fn show(
    store: &Store,
    which: &DiagnosticsArg,
    since: u64,
    json: bool,
) -> anyhow::Result<()> {
    let found = match which {
        DiagnosticsArg::Reference(reference) => {
            let found = store.diagnostics(*reference, since).await?;
            found.with_context(|| {
                format!("there are no diagnostics {reference}: they may be deleted already")
            })?
        }
        DiagnosticsArg::NewestOf(device) => {
            let device = find(store, device).await?.enrolment;
            let found = store.device_diagnostics(device, since).await?.into_iter().next();
            found.with_context(|| format!("device {} has sent no diagnostics", DeviceCode::of(&device)))?
        }
    };
    if json { super::print_json(&as_json(&found)) } else { print(&found) }
}

fn print(found: &Diagnostics) -> anyhow::Result<()> {
    println!("reference    {}", found.reference);
    println!("code         {}", DeviceCode::of(&found.device));
    println!("device       {}", found.device);
    println!("received     {}", table::time(found.received));
    // Stored text was checked when it came; another version may have accepted more.
    println!("\n{}", escape(&found.text).trim_end());
    Ok(())
}

fn as_json(found: &Diagnostics) -> serde_json::Value {
    json!({
        "reference": found.reference,
        "device": found.device,
        "code": DeviceCode::of(&found.device).to_string(),
        "received": found.received,
        "text": found.text,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use vitalsign_protocol::id::EnrolmentId;

    #[test]
    fn references_and_devices_are_told_apart() {
        let id = EnrolmentId([0xfb; 16]);
        let parse = |text: &str| text.parse::<DiagnosticsArg>();
        assert_eq!(parse("r-0471"), Ok(DiagnosticsArg::Reference(DiagnosticsRef(47))));
        let code = DeviceCode::of(&id);
        assert_eq!(parse(&code.to_string()), Ok(DiagnosticsArg::NewestOf(DeviceRef::Code(code))));
        assert_eq!(parse(&id.to_string()), Ok(DiagnosticsArg::NewestOf(DeviceRef::Id(id))));
        // 11000 is R: a code that begins with it.
        let id = EnrolmentId([0xc0; 16]);
        let code = DeviceCode::of(&id);
        assert!(code.to_string().starts_with('R'), "{code}");
        assert_eq!(parse(&code.to_string()), Ok(DiagnosticsArg::NewestOf(DeviceRef::Code(code))));
        assert!(parse("R-0472").unwrap_err().contains("typing error"));
        assert!(parse("nosuch").unwrap_err().contains("R-0471"));
    }
}
