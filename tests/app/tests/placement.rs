//! Place and size of the prompt's window: beside the work, on the screen, and movable; and what a move means for presses.

use anyhow::{Context, Result, ensure};
use serde_json::json;
use std::time::{Duration, Instant};
use vitalsign_app_tests::{
    App, DesktopServices, Hand, Manager, Page, Process, Rect, TextWindow, TrayHost, Ward,
};
use vitalsign_e2e::wait_for;

const MINUTE: Duration = Duration::from_secs(60);
/// Time in which a move that counted is seen.
const TRY: Duration = Duration::from_secs(2);
const SCREEN: Rect = Rect { x: 0, y: 0, width: 1280, height: 900 };
/// Time after a move in which no press counts, as in `platform/desktop` and the page.
const QUIET: Duration = Duration::from_millis(700);

/// Middle of a rectangle.
fn middle(it: Rect) -> Result<(i16, i16)> {
    Ok(((it.x + it.width / 2).try_into()?, (it.y + it.height / 2).try_into()?))
}

#[test]
fn prompt_stays_beside_the_work_and_where_it_is_moved() -> Result<()> {
    let ward = Ward::open()?;
    let tray = TrayHost::at(&ward.desk)?;
    let socket = ward.agent.socket();
    let start = || -> Result<Process> {
        Process::start(&mut App::command(&ward.desk, &socket, Some(&ward.key), &["--background"])?)
    };
    let app = start()?;
    tray.icon()?;
    let screen = ward.desk.screen()?;
    let ask = |order: &str| -> Result<_> {
        let asked = ward.ask(&format!("EHR: sign order {order}"), &[])?;
        let window = screen.until_app_window()?;
        Ok((asked, window))
    };
    let close = |window, asked: vitalsign_e2e::Asked| -> Result<()> {
        screen.close(window)?;
        ensure!(asked.end()? == "declined");
        screen.until_no_app_window()
    };

    for (order, work) in [
        ("4711", Rect { x: 0, y: 40, width: 700, height: 700 }),
        ("4712", Rect { x: 580, y: 40, width: 690, height: 700 }),
    ] {
        let text = TextWindow::open_at(ward.desk.display(), work)?;
        let (asked, window) = ask(order)?;
        // Where a window manager has put it first, it goes from at once.
        let beside = wait_for("the prompt beside the work", MINUTE, || {
            let place = screen.place(window)?;
            Ok((!place.overlaps(screen.place(text.window)?) && place.is_inside(SCREEN)).then_some(place))
        })?;
        ensure!(screen.keyboard_at()? == text.window, "the prompt took the keyboard at {beside:?}");
        close(window, asked)?;
        text.close()?;
    }

    // The person drags it by its handle, beyond the edge of the screen.
    let hand = Hand::open(ward.desk.display())?;
    let (asked, window) = ask("4713")?;
    let before = screen.place(window)?;
    let moved = wait_for("the window to follow the pointer", MINUTE, || {
        let content = screen.content(window)?;
        let handle: (i16, i16) = ((content.x + 40).try_into()?, (content.y + 40).try_into()?);
        hand.point(handle)?;
        hand.press(true)?;
        for step in 1..=20 {
            hand.point((handle.0 - 10 * step, handle.1 + 20 * step))?;
        }
        hand.press(false)?;
        // A press soon after a move or another press does not count: then a person tries again.
        let moved = wait_for("a move", TRY, || {
            let place = screen.place(window)?;
            Ok(((place.x - before.x).abs() > 100 && place.is_inside(SCREEN)).then_some(place))
        });
        Ok(moved.ok())
    })?;
    close(window, asked)?;

    // It is there the next time, also after a restart.
    drop(app);
    let app = start()?;
    let (asked, window) = ask("4714")?;
    wait_for("the place where it was moved", MINUTE, || {
        let place = screen.place(window)?;
        Ok(((place.x - moved.x).abs() < 20 && (place.y - moved.y).abs() < 60).then_some(()))
    })
    .with_context(|| format!("it was at {moved:?}, and is at {:?}", screen.place(window)))?;
    close(window, asked)?;

    // The monitor that it was on has gone.
    drop(app);
    let left = Rect { width: 500, ..SCREEN };
    ensure!(!moved.is_inside(left), "it is there already: {moved:?}");
    screen.set_monitor(left, (132, 238))?;
    let _app = start()?;
    let (asked, window) = ask("4715")?;
    wait_for("the prompt on the monitor that is left", MINUTE, || {
        Ok(screen.place(window)?.is_inside(left).then_some(()))
    })
    .with_context(|| format!("{:?}", screen.place(window)))?;
    close(window, asked)
}

