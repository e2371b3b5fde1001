//! libpq's `target_session_attrs`: which of several servers will do.

use std::str::FromStr;

use tokio_postgres::Client;

use super::error::{DatabaseError, reason};
use super::parameters::one_of;

/// What a server must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SessionWish {
    Any,
    ReadWrite,
    ReadOnly,
    Primary,
    Standby,
    /// A standby; if there is none, any.
    PreferStandby,
}

impl FromStr for SessionWish {
    type Err = DatabaseError;

    fn from_str(text: &str) -> Result<Self, DatabaseError> {
        let known = [
            ("any", Self::Any),
            ("read-write", Self::ReadWrite),
            ("read-only", Self::ReadOnly),
            ("primary", Self::Primary),
            ("standby", Self::Standby),
            ("prefer-standby", Self::PreferStandby),
        ];
        one_of("target_session_attrs", text, &known)
    }
}

impl SessionWish {
    /// What to look for, in this order.
    pub(super) fn rounds(self) -> Vec<Self> {
        match self {
            Self::PreferStandby => vec![Self::Standby, Self::Any],
            wish => vec![wish],
        }
    }

    /// Why the server will not do; `None` if it will.
    pub(super) async fn objection(self, client: &Client) -> Option<String> {
        if self == Self::Any {
            return None;
        }
        let asked =
            "SELECT pg_is_in_recovery(), current_setting('default_transaction_read_only') = 'on'";
        let (is_standby, is_read_only) = match client.query_one(asked, &[]).await {
            Ok(row) => (row.get::<_, bool>(0), row.get::<_, bool>(1)),
            Err(error) => return Some(reason(&error)),
        };
        let objection = match self {
            Self::Primary if is_standby => "is a standby",
            Self::Standby if !is_standby => "is not a standby",
            Self::ReadWrite if is_standby || is_read_only => "takes no writes",
            Self::ReadOnly if !is_standby && !is_read_only => "takes writes",
            _ => return None,
        };
        Some(format!(
            "it {objection}, so target_session_attrs rules it out"
        ))
    }
}
