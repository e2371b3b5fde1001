//! The access token: its form, its file, and a comparison that reveals nothing about it.

mod file;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use ring::digest;
use ring::rand::{SecureRandom, SystemRandom};
use subtle::ConstantTimeEq;

pub use file::{FoundToken, TokenError, read, read_for_server, read_or_create};

/// Shorter ones can be guessed.
const MIN_CHARS: usize = 16;

/// The name of the token among the credentials that systemd passes to a service.
const CREDENTIAL: &str = "token";

/// A token, as a client presents it. It is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// Says what a token must look like. The text is not repeated: it may be most of a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a token is one line of {MIN_CHARS} or more characters from A-Z a-z 0-9 . _ ~ -")]
pub struct NoToken;

impl FromStr for Token {
    type Err = NoToken;

    fn from_str(text: &str) -> Result<Self, NoToken> {
        // The characters that both a bearer token and a WebSocket subprotocol may have.
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._~-".contains(&byte);
        if MIN_CHARS <= text.len() && text.bytes().all(allowed) {
            Ok(Self(text.to_owned()))
        } else {
            Err(NoToken)
        }
    }
}

impl Token {
    /// The secret itself, to be sent but not shown.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What a server needs in order to recognise it.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(self.0.as_bytes())
    }

    /// A new token of 256 random bits.
    fn random() -> io::Result<Self> {
        let mut bits = [0; 32];
        SystemRandom::new()
            .fill(&mut bits)
            .map_err(|_| io::Error::other("the system provided no random numbers"))?;
        Ok(Self(
            bits.iter().map(|byte| format!("{byte:02x}")).collect(),
        ))
    }
}

/// The SHA-256 of a token. A token has enough entropy, so it needs no salt and no slow hash.
#[derive(Clone, Copy)]
pub struct Digest([u8; digest::SHA256_OUTPUT_LEN]);

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest(…)")
    }
}

impl Digest {
    fn of(bytes: &[u8]) -> Self {
        let mut out = [0; digest::SHA256_OUTPUT_LEN];
        out.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
        Self(out)
    }

    /// Whether `presented` is the token. The time it takes reveals nothing: digests have the same length, and are
    /// compared to the end.
    #[must_use]
    pub fn is_of(&self, presented: &[u8]) -> bool {
        Self::of(presented).0.ct_eq(&self.0).into()
    }
}

/// The token among the service's credentials, if there is one.
#[must_use]
pub fn credential() -> Option<PathBuf> {
    let path = Path::new(&std::env::var_os("CREDENTIALS_DIRECTORY")?).join(CREDENTIAL);
    path.is_file().then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "0123456789abc.-_";

    #[test]
    fn a_token_has_sixteen_plain_characters_or_more() {
        assert!(TOKEN.parse::<Token>().is_ok());
        assert!("~".repeat(500).parse::<Token>().is_ok());
        for text in [
            "",
            "0123456789abcde",
            "0123456789abcdef=",
            "0123456789 abcdef",
            "0123456789,abcdef",
            "0123456789äabcdef",
            "0123456789abcdef\n0123456789abcdef",
        ] {
            assert_eq!(text.parse::<Token>(), Err(NoToken), "{text}");
        }
    }

    #[test]
    fn only_the_token_itself_matches() {
        let digest = TOKEN.parse::<Token>().unwrap().digest();
        assert!(digest.is_of(TOKEN.as_bytes()));
        for other in [
            "",
            "0123456789abc.-",
            "0123456789abc.-_0",
            "0123456789ABC.-_",
        ] {
            assert!(!digest.is_of(other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn a_token_is_never_shown() {
        let token = TOKEN.parse::<Token>().unwrap();
        let shown = format!("{token:?} {:?} {}", token.digest(), NoToken);
        assert!(!shown.contains("0123456"), "{shown}");
    }
}
