//! Where notifications are posted: addresses from the command line and from files.
//!
//! Knowing a URL may be enough to post to a chat. So only its host is ever shown, in messages and in `Debug`.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::str::FromStr;

use hyper::Uri;
use hyper::header::HeaderValue;
use hyper::http::uri::{PathAndQuery, Scheme};

use crate::protocol::shown;

use super::basic;
use super::kind::Kind;

/// The path of Alertmanager's API, below that of its page.
const ALERTMANAGER_PATH: &str = "/api/v2/alerts";

/// The most that is read of a file of webhooks, in bytes.
const LONGEST_FILE: u64 = 1024 * 1024;

/// Hosts whose URLs are secrets, with the kind that understands them.
const SECRET_HOSTS: [(&str, Kind); 3] = [
    ("hooks.slack.com", Kind::Slack),
    ("discord.com", Kind::Discord),
    ("discordapp.com", Kind::Discord),
];

/// A URL that takes notifications of one kind.
#[derive(Clone, PartialEq)]
pub struct Webhook {
    pub(super) kind: Kind,
    pub(super) tls: bool,
    /// The name to connect to, an IPv6 address without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    /// Host and port as the URL has them, for `Host`.
    pub(super) authority: HeaderValue,
    pub(super) path: PathAndQuery,
    /// The header for the URL's name and password.
    pub(super) authorization: Option<HeaderValue>,
}

/// Kind and host, and nothing that could be a secret.
impl fmt::Display for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.kind, shown(&self.host))
    }
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Webhook({self})")
    }
}

/// As `--notify-webhook` has it: `[KIND=]URL`.
impl FromStr for Webhook {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, url) = kind_and_url(text.trim())?;
        let webhook = Self::new(kind, url)?;
        let secret_host = (SECRET_HOSTS.iter())
            .find(|(host, _)| webhook.host.eq_ignore_ascii_case(host))
            .map(|(_, kind)| *kind);
        if let Some(kind) = secret_host.or(kind.has_secret_url().then_some(kind)) {
            return Err(format!(
                "a {kind} URL is a secret, and every user of this machine can read a command line: write \
                 '{kind} URL' into a file and name it with --notify-webhook-file FILE"
            ));
        }
        if webhook.authorization.is_some() {
            return Err(format!(
                "a password does not belong on the command line: write '{kind} URL' into a file and name it with \
                 --notify-webhook-file FILE"
            ));
        }
        Ok(webhook)
    }
}

impl Webhook {
    fn new(kind: Kind, url: &str) -> Result<Self, String> {
        let form = "write http://HOST/… or https://HOST/…";
        let uri: Uri = url
            .parse()
            .map_err(|_| format!("this is not a URL: {form}"))?;
        let tls = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            Some(scheme) if *scheme == Scheme::HTTP => false,
            Some(other) => {
                return Err(format!(
                    "the URL begins with '{}://': {form}",
                    shown(other.as_str())
                ));
            }
            None => return Err(format!("the URL has no http:// or https://: {form}")),
        };
        let authority = uri
            .authority()
            .ok_or_else(|| format!("the URL has no host: {form}"))?;
        let host = authority.host();
        if host.is_empty() {
            return Err(format!("the URL has no host: {form}"));
        }
        let (user_info, address) = match authority.as_str().rsplit_once('@') {
            Some((user_info, address)) => (Some(user_info), address),
            None => (None, authority.as_str()),
        };
        let port = match address
            .strip_prefix(host)
            .and_then(|rest| rest.strip_prefix(':'))
        {
            Some(port) => port.parse().ok().filter(|port| *port != 0),
            None => Some(if tls { 443 } else { 80 }),
        };
        Ok(Self {
            kind,
            tls,
            host: host
                .trim_start_matches('[')
                .trim_end_matches(']')
                .to_owned(),
            port: port.ok_or("the URL's port is not a number from 1 to 65535")?,
            authority: HeaderValue::from_str(address).map_err(|_| form)?,
            path: path(kind, &uri)?,
            authorization: user_info.map(basic::authorization),
        })
    }

    /// Reads the webhooks of a file: a kind and a URL on each line, `#` before comments. Also returns warnings for the
    /// user.
    ///
    /// # Errors
    /// One line that says what is wrong where, without the URL.
    pub fn read(path: &Path) -> Result<(Vec<Self>, Vec<String>), String> {
        let shown_path = path.display();
        let mut bytes = Vec::new();
        let read =
            File::open(path).and_then(|file| file.take(LONGEST_FILE + 1).read_to_end(&mut bytes));
        read.map_err(|error| {
            let reason = error.to_string();
            let reason = reason.split(" (os error").next().unwrap_or_default();
            format!("cannot read '{shown_path}': {}", reason.to_lowercase())
        })?;
        if bytes.len() as u64 > LONGEST_FILE {
            return Err(format!(
                "'{shown_path}' is over 1 MiB: it is no list of webhooks"
            ));
        }
        let text = String::from_utf8(bytes).map_err(|_| format!("'{shown_path}' is not text"))?;
        let mut webhooks = Vec::new();
        for (index, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let webhook = Self::of_line(line);
            webhooks.push(webhook.map_err(|error| format!("{shown_path}:{}: {error}", index + 1))?);
        }
        if webhooks.is_empty() {
            return Err(format!(
                "'{shown_path}' has no webhook: write a kind and a URL, such as 'slack https://…'"
            ));
        }
        let notices = warnings(path, &webhooks);
        Ok((webhooks, notices))
    }

    /// `KIND URL`, or what people copy from a command line: `KIND=URL`, or only a URL.
    fn of_line(line: &str) -> Result<Self, String> {
        let (kind, url) = match line.split_once(char::is_whitespace) {
            Some((kind, url)) => (self::kind(kind)?, url.trim_start()),
            None => kind_and_url(line)?,
        };
        if url.contains(char::is_whitespace) {
            return Err("there is more than a kind and a URL on this line".into());
        }
        Self::new(kind, url)
    }

    /// Whether others can read the traffic, including the URL.
    fn is_open(&self) -> bool {
        let is_loopback = self.host == "localhost"
            || (self.host.parse::<std::net::IpAddr>()).is_ok_and(|address| address.is_loopback());
        !self.tls && !is_loopback
    }
}

