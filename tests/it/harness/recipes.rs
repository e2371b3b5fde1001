//! The real proxies, with the configurations of `examples/proxy`.

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::certificates::{Authority, Valid};
use super::comes_up;
use super::pump::Pump;

/// How many ports to try: another program may take a port between finding it and starting the proxy.
const TRIES: u32 = 5;

/// The name that the recipes are for, and one that a browser of the tests resolves.
const NAMES: (&str, &str) = ("metrics.example.com", "metrics.example");

/// A proxy that follows a recipe.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Recipe {
    pub(crate) file: &'static str,
    pub(crate) program: &'static str,
    /// `FILE` stands for the configuration.
    args: &'static [&'static str],
    /// What a test adds around the recipe, so that nothing outside its folder is touched.
    before: &'static str,
    after: &'static str,
}

pub(crate) const RECIPES: [Recipe; 3] = [
    Recipe {
        file: "nginx.conf",
        program: "/usr/sbin/nginx",
        args: &["-e", "stderr", "-p", ".", "-c", "FILE"],
        before: "daemon off; master_process off; pid nginx.pid;\nevents { worker_connections 256; }\nhttp {\n\
                 access_log off; client_body_temp_path body; proxy_temp_path proxied; fastcgi_temp_path fastcgi;\n\
                 uwsgi_temp_path uwsgi; scgi_temp_path scgi;\n",
        after: "}\n",
    },
    Recipe {
        file: "Caddyfile",
        program: "caddy",
        args: &["run", "--adapter", "caddyfile", "--config", "FILE"],
        before: "",
        after: "",
    },
    Recipe {
        file: "haproxy.cfg",
        program: "/usr/sbin/haproxy",
        args: &["-db", "-f", "FILE"],
        before: "",
        after: "",
    },
];

/// A running proxy. It ends when this is dropped.
pub(crate) struct Proxied {
    child: Child,
    port: u16,
    _dir: TempDir,
}

impl Recipe {
    /// Starts it before the server at `upstream`, a port of loopback.
    #[track_caller]
    pub(crate) fn start(self, upstream: u16) -> Proxied {
        let mut said = String::new();
        for _ in 0..TRIES {
            let dir = tempfile::tempdir().unwrap();
            let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            let port = free.local_addr().unwrap().port();
            drop(free);
            // The port of plain HTTP belongs to another program, as it often does.
            let taken = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
            let http = taken.local_addr().unwrap().port();
            self.write(dir.path(), (port, http), upstream);
            let mut child = self.spawn(dir.path());
            let stderr = Pump::of(child.stderr.take().unwrap());
            if comes_up(&mut child, port, &stderr) {
                return Proxied {
                    child,
                    port,
                    _dir: dir,
                };
            }
            said = stderr.text();
        }
        panic!("{} does not start: {said}", self.program);
    }

    /// Writes the recipe as it is, but for this machine.
    fn write(self, dir: &Path, (port, http): (u16, u16), upstream: u16) {
        let pair = Authority::new().sign(dir, &[NAMES.1], Valid::Now);
        let [cert, key] = [&pair.cert, &pair.key].map(|path| path.display().to_string());
        let both = [&pair.cert, &pair.key].map(|path| std::fs::read(path).unwrap());
        let joined = dir.join("haproxy.pem");
        std::fs::write(&joined, both.concat()).unwrap();
        let recipe = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/proxy");
        let recipe = std::fs::read_to_string(recipe.join(self.file)).unwrap();
        let here = recipe
            .replace("127.0.0.1:8080", &format!("127.0.0.1:{upstream}"))
            .replace("8443", &port.to_string())
            .replace(
                "\tauto_https",
                &format!("\tadmin off\n\thttp_port {http}\n\tauto_https"),
            )
            .replace("/etc/metrics/fullchain.pem", &cert)
            .replace("/etc/metrics/privkey.pem", &key)
            .replace("/etc/metrics/haproxy.pem", &joined.display().to_string())
            .replace(NAMES.0, NAMES.1);
        let (before, after) = (self.before, self.after);
        std::fs::write(dir.join(self.file), format!("{before}{here}{after}")).unwrap();
    }

    fn spawn(self, dir: &Path) -> Child {
        let args = self.args.iter().map(|arg| arg.replace("FILE", self.file));
        let mut program = Command::new(self.program);
        program.args(args).current_dir(dir);
        // Caddy keeps its files in the home of its user.
        program
            .env("HOME", dir)
            .env("XDG_DATA_HOME", dir)
            .env("XDG_CONFIG_HOME", dir);
        let program = program
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let spawned = program.spawn();
        spawned.unwrap_or_else(|error| panic!("{} is needed for this test: {error}", self.program))
    }
}

impl Proxied {
    /// The address of the page, without a slash at the end.
    pub(crate) fn page(&self) -> String {
        format!("https://{}:{}/metrics", NAMES.1, self.port)
    }
}

impl Drop for Proxied {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
