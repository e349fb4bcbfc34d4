//! Permissions of the web view in the real page: only the app's five commands.

use anyhow::{Result, ensure};
use serde_json::json;
use std::net::TcpListener;
use vitalsign_app_tests::{App, DesktopServices, StandIn};

#[test]
fn page_can_use_only_the_apps_commands() -> Result<()> {
    let desk = DesktopServices::new()?;
    let service = StandIn::proper(desk.folder())?;
    let app = App::open(&desk, service.socket(), None, &[])?;
    let page = &app.page;
    page.see("#headline")?;
    ensure!(page.run("return typeof window.__TAURI__", &[])? == json!("undefined"), "withGlobalTauri");

    // The app's own commands are allowed, Tauri's are denied.
    ensure!(page.invoke("view", &json!({}))?.is_ok());
    for (command, arguments) in [
        ("plugin:window|set_title", json!({ "label": "main", "value": "x" })),
        ("plugin:window|close", json!({ "label": "main" })),
        (
            "plugin:webview|create_webview_window",
            json!({ "options": { "label": "x", "url": "https://example.org" } }),
        ),
        ("plugin:event|emit", json!({ "event": "view", "payload": {} })),
        ("plugin:event|emit_to", json!({ "target": { "kind": "Any" }, "event": "view", "payload": {} })),
        ("plugin:app|version", json!({})),
        ("plugin:path|resolve_directory", json!({ "directory": 1 })),
        ("plugin:menu|new", json!({ "kind": "Menu", "handler": null })),
        ("plugin:tray|get_by_id", json!({ "id": "tray" })),
        ("plugin:resources|close", json!({ "rid": 1 })),
        ("plugin:fs|read_text_file", json!({ "path": "/etc/passwd" })),
        ("plugin:shell|execute", json!({ "program": "id" })),
        ("no_such_command", json!({})),
    ] {
        let said = page.invoke(command, &arguments)?;
        ensure!(said.as_ref().is_err_and(|why| why.contains("not ")), "{command}: {said:?}");
    }
    ensure!(page.invoke("act", &json!({ "action": { "do": "read-file" } }))?.is_err(), "an unknown action");
    page.see("#headline")?;

    // Nothing leaves the machine: the listener receives no connection.
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let there = format!("http://{}/", listener.local_addr()?);
    page.run("window.refused = []; addEventListener('securitypolicyviolation', it => refused.push(it.effectiveDirective))", &[])?;
    let fetched = page.run_until_done(
        "fetch(arguments[0]).then(() => done('sent'), error => done(String(error)))",
        &[json!(there)],
    )?;
    ensure!(fetched != json!("sent"), "{fetched}");
    page.run(
        "const it = document.body, there = arguments[0], add = (name, set) => it.append(Object.assign(document.createElement(name), set));
         window.harmed = [];
         add('script', { textContent: 'harmed.push(1)' });
         add('script', { src: there });
         add('img', { src: there, alt: '' });
         add('iframe', { src: there, title: 'x' });
         add('style', { textContent: 'body { color: red }' });
         add('link', { rel: 'stylesheet', href: there });
         const link = document.createElement('a'); link.setAttribute('onclick', 'harmed.push(2)'); it.append(link); link.click();
         try { new WebSocket(there.replace('http', 'ws')) } catch { refused.push('connect-src') }
         try { navigator.sendBeacon(there, 'x') } catch { refused.push('connect-src') }
         const form = document.createElement('form'); form.action = there; form.method = 'post'; it.append(form); form.submit();",
        &[json!(there)],
    )?;
    for directive in ["connect-src", "script-src", "img-src", "frame-src", "style-src", "form-action"] {
        page.until(
            &format!("{directive} to be refused"),
            &format!("window.refused.some(it => it.startsWith('{directive}'))"),
        )?;
    }
    ensure!(page.run("return window.harmed", &[])? == json!([]), "an inline script ran");
    // `eval` is a script too.
    let evaluated =
        page.run("try { return new Function('return 1')() } catch (error) { return error.name }", &[])?;
    ensure!(evaluated == json!("EvalError"), "{evaluated}");
    listener.set_nonblocking(true)?;
    ensure!(listener.accept().is_err(), "a connection was made");
    ensure!(page.run("return location.host", &[])? == json!("localhost"), "the page has gone elsewhere");
    Ok(())
}
