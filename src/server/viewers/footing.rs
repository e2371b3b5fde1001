//! What decides what a viewer gets next.

use crate::hub::SharedPlace;

use super::encoding::Deflating;

/// What a viewer has had, as far as it decides what it gets next.
#[derive(Debug, PartialEq)]
pub(super) struct Footing {
    pub(super) place: SharedPlace,
    pub(super) deflating: Option<Deflating>,
}
