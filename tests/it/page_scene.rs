//! The page of the real binary in front of a stream of a test's own making.

use std::sync::Mutex;
use std::sync::mpsc::{Sender, channel};

use crate::harness::browser::Browser;
use crate::harness::metrics::{Metrics, Running};
use crate::harness::server::{page_with_stream, say};
use crate::page::{VIEW, open_after};

/// A browser on the page, and the server that it sees.
pub(crate) struct Scene {
    pub(crate) browser: Browser,
    /// What is sent here is said to the page.
    pub(crate) says: Sender<String>,
    _page: Running,
}

impl Scene {
    /// Runs `script` before the page's own. The page is told the first of `texts`, a hello, and the last, the newest sample
    /// with the number `seq`; all of them when it asks for its history.
    #[track_caller]
    pub(crate) fn new(script: &str, texts: Vec<String>, seq: u64) -> Self {
        let page = Metrics::serve().start();
        let (says, said) = channel::<String>();
        let said = Mutex::new(said);
        let port = page_with_stream(page.port(), move |query, socket| {
            let all: Vec<&str> = texts.iter().map(String::as_str).collect();
            if query.contains("since=") {
                say(socket, &all);
                while socket.read().is_ok() {}
            } else {
                say(socket, &[all[0], all[all.len() - 1]]);
                let said = said.lock().unwrap();
                said.iter().for_each(|text| say(socket, &[&text]));
            }
        });
        let mut browser = open_after(script, port);
        browser.wait_until(&format!("view().filled && view().seq === {seq}"), VIEW);
        // The next frame draws it.
        browser.eval("new Promise(requestAnimationFrame)");
        Self {
            browser,
            says,
            _page: page,
        }
    }
}
