//! Words in place of a page that is not there yet: GTK draws them at the window's first frame.

use crate::{SplashOverlay, Words};
use gtk::prelude::{ObjectExt, ToValue, WidgetExt};
use gtk::{cairo, pango};
use tauri::WebviewWindow;

/// From the window's edge to the words, in pixels.
const MARGIN: i32 = 24;
/// Between a paragraph and the next.
const GAP: f64 = 12.0;
/// Red, green and blue of the ground and of the words, as the page has them (`ui/src/style.css`).
type Colours = ([u8; 3], [u8; 3]);
const LIGHT: Colours = ([0xf6, 0xf4, 0xef], [0x1b, 0x24, 0x27]);
const DARK: Colours = ([0x0f, 0x15, 0x17], [0xe4, 0xeb, 0xeb]);

/// Draws what the splash says over the page, from now on.
///
/// # Errors
/// When the window is gone.
pub fn splash(window: &WebviewWindow, splash: &SplashOverlay) -> tauri::Result<()> {
    let splash = splash.clone();
    window.with_webview(move |page| {
        // Over the page, which goes on drawing below: WebKit waits for each frame of it to be taken.
        page.inner().connect_local("draw", true, move |values| {
            let page = values.first().and_then(|value| value.get::<gtk::Widget>().ok());
            let canvas = values.get(1).and_then(|value| value.get::<cairo::Context>().ok());
            if let (Some(page), Some(canvas), Some(words)) = (page, canvas, splash.words()) {
                draw(&page, &canvas, &words);
            }
            Some(false.to_value())
        });
    })
}

/// Redraws the window after the splash changed or was removed.
///
/// # Errors
/// The window is closed.
pub fn redraw(window: &WebviewWindow) -> tauri::Result<()> {
    window.with_webview(|page| page.inner().queue_draw())
}

fn draw(page: &gtk::Widget, canvas: &cairo::Context, words: &Words) {
    let (ground, ink) = if words.dark { DARK } else { LIGHT };
    let [red, green, blue] = ground.map(|part| f64::from(part) / 255.0);
    canvas.set_source_rgb(red, green, blue);
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
        let [red, green, blue] = ink.map(|part| u16::from(part) * 0x101);
        attributes.insert(pango::AttrColor::new_foreground(red, green, blue));
        attributes.insert(pango::AttrFloat::new_scale(if large { 1.6 } else { 1.2 }));
        if large {
            attributes.insert(pango::AttrInt::new_weight(pango::Weight::Bold));
        }
        layout.set_attributes(Some(&attributes));
        gtk::render_layout(&page.style_context(), canvas, f64::from(MARGIN), top, &layout);
        top += f64::from(layout.pixel_size().1) + GAP;
    }
}
