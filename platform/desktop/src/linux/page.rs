//! Locks down the web view: no context menu that reloads or inspects, no drag and drop, and a report when the
//! page's process ends.

use gtk::prelude::WidgetExt;
use tauri::WebviewWindow;
use webkit2gtk::{ContextMenuAction, ContextMenuExt, ContextMenuItemExt, WebViewExt};

/// Context menu entries that are useful in a form.
const KEPT: [ContextMenuAction; 4] =
    [ContextMenuAction::Cut, ContextMenuAction::Copy, ContextMenuAction::Paste, ContextMenuAction::SelectAll];

/// Sees to that; `ended` is told that the page is gone though the window is there.
///
/// # Errors
/// When the window is gone.
pub fn lock_down_webview(window: &WebviewWindow, ended: impl Fn() + Send + 'static) -> tauri::Result<()> {
    window.with_webview(move |page| {
        let page = page.inner();
        page.drag_dest_unset();
        page.connect_context_menu(|_, menu, _, _| {
            for item in menu.items().into_iter().filter(|item| !KEPT.contains(&item.stock_action())) {
                menu.remove(&item);
            }
            menu.n_items() == 0
        });
        page.connect_web_process_terminated(move |_, reason| {
            tracing::warn!("the page's process has ended: {reason:?}");
            ended();
        });
    })
}