/// The path to post to.
fn path(kind: Kind, uri: &Uri) -> Result<PathAndQuery, String> {
    let given = uri.path_and_query().cloned();
    let given = given.unwrap_or_else(|| PathAndQuery::from_static("/"));
    let path = given.path().trim_end_matches('/');
    match kind {
        Kind::Ntfy if path.is_empty() => {
            Err("the URL has no topic: write it behind the host, https://HOST/TOPIC".into())
        }
        Kind::Alertmanager if !path.ends_with(ALERTMANAGER_PATH) => {
            let query = given.query().map(|query| format!("?{query}"));
            let whole = format!("{path}{ALERTMANAGER_PATH}{}", query.unwrap_or_default());
            whole
                .parse()
                .map_err(|_| "the URL's path is too long".into())
        }
        _ => Ok(given),
    }
}

fn kind_and_url(text: &str) -> Result<(Kind, &str), String> {
    match text.split_once('=') {
        // Otherwise it is the `=` of a query.
        Some((name, url)) if !name.contains([':', '/', '?']) => Ok((kind(name)?, url)),
        _ => Ok((Kind::Json, text)),
    }
}

fn kind(name: &str) -> Result<Kind, String> {
    Kind::of_webhook(name.trim()).ok_or_else(|| {
        let names = Kind::OF_WEBHOOKS.map(Kind::name).join(", ");
        // A URL at the start is not repeated.
        if name.contains("://") {
            format!("the kind comes before the URL: one of {names}")
        } else {
            format!(
                "'{}' is not a kind of webhook: write one of {names}",
                shown(name)
            )
        }
    })
}

/// Warnings about risks for the secrets in a file.
fn warnings(path: &Path, webhooks: &[Webhook]) -> Vec<String> {
    let mut warnings = Vec::new();
    if can_be_read_by_all(path) {
        let path = path.display();
        warnings.push(format!(
            "warning: every user of this machine can read the URLs in '{path}': chmod 600 '{path}'"
        ));
    }
    let open = webhooks.iter().filter(|webhook| webhook.is_open());
    warnings.extend(open.map(|webhook| {
        format!("warning: the URL of {webhook} crosses the network in the clear: use https://")
    }));
    warnings
}

#[cfg(unix)]
fn can_be_read_by_all(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o004 != 0)
}

