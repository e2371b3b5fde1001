//! Waits and verdicts.

use std::time::Duration;

use hyper::StatusCode;

use crate::alert::notify::answer::Answer;

use super::{DeliveryTiming, Failed, judged};

#[test]
fn waits_double_up_to_the_longest() {
    let waits = (1..=8).map(|failed| DeliveryTiming::default().wait(failed, 1.0).as_secs());
    assert_eq!(waits.collect::<Vec<_>>(), [1, 2, 4, 8, 16, 32, 60, 60]);
    assert_eq!(DeliveryTiming::default().wait(u32::MAX, 0.5).as_secs(), 30);
    assert_eq!(DeliveryTiming::default().wait(1, 0.0), Duration::ZERO);
}

#[test]
fn a_status_says_whether_to_try_again() {
    for (status, expected) in [
        (200, None),
        (202, None),
        (204, None),
        (301, Some(false)),
        (400, Some(false)),
        (401, Some(false)),
        (404, Some(false)),
        (408, Some(true)),
        (410, Some(false)),
        (425, Some(true)),
        (429, Some(true)),
        (500, Some(true)),
        (503, Some(true)),
        (599, Some(true)),
    ] {
        let answer = Answer {
            status: StatusCode::from_u16(status).unwrap(),
            retry_after: None,
            said: None,
        };
        let may_heal = judged(Ok(answer)).err().map(|failed| failed.may_heal);
        assert_eq!(may_heal, expected, "{status}");
    }
    let reason = "connection refused".to_owned();
    let failed = Failed {
        reason: reason.clone(),
        may_heal: true,
    };
    assert_eq!(judged(Err(reason)), Err(failed));
}
