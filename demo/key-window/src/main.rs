//! A simulated security key cannot be touched: this window is what a person touches instead. It prints `touch` for each
//! click, and ends when it is closed.

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    use gtk::prelude::*;
    use std::io::Write;
    use std::process::ExitCode;

    if gtk::init().is_err() {
        eprintln!("vitalsign-key-window: there is no display");
        return ExitCode::FAILURE;
    }
    let touch = gtk::Button::with_label("Touch the key");
    touch.set_size_request(260, 96);
    touch.connect_clicked(|_| {
        // Fails when the demonstration has ended.
        let _ = writeln!(std::io::stdout(), "touch").and_then(|()| std::io::stdout().flush());
    });
    let says = gtk::Label::new(Some("SIMULATED: a program that protects nothing.\nIts PIN is 123456."));
    says.set_justify(gtk::Justification::Center);
    let rows = gtk::Box::new(gtk::Orientation::Vertical, 12);
    rows.set_margin(16);
    rows.add(&says);
    rows.add(&touch);

    let window = gtk::Window::new(gtk::WindowType::Toplevel);
    window.set_title("Simulated security key");
    window.set_resizable(false);
    // Placed beside the prompt's window, which keeps the keyboard.
    window.set_keep_above(true);
    window.set_accept_focus(false);
    window.set_focus_on_map(false);
    window.add(&rows);
    window.connect_delete_event(|_, _| {
        gtk::main_quit();
        gtk::glib::Propagation::Proceed
    });
    window.show_all();
    let monitor = gtk::gdk::Display::default().and_then(|it| it.primary_monitor().or_else(|| it.monitor(0)));
    if let Some(area) = monitor.map(|monitor| monitor.workarea()) {
        window.move_(area.x() + area.width() - 340, area.y() + area.height() - 280);
    }
    gtk::main();
    ExitCode::SUCCESS
}

#[cfg(not(target_os = "linux"))]
fn main() {}
