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
use crate::wording::cause;

use super::basic;
use super::kind::Kind;
use super::secret::{Secret, is_plain_word};

/// The path of Alertmanager's API, below that of its page.
const ALERTMANAGER_PATH: &str = "/api/v2/alerts";

/// The most that is read of a file of webhooks, in bytes.
const LONGEST_FILE: u64 = 1024 * 1024;

/// Hosts whose URLs are secrets, like those of all hosts below them, with the kind that understands them.
const SECRET_HOSTS: [(&str, Kind); 7] = [
    ("hooks.slack.com", Kind::Slack),
    ("hooks.slack-gov.com", Kind::Slack),
    ("discord.com", Kind::Discord),
    ("discordapp.com", Kind::Discord),
    ("logic.azure.com", Kind::Teams),
    ("api.powerplatform.com", Kind::Teams),
    ("webhook.office.com", Kind::Teams),
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
    /// Of a webhook from a file, what messages must not repeat.
    secret: Option<Secret>,
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
            .find(|(host, _)| is_below(&webhook.host, host))
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
                let other = other.as_str();
                return Err(if is_plain_word(other) {
                    format!("the URL begins with '{other}://': {form}")
                } else {
                    format!("the URL does not begin with http:// or https://: {form}")
                });
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
            secret: None,
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
        read.map_err(|error| format!("cannot read '{shown_path}': {}", cause(&error)))?;
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
        let webhook = Self::new(kind, url)?;
        let after_scheme = url.split_once("://").map_or(url, |(_, rest)| rest);
        let (address, _) =
            after_scheme.split_at(after_scheme.find('/').unwrap_or(after_scheme.len()));
        let user_info = address
            .rsplit_once('@')
            .map_or("", |(user_info, _)| user_info);
        let secret = Secret::of(&[user_info, webhook.path.as_str()]);
        Ok(Self {
            secret: Some(secret),
            ..webhook
        })
    }

    /// The first line of `body`, a server's answer; of a webhook from a file, only if it cannot repeat the URL.
    pub(super) fn unrevealing(&self, body: &str) -> Option<String> {
        let mut lines = body.lines().map(str::trim);
        let line = lines.find(|line| !line.is_empty())?;
        let is_safe = |secret: &Secret| secret.is_safe_from(line);
        (self.secret.as_ref().is_none_or(is_safe)).then(|| line.to_owned())
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
        // Anything else may be a URL or a token at the wrong place.
        if is_plain_word(name) {
            format!("'{name}' is not a kind of webhook: write one of {names}")
        } else {
            format!("the kind of webhook comes before the URL: write one of {names}")
        }
    })
}

/// Whether `host` is `domain` or below it.
fn is_below(host: &str, domain: &str) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let above = host.strip_suffix(domain);
    above.is_some_and(|above| above.is_empty() || above.ends_with('.'))
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
            ("https://PTB.discord.com/SECRET", "write 'discord URL'"),
            ("https://canary.discord.com./SECRET", "write 'discord URL'"),
            ("https://hooks.slack-gov.com/SECRET", "write 'slack URL'"),
            (
                "https://prod-1.westeurope.logic.azure.com:443/SECRET",
                "write 'teams URL'",
            ),
            (
                "https://x.1.environment.api.powerplatform.com/SECRET",
                "write 'teams URL'",
            ),
            ("https://x.webhook.office.com/SECRET", "write 'teams URL'"),
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
                ":1: the kind of webhook comes before the URL",
            ),
            ("h/SECRET slack", ":1: the kind of webhook comes before"),
            ("xoxb-1-SECRET https://h/", ":1: the kind of webhook comes"),
            ("SECRETSECRETSECRET https://h/", ":1: the kind of webhook"),
            ("tok_SECRET=https://h/", ":1: the kind of webhook comes"),
            ("json t0-SECRET://h/", ":1: the URL does not begin with"),
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
