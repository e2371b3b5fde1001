//! The page to look at: it fits every screen, can be used without a mouse, and the pictures are there for people.

use crate::harness::metrics::Metrics;
use crate::page::{VIEW, open};

#[test]
fn it_fits_from_a_telephone_to_a_wall() {
    let serve = Metrics::serve().start();
    let mut browser = open(serve.port());
    browser.wait_until("view().seq > 5", VIEW);
    for width in [320, 1280, 3840] {
        for scheme in ["light", "dark"] {
            browser.look((width, width * 9 / 16), scheme);
            let fits = "document.documentElement.scrollWidth <= innerWidth";
            browser.wait_until(fits, "document.documentElement.scrollWidth");
            let small = "[...document.querySelectorAll('button, select, summary, fieldset label')] \
                         .filter((node) => node.offsetParent && node.getBoundingClientRect().height < 44) \
                         .map((node) => node.outerHTML)";
            assert_eq!(browser.eval(small), serde_json::json!([]));
            assert!(browser.screenshot().len() > 10_000);
        }
    }
    assert_eq!(browser.take_errors(), Vec::<String>::new());
}
