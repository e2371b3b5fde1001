//! Compressed messages, read by programs that share nothing with this one: zlib in Python and in Node, and browsers.

use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use super::browser::{Browser, end};
use super::http::serve_page;
use super::python::output;
use super::webhook::{Answers, WebhookServer};

/// Connects again and again, with queries such as `last=5`; `resume` goes on after what arrived last. Each session
/// reads so many messages, and sends one itself, which the client compresses, too.
const SESSIONS: &str = r"
async function sessions(url, plans) {
  const texts = [], streams = {}, positions = {};
  const note = text => {
    texts.push(text);
    const { type, host, stream, seq } = JSON.parse(text);
    if (type === 'hello') streams[host] = stream;
    if (type === 'metric' || type === 'alert') positions[host] = `after=${host}:${streams[host]}:${seq}`;
  };
  for (const [query, count] of plans) {
    const asked = query === 'resume' ? Object.values(positions).join('&') : query;
    await new Promise((done, fail) => {
      const socket = new WebSocket(`${url}?${asked}`);
      let left = count;
      socket.onopen = () => {
        if (!socket.extensions.startsWith('permessage-deflate')) fail(new Error('not negotiated'));
        socket.send('compress me, please. '.repeat(100));
      };
      socket.onmessage = ({ data }) => {
        if (left-- > 0) note(data);
        if (left === 0) socket.close();
      };
      socket.onclose = () => left > 0 ? fail(new Error(`closed, ${left} left`)) : done();
      socket.onerror = () => fail(new Error('failed'));
    });
  }
  return texts.join('\n');
}
";

/// The same for Python, with `websockets`, or with `?encoding=deflate` and zlib alone. Every now and then it reads
/// nothing for a while, and then has much to catch up on.
const PYTHON: &str = r#"
import asyncio, json, sys, zlib, websockets

url, binary, plans = sys.argv[1], sys.argv[2] == 'binary', json.loads(sys.argv[3])
texts, streams, positions = [], {}, {}

def note(text):
    texts.append(text)
    message = json.loads(text)
    if message['type'] == 'hello':
        streams[message['host']] = message['stream']
    if message['type'] in ('metric', 'alert'):
        host = message['host']
        positions[host] = f'after={host}:{streams[host]}:{message["seq"]}'

async def session(query, count):
    asked = '&'.join(positions.values()) if query == 'resume' else query
    asked += '&encoding=deflate' if binary else ''
    inflater = zlib.decompressobj(-15)
    async with websockets.connect(f'{url}?{asked}', compression=None if binary else 'deflate', max_queue=4) as socket:
        agreed = socket.response_headers.get('Sec-WebSocket-Extensions')
        assert binary or agreed == 'permessage-deflate; client_no_context_takeover', agreed
        await socket.send('compress me, please. ' * 100)
        for n in range(count):
            data = await socket.recv()
            if binary:
                assert isinstance(data, bytes), data
                data = inflater.decompress(data + b'\0\0\xff\xff').decode()
            note(data)
            if n % 100 == 50:
                await asyncio.sleep(0.3)

async def main():
    for query, count in plans:
        await session(query, count)

asyncio.run(main())
print('\n'.join(texts))
"#;

/// Who reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reader {
    /// The `websockets` of Python.
    Websockets,
    /// zlib in Python, which inflates binary frames.
    Zlib,
    /// The `ws` of Node.
    Node,
    Chromium,
    Firefox,
}

/// The messages that `reader` got in its sessions: for each a query, and how many messages to read. A machine without
/// it fails the test.
#[track_caller]
pub(crate) fn texts(reader: Reader, url: &str, plans: &[(&str, usize)]) -> Vec<String> {
    let plans = serde_json::to_string(plans).unwrap();
    let texts = match reader {
        Reader::Websockets => output(&mut debian_python(url, "extension", &plans)),
        Reader::Zlib => output(&mut debian_python(url, "binary", &plans)),
        Reader::Node => output(&mut node(url, &plans)),
        Reader::Chromium => {
            let mut browser = Browser::open(&format!("http://127.0.0.1:{}/", serve_page("")));
            browser.eval(SESSIONS);
            let texts = browser.eval(&format!("sessions('{url}', {plans})"));
            texts.as_str().unwrap().to_owned()
        }
        Reader::Firefox => firefox(url, &plans),
    };
    texts.lines().map(str::to_owned).collect()
}

/// Debian's packages are those of its own Python.
fn debian_python(url: &str, mode: &str, plans: &str) -> Command {
    let mut command = Command::new("/usr/bin/python3");
    command.args(["-c", PYTHON, url, mode, plans]);
    command
}

fn node(url: &str, plans: &str) -> Command {
    let script = format!(
        "global.WebSocket = require('/usr/share/nodejs/ws');\n{SESSIONS}\n\
         sessions('{url}', {plans}).then(console.log, error => {{ console.error(error); process.exit(1); }});"
    );
    let mut command = Command::new("node");
    command.args(["-e", &script]);
    command
}

/// Opens a page in Firefox that posts what it got.
#[track_caller]
fn firefox(url: &str, plans: &str) -> String {
    let results = WebhookServer::start(Answers::With("200 OK"));
    let page = format!(
        "<!DOCTYPE html><script>{SESSIONS}
        const post = body => fetch('{}', {{ method: 'POST', mode: 'no-cors', body }});
        sessions('{url}', {plans}).then(post, error => post(`error: ${{error}}`));
        </script>",
        results.url()
    );
    let page = serve_page(page);
    let profile = tempfile::tempdir().unwrap();
    let prefs = "user_pref('browser.aboutwelcome.enabled', false);\n\
        user_pref('datareporting.policy.dataSubmissionEnabled', false);\n\
        user_pref('network.captive-portal-service.enabled', false);\n";
    std::fs::write(profile.path().join("user.js"), prefs.replace('\'', "\"")).unwrap();
    let firefox = Command::new("firefox-esr")
        .args(["--headless", "--no-remote", "--profile"])
        .arg(profile.path())
        .arg(format!("http://127.0.0.1:{page}/"))
        .env("HOME", profile.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .unwrap_or_else(|error| panic!("firefox-esr is needed for this test: {error}"));
    let _firefox = Killed(firefox);
    let posted = results.wait_for(1).remove(0).body;
    assert!(!posted.starts_with("error: "), "{posted}");
    posted
}

/// A process group that ends when this is dropped.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        end(&mut self.0);
    }
}