#[test]
fn prompt_docks_beside_the_keyboard_of_the_person() -> Result<()> {
    let ward = Ward::open_at(DesktopServices::under(Manager::None)?)?;
    let tray = TrayHost::at(&ward.desk)?;
    let _app = Process::start(&mut App::command(
        &ward.desk,
        &ward.agent.socket(),
        Some(&ward.key),
        &["--background"],
    )?)?;
    tray.icon()?;
    let (screen, hand) = (ward.desk.screen()?, Hand::open(ward.desk.display())?);
    for (order, work, elsewhere) in [
        ("4711", Rect { x: 0, y: 40, width: 600, height: 700 }, (1200, 450)),
        ("4712", Rect { x: 680, y: 40, width: 600, height: 700 }, (80, 450)),
    ] {
        let text = TextWindow::open_at(ward.desk.display(), work)?;
        // A window manager that is behind still names the window that was closed before.
        screen.say_active(screen.gone_window()?)?;
        screen.focus_inside(text.window)?;
        hand.point(elsewhere)?;
        let asked = ward.ask(&format!("EHR: sign order {order}"), &[])?;
        let window = screen.until_app_window()?;
        wait_for("the prompt beside the work", MINUTE, || {
            let place = screen.place(window)?;
            Ok((!place.overlaps(work) && place.is_inside(SCREEN)).then_some(()))
        })
        .with_context(|| format!("{order}: {:?}", screen.place(window)))?;
        screen.close(window)?;
        ensure!(asked.end()? == "declined");
        screen.until_no_app_window()?;
        text.close()?;
    }
    Ok(())
}

#[test]
fn click_right_after_a_move_answers_nothing() -> Result<()> {
    let ward = Ward::open()?;
    let app = ward.app(&[])?;
    let (page, screen) = (&app.page, ward.desk.screen()?);
    let asked = ward.ask("EHR: sign order 4715", &[])?;
    page.see("#decline")?;
    let window = screen.until_app_window()?;
    let hand = Hand::open(ward.desk.display())?;
    let (mut tried, mut to_the_left) = (0, true);
    for _ in 0..60 {
        page.until_calm()?;
        let content = screen.content(window)?;
        let button = on_screen(page, content, "#decline")?.context("no button")?;
        let shift = if to_the_left { -160 } else { 160 };
        let after = Rect { x: button.x + shift, ..button };
        let frame = screen.place(window)?;
        let begun = Instant::now();
        screen.move_window(window, (frame.x + shift, frame.y))?;
        wait_for("the move", MINUTE, || Ok((screen.content(window)?.x == content.x + shift).then_some(())))?;
        hand.click(middle(after)?)?;
        to_the_left = !to_the_left;
        // A machine that was held up for longer than the quiet time proves nothing.
        if begun.elapsed() < QUIET {
            tried += 1;
        } else {
            ensure!(page.has("#decline")?, "an answer that counts came too late to be a try");
        }
        ensure!(page.has("#decline")?, "a click right after a move declined");
        if tried == 3 {
            break;
        }
    }
    ensure!(tried == 3, "the machine was too busy: {tried} tries");
    // The same place counts once the window has come to rest.
    page.until_calm()?;
    page.click("#decline")?;
    ensure!(asked.end()? == "declined");
    Ok(())
}

/// Returns where an element is on the screen, if the page has it. `content` is the place of the page.
fn on_screen(page: &Page, content: Rect, css: &str) -> Result<Option<Rect>> {
    let box_of = "const [css, width] = arguments, size = width / innerWidth;
         const it = document.querySelector(css)?.getBoundingClientRect();
         return it && [it.x, it.y, it.width, it.height].map(length => Math.round(length * size))";
    let found: Option<[i32; 4]> =
        serde_json::from_value(page.run(box_of, &[json!(css), json!(content.width)])?)?;
    Ok(found.map(|[x, y, width, height]| Rect { x: content.x + x, y: content.y + y, width, height }))
}

