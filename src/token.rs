//! The secret that lets a viewer in: its form, its file, and a comparison that tells nothing of it.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use ring::digest;
use ring::rand::{SecureRandom, SystemRandom};
use subtle::ConstantTimeEq;

/// Shorter ones can be guessed.
const MIN_CHARS: usize = 16;

/// What is longer is another file that was named by mistake.
const MAX_FILE_BYTES: u64 = 4096;

/// The name of the token among the credentials that systemd hands to a service.
const CREDENTIAL: &str = "token";

/// A token, as a client presents it. It is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// What a text must be to be a token. The text is not repeated: it may be most of a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a token is one line of {MIN_CHARS} or more of A-Z a-z 0-9 . _ ~ -")]
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
    /// The secret itself, to be sent and not to be shown.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What a server needs to know of it.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(self.0.as_bytes())
    }

    /// A new one of 256 random bits.
    fn random() -> io::Result<Self> {
        let mut bits = [0; 32];
        SystemRandom::new()
            .fill(&mut bits)
            .map_err(|_| io::Error::other("the system has no random numbers"))?;
        Ok(Self(
            bits.iter().map(|byte| format!("{byte:02x}")).collect(),
        ))
    }
}

/// The SHA-256 of a token. A token has enough entropy of its own: no salt, no slow hash.
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

    /// Whether `presented` is the token. The time it takes tells nothing: digests are equally long, and are compared to
    /// their end.
    #[must_use]
    pub fn is_of(&self, presented: &[u8]) -> bool {
        Self::of(presented).0.ct_eq(&self.0).into()
    }
}

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The file cannot be read.
    #[error("cannot read the token file '{}'", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// It holds something else.
    #[error("'{}' holds no token", path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// What a token is.
        source: NoToken,
    },
    /// It did not exist, and cannot be made.
    #[error("cannot create the token file '{}'", path.display())]
    Create {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

/// A token and the state of its file.
#[derive(Debug)]
pub struct Found {
    /// The token.
    pub token: Token,
    /// It was made just now.
    pub is_new: bool,
    /// Every user of the machine can read the file.
    pub is_exposed: bool,
}

/// Reads the token in `path`.
///
/// # Errors
/// When the file cannot be read or holds something else.
pub fn read(path: &Path) -> Result<Found, TokenError> {
    let read = |file: io::Result<File>| {
        let file = file?;
        let is_exposed = is_exposed(&file);
        let mut text = String::new();
        file.take(MAX_FILE_BYTES).read_to_string(&mut text)?;
        Ok((text, is_exposed))
    };
    let (text, is_exposed) = read(File::open(path)).map_err(|source| TokenError::Read {
        path: path.to_owned(),
        source,
    })?;
    let token = text.trim_ascii().parse();
    let token = token.map_err(|source| TokenError::Form {
        path: path.to_owned(),
        source,
    })?;
    Ok(Found {
        token,
        is_new: false,
        is_exposed,
    })
}

/// The same; a file that does not exist is made, for its owner alone.
///
/// # Errors
/// When the file can be neither read nor made, or holds something else.
pub fn read_or_create(path: &Path) -> Result<Found, TokenError> {
    match read(path) {
        Err(TokenError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
        other => return other,
    }
    match create(path) {
        Ok(token) => Ok(Found {
            token,
            is_new: true,
            is_exposed: false,
        }),
        // Another server was faster.
        Err(source) if source.kind() == io::ErrorKind::AlreadyExists => read(path),
        Err(source) => Err(TokenError::Create {
            path: path.to_owned(),
            source,
        }),
    }
}

fn create(path: &Path) -> io::Result<Token> {
    let token = Token::random()?;
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(format!("{}\n", token.reveal()).as_bytes())?;
    file.sync_all()?;
    Ok(token)
}

/// Whether every user can read it. The group's bits say less: under an access list, as systemd sets it on credentials,
/// they are its mask.
#[cfg(unix)]
fn is_exposed(file: &File) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.metadata()
        .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o004 != 0)
}

#[cfg(not(unix))]
fn is_exposed(_: &File) -> bool {
    false
}

/// The token among the service's credentials, if systemd gave one.
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

    #[test]
    fn a_file_is_made_once_and_then_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        assert!(matches!(read(&path), Err(TokenError::Read { .. })));
        let made = read_or_create(&path).unwrap();
        assert!(made.is_new && !made.is_exposed && made.token.reveal().len() == 64);
        let again = read_or_create(&path).unwrap();
        assert!(!again.is_new && again.token == made.token);
        let other = read_or_create(&dir.path().join("other")).unwrap();
        assert!(other.token != made.token);
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_everybody_can_read_is_noticed() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        std::fs::write(&path, format!(" {TOKEN}\r\n")).unwrap();
        for (mode, expected) in [(0o600, false), (0o640, false), (0o644, true)] {
            std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
            let found = read(&path).unwrap();
            assert_eq!((found.token.reveal(), found.is_exposed), (TOKEN, expected));
        }
    }

    #[test]
    fn another_file_is_no_token_and_is_not_repeated() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("passwd");
        std::fs::write(&path, "root:x:0:0:root").unwrap();
        let error = read_or_create(&path).unwrap_err();
        assert!(matches!(error, TokenError::Form { .. }) && !error.to_string().contains("root:"));
    }
}