#[cfg(not(unix))]
fn can_be_read_by_all(_: &Path) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flag(text: &str) -> Result<Webhook, String> {
        text.parse()
    }

    #[test]
    fn a_flag_names_a_kind_and_a_url() {
        for (text, kind, host, port, path) in [
            ("http://a.b/c?d=e", Kind::Json, "a.b", 80, "/c?d=e"),
            ("json=https://a.b", Kind::Json, "a.b", 443, "/"),
            ("NTFY=https://ntfy.sh/x", Kind::Ntfy, "ntfy.sh", 443, "/x"),
            (
                "alertmanager=http://[::1]:9093/",
                Kind::Alertmanager,
                "::1",
                9093,
                "/api/v2/alerts",
            ),
            (
                "alertmanager=http://h/am/",
                Kind::Alertmanager,
                "h",
                80,
                "/am/api/v2/alerts",
            ),
            (
                "alertmanager=http://h/api/v2/alerts",
                Kind::Alertmanager,
                "h",
                80,
                "/api/v2/alerts",
            ),
        ] {
            let webhook = flag(text).unwrap();
            assert_eq!(
                (
                    webhook.kind,
                    &*webhook.host,
                    webhook.port,
                    webhook.path.as_str()
                ),
                (kind, host, port, path),
                "{text}"
            );
        }
        assert_eq!(flag("http://[::1]:9/x").unwrap().authority, "[::1]:9");
    }

    #[test]
    fn a_bad_flag_is_told_what_to_write() {
        for (text, expected) in [
            (
                "slack=https://hooks.slack.com/SECRET",
                "--notify-webhook-file FILE",
            ),
            (
                "https://hooks.slack.com/SECRET",
                "write 'slack URL' into a file",
            ),
            (
                "json=https://discord.com/SECRET",
                "write 'discord URL' into a file",
            ),
            ("teams=https://x/SECRET", "--notify-webhook-file FILE"),
            (
                "ntfy=https://u:SECRET@ntfy.sh/x",
                "--notify-webhook-file FILE",
            ),
            ("ntfy=https://ntfy.sh/", "has no topic"),
            (
                "pager=https://x/SECRET",
                "'pager' is not a kind of webhook: write one of json, ntfy,",
            ),
            ("exec=https://x/SECRET", "'exec' is not a kind"),
            ("ftp://x/SECRET", "begins with 'ftp://'"),
            ("ntfy.sh/SECRET", "not a URL"),
            ("localhost:80", "no http:// or https://"),
            ("http://", "not a URL"),
            ("http://x:0/SECRET", "port"),
            ("http://x:99999/SECRET", "port"),
            ("http://x y/SECRET", "not a URL"),
            ("", "not a URL"),
        ] {
            let error = flag(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
            assert!(!error.contains("SECRET"), "{text}: {error}");
        }
    }

    #[test]
    fn a_file_has_a_kind_and_a_url_on_each_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("webhooks");
        let read = |text: &str| {
            std::fs::write(&path, text).unwrap();
            Webhook::read(&path)
        };
        let text = "\u{feff}# ours\r\n\r\n slack\thttps://hooks.slack.com/S \r\nntfy=https://u:p@h/x\nhttps://h/\n";
        let (webhooks, _) = read(text).unwrap();
        let shown: Vec<_> = webhooks.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["slack (hooks.slack.com)", "ntfy (h)", "json (h)"]);
        assert_eq!(webhooks[1].authorization.as_ref().unwrap(), "Basic dTpw");
        assert!(!format!("{webhooks:?}").contains("/S"));

        for (text, expected) in [
            ("", "has no webhook"),
            ("# only\n", "has no webhook"),
            (
                "slack https://h/SECRET\npager https://h/SECRET",
                ":2: 'pager' is not a kind",
            ),
            ("slack h/SECRET", ":1: this is not a URL"),
            (
                "https://h/SECRET slack",
                ":1: the kind comes before the URL",
            ),
            (
                "slack https://h/SECRET https://h/SECRET",
                ":1: there is more than",
            ),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
            assert!(!error.contains("SECRET"), "{text}: {error}");
        }
        let error = read(&"# x\n".repeat(300_000)).unwrap_err();
        assert!(
            error.ends_with("is over 1 MiB: it is no list of webhooks"),
            "{error}"
        );
        std::fs::write(&path, [0xff, 0xfe]).unwrap();
        assert!(Webhook::read(&path).unwrap_err().ends_with("is not text"));
        let error = Webhook::read(&dir.path().join("none")).unwrap_err();
        assert!(
            error.ends_with("none': no such file or directory"),
            "{error}"
        );
    }

    #[test]
    fn a_file_that_gives_its_secrets_away_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("webhooks");
        std::fs::write(
            &path,
            "slack http://example.com/SECRET\njson http://127.0.0.1/",
        )
        .unwrap();
        let (_, warnings) = Webhook::read(&path).unwrap();
        let clear = warnings.last().unwrap();
        assert!(
            clear.contains("slack (example.com) crosses the network"),
            "{clear}"
        );
        assert!(!warnings.concat().contains("SECRET"));
    }
}
