//! Registering a security key in the app: the code from IT, a name, a tap.

use anyhow::{Result, ensure};
use serde_json::json;
use vitalsign_app_tests::{PIN, Page, Ward};

fn registration(page: &Page, kind: &str) -> Result<()> {
    page.see(&format!("#registration[data-kind={kind}]"))
}

/// Enters what the form asks for and begins.
fn begin(page: &Page, code: &str, name: &str) -> Result<()> {
    registration(page, "idle")?;
    page.fill("#register-code", code)?;
    page.fill("#register-name", name)?;
    page.click("#register-start")
}

fn enter_pin(page: &Page) -> Result<()> {
    page.fill("#pin", PIN)?;
    page.click("#pin-submit")
}

#[test]
fn a_key_is_registered_with_a_code_a_tap_and_a_name() -> Result<()> {
    let mut ward = Ward::without_a_key()?;
    let app = ward.app(&["--page", "keys"])?;
    let page = &app.page;
    page.see("main[data-page=keys] #keys-lost")?;
    page.inspect("keys-none")?;

    begin(page, "WRONG-CODE", "blue key")?;
    registration(page, "failed")?;
    page.see("#registration #trouble[data-kind=code]")?;
    page.inspect("keys-wrong-code")?;
    page.press("#register-dismiss")?;

    // By keyboard alone, from one field to the next.
    let code = ward.testbed.key_code(vitalsign_app_tests::USER)?;
    registration(page, "idle")?;
    page.tab_to("#register-code")?;
    page.type_keys(&code)?;
    page.tab_to("#register-name")?;
    page.type_keys("blue key")?;
    page.press_enter()?;
    registration(page, "running")?;
    page.see("#pin")?;
    page.inspect("keys-pin")?;
    page.tab_to("#pin")?;
    page.type_keys(PIN)?;
    page.press_enter()?;
    ward.key.until_tap_is_wanted()?;
    page.gone("#pin")?;
    page.inspect("keys-touch")?;
    ward.key.tap()?;
    registration(page, "done")?;
    page.inspect("keys-done")?;
    page.press("#register-dismiss")?;
    page.see("li[data-key]")?;
    ensure!(page.text("li[data-key]")?.contains("blue key"), "{}", page.body()?);
    page.inspect("keys-one")?;
    let body = page.body()?;
    ensure!(!body.contains(&code), "the code: {body}");
    let keys = ward.testbed.administer(&["user", "list"])?;
    ensure!(keys.contains(vitalsign_app_tests::USER), "{keys}");

    // Registers the same key again, and cancels a registration.
    begin(page, &ward.testbed.key_code(vitalsign_app_tests::USER)?, "again")?;
    page.until(
        "the key to say more",
        "document.querySelector('#pin') || document.querySelector('#registration[data-kind=failed]')",
    )?;
    if page.has("#pin")? {
        enter_pin(page)?;
    }
    // A key that knows the credential says so after a touch.
    page.until("a touch, or an end", "!document.querySelector('#pin')")?;
    ward.key.tap()?;
    registration(page, "failed")?;
    page.see("#registration #trouble[data-kind=already-registered]")?;
    page.press("#register-dismiss")?;
    begin(page, &ward.testbed.key_code(vitalsign_app_tests::USER)?, "given up")?;
    registration(page, "running")?;
    // Nothing changes until the person answers.
    page.see("#pin")?;
    page.click("#register-cancel")?;
    registration(page, "idle")?;
    let shown = page.run("return document.querySelectorAll('li[data-key]').length", &[])?;
    ensure!(shown == json!(1), "{shown} keys");
    Ok(())
}
