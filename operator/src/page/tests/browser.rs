//! The page in a real Chromium, without scripts: by keyboard, from logging in to what came of a token. Run by tests/browser,
//! which says where Chromium and axe are, and whether the pictures of the docs are written anew.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::PathBuf,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use super::world::{ENDED, PASTED, VIEWER, World};

const WIDTH: u32 = 1000;

/// A tab of a browser, by the Chrome DevTools Protocol over a pipe: messages of JSON, each with a NUL behind it.
struct Tab {
    browser: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    session: Option<String>,
    last: u64,
    /// What the browser complained of.
    complaints: Vec<String>,
}

impl Tab {
    fn open(port: u16) -> Self {
        let chromium = std::env::var("CHROMIUM").unwrap_or_else(|_| "chromium".into());
        let profile = std::env::temp_dir().join(format!("restward-browser-{port}"));
        let arguments = format!(
            "--headless --no-sandbox --disable-gpu --disable-dev-shm-usage --no-first-run --hide-scrollbars \
             --user-data-dir={} --remote-debugging-pipe",
            profile.display()
        );
        // The browser reads from descriptor 3 and writes to 4.
        let command = format!("exec {chromium} {arguments} 3<&0 4>&1 0</dev/null 1>/dev/null");
        let mut browser = Command::new("sh")
            .args(["-c", &command])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (input, output) = (browser.stdin.take().unwrap(), BufReader::new(browser.stdout.take().unwrap()));
        let mut tab = Self { browser, input, output, session: None, last: 0, complaints: Vec::new() };
        let target = tab.call("Target.createTarget", json!({"url": "about:blank"}));
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        tab.session = Some(tab.call("Target.attachToTarget", attach)["sessionId"].as_str().unwrap().into());
        for domain in ["Page", "DOM", "Log", "Network", "Accessibility"] {
            tab.call(&format!("{domain}.enable"), json!({}));
        }
        tab.scripts(false);
        let size = json!({"width": WIDTH, "height": 800, "deviceScaleFactor": 1, "mobile": false});
        tab.call("Emulation.setDeviceMetricsOverride", size);
        tab
    }

    fn message(&mut self) -> Value {
        let mut message = Vec::new();
        self.output.read_until(0, &mut message).unwrap();
        assert_eq!(message.pop(), Some(0), "the browser ended");
        let message: Value = serde_json::from_slice(&message).unwrap();
        if message["method"] == "Log.entryAdded" {
            self.complaints.push(message["params"]["entry"].to_string());
        }
        message
    }

    fn say(&mut self, method: &str, params: Value) -> u64 {
        self.last += 1;
        let mut message = json!({"id": self.last, "method": method});
        message["params"] = params;
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        self.input.write_all(format!("{message}\0").as_bytes()).unwrap();
        self.last
    }

    fn call(&mut self, method: &str, params: Value) -> Value {
        let id = self.say(method, params);
        loop {
            let mut message = self.message();
            if message["id"] == id {
                assert!(message["error"].is_null(), "{method}: {message}");
                return message["result"].take();
            }
        }
    }

    /// Does something that leads to another page, and waits until that is there.
    fn and_load(&mut self, method: &str, params: Value) {
        self.say(method, params);
        while self.message()["method"] != "Page.loadEventFired" {}
    }

    fn go(&mut self, url: &str) {
        self.and_load("Page.navigate", json!({"url": url}));
    }

    fn scripts(&mut self, are_run: bool) {
        self.call("Emulation.setScriptExecutionDisabled", json!({"value": !are_run}));
    }

    fn dark(&mut self, is_dark: bool) {
        let value = if is_dark { "dark" } else { "light" };
        let features = json!([{"name": "prefers-color-scheme", "value": value}]);
        self.call("Emulation.setEmulatedMedia", json!({"features": features}));
    }

    fn html(&mut self) -> String {
        let root = self.call("DOM.getDocument", json!({}))["root"]["nodeId"].take();
        let html = self.call("DOM.getOuterHTML", json!({"nodeId": root}));
        html["outerHTML"].as_str().unwrap().to_owned()
    }

    /// Types a text where the focus is.
    fn write(&mut self, text: &str) {
        self.call("Input.insertText", json!({"text": text}));
    }

    fn focus(&mut self, selector: &str) {
        let root = self.call("DOM.getDocument", json!({}))["root"]["nodeId"].take();
        let node =
            self.call("DOM.querySelector", json!({"nodeId": root, "selector": selector}))["nodeId"].take();
        self.call("DOM.focus", json!({"nodeId": node}));
    }

    fn tab_key(&mut self) {
        for kind in ["rawKeyDown", "keyUp"] {
            let key = json!({"type": kind, "key": "Tab", "code": "Tab", "windowsVirtualKeyCode": 9});
            self.call("Input.dispatchKeyEvent", key);
        }
    }

