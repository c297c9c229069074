//! A browser to look at pages with: Debian's Chromium without a window, driven by its own driver over the
//! WebDriver protocol (W3C), and by the browser's own commands where that has none.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde_json::{Value, json};

use crate::watchdog::{Guarded, TempDir, free_port, program};

/// The key under which WebDriver names an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A running browser with one tab.
pub struct Browser {
    http: reqwest::Client,
    session: String,
    // The driver is let go of first: the browser would only be missed. Both before the folder.
    _driver: Guarded,
    _chromium: Guarded,
    _folder: TempDir,
}

impl Browser {
    /// Starts it. The browser runs below a watchdog of its own, not below its driver, which would leave it
    /// behind when it is killed.
    pub async fn start() -> Result<Self> {
        let folder = TempDir::new("browser")?;
        let (debug, port) = (free_port(), free_port());
        let chromium = program("chromium")?.display().to_string();
        let data = format!("--user-data-dir={}/data", folder.path().display());
        let debugging = format!("--remote-debugging-port={debug}");
        let flags = [
            chromium.as_str(),
            "--headless=new",
            // Tests run as root, in containers without a large /dev/shm, on machines without a display.
            "--no-sandbox",
            "--disable-dev-shm-usage",
            "--disable-gpu",
            // Nothing but what is tested is asked for.
            "--no-first-run",
            "--no-default-browser-check",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-breakpad",
            "--no-proxy-server",
            &data,
            &debugging,
            "about:blank",
        ];
        // What else it keeps, it keeps at home.
        let environment = HashMap::from([("HOME".to_owned(), folder.path().display().to_string())]);
        let mut chromium = Guarded::start(folder.path(), "chromium", &flags, Some(&environment))?;
        listens(debug, &mut chromium).await?;
        let driver = program("chromedriver")?.display().to_string();
        let port_flag = format!("--port={port}");
        let mut driver = Guarded::start(folder.path(), "chromedriver", &[&driver, &port_flag], None)?;
        listens(port, &mut driver).await?;
        let mut browser = Self {
            http: reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(60)).build()?,
            session: format!("http://127.0.0.1:{port}/session"),
            _driver: driver,
            _chromium: chromium,
            _folder: folder,
        };
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "goog:chromeOptions": {"debuggerAddress": format!("127.0.0.1:{debug}")},
            "goog:loggingPrefs": {"browser": "ALL"},
        }}});
        let opened = browser.post("", &wanted).await?;
        let id = opened["sessionId"].as_str().context("a session has an id")?;
        browser.session = format!("{}/{id}", browser.session);
        Ok(browser)
    }

    async fn post(&self, path: &str, body: &Value) -> Result<Value> {
        let answer = self.http.post(format!("{}{path}", self.session)).json(body).send().await?;
        Self::value(path, answer).await
    }

    async fn get(&self, path: &str) -> Result<Value> {
        Self::value(path, self.http.get(format!("{}{path}", self.session)).send().await?).await
    }

    async fn value(path: &str, answer: reqwest::Response) -> Result<Value> {
        let well = answer.status().is_success();
        let value = answer.json::<Value>().await?["value"].take();
        ensure!(well, "{path}: {}", value["message"]);
        Ok(value)
    }

    /// Loads a page, to its end.
    pub async fn open(&self, url: &str) -> Result<()> {
        self.post("/url", &json!({"url": url})).await.map(drop)
    }

    /// The address of the page.
    pub async fn url(&self) -> Result<String> {
        Ok(self.get("/url").await?.as_str().unwrap_or_default().to_owned())
    }

    /// The page's title.
    pub async fn title(&self) -> Result<String> {
        Ok(self.get("/title").await?.as_str().unwrap_or_default().to_owned())
    }

    async fn elements(&self, css: &str) -> Result<Vec<String>> {
        let found = self.post("/elements", &json!({"using": "css selector", "value": css})).await?;
        let ids = found.as_array().into_iter().flatten();
        Ok(ids.filter_map(|id| id[ELEMENT].as_str().map(str::to_owned)).collect())
    }

    /// What somebody reads in the elements that a CSS selector finds.
    pub async fn texts(&self, css: &str) -> Result<Vec<String>> {
        let mut texts = Vec::new();
        for id in self.elements(css).await? {
            let text = self.get(&format!("/element/{id}/text")).await?;
            texts.push(text.as_str().unwrap_or_default().to_owned());
        }
        Ok(texts)
    }

    async fn one(&self, css: &str) -> Result<String> {
        match self.elements(css).await? {
            ids if ids.len() == 1 => Ok(ids.into_iter().next().unwrap_or_default()),
            ids => bail!("{} elements are `{css}` on {}", ids.len(), self.url().await?),
        }
    }

    /// Clicks on the one element that a CSS selector finds; a page that this leads to is loaded to its end.
    pub async fn click(&self, css: &str) -> Result<()> {
        let id = self.one(css).await?;
        self.post(&format!("/element/{id}/click"), &json!({})).await.map(drop)
    }

    /// Types into the one field that a CSS selector finds, in place of what stands there.
    pub async fn fill(&self, css: &str, text: &str) -> Result<()> {
        let id = self.one(css).await?;
        self.post(&format!("/element/{id}/clear"), &json!({})).await?;
        self.post(&format!("/element/{id}/value"), &json!({"text": text})).await.map(drop)
    }

    /// Runs a script of the tester's in the page, as the body of a function.
    pub async fn run(&self, script: &str) -> Result<Value> {
        self.post("/execute/sync", &json!({"script": script, "args": []})).await
    }

    /// A command of the browser's own (Chrome DevTools Protocol).
    pub async fn command(&self, name: &str, parameters: &Value) -> Result<Value> {
        self.post("/goog/cdp/execute", &json!({"cmd": name, "params": parameters})).await
    }

    /// Shows pages as a screen of this size does, in dark colours or not.
    pub async fn screen(&self, width: u32, height: u32, dark: bool) -> Result<()> {
        let metrics =
            json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600});
        self.command("Emulation.setDeviceMetricsOverride", &metrics).await?;
        let scheme = if dark { "dark" } else { "light" };
        let media = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.command("Emulation.setEmulatedMedia", &media).await.map(drop)
    }

    /// Whether pages may run scripts of their own.
    pub async fn scripts(&self, allowed: bool) -> Result<()> {
        self.command("Emulation.setScriptExecutionDisabled", &json!({"value": !allowed})).await.map(drop)
    }

    /// A picture of the whole page, as PNG.
    pub async fn picture(&self) -> Result<Vec<u8>> {
        let whole = json!({"format": "png", "captureBeyondViewport": true});
        let taken = self.command("Page.captureScreenshot", &whole).await?;
        Ok(BASE64_STANDARD.decode(taken["data"].as_str().context("a picture")?)?)
    }

    /// What the console has said since it was last asked: what was refused, not found, or wrong.
    pub async fn console(&self) -> Result<Vec<String>> {
        let entries = self.post("/se/log", &json!({"type": "browser"})).await?;
        let entries = entries.as_array().into_iter().flatten();
        Ok(entries.map(|entry| format!("{} {}", entry["level"], entry["message"])).collect())
    }
}

async fn listens(port: u16, process: &mut Guarded) -> Result<()> {
    let end = Instant::now() + Duration::from_secs(30);
    while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
        if process.exited().is_some() || Instant::now() > end {
            bail!("the browser did not start: {}", process.output());
        }
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    Ok(())
}
