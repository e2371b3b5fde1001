//! A real sshd on a free port of loopback, and the ssh that knows its key.

use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use super::metrics::Metrics;
use super::server::each_connection;

/// Where Debian installs it. sshd requires its whole path.
const SSHD: &str = "/usr/sbin/sshd";

/// An sshd for the user who runs the test, and a folder with its files.
pub(crate) struct Sshd {
    folder: tempfile::TempDir,
    port: u16,
    sessions: Arc<Mutex<Vec<Child>>>,
}

impl Sshd {
    /// Listens itself and hands each connection to a new sshd, so that no port is guessed.
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        key(&at("host_key"));
        key(&at("user_key"));
        std::fs::copy(at("user_key.pub"), at("authorized_keys")).unwrap();
        let dir = folder.path().display();
        let config = format!(
            "HostKey {dir}/host_key\nAuthorizedKeysFile {dir}/authorized_keys\nPidFile none\nStrictModes no\n\
             UsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nLogLevel QUIET\n"
        );
        std::fs::write(at("sshd_config"), config).unwrap();
        if rustix::process::geteuid().is_root() {
            // A service manager creates it, if there is one.
            std::fs::create_dir_all("/run/sshd").unwrap();
        }
        let sessions = Arc::new(Mutex::new(Vec::new()));
        let (started, path) = (Arc::clone(&sessions), at("sshd_config"));
        let port = each_connection(move |_, stream| {
            let session = attend(stream, &path);
            started.lock().unwrap().push(session);
        });
        let sshd = Self {
            folder,
            port,
            sessions,
        };
        sshd.write_client();
        sshd
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A configuration for the client, and an `ssh` that uses it and logs its arguments.
    fn write_client(&self) {
        let dir = self.folder.path().display();
        let host_key = std::fs::read_to_string(self.path("host_key.pub")).unwrap();
        std::fs::write(self.path("known_hosts"), format!("web {host_key}")).unwrap();
        let config = format!(
            "Host web\n  HostName 127.0.0.1\n  HostKeyAlias web\n  Port {}\n  IdentityFile {dir}/user_key\n\
             Host *\n  IdentitiesOnly yes\n  UserKnownHostsFile {dir}/known_hosts\n  GlobalKnownHostsFile none\n",
            self.port
        );
        std::fs::write(self.path("ssh_config"), config).unwrap();
        self.write_ssh("");
    }

    /// Makes `ssh` run `first` before it does its work.
    pub(crate) fn write_ssh(&self, first: &str) {
        let dir = self.folder.path().display();
        let script = format!(
            "#!/bin/sh\necho \"$*\" >> {dir}/calls\n{first}\nexec /usr/bin/ssh -F {dir}/ssh_config \"$@\"\n"
        );
        let bin = self.path("bin");
        std::fs::create_dir_all(&bin).unwrap();
        let path = bin.join("ssh");
        std::fs::write(&path, script).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
    }

    /// Lets `metrics` find this `ssh`.
    pub(crate) fn client(&self, metrics: Metrics) -> Metrics {
        let path = std::env::var("PATH").unwrap();
        metrics.env("PATH", format!("{}:{path}", self.path("bin").display()))
    }

    /// The arguments of `ssh` so far.
    pub(crate) fn calls(&self) -> Vec<String> {
        let calls = std::fs::read_to_string(self.path("calls")).unwrap_or_default();
        calls.lines().map(str::to_owned).collect()
    }

    /// Removes the user's key from the authorized ones.
    pub(crate) fn forget_user(&self) {
        std::fs::write(self.path("authorized_keys"), "").unwrap();
    }

    /// Ends every session, as a reboot would.
    pub(crate) fn cut_all(&self) {
        for mut session in self.sessions.lock().unwrap().drain(..) {
            let _ = session.kill();
            let _ = session.wait();
        }
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        self.cut_all();
    }
}

fn key(path: &Path) {
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(path)
        .status();
    assert!(made.unwrap().success());
}

fn attend(stream: TcpStream, config: &Path) -> Child {
    let output = stream.try_clone().unwrap();
    Command::new(SSHD)
        .arg("-i")
        .arg("-f")
        .arg(config)
        .stdin(OwnedFd::from(stream))
        .stdout(OwnedFd::from(output))
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}
