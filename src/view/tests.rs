//! Whole frames, as a person sees them.

mod fixture;

use super::*;
use fixture::{Fixture, show};

#[test]
fn look() {
    for (w, h) in [(80, 24), (120, 40), (40, 20), (50, 20), (160, 50)] {
        let f = Fixture::one_host();
        show(&f, w, h);
    }
    let mut f = Fixture::one_host();
    f.lose("connection refused");
    show(&f, 80, 24);
    show(&f, 40, 20);
    let f = Fixture::fleet();
    show(&f, 80, 24);
    show(&f, 120, 24);
    show(&f, 60, 20);
    show(&f, 40, 20);
    let mut f = Fixture::fleet();
    f.ui.help = true;
    show(&f, 80, 24);
}
