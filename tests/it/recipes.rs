//! The recipes in `examples/proxy`, each with the real proxy and a browser.

use crate::harness::browser::Browser;
use crate::harness::metrics::Metrics;
use crate::harness::recipes::{RECIPES, Recipe};
use crate::page::{VIEW, assert_unbroken, prepared};

const CONNECTED: &str = "view().isLive && view().filled && view().seq > 3";

#[track_caller]
fn check(recipe: Recipe) {
    let serve = Metrics::serve()
        .args(["--allow-host", "metrics.example"])
        .start();
    let proxied = recipe.start(serve.port());
    for slash in ["/", ""] {
        let mut browser = prepared(Browser::among_untrusted_examples());
        browser.go(&format!("{}{slash}", proxied.page()));
        browser.wait_until(CONNECTED, VIEW);
        assert_eq!(browser.eval("view().isBlocked"), false, "{}", recipe.file);
        assert_eq!(
            browser.eval("location.pathname"),
            "/metrics/",
            "{}",
            recipe.file
        );
        assert_unbroken(&mut browser);
    }
}

#[test]
fn nginx_passes_on_everything() {
    check(RECIPES[0]);
}

#[test]
fn caddy_passes_on_everything() {
    check(RECIPES[1]);
}

#[test]
fn haproxy_passes_on_everything() {
    check(RECIPES[2]);
}

/// The name that the recipes use must be allowed, and the page says so.
#[test]
fn a_name_that_is_not_allowed_is_refused_with_the_flag() {
    let serve = Metrics::serve().start();
    let proxied = RECIPES[0].start(serve.port());
    let mut browser = Browser::among_untrusted_examples();
    browser.go(&format!("{}/", proxied.page()));
    let text = "document.body.innerText";
    browser.wait_until(
        &format!("{text}.includes('--allow-host metrics.example')"),
        text,
    );
}
