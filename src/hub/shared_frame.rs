//! A frame that many viewers get, and its deflated forms, once a viewer wants one of them.

use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use crate::protocol::{Deflated, Frame, HeldBytes};

#[derive(Debug, Clone)]
pub(super) struct SharedFrame {
    frame: Frame,
    forms: OnceLock<Arc<Deflated>>,
}

impl SharedFrame {
    pub(super) fn new(frame: Frame) -> Self {
        Self {
            frame,
            forms: OnceLock::new(),
        }
    }

    /// The frame; for a viewer that wants it `deflated`, with its forms, which are counted in `held`. `before` says
    /// which messages its viewers may just have had.
    pub(super) fn wanted<'a>(
        &self,
        deflated: bool,
        held: &HeldBytes,
        before: impl FnOnce() -> [Option<&'a Frame>; 2],
    ) -> Frame {
        if !deflated {
            return self.frame.clone();
        }
        let forms = self.forms.get_or_init(|| {
            let before = before().map(|frame| frame.map(Frame::shared_json));
            Arc::new(Deflated::new(self.frame.shared_json(), before, held))
        });
        self.frame.clone().with(Arc::clone(forms))
    }
}

impl Deref for SharedFrame {
    type Target = Frame;

    fn deref(&self) -> &Frame {
        &self.frame
    }
}
