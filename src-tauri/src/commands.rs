//! Commands that the page may call: these seven and no others.

use crate::app::App;
use crate::view::{Action, DiagnosticsSent, DiagnosticsText, Texts, View};
use tauri::ipc::{InvokeBody, Request, Response};
use tauri::{AppHandle, State};
use vitalsign_security_key::Pin;

/// The most bytes of a PIN (CTAP 2.1 section 6.5.1).
const LONGEST_PIN: usize = 63;

/// The language and its texts.
#[tauri::command]
pub(crate) fn texts(app: State<'_, App>) -> Texts {
    app.texts()
}

/// Returns the current view. Later views arrive as events.
#[tauri::command]
pub(crate) fn view(app: State<'_, App>) -> View {
    app.view()
}

#[tauri::command]
pub(crate) fn act(handle: AppHandle, app: State<'_, App>, action: Action) {
    app.act(&handle, action);
}

/// The person has entered a PIN: UTF-8 bytes, so that no text of it lies about, and which question it answers in a header
/// (`question`). It goes to the key, once.
#[tauri::command]
pub(crate) fn enter_pin(app: State<'_, App>, request: Request<'_>) {
    let question = request.headers().get("question").and_then(|it| it.to_str().ok()?.parse().ok());
    if let InvokeBody::Raw(bytes) = request.body()
        && bytes.len() <= LONGEST_PIN
        && let (Some(question), Ok(pin)) = (question, std::str::from_utf8(bytes))
    {
        app.enter_pin(question, Pin::new(pin.to_owned()));
    }
}

/// Returns the organisation's logo: its width in pixels as two bytes, big-endian, and four bytes for each pixel. Pixels, so
/// that the page decodes no file from outside.
#[tauri::command]
pub(crate) fn logo(app: State<'_, App>) -> Response {
    let logo = app.logo();
    let bytes = logo.map_or_else(Vec::new, |logo| {
        let width = u16::try_from(logo.width).unwrap_or_default();
        [&width.to_be_bytes()[..], &logo.rgba].concat()
    });
    Response::new(bytes)
}

/// Returns the diagnostics for IT. They contain no secrets.
#[tauri::command(async)]
pub(crate) fn diagnostics(app: State<'_, App>) -> DiagnosticsText {
    app.diagnostics()
}

/// Sends the diagnostics that were shown. The service refuses any other text.
#[tauri::command(async)]
pub(crate) fn send_diagnostics(app: State<'_, App>, text: String) -> DiagnosticsSent {
    app.send_diagnostics(text)
}
