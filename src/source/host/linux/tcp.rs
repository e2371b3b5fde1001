//! TCP: /proc/net/snmp and /proc/net/netstat.
//!
//! The procfs crate first builds a map of all fields of a file, which takes longer than the kernel does, and fails
//! altogether if one is invalid.

use super::text::{fields, lines, number, or_skip};
use crate::source::host::reading::Tcp;

/// More connections than any machine has memory for.
const MOST_CONNECTIONS: u64 = 1 << 32;

/// Two lines that belong together: names, and as many values.
struct Table<'a> {
    names: &'a [u8],
    values: &'a [u8],
}

impl<'a> Table<'a> {
    /// The two lines of `text` that begin with `head`.
    fn find(text: &'a [u8], head: &[u8]) -> Option<Self> {
        let mut both = lines(text).filter(|line| line.starts_with(head));
        let (names, values) = (both.next()?, both.next()?);
        Some(Self { names, values })
    }

    fn is_whole(&self) -> bool {
        fields(self.names).count() == fields(self.values).count()
    }

    fn field(&self, wanted: &str) -> Option<u64> {
        let mut both = fields(self.names).zip(fields(self.values));
        let (_, value) = both.find(|&(name, _)| name == wanted.as_bytes())?;
        number(value)
    }
}

/// `text` is /proc/net/snmp.
pub(super) fn tcp(text: &[u8], skip: &dyn Fn(&[u8])) -> Option<Tcp> {
    let table = Table::find(text, b"Tcp:")?;
    let established = table.field("CurrEstab");
    let tcp = || {
        table.is_whole().then_some(Tcp {
            retransmits: table.field("RetransSegs")?,
            accepted: table.field("PassiveOpens")?,
            established: established.filter(|count| *count <= MOST_CONNECTIONS),
        })
    };
    or_skip(tcp(), table.values, skip)
}

/// `text` is /proc/net/netstat: connections that a program was too slow to accept, and others that were dropped before
/// it could. The kernel counts an overflow of the queue as a drop too.
pub(super) fn listen_drops(text: &[u8], skip: &dyn Fn(&[u8])) -> Option<u64> {
    let table = Table::find(text, b"TcpExt:")?;
    let drops = || {
        let overflows = table.field("ListenOverflows")?;
        let drops = table.field("ListenDrops")?;
        table.is_whole().then_some(drops.max(overflows))
    };
    or_skip(drops(), table.values, skip)
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUIET: &dyn Fn(&[u8]) = &|_| {};

    #[test]
    fn counters_are_found_by_name() {
        let text = "Ip: Forwarding\nIp: 1\n\
                    Tcp: RtoMin PassiveOpens MaxConn RetransSegs CurrEstab\n\
                    Tcp: 200 17 -1 5 3\n";
        let expected = Tcp {
            retransmits: 5,
            accepted: 17,
            established: Some(3),
        };
        assert_eq!(tcp(text.as_bytes(), QUIET), Some(expected));
        assert_eq!(tcp(b"Tcp: PassiveOpens\nTcp: 17\n", QUIET), None);
        assert_eq!(tcp(b"Ip: Forwarding\nIp: 1\n", QUIET), None);
        for bad in ["17", "17 -5", "17 5 9"] {
            let text = format!("Tcp: PassiveOpens RetransSegs\nTcp: {bad}\n");
            assert_eq!(tcp(text.as_bytes(), QUIET), None, "{bad}");
        }
        let text = b"Tcp: PassiveOpens RetransSegs CurrEstab\nTcp: 17 5 18446744073709551615\n";
        assert_eq!(tcp(text, QUIET).unwrap().established, None);
    }

    #[test]
    fn overflows_are_drops_too_and_count_once() {
        let of = |values: &str| {
            let text = format!(
                "TcpExt: SyncookiesSent ListenOverflows ListenDrops\nTcpExt: {values}\nIpExt: A\nIpExt: 1\n"
            );
            listen_drops(text.as_bytes(), QUIET)
        };
        assert_eq!(of("0 174 174"), Some(174));
        assert_eq!(of("0 174 180"), Some(180));
        assert_eq!(of("0 174 0"), Some(174));
        for bad in ["0 1", "0 x 1", "0 1 -1", "0 1 1 1"] {
            assert_eq!(of(bad), None, "{bad}");
        }
        assert_eq!(listen_drops(b"TcpExt: ListenDrops\n", QUIET), None);
    }
}
