//! What a viewer has had, as far as it decides what the viewer gets next.

use crate::hub::SharedPlace;

use super::encoding::Deflating;

/// Viewers on an equal footing get the same next.
#[derive(Debug, PartialEq)]
pub(super) struct Footing {
    pub(super) place: SharedPlace,
    pub(super) deflating: Option<Deflating>,
}
