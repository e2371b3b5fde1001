//! The look of the page: it fits every screen and can be used without a mouse; it saves pictures for people.

use std::path::Path;

use crate::harness::browser::Browser;
use crate::harness::metrics::Metrics;
use crate::page::{VIEW, open, with_alert};

/// Where `test.sh` puts axe-core, which is not part of this repository.
const AXE: &str = concat!(
    env!("CARGO_TARGET_TMPDIR"),
    "/axe/node_modules/axe-core/axe.min.js"
);

#[test]
fn it_fits_every_screen() {
    let serve = Metrics::serve().start();
    let mut browser = open(serve.port());
    browser.wait_until("view().seq > 5", VIEW);
    for width in [320, 1280, 3840] {
        for scheme in ["light", "dark"] {
            browser.look((width, width * 9 / 16), scheme);
            let fits = "document.documentElement.scrollWidth <= innerWidth";
            browser.wait_until(fits, "document.documentElement.scrollWidth");
            // Controls are large enough for a finger on a telephone; within text, as large as a line.
            let least = if width == 320 { 44 } else { 28 };
            let small = format!(
                "[...document.querySelectorAll('button, select, summary, fieldset label, input[type=search]')] \
                         .filter((node) => node.offsetParent) \
                         .filter((node) => (node.closest('article') ?? node).getBoundingClientRect().height < \
                             (node.closest('#alerts, th, td, figcaption, h2, .unfold') ? 19 : {least})) \
                         .map((node) => node.outerHTML)"
            );
            assert_eq!(browser.eval(&small), serde_json::json!([]));
            assert!(browser.screenshot().len() > 10_000);
        }
    }
    assert_eq!(browser.take_errors(), Vec::<String>::new());
}

/// Fails with everything that axe-core finds, in the light and in the dark.
#[track_caller]
pub(crate) fn assert_accessible(browser: &mut Browser) {
    let script = std::fs::read_to_string(Path::new(AXE)).unwrap_or_else(|error| {
        panic!(
            "{AXE}: {error}; test.sh installs it, or: npm install --prefix target/tmp/axe axe-core"
        )
    });
    browser.eval(&format!("{{ {script}; 0 }}"));
    for scheme in ["light", "dark"] {
        browser.look((1280, 800), scheme);
        let found = browser.eval(
            "axe.run().then(({ violations }) => violations.map(({ id, nodes }) => \
             [id, ...nodes.map((node) => node.html + node.failureSummary)].join('\\n')))",
        );
        assert_eq!(found, serde_json::json!([]), "{scheme}");
    }
}

#[test]
fn axe_finds_nothing_in_any_of_its_states() {
    let serve = Metrics::serve().start();
    let mut browser = open(serve.port());
    browser.wait_until("view().seq > 12", VIEW);
    browser.wait_until("document.getElementById('values') !== null", VIEW);
    browser.eval("document.getElementById('values').parentNode.open = true");
    assert_accessible(&mut browser);
    serve.kill9();
    browser.wait_until("view().status.startsWith('Reconnecting')", VIEW);
    assert_accessible(&mut browser);

    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("r.csv");
    std::fs::write(&file, with_alert()).unwrap();
    let replay = Metrics::replay([&file])
        .args(["--start", "9s", "--wait", "1"])
        .start();
    let mut browser = open(replay.port());
    browser.wait_until("document.querySelector('#alerts .critical') !== null", VIEW);
    assert_accessible(&mut browser);

    let serve = Metrics::serve()
        .arg("--token-file")
        .arg(dir.path().join("token"))
        .start();
    let mut browser = open(serve.port());
    browser.wait_until("document.getElementById('dialog')?.open === true", VIEW);
    assert_accessible(&mut browser);
}