    fn enter_key(&mut self) {
        let key = json!({"type": "keyDown", "key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13, "text": "\r"});
        self.and_load("Input.dispatchKeyEvent", key);
    }

    /// Role and name of what has the focus, as a screen reader is told.
    fn focused(&mut self) -> (String, String) {
        let tree = self.call("Accessibility.getFullAXTree", json!({}));
        let is_focused = |node: &&Value| {
            let properties = node["properties"].as_array().into_iter().flatten();
            node["role"]["value"] != "RootWebArea"
                && properties.into_iter().any(|it| it["name"] == "focused" && it["value"]["value"] == true)
        };
        let node = tree["nodes"].as_array().unwrap().iter().find(is_focused).cloned().unwrap_or_default();
        let text = |member: &str| node[member]["value"].as_str().unwrap_or_default().to_owned();
        (text("role"), text("name"))
    }

    /// The whole page.
    fn picture(&mut self, name: &str) {
        let size = self.call("Page.getLayoutMetrics", json!({}))["cssContentSize"].take();
        let clip = json!({"x": 0, "y": 0, "width": WIDTH, "height": size["height"], "scale": 1});
        let image = self.call(
            "Page.captureScreenshot",
            json!({"format": "webp", "quality": 80, "clip": clip, "captureBeyondViewport": true}),
        );
        let image = BASE64_STANDARD.decode(image["data"].as_str().unwrap()).unwrap();
        let folder = match std::env::var("RESTWARD_PICTURES") {
            Ok(folder) => PathBuf::from(folder),
            Err(_) => std::env::temp_dir(),
        };
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(name), image).unwrap();
    }

    /// What axe finds wrong with the page (WCAG 2.2 A and AA, and what it calls best practice).
    fn is_accessible(&mut self, what: &str) {
        let Ok(axe) = std::env::var("RESTWARD_AXE") else { return };
        self.scripts(true);
        let script = format!(
            "{}; axe.run(document).then(found => JSON.stringify(found.violations))",
            std::fs::read_to_string(axe).unwrap()
        );
        let found = self.call(
            "Runtime.evaluate",
            json!({"expression": script, "awaitPromise": true, "returnByValue": true}),
        );
        assert_eq!(found["result"]["value"], "[]", "{what}: {found}");
        self.scripts(false);
    }
}

impl Drop for Tab {
    fn drop(&mut self) {
        // It ends when the pipe does, if not by this.
        _ = self.browser.kill();
        _ = self.browser.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_used_by_keyboard_without_scripts_in_the_light_and_in_the_dark() {
    let world = World::new().await;
    let mut tab = Tab::open(world.address.port());
    let home = format!("http://localhost:{}", world.address.port());
    tab.dark(false);
    tab.go(&format!("{home}/"));
    assert!(tab.html().contains("Token of a ServiceAccount"));
    tab.is_accessible("log in");

    // From the top of the page: to the content, home, the token, the button.
    for _ in 0..3 {
        tab.tab_key();
    }
    assert_eq!(tab.focused(), ("textbox".into(), "Token of a ServiceAccount, made for this page".into()));
    tab.write("wrong.token");
    tab.tab_key();
    assert_eq!(tab.focused(), ("button".into(), "Log in".into()));
    tab.enter_key();
    assert!(tab.html().contains("This is no valid token"));
    tab.is_accessible("wrong token");
    tab.focus("#token");
    tab.write(VIEWER);
    tab.tab_key();
    tab.enter_key();
    let list = tab.html();
    assert!(list.contains("atlassian/wiki") && !list.contains("other/one"), "{list}");
    tab.is_accessible("policies");
    let cookies = tab.call("Network.getCookies", json!({}))["cookies"].take();
    assert_eq!(
        (&cookies[0]["httpOnly"], &cookies[0]["sameSite"]),
        (&json!(true), &json!("Strict")),
        "{cookies}"
    );

    tab.focus("tbody a");
    tab.enter_key();
    for (token, word) in [(ENDED, "A call with it is not forwarded"), (PASTED, "A call with it is forwarded")]
    {
        tab.focus("#token");
        tab.write(token);
        tab.focus("#path");
        tab.write("/confluence/rest/api/content");
        tab.focus("section form button");
        assert_eq!(tab.focused(), ("button".into(), "Try it".into()));
        tab.enter_key();
        let page = tab.html();
        assert!(page.contains(word) && !page.contains(token), "{page}");
        assert_eq!(tab.focused(), ("region".into(), "What came of the token".into()));
        for (is_dark, scheme) in [(false, "light"), (true, "dark")] {
            tab.dark(is_dark);
            tab.is_accessible(&format!("{word}, {scheme}"));
            // One of each for the docs.
            if is_dark == (token == PASTED) {
                tab.picture(&format!("token-page-{scheme}.webp"));
            }
        }
        tab.dark(false);
    }
    tab.focus("header button");
    tab.enter_key();
    assert!(tab.html().contains("Token of a ServiceAccount"));
    tab.go(&format!("{home}/"));
    assert!(tab.html().contains("Token of a ServiceAccount"), "the session goes on");
    // The one answer that is 401, and nothing that its own policy of content refuses.
    let odd: Vec<&String> = tab.complaints.iter().filter(|said| !said.contains("401")).collect();
    assert!(odd.is_empty(), "{odd:#?}");
}
