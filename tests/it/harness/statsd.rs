//! A server that receives metrics of applications.

use std::net::{Ipv4Addr, UdpSocket};

use super::http::get;
use super::metrics::{Metrics, Running};
use super::viewer::Viewer;
use super::wire::{Data, Wire};
use super::{PATIENCE, wait_for};

/// A server with `--statsd` on a free port of loopback, and a client of it.
pub(crate) struct Statsd {
    pub(crate) serve: Running,
    /// The UDP port.
    pub(crate) port: u16,
    socket: UdpSocket,
}

impl Statsd {
    #[track_caller]
    pub(crate) fn start<'a>(args: impl IntoIterator<Item = &'a str>) -> Self {
        let serve = Metrics::serve()
            .args(["--statsd", "127.0.0.1:0"])
            .args(args)
            .start();
        let port = serve.stderr().wait(PATIENCE, |bytes| {
            let text = String::from_utf8_lossy(bytes);
            let (_, behind) = text.split_once("UDP 127.0.0.1:")?;
            let end = behind.find(|c: char| !c.is_ascii_digit())?;
            behind[..end].parse().ok()
        });
        let port = port.unwrap_or_else(|| panic!("no UDP port in\n{}", serve.story()));
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        Self {
            serve,
            port,
            socket,
        }
    }

    #[track_caller]
    pub(crate) fn send(&self, packet: impl AsRef<[u8]>) {
        let packet = packet.as_ref();
        let to = (Ipv4Addr::LOCALHOST, self.port);
        self.socket.send_to(packet, to).unwrap();
    }

    /// The number in `/metrics` of a family, with its labels.
    #[track_caller]
    pub(crate) fn count(&self, family: &str) -> Option<u64> {
        let (_, text) = get(self.serve.port(), "/metrics");
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(family)?.strip_prefix(' '));
        line.map(|number| number.parse().unwrap())
    }

    /// Waits until so many packets have been read.
    #[track_caller]
    pub(crate) fn wait_for_packets(&self, packets: u64) {
        wait_for(
            PATIENCE,
            || (self.count("metrics_statsd_packets_total")? >= packets).then_some(()),
            || format!("fewer than {packets} packets:\n{}", self.serve.story()),
        );
    }
}

/// Reads the samples of a server, one after another.
pub(crate) struct Samples {
    viewer: Viewer,
    /// The time of the last one.
    before: u64,
}

impl Samples {
    /// Those after the first one from now.
    #[track_caller]
    pub(crate) fn of(serve: &Running) -> Self {
        let mut samples = Self {
            viewer: Viewer::connect(serve.url(), ""),
            before: 0,
        };
        samples.next();
        samples
    }

    /// The next one, and the seconds since the one before.
    #[track_caller]
    pub(crate) fn next(&mut self) -> (Data, f64) {
        loop {
            if let Wire::Metric { data, .. } = self.viewer.message() {
                let step = data.timestamp - std::mem::replace(&mut self.before, data.timestamp);
                return (data, step as f64 / 1000.0);
            }
        }
    }

    /// The first one for which there is an answer.
    #[track_caller]
    pub(crate) fn find<T>(&mut self, mut ask: impl FnMut(&Data) -> Option<T>) -> T {
        let deadline = std::time::Instant::now() + PATIENCE;
        loop {
            let (data, _) = self.next();
            if let Some(answer) = ask(&data) {
                return answer;
            }
            assert!(std::time::Instant::now() < deadline, "not in {data:?}");
        }
    }

    /// Adds up `amount` of samples and the seconds before each, until it is nearly `expected`.
    #[track_caller]
    pub(crate) fn sum(
        &mut self,
        expected: f64,
        mut amount: impl FnMut(&Data, f64) -> Option<f64>,
    ) -> f64 {
        let mut sum = 0.0;
        let deadline = std::time::Instant::now() + PATIENCE;
        while sum < expected * 0.999_999 {
            let (data, seconds) = self.next();
            sum += amount(&data, seconds).unwrap_or(0.0);
            assert!(
                std::time::Instant::now() < deadline,
                "{sum}, not {expected}"
            );
        }
        sum
    }

    /// The sum of a counter: its rates times the seconds for which they hold.
    #[track_caller]
    pub(crate) fn total(&mut self, name: &str, expected: f64) -> f64 {
        self.sum(expected, |data, seconds| {
            Some(data.values.get(name)? * seconds)
        })
    }
}
