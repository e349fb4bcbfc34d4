//! The app's one window: created on demand, in front of all others while a step-up is prompted, and never
//! empty: the splash shows the text until the page is ready.

use crate::language::Language;
use crate::model::{Happened, Window};
use crate::settings::JsonFile;
use crate::view::{Moving, Step, View};
use fluent_bundle::FluentArgs;
use std::sync::mpsc::{RecvTimeoutError, Sender, TryRecvError, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tauri::webview::{Color, NewWindowResponse};
use tauri::{
    AppHandle, Emitter, Manager, PhysicalPosition, Theme, Url, UserAttentionType, WebviewUrl, WebviewWindow,
    WebviewWindowBuilder,
};
use vitalsign_desktop::{KeyboardGuard, Placement, SplashOverlay, WindowMove, Words};

/// Window label that the capability grants.
pub(crate) const MAIN: &str = "main";
/// Event after the window moved.
const MOVED: &str = "moved";
/// Time to wait for the page before reloading it, and then before telling the person.
const REPLY_TIMEOUT: Duration = Duration::from_secs(3);

/// Ground of the page, as in `ui/src/style.css`.
const LIGHT_GROUND: [u8; 3] = [0xf6, 0xf4, 0xef];
const DARK_GROUND: [u8; 3] = [0x0f, 0x15, 0x17];

/// Place where the person moved the window, if they did.
type KeptPlace = Option<(i32, i32)>;

/// State of the window's page and its splash.
pub(crate) struct Page {
    splash: SplashOverlay,
    /// Text of the splash.
    words: Mutex<Words>,
    /// Line that it gets if the page does not become ready.
    slow: Mutex<String>,
    /// Held while a page is awaited: who waits for it is told by its going.
    awaited: Mutex<Option<Sender<()>>>,
    /// State of the window before a step-up raised it.
    before: Mutex<Option<Before>>,
    keyboard: KeyboardGuard,
    placement: Placement,
    /// Place where the person moved the window, in a file of their account.
    kept: JsonFile<KeptPlace>,
    happened: Mutex<Sender<Happened>>,
    /// Last place of the window.
    place: Mutex<Option<PhysicalPosition<i32>>>,
    /// Colours that are set: dark, light, or the desktop's.
    dark: Mutex<Option<bool>>,
    /// State wanted of the next window, while the last one is being destroyed.
    destroyed: Mutex<Option<Destroyed>>,
}

/// A window that is being destroyed can still be reached, shown and focused, in vain.
#[derive(Clone, Copy)]
struct Destroyed {
    next: Window,
    language: Language,
}

#[derive(Clone, Copy)]
struct Before {
    minimised: bool,
    /// Place of a window that was open already.
    place: Option<(i32, i32)>,
}

impl Page {
    /// With the file that keeps the place where the person moved the window.
    pub(crate) fn with_place(kept: JsonFile<KeptPlace>, happened: Sender<Happened>) -> Self {
        Self {
            kept,
            happened: Mutex::new(happened),
            splash: SplashOverlay::default(),
            words: Mutex::default(),
            slow: Mutex::default(),
            awaited: Mutex::default(),
            before: Mutex::default(),
            keyboard: KeyboardGuard::default(),
            placement: Placement::default(),
            place: Mutex::default(),
            dark: Mutex::default(),
            destroyed: Mutex::default(),
        }
    }

    fn tell_covers(&self, covers: bool) {
        // Fails only when the app is ending.
        let _ = lock(&self.happened).send(Happened::Covers(covers));
    }

    fn keep(&self, place: (i32, i32)) {
        if let Err(error) = self.kept.write(&Some(place)) {
            tracing::warn!("the place of the window is not kept: {error}");
        }
    }

    /// Replaces the text of the splash.
    pub(crate) fn say(&self, view: &View, language: Language) {
        let words = words(view, language);
        *lock(&self.slow) = language.text_to_it("page-slow", &view.device.support);
        if let Some(before) = self.splash.words() {
            self.splash.put(Some(Words { dark: before.dark, ..words.clone() }));
        }
        *lock(&self.words) = words;
    }
}

/// Brings the window into the required state.
pub(crate) fn make(app: &AppHandle, wanted: Window, language: Language) -> tauri::Result<()> {
    let there = app.get_webview_window(MAIN);
    let page = app.state::<Page>();
    if let Some(destroyed) = &mut *lock(&page.destroyed) {
        destroyed.next = wanted;
        return Ok(());
    }
    let before = *lock(&page.before);
    match (wanted, there) {
        (Window::None, None) | (Window::Ready, Some(_)) => Ok(()),
        (Window::None, Some(window)) => {
            *lock(&page.awaited) = None;
            page.splash.put(None);
            if lock(&page.before).take().is_some() {
                page.placement.moved_by_person(&window).inspect(|place| page.keep(*place));
            }
            *lock(&page.destroyed) = Some(Destroyed { next: Window::None, language });
            window.destroy().inspect_err(|_| *lock(&page.destroyed) = None)
        }
        (Window::Ready, None) => open(app, language).map(drop),
        (Window::Open, Some(window)) if before.is_some() => {
            // The step-up is closed: restores the window without taking the keyboard.
            *lock(&page.before) = None;
            window.set_always_on_top(false)?;
            window.set_visible_on_all_workspaces(false)?;
            window.request_user_attention(None)?;
            page.keyboard.release(&window)?;
            page.placement.moved_by_person(&window).inspect(|place| page.keep(*place));
            if let Some(place) = before.and_then(|before| before.place) {
                page.placement.put(&window, &page.keyboard, place)?;
            }
            if before.is_some_and(|before| before.minimised) { window.minimize() } else { Ok(()) }
        }
        (Window::Open, there) => {
            let window = there.map_or_else(|| open(app, language), Ok)?;
            page.keyboard.accept_keyboard(&window)?;
            window.unminimize()?;
            window.show()?;
            window.set_focus()
        }
        (Window::Raised, there) => {
            let window = there.map_or_else(|| open(app, language), Ok)?;
            page.keyboard.leave_keyboard(&window)?;
            if before.is_none() {
                let place = page.placement.place(&window);
                *lock(&page.before) = Some(Before { minimised: window.is_minimized()?, place });
                let covers = page.placement.dock(&window, &page.keyboard, page.kept.read())?;
                page.tell_covers(covers);
            }
            window.unminimize()?;
            window.set_always_on_top(true)?;
            window.set_visible_on_all_workspaces(true)?;
            window.show()?;
            window.request_user_attention(Some(UserAttentionType::Critical))
        }
    }
}

/// The window has been destroyed: creates the next one if one is wanted by now.
pub(crate) fn destroyed(app: &AppHandle) -> tauri::Result<()> {
    let destroyed = lock(&app.state::<Page>().destroyed).take();
    destroyed.map_or(Ok(()), |Destroyed { next, language }| make(app, next, language))
}

/// Gives the window the keyboard, after an act of the person that was meant for it.
pub(crate) fn take_keyboard(app: &AppHandle) -> tauri::Result<()> {
    let Some(window) = app.get_webview_window(MAIN) else { return Ok(()) };
    app.state::<Page>().keyboard.accept_keyboard(&window)?;
    window.set_focus()
}

/// Sets the colours of the window: dark, light, or as the desktop has them.
pub(crate) fn set_dark(app: &AppHandle, dark: Option<bool>) -> tauri::Result<()> {
    *lock(&app.state::<Page>().dark) = dark;
    vitalsign_desktop::set_theme(app, dark.map(|dark| if dark { Theme::Dark } else { Theme::Light }))?;
    app.get_webview_window(MAIN).map_or(Ok(()), |window| paint_ground(&window))
}

/// The desktop has other colours now.
pub(crate) fn colours_changed(app: &AppHandle) {
    if let Some(Err(error)) = app.get_webview_window(MAIN).map(|window| paint_ground(&window)) {
        tracing::debug!("no ground to paint: {error}");
    }
}

/// Gives the window the ground of its page, so that nothing else is seen while there is no page.
fn paint_ground(window: &WebviewWindow) -> tauri::Result<()> {
    let [red, green, blue] = if vitalsign_desktop::is_dark(window) { DARK_GROUND } else { LIGHT_GROUND };
    window.set_background_color(Some(Color(red, green, blue, u8::MAX)))
}

/// Moves the window as the person wants it.
pub(crate) fn moved_by(app: &AppHandle, way: Moving) {
    let Some(window) = app.get_webview_window(MAIN) else { return };
    let page = app.state::<Page>();
    let step = match way {
        Moving::Grab => return log(page.placement.grab(&window)),
        Moving::Drag { x, y } => return log(page.placement.drag(&window, &page.keyboard, (x, y))),
        Moving::Drop => WindowMove::Drop,
        Moving::OtherSide => WindowMove::OtherSide,
        Moving::Left => WindowMove::Left,
        Moving::Right => WindowMove::Right,
        Moving::Up => WindowMove::Up,
        Moving::Down => WindowMove::Down,
    };
    match page.placement.step(&window, &page.keyboard, step) {
        Ok(Some(place)) => {
            page.keep(place);
            page.tell_covers(false);
        }
        Ok(None) => {}
        Err(error) => log(Err(error)),
    }
}

/// The window is at this place now. The page counts no press for a while, because its buttons are elsewhere.
pub(crate) fn moved(app: &AppHandle, place: PhysicalPosition<i32>) {
    if lock(&app.state::<Page>().place).replace(place) != Some(place) {
        log(app.emit_to(MAIN, MOVED, ()));
    }
}

fn log(done: tauri::Result<()>) {
    if let Err(error) = done {
        tracing::warn!("the window: {error}");
    }
}

/// Returns whether the person is looking at the window.
pub(crate) fn is_in_front(app: &AppHandle) -> bool {
    app.get_webview_window(MAIN).is_some_and(|window| window.is_focused().unwrap_or_default())
}

/// Returns whether a driver controls the page, which is possible in test builds only.
pub(crate) fn is_driven() -> bool {
    cfg!(debug_assertions) && std::env::var_os("TAURI_WEBVIEW_AUTOMATION").is_some()
}

/// The page is on the screen.
pub(crate) fn drawn(app: &AppHandle) {
    let page = app.state::<Page>();
    *lock(&page.awaited) = None;
    page.splash.put(None);
    redraw(app);
    tracing::debug!("the page is drawn");
}

/// Creates the splash text: a short form of the page's content.
fn words(view: &View, language: Language) -> Words {
    let asked = view.prompt.as_ref().filter(|prompt| !matches!(prompt.step, Step::Ended { .. }));
    let Some(asked) = asked else {
        return Words { title: language.text("app-name"), ..Words::default() };
    };
    let mut arguments = FluentArgs::new();
    arguments.set("application", asked.application.as_str());
    let labelled = |label: &str, text: &str| format!("{}: {text}", language.text(label));
    Words {
        title: language.text_with("prompt-title", &arguments),
        lines: vec![
            labelled("prompt-message", &asked.message),
            labelled("prompt-user", &asked.user),
            labelled("prompt-device", &view.device.name),
        ],
        dark: false,
    }
}

fn open(app: &AppHandle, language: Language) -> tauri::Result<WebviewWindow> {
    let begun = Instant::now();
    let mut builder = WebviewWindowBuilder::new(app, MAIN, WebviewUrl::App("index.html".into()))
        .title(language.text("app-name"))
        .inner_size(520.0, 720.0)
        .min_inner_size(320.0, 480.0)
        .center()
        .visible(false)
        .on_navigation(is_ours)
        .on_new_window(|_, _| NewWindowResponse::Deny);
    // What WebKit must keep somewhere is gone with the session. (Not `incognito`: its second window has no page.)
    if let Ok(session) = app.path().runtime_dir() {
        builder = builder.data_directory(session.join("vitalsign-app"));
    }
    let window = builder.build()?;
    let dark = *lock(&app.state::<Page>().dark);
    // A new window takes the desktop's colours.
    set_dark(app, dark)?;
    vitalsign_desktop::splash(&window, &app.state::<Page>().splash)?;
    let page = app.state::<Page>();
    page.keyboard.watch(&window)?;
    page.placement.fit(&window, &page.keyboard)?;
    let again = app.clone();
    vitalsign_desktop::lock_down_webview(&window, move || reload(&again, language, 0))?;
    cover(app, language, 0);
    tracing::debug!("the window is made in {} ms", begun.elapsed().as_millis());
    Ok(window)
}

/// Returns whether a URL is one of the app's own pages on this system.
fn is_ours(to: &Url) -> bool {
    to.scheme() == "tauri" || (to.scheme() == "http" && to.host_str() == Some("tauri.localhost"))
}

/// Shows the splash until the page is ready. Reloads a page that does not become ready, and tells the person.
fn cover(app: &AppHandle, language: Language, tried: u32) {
    let page = app.state::<Page>();
    let mut words = lock(&page.words).clone();
    words.dark = app.get_webview_window(MAIN).is_some_and(|window| vitalsign_desktop::is_dark(&window));
    if tried > 0 {
        words.lines.push(lock(&page.slow).clone());
    }
    page.splash.put(Some(words));
    redraw(app);
    await_page(app, language, tried);
}

/// Reloads the page if it is not ready in time; a later call cancels an earlier one.
fn await_page(app: &AppHandle, language: Language, tried: u32) {
    let (awaited, gone) = channel();
    *lock(&app.state::<Page>().awaited) = Some(awaited);
    let app = app.clone();
    std::thread::spawn(move || {
        if gone.recv_timeout(REPLY_TIMEOUT) != Err(RecvTimeoutError::Timeout) {
            return;
        }
        let later = app.clone();
        let look = move || {
            // It may have come until it was this thread's turn.
            if gone.try_recv() != Err(TryRecvError::Empty) {
                return;
            }
            match later.get_webview_window(MAIN).map(|window| window.is_visible()) {
                Some(Ok(true)) => reload(&later, language, tried + 1),
                // A hidden page is not drawn.
                Some(_) => await_page(&later, language, tried),
                None => {}
            }
        };
        if let Err(error) = app.run_on_main_thread(look) {
            tracing::debug!("the app has ended: {error}");
        }
    });
}

fn reload(app: &AppHandle, language: Language, tried: u32) {
    tracing::warn!("the page is not there; it is asked for again");
    if let Some(Err(error)) = app.get_webview_window(MAIN).map(|window| window.reload()) {
        tracing::warn!("it cannot be asked for: {error}");
    }
    cover(app, language, tried);
}

fn redraw(app: &AppHandle) {
    if let Some(Err(error)) = app.get_webview_window(MAIN).map(|window| vitalsign_desktop::redraw(&window)) {
        tracing::debug!("nothing to draw on: {error}");
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_goes_to_its_own_pages_only() {
        for (to, ours) in [
            ("tauri://localhost/index.html", true),
            ("http://tauri.localhost/", true),
            ("http://tauri.localhost.example.org/", false),
            ("https://example.org/", false),
            ("http://localhost/", false),
            ("file:///etc/passwd", false),
            ("about:blank", false),
            ("data:text/html,hello", false),
        ] {
            assert_eq!(is_ours(&to.parse().unwrap()), ours, "{to}");
        }
    }
}
