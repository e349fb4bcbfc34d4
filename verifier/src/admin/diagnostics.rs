//! `vitalsign-verifier device diagnostics`: shows diagnostics that people sent to IT.

use super::connection::VerifierConnection;
use super::{print_json, table};
use anyhow::Context;
use std::str::FromStr;
use vitalsign_protocol::diagnostics::{DiagnosticsRef, DiagnosticsRefError};
use vitalsign_protocol::text::escape;
use vitalsign_verifier::admin_api::{
    DeviceRef, DeviceTarget, DiagnosticsTarget, DiagnosticsView, ListDiagnostics, Nothing, ShowDiagnostics,
};

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
    connection: &VerifierConnection,
    which: DiagnosticsArg,
    json: bool,
) -> anyhow::Result<()> {
    let found = match which {
        DiagnosticsArg::Reference(reference) => {
            connection.call::<ShowDiagnostics>(&DiagnosticsTarget { reference }, &Nothing {}).await?
        }
        DiagnosticsArg::NewestOf(device) => {
            let all = connection
                .call::<ListDiagnostics>(&DeviceTarget { device: device.clone() }, &Nothing {})
                .await?;
            all.into_iter().next().with_context(|| format!("device {device} has sent no diagnostics"))?
        }
    };
    if json {
        return print_json(&found);
    }
    print(&found);
    Ok(())
}

fn print(found: &DiagnosticsView) {
    println!("reference    {}", found.reference);
    println!("code         {}", found.code);
    println!("device       {}", found.device);
    println!("received     {}", table::time(found.received));
    // Stored text was checked when it came; another version may have accepted more.
    println!("\n{}", escape(&found.text).trim_end());
}

#[cfg(test)]
mod tests {
    use super::*;
    use vitalsign_protocol::device_code::DeviceCode;
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
