//! The app's page, in its real web view: what a person sees there, and does.

use crate::{LIMIT, Screen};
use anyhow::{Context, Result, bail, ensure};
use fantoccini::actions::{InputSource, KeyAction, KeyActions};
use fantoccini::error::CmdError;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};
use tokio::runtime::Runtime;
use vitalsign_e2e::wait_for;

const TAB: char = '\u{e004}';
/// Maximum number of tab stops of a page.
const MOST_STOPS: usize = 60;

/// WCAG 2.2 levels A and AA, and best practices.
const RULES: &str = "['wcag2a','wcag2aa','wcag21a','wcag21aa','wcag22a','wcag22aa','best-practice']";

pub struct Page {
    runtime: Runtime,
    client: Client,
    axe: String,
    screen: Screen,
    screenshots: Option<PathBuf>,
}

impl Page {
    /// Has the driver at this address start the app, with its window.
    pub(crate) fn open(driver: &str, program: &Path, arguments: &[String], screen: Screen) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let mut capabilities = Map::new();
        let options = json!({ "binary": program, "args": arguments });
        capabilities.insert("webkitgtk:browserOptions".to_owned(), options);
        let mut builder = ClientBuilder::new(HttpConnector::new());
        let connect = builder.capabilities(capabilities).connect(driver);
        let client = runtime.block_on(async { tokio::time::timeout(LIMIT, connect).await });
        let client = client.context("the driver did not start the app in time")??;
        let axe = workspace().join("ui/node_modules/axe-core/axe.min.js");
        let axe = std::fs::read_to_string(&axe)
            .with_context(|| format!("{}: run `npm ci` in ui", axe.display()))?;
        let screenshots = std::env::var_os("VITALSIGN_SCREENSHOTS").map(|folder| workspace().join(folder));
        Ok(Self { runtime, client, axe, screen, screenshots })
    }

    fn wait<T>(&self, what: &str, doing: impl Future<Output = Result<T, CmdError>>) -> Result<T> {
        let done = self.runtime.block_on(async { tokio::time::timeout(LIMIT, doing).await });
        match done.with_context(|| format!("{what}: the web view does not answer"))? {
            Ok(done) => Ok(done),
            Err(CmdError::Standard(error)) => bail!("{what}: {}: {}", error.error(), error.message),
            Err(error) => Err(error).context(what.to_owned()),
        }
    }

    /// Runs a script in the page and returns its result.
    ///
    /// # Errors
    /// The script throws.
    pub fn run(&self, script: &str, arguments: &[Value]) -> Result<Value> {
        self.wait(script, self.client.execute(script, arguments.to_vec()))
    }

    /// Runs a script that calls `done(…)` with its result.
    ///
    /// # Errors
    /// The script throws.
    pub fn run_until_done(&self, script: &str, arguments: &[Value]) -> Result<Value> {
        let script = format!("const done = arguments[arguments.length - 1];\n{script}");
        self.wait(&script, self.client.execute_async(&script, arguments.to_vec()))
    }

    /// Waits until an expression of the page is true, and gives it.
    ///
    /// # Errors
    /// When it is not in time: with what the page shows instead.
    pub fn until(&self, what: &str, expression: &str) -> Result<Value> {
        let script = format!("return ({expression});");
        let seen = wait_for(what, LIMIT, || {
            let seen = self.run(&script, &[])?;
            Ok((!matches!(seen, Value::Null | Value::Bool(false))).then_some(seen))
        });
        seen.with_context(|| format!("the page shows: {}", self.body().unwrap_or_default()))
    }

    /// Waits until such an element can be seen.
    pub fn see(&self, css: &str) -> Result<()> {
        let css_json = json!(css);
        self.until(
            css,
            &format!("[...document.querySelectorAll({css_json})].some(it => it.getClientRects().length > 0)"),
        )
        .map(drop)
    }

    /// Waits until no element matches.
    ///
    /// # Errors
    /// An element remains.
    pub fn gone(&self, css: &str) -> Result<()> {
        self.until(
            &format!("no {css}"),
            &format!(
                "[...document.querySelectorAll({})].every(it => it.getClientRects().length === 0)",
                json!(css)
            ),
        )
        .map(drop)
    }

    /// Returns whether an element matches and is visible.
    pub fn has(&self, css: &str) -> Result<bool> {
        let seen =
            "return [...document.querySelectorAll(arguments[0])].some(it => it.getClientRects().length > 0)";
        Ok(self.run(seen, &[json!(css)])? == json!(true))
    }

    /// Returns the text of an element, without Fluent's isolation marks.
    ///
    /// # Errors
    /// No element matches.
    pub fn text(&self, css: &str) -> Result<String> {
        self.see(css)?;
        let text = self.run("return document.querySelector(arguments[0]).innerText", &[json!(css)])?;
        Ok(text.as_str().context("no text")?.replace(['\u{2068}', '\u{2069}'], ""))
    }

    /// All that can be read on the page.
    pub fn body(&self) -> Result<String> {
        let text = self.run("return document.body.innerText", &[])?;
        Ok(text.as_str().unwrap_or_default().replace(['\u{2068}', '\u{2069}'], ""))
    }

    /// An attribute of an element.
    ///
    /// # Errors
    /// When there is no such element or it has none such.
    pub fn attribute(&self, css: &str, name: &str) -> Result<String> {
        self.see(css)?;
        let script = "return document.querySelector(arguments[0]).getAttribute(arguments[1])";
        let value = self.run(script, &[json!(css), json!(name)])?;
        Ok(value.as_str().with_context(|| format!("{css} has no {name}"))?.to_owned())
    }

    /// Waits until presses count: nothing has moved for a while.
    ///
    /// # Errors
    /// The page does not come to rest.
    pub fn until_calm(&self) -> Result<()> {
        self.until("the page to stand still", "!document.documentElement.hasAttribute('data-quiet')")
            .map(drop)
    }

    /// Scrolls to the end of what is asked, as a person does who reads it.
    ///
    /// # Errors
    /// There is no prompt.
    pub fn read_to_end(&self) -> Result<()> {
        self.see("#prompt-message")?;
        let scroll = "for (const it of document.querySelectorAll('.message')) it.scrollTop = it.scrollHeight";
        self.run(scroll, &[]).map(drop)
    }

    /// Clicks an element, where a person would.
    ///
    /// # Errors
    /// When it cannot be clicked.
    pub fn click(&self, css: &str) -> Result<()> {
        self.see(css)?;
        self.until_calm()?;
        self.wait(css, async { self.client.find(Locator::Css(css)).await?.click().await })
    }

    /// Clicks into a field and types.
    ///
    /// # Errors
    /// When it cannot be typed into.
    pub fn fill(&self, css: &str, text: &str) -> Result<()> {
        self.click(css)?;
        self.type_keys(text)
    }

    /// Presses keys, one after the other, wherever the focus is.
    pub fn type_keys(&self, keys: &str) -> Result<()> {
        let mut actions = KeyActions::new("keyboard".to_owned());
        for value in keys.chars() {
            actions = actions.then(KeyAction::Down { value }).then(KeyAction::Up { value });
        }
        self.wait("typing", self.client.perform_actions(actions))
    }

    pub fn press_enter(&self) -> Result<()> {
        self.type_keys("\u{e007}")
    }

    /// Goes from stop to stop with the key Tab until this element has the focus, and sees that each stop shows it.
    ///
    /// # Errors
    /// When it is not reached.
    pub fn tab_to(&self, css: &str) -> Result<()> {
        self.see(css)?;
        self.until_calm()?;
        let mut stops = Vec::new();
        for _ in 0..MOST_STOPS {
            if self.is_focused(css)? {
                return Ok(());
            }
            self.type_keys(&TAB.to_string())?;
            let stop = self.run(
                "const it = document.activeElement, style = getComputedStyle(it);
                 const seen = it.matches(':focus-visible') && (style.outlineStyle !== 'none' || style.boxShadow !== 'none');
                 return [it.localName + (it.id ? '#' + it.id : ''), it === document.body || seen]",
                &[],
            )?;
            ensure!(stop.get(1) == Some(&json!(true)), "the focus on {stop} is not visible");
            stops.push(stop.get(0).and_then(Value::as_str).unwrap_or_default().to_owned());
        }
        bail!("{css} is not reached by keyboard: {}", stops.join(", "))
    }

    /// Returns whether this element has the focus.
    pub fn is_focused(&self, css: &str) -> Result<bool> {
        let script = "return document.activeElement.matches(arguments[0])";
        Ok(self.run(script, &[json!(css)])? == json!(true))
    }

    /// Goes to an element by keyboard alone, and presses it.
    ///
    /// # Errors
    /// When it is not reached.
    pub fn press(&self, css: &str) -> Result<()> {
        self.tab_to(css)?;
        self.press_enter()
    }

    /// Returns axe-core's violations of the current page.
    ///
    /// # Errors
    /// axe-core cannot be run.
    pub fn violations(&self) -> Result<Vec<Value>> {
        if self.run("return typeof axe", &[])? != json!("object") {
            self.run(&self.axe, &[])?;
        }
        let found = self.run_until_done(
            &format!(
                "axe.run(document, {{ runOnly: {RULES}, resultTypes: ['violations'] }}).then(
                   found => done({{ passes: found.passes.length, violations: found.violations.map(it => (
                     {{ rule: it.id, help: it.help, at: it.nodes.map(node => node.html + ' ' + node.failureSummary) }})) }}),
                   error => done({{ error: String(error) }}));"
            ),
            &[],
        )?;
        ensure!(found.get("error").is_none(), "{found}");
        ensure!(found.get("passes").and_then(Value::as_u64) > Some(5), "axe looked at nothing: {found}");
        Ok(found.get("violations").and_then(Value::as_array).context("no violations")?.clone())
    }

    /// Looks at the page as it is now, under the name of this state: nothing is amiss by WCAG 2.2 AA, nothing is wider
    /// than the window, and a picture of it goes to the folder that `VITALSIGN_SCREENSHOTS` names.
    ///
    /// # Errors
    /// When something is amiss.
    pub fn inspect(&self, state: &str) -> Result<()> {
        let violations = self.violations()?;
        ensure!(
            violations.is_empty(),
            "{state}: {}\n{}",
            serde_json::to_string_pretty(&violations)?,
            self.body()?
        );
        let wide =
            self.run("const it = document.documentElement; return it.scrollWidth - it.clientWidth", &[])?;
        ensure!(wide == json!(0), "{state}: {wide} pixels are beside the window");
        self.screenshot(state)
    }

    /// Writes a screenshot, if screenshots are requested.
    pub fn screenshot(&self, state: &str) -> Result<()> {
        let Some(folder) = &self.screenshots else { return Ok(()) };
        std::fs::create_dir_all(folder)?;
        // From the screen itself: WebKit's own picture waits for a frame, and where nothing moves there may be none.
        self.run_until_done(
            "setTimeout(done, 1000); requestAnimationFrame(() => requestAnimationFrame(done))",
            &[],
        )?;
        Ok(std::fs::write(folder.join(format!("webkit-{state}.png")), self.screen.picture()?)?)
    }

    /// Asks the app for something, as the page does: what it answers, or why not.
    pub fn invoke(&self, command: &str, arguments: &Value) -> Result<Result<Value, String>> {
        let said = self.run_until_done(
            "window.__TAURI_INTERNALS__.invoke(arguments[0], arguments[1])
               .then(said => done({ said }), why => done({ why: String(why) }))",
            &[json!(command), arguments.clone()],
        )?;
        Ok(match said.get("why").and_then(Value::as_str) {
            Some(why) => Err(why.to_owned()),
            None => Ok(said.get("said").cloned().unwrap_or(Value::Null)),
        })
    }
}

/// The folder of the sources.
fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
