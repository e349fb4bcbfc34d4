//! Words in place of a page that is not there yet: GTK draws them at the window's first frame.

use crate::{Veil, Words};
use gtk::glib::{IsA, Propagation};
use gtk::prelude::WidgetExt;
use gtk::{cairo, pango};
use tauri::WebviewWindow;

/// From the window's edge to the words, in pixels.
const MARGIN: i32 = 24;
/// Between a paragraph and the next.
const GAP: f64 = 12.0;

/// Draws what the veil says in place of the page, from now on.
///
/// # Errors
/// When the window is gone.
pub fn veil(window: &WebviewWindow, veil: &Veil) -> tauri::Result<()> {
    let veil = veil.clone();
    window.with_webview(move |page| {
        page.inner().connect_draw(move |page, canvas| match veil.words() {
            Some(words) => {
                draw(page, canvas, &words);
                Propagation::Stop
            }
            None => Propagation::Proceed,
        });
    })
}

/// Draws the window anew: the veil says something else, or is gone.
///
/// # Errors
/// When the window is gone.
pub fn redraw(window: &WebviewWindow) -> tauri::Result<()> {
    window.with_webview(|page| page.inner().queue_draw())
}

fn draw(page: &impl IsA<gtk::Widget>, canvas: &cairo::Context, words: &Words) {
    let (ground, ink) = if words.dark { (0.09, 0xeeee) } else { (1.0, 0x1a1a) };
    canvas.set_source_rgb(ground, ground, ground);
    if let Err(error) = canvas.paint() {
        tracing::debug!("nothing can be drawn: {error}");
        return;
    }
    let width = (page.allocated_width() - 2 * MARGIN).max(1);
    let mut top = f64::from(MARGIN);
    let paragraphs =
        std::iter::once((&words.title, true)).chain(words.lines.iter().map(|line| (line, false)));
    for (text, large) in paragraphs {
        let layout = page.create_pango_layout(Some(text));
        layout.set_width(width * pango::SCALE);
        layout.set_wrap(pango::WrapMode::WordChar);
        let attributes = pango::AttrList::new();
        attributes.insert(pango::AttrColor::new_foreground(ink, ink, ink));
        attributes.insert(pango::AttrFloat::new_scale(if large { 1.6 } else { 1.2 }));
        if large {
            attributes.insert(pango::AttrInt::new_weight(pango::Weight::Bold));
        }
        layout.set_attributes(Some(&attributes));
        gtk::render_layout(&page.style_context(), canvas, f64::from(MARGIN), top, &layout);
        top += f64::from(layout.pixel_size().1) + GAP;
    }
}