#[test]
fn targets_of_a_prompt_are_enlarged_on_fine_screens() -> Result<()> {
    let ward = Ward::open()?;
    let screen = ward.desk.screen()?;
    // A monitor of 220 pixels to the inch, as a tablet of 10 inches has. (The server has one output, and GTK sees no monitor
    // without one.)
    let fine = Rect { x: 400, width: 880, ..SCREEN };
    screen.set_monitor(fine, (102, 104))?;
    let app = ward.app(&[])?;
    let (page, window) = (&app.page, screen.until_app_window()?);
    let _text = TextWindow::open_at(ward.desk.display(), Rect { x: 700, y: 100, width: 300, height: 300 })?;
    let _asked = ward.ask("EHR: sign order 4716", &[])?;
    page.see("#decline")?;
    wait_for("the prompt on the monitor", MINUTE, || Ok(screen.place(window)?.is_inside(fine).then_some(())))
        .with_context(|| format!("{:?}", screen.place(window)))?;
    // As large as the monitor allows, where 480 pixels of the page have to fit: 860 / 480 = 1.79. The target is 48 pixels.
    ensure_large(page, screen.content(window)?, 48.0 * 1.75)
}

/// Fails if a button of the page is smaller than this on the screen, in pixels. `content` is the place of the page.
fn ensure_large(page: &Page, content: Rect, wanted: f64) -> Result<()> {
    let small = page.run(
        "const [width, wanted] = arguments;
         const size = width / innerWidth;
         return [...document.querySelectorAll('button')].map(it => [it.id, it.getBoundingClientRect()])
           .filter(([, it]) => Math.min(it.width, it.height) * size < wanted).map(([id, it]) => `${id} ${it.width * size} ${it.height * size}`)",
        &[json!(content.width), json!(wanted)],
    )?;
    ensure!(small == json!([]), "too small in {content:?}: {small}");
    Ok(())
}

#[test]
fn prompt_is_on_the_monitor_of_the_work() -> Result<()> {
    let ward = Ward::open_at(DesktopServices::with_two_monitors()?)?;
    let screen = ward.desk.screen()?;
    let (left, right) = (SCREEN, Rect { x: 1280, y: 0, width: 1920, height: 1200 });
    // Of 96 and of 220 pixels to the inch.
    screen.set_monitor(left, (339, 238))?;
    screen.set_monitor(right, (222, 139))?;
    let hand = Hand::open(ward.desk.display())?;
    hand.point((200, 200))?;
    let app = ward.app(&[])?;
    let (page, window) = (&app.page, screen.until_app_window()?);
    wait_for("the window", MINUTE, || Ok(screen.place(window)?.is_inside(left).then_some(())))?;
    let before = screen.content(window)?;
    for (order, monitor, work, target) in [
        (4717, right, Rect { x: 1400, y: 100, width: 700, height: 700 }, 48.0 * 2.15),
        (4718, left, Rect { x: 20, y: 60, width: 500, height: 700 }, 48.0),
        (4719, right, Rect { x: 2300, y: 300, width: 600, height: 700 }, 48.0 * 2.15),
    ] {
        let text = TextWindow::open_at(ward.desk.display(), work)?;
        wait_for("the person's window", MINUTE, || Ok((screen.keyboard_at()? == text.window).then_some(())))?;
        let asked = ward.ask(&format!("EHR: sign order {order}"), &[])?;
        page.see("#decline")?;
        wait_for("the prompt on the monitor of the work", MINUTE, || {
            let place = screen.place(window)?;
            Ok((place.is_inside(monitor) && !place.overlaps(screen.place(text.window)?)).then_some(()))
        })
        .with_context(|| format!("{order}: {:?}", screen.place(window)))?;
        page.until_calm()?;
        ensure_large(page, screen.content(window)?, target).with_context(|| format!("{order}"))?;
        // On a busy machine a press may not count, and a person presses again once the page stands still.
        wait_for("the prompt to be declined", MINUTE, || {
            let Some(button) = on_screen(page, screen.content(window)?, "#decline")? else {
                return Ok(Some(()));
            };
            hand.click(middle(button)?)?;
            page.until_calm()?;
            Ok(None)
        })?;
        ensure!(asked.end()? == "declined");
        // It is given back as it was.
        wait_for("the window where it was", MINUTE, || {
            let now = screen.content(window)?;
            let near = |a: i32, b: i32| (a - b).abs() <= 64;
            Ok((near(now.x, before.x) && now.width == before.width && now.height == before.height)
                .then_some(()))
        })
        .with_context(|| format!("{order}: {before:?} became {:?}", screen.content(window)))?;
        text.close()?;
    }
    Ok(())
}
