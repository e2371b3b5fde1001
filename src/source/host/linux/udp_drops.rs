//! The packets that the kernel dropped because a socket's buffer was full: the last field of its line in
//! `/proc/net/udp` or `/proc/net/udp6`.

use std::net::{SocketAddr, UdpSocket};

use super::proc_file::ProcFile;
use super::text::{fields, lines, number};

/// The fields of a line before the number of its socket.
const INODE: usize = 9;

/// The fields before the number of dropped packets.
const DROPS: usize = 12;

/// The dropped packets of one socket.
pub(in crate::source::host) struct UdpDrops {
    table: ProcFile,
    inode: u64,
    before: u64,
    buffer: Vec<u8>,
}

impl UdpDrops {
    /// Those of `socket`; `None` if the system doesn't tell which one that is.
    pub(in crate::source::host) fn of(socket: &UdpSocket) -> Option<Self> {
        let table = match socket.local_addr().ok()? {
            SocketAddr::V4(_) => "/proc/self/net/udp",
            SocketAddr::V6(_) => "/proc/self/net/udp6",
        };
        Some(Self {
            table: ProcFile::open(table),
            inode: rustix::fs::fstat(socket).ok()?.st_ino,
            before: 0,
            buffer: Vec::new(),
        })
    }

    /// How many have been dropped since the last call; `None` if the system doesn't say.
    pub(in crate::source::host) fn more(&mut self) -> Option<u64> {
        let now = dropped(self.table.read(&mut self.buffer)?, self.inode)?;
        let more = now.saturating_sub(self.before);
        self.before = now;
        Some(more)
    }
}

/// The packets that the socket with this number has dropped, according to the kernel's table.
fn dropped(table: &[u8], inode: u64) -> Option<u64> {
    lines(table).find_map(|line| {
        let mut fields = fields(line);
        let is_ours = number(fields.nth(INODE)?) == Some(inode);
        let drops = fields.nth(DROPS - INODE - 1)?;
        is_ours.then(|| number(drops)).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &[u8] = b"   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops             
  123: 0100007F:1FBD 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 4711 2 0000000000000000 17        
half a line 4712
  124: 0100007F:1FBE 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 4712 2 0000000000000000 \xff
  125: 0100007F:1FBF 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 4713 2 0000000000000000 0
";

    #[test]
    fn each_socket_has_its_own() {
        for (inode, expected) in [
            (4711, Some(17)),
            (4712, None),
            (4713, Some(0)),
            (4714, None),
        ] {
            assert_eq!(dropped(TABLE, inode), expected, "{inode}");
        }
    }

    #[test]
    fn a_socket_that_is_not_read_drops() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut drops = UdpDrops::of(&socket).unwrap();
        assert_eq!(drops.more(), Some(0));
        socket2::SockRef::from(&socket)
            .set_recv_buffer_size(1)
            .unwrap();
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        for _ in 0..100 {
            sender
                .send_to(&[0; 1000], socket.local_addr().unwrap())
                .unwrap();
        }
        assert!(drops.more().is_some_and(|more| 0 < more && more < 100));
        assert_eq!(drops.more(), Some(0));
    }
}
