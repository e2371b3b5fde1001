//! Credentials and TLS come from where libpq takes them.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::harness::certificates::{Authority, Pair, Valid, sign_as_ca};
use crate::harness::metrics::{Metrics, Output};
use crate::harness::postgres::{Postgres, own, record_nothing};
use crate::harness::{PATIENCE, wait_for};

fn record(database: &str) -> Metrics {
    record_nothing(database).arg("--create")
}

/// The server to record isn't there: status 3 names it once the database has accepted us.
#[track_caller]
fn accepted(output: Output) {
    output
        .code(3)
        .stderr_has("cannot connect to ws://127.0.0.1:1");
}

#[track_caller]
fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
}

/// Writes a file that nobody else may read.
#[track_caller]
pub(super) fn private(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    set_mode(path, 0o600);
}

/// Makes the server ask for passwords, and adds the user `ann` with one. Returns the address for her.
#[track_caller]
pub(super) fn ask_for_passwords(postgres: &Postgres, password: &str) -> String {
    postgres.sql(&format!(
        "CREATE ROLE ann LOGIN SUPERUSER PASSWORD '{password}'"
    ));
    postgres.allow("local all metrics trust\nlocal all all scram-sha-256\n");
    let url = postgres.url_of("ann", "metrics");
    let is_asked = || {
        record_nothing(&url)
            .run()
            .stderr
            .contains("password missing")
    };
    wait_for(
        PATIENCE,
        || is_asked().then_some(()),
        || "no password is asked for".into(),
    );
    url
}

#[test]
fn passwords_and_services() {
    let postgres = Postgres::start();
    let url = ask_for_passwords(&postgres, "s3cret");
    let dir = tempfile::tempdir().unwrap();
    let socket = postgres.directory().display().to_string();
    let (passwords, services) = (dir.path().join("pgpass"), dir.path().join("services"));
    let line = format!("{socket}:5432:metrics:ann:s3cret\n");
    private(&passwords, &line);
    std::fs::write(
        &services,
        format!("[db]\nhost={socket}\nuser=ann\ndbname=metrics\npassword=s3cret\n"),
    )
    .unwrap();

    accepted(record(&url).env("PGPASSWORD", "s3cret").run());
    accepted(record(&url).env("PGPASSFILE", &passwords).run());
    accepted(record(&format!("{url}?passfile={}", passwords.display())).run());
    // Of the password file, each server has its own line.
    let both = format!("postgres://ann@/metrics?host=/nowhere,{socket}");
    private(&passwords, &format!("/nowhere:*:*:*:wrong\n{line}"));
    accepted(record(&both).env("PGPASSFILE", &passwords).run());
    private(
        &passwords,
        &format!("localhost:*:*:*:wrong\n\u{fe}\n{line}"),
    );
    accepted(record(&url).env("PGPASSFILE", &passwords).run());
    accepted(
        record("postgres://?service=db")
            .env("PGSERVICEFILE", &services)
            .run(),
    );
    let by_environment = record("postgres://").env("PGSERVICE", "db");
    accepted(by_environment.env("PGSERVICEFILE", &services).run());
    let by_parts = record("postgres://")
        .env("PGHOST", &socket)
        .env("PGUSER", "ann");
    accepted(
        by_parts
            .env("PGDATABASE", "metrics")
            .env("PGPASSFILE", &passwords)
            .run(),
    );
}

#[test]
fn a_password_that_is_wrong_or_cannot_be_read() {
    let postgres = Postgres::start();
    let url = ask_for_passwords(&postgres, "s3cret");
    let dir = tempfile::tempdir().unwrap();
    let passwords = dir.path().join("pgpass");
    private(&passwords, "*:*:*:*:s3cret\n");
    let wrong = record(&url).env("PGPASSWORD", "wrong").run().code(3);
    wrong
        .stderr_has("password authentication failed")
        .stderr_lacks("s3cret");
    set_mode(&passwords, 0o644);
    let open = record(&url).env("PGPASSFILE", &passwords).run().code(3);
    open.stderr_has("chmod 0600").stderr_lacks("s3cret");
    // Where no password is wanted, one that cannot be read is no reason to stop.
    let plain = record(&postgres.url()).env("PGPASSFILE", dir.path()).run();
    accepted(plain.stderr_has("is not a plain file"));
}

#[test]
fn what_cannot_be_honoured_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let services = dir.path().join("services");
    let in_service = |line: &str| {
        std::fs::write(&services, format!("[db]\nhost=/nowhere\n{line}\n")).unwrap();
        record("postgres://?service=db").env("PGSERVICEFILE", &services)
    };
    for (line, text) in [
        ("sslcrl=/x", "in the service 'db', 'sslcrl'"),
        ("colour=red", "in the service 'db', 'colour'"),
        ("port=0", "'0' is not a port"),
    ] {
        in_service(line).run().code(2).stderr_has(text);
    }
    for (name, value, text) in [
        ("PGSSLCRL", "/x", "PGSSLCRL"),
        ("PGREQUIREAUTH", "scram-sha-256", "PGREQUIREAUTH"),
        ("PGGSSENCMODE", "require", "PGGSSENCMODE"),
        ("PGCHANNELBINDING", "maybe", "channel_binding"),
        ("PGTARGETSESSIONATTRS", "maybe", "target_session_attrs"),
        ("PGSSLMAXPROTOCOLVERSION", "TLSv1.1", "leaves no version"),
    ] {
        let record = in_service("port=5432").env(name, value);
        record.run().code(2).stderr_has(text);
    }
}

#[test]
fn several_servers_and_those_that_will_not_do() {
    let postgres = Postgres::on_tcp(&[]);
    let port = postgres.port();
    let with = |hosts: &str, parameters: &str| {
        record(&format!("postgres://metrics@{hosts}/metrics?{parameters}")).run()
    };
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = silent.local_addr().unwrap();
    with(&nobody.to_string(), "connect_timeout=2")
        .code(3)
        .stderr_has("no answer within 2s");
    let good = format!("127.0.0.1:{port}");
    // A name with several addresses, of which one may not listen.
    accepted(with(&format!("localhost:{port}"), ""));
    accepted(with(
        &format!("127.0.0.1:1,{nobody},{good}"),
        "connect_timeout=2",
    ));
    accepted(with(
        &format!("{good},127.0.0.1:1"),
        "load_balance_hosts=random",
    ));
    let keepalives =
        "keepalives_idle=5&keepalives_interval=5&keepalives_count=3&tcp_user_timeout=5000";
    accepted(with(&good, keepalives));
    for wish in ["any", "read-write", "primary", "prefer-standby"] {
        accepted(with(&good, &format!("target_session_attrs={wish}")));
    }
    for wish in ["read-only", "standby"] {
        with(
            &format!("127.0.0.1:1,{good}"),
            &format!("target_session_attrs={wish}"),
        )
        .code(3)
        .stderr_has("127.0.0.1:1: ")
        .stderr_has(&format!("{good}: it "));
    }
    // Once a server has said no, the others aren't asked.
    let wrong = format!("postgres://metrics@{good},127.0.0.1:1/none");
    record(&wrong).run().code(3).stderr_has("createdb");
}

/// A server with TLS and this certificate, whose files it can read.
#[track_caller]
fn with_tls(pair: Pair, settings: &[&str]) -> Postgres {
    let folder = pair.cert.parent().unwrap();
    set_mode(&pair.key, 0o600);
    for path in [folder, &pair.cert, &pair.key] {
        own(path);
    }
    let files = [
        format!("ssl_cert_file={}", pair.cert.display()),
        format!("ssl_key_file={}", pair.key.display()),
    ];
    let files = files.iter().map(String::as_str);
    let all: Vec<_> = ["ssl=on"]
        .into_iter()
        .chain(files)
        .chain(settings.iter().copied())
        .collect();
    Postgres::on_tcp(&all)
}

/// A server with TLS, whose certificate is for db.example, and files of authorities.
struct Encrypted {
    dir: tempfile::TempDir,
    postgres: Postgres,
    /// The authority of its certificate.
    root: PathBuf,
    /// Another authority.
    other: PathBuf,
}

impl Encrypted {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (ours, theirs) = (Authority::new(), Authority::named("Another"));
        let root = ours.write(dir.path());
        let other = dir.path().join("other");
        std::fs::create_dir(&other).unwrap();
        let other = theirs.write(&other);
        let postgres = with_tls(ours.sign(dir.path(), &["db.example"], Valid::Now), &[]);
        Self {
            dir,
            postgres,
            root,
            other,
        }
    }

    /// What comes of recording to it, at 127.0.0.1, with these parameters.
    fn try_with(&self, parameters: &str) -> Output {
        let port = self.postgres.port();
        let url = format!("postgres://metrics@127.0.0.1:{port}/metrics?{parameters}");
        record(&url).env("HOME", self.dir.path()).run()
    }

    /// Waits until it refuses connections with this `sslmode`.
    #[track_caller]
    fn wait_until_refused(&self, mode: &str) {
        let tried = || self.try_with(&format!("sslmode={mode}")).stderr;
        wait_for(
            PATIENCE,
            || tried().contains("no pg_hba.conf entry").then_some(()),
            || self.postgres.log(),
        );
    }
}

fn with(mode: &str, root: &Path) -> String {
    format!("sslmode={mode}&sslrootcert={}", root.display())
}

#[test]
fn sslmode_means_what_it_means_in_libpq() {
    let server = Encrypted::start();
    let (root, other) = (&server.root, &server.other);
    let try_with = |parameters: &str| server.try_with(parameters);
    for mode in ["disable", "allow", "prefer", "require"] {
        accepted(try_with(&format!("sslmode={mode}")));
        try_with(&format!("sslmode={mode}&sslrootcert=system"))
            .code(2)
            .stderr_has("needs sslmode=verify-full");
    }
    try_with("sslrootcert=system")
        .code(3)
        .stderr_has("certificate");
    accepted(try_with("sslmode=require&ssl_min_protocol_version=TLSv1.3"));
    // A socket has no TLS, whatever is asked for.
    for mode in ["require", "verify-ca", "verify-full"] {
        let parameters = format!("port={}&sslmode={mode}", server.postgres.port());
        let socket = format!("{}?{parameters}", server.postgres.url());
        accepted(record(&socket).env("HOME", server.dir.path()).run());
    }
    // The certificate is for db.example, not for 127.0.0.1.
    accepted(try_with(&with("verify-ca", root)));
    try_with(&with("verify-full", root))
        .code(3)
        .stderr_has("certificate");
    try_with(&with("verify-ca", other))
        .code(3)
        .stderr_has("certificate");
    // With an authority's file, `require` checks the authority too.
    try_with(&with("require", other))
        .code(3)
        .stderr_has("certificate");
    try_with("sslmode=verify-full")
        .code(2)
        .stderr_has("sslrootcert");
    let named = format!(
        "host=db.example&hostaddr=127.0.0.1&{}",
        with("verify-full", root)
    );
    accepted(try_with(&named));
}

#[test]
fn a_server_that_takes_one_kind_of_connection_gets_it_if_the_mode_allows() {
    let server = Encrypted::start();
    let allow = |line: &str| {
        server
            .postgres
            .allow(&format!("local all all trust\n{line} all all all trust\n"));
    };
    allow("hostnossl");
    server.wait_until_refused("require");
    accepted(server.try_with("sslmode=prefer"));
    // A file that is there is checked against, and what fails with TLS is tried without.
    accepted(server.try_with(&with("prefer", &server.other)));
    allow("hostssl");
    server.wait_until_refused("disable");
    accepted(server.try_with("sslmode=allow"));
    for mode in ["allow", "prefer"] {
        accepted(server.try_with(&with(mode, &server.root)));
        server.try_with(&with(mode, &server.other)).code(3);
    }
}

#[test]
fn a_server_whose_certificate_is_its_own_authority() {
    let dir = tempfile::tempdir().unwrap();
    let pair = sign_as_ca(dir.path(), &["db.example"], Valid::Now);
    let cert = pair.cert.display().to_string();
    let postgres = with_tls(pair, &[]);
    let port = postgres.port();
    let try_with = |host: &str, mode: &str| {
        let parameters = format!("hostaddr=127.0.0.1&sslmode={mode}&sslrootcert={cert}");
        record(&format!(
            "postgres://metrics@{host}:{port}/metrics?{parameters}"
        ))
        .run()
    };
    accepted(try_with("db.example", "verify-full"));
    accepted(try_with("other.example", "verify-ca"));
    try_with("other.example", "verify-full")
        .code(3)
        .stderr_has("certificate");
}

#[test]
fn our_own_certificate_and_channel_binding() {
    let (dir, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let authority = Authority::new();
    let root = authority.write(dir.path());
    own(&root);
    let pair = authority.sign(dir.path(), &["127.0.0.1"], Valid::Now);
    let postgres = with_tls(pair, &[&format!("ssl_ca_file={}", root.display())]);
    let port = postgres.port();
    let try_with = |user: &str, parameters: &str| {
        record(&format!(
            "postgres://{user}@127.0.0.1:{port}/metrics?{parameters}"
        ))
        .env("HOME", home.path())
        .env("PGPASSWORD", "s3cret")
        .run()
    };
    postgres.sql("CREATE ROLE ann LOGIN SUPERUSER PASSWORD 's3cret'");
    postgres.allow(
        "local all all trust\nhostssl all metrics all cert\nhostssl all ann all scram-sha-256\n",
    );
    let is_asked = || {
        try_with("metrics", "")
            .stderr
            .contains("client certificate")
    };
    wait_for(PATIENCE, || is_asked().then_some(()), || postgres.log());
    // The usual place.
    let usual = home.path().join(".postgresql");
    std::fs::create_dir(&usual).unwrap();
    let ours = authority.sign_user(home.path(), "metrics");
    let [cert, key] = ["postgresql.crt", "postgresql.key"].map(|name| usual.join(name));
    std::fs::copy(&ours.cert, &cert).unwrap();
    try_with("metrics", "").code(2).stderr_has("has no key");
    std::fs::copy(&ours.key, &key).unwrap();
    set_mode(&key, 0o644);
    try_with("metrics", "").code(2).stderr_has("chmod 0600");
    set_mode(&key, 0o600);
    accepted(try_with("metrics", ""));
    try_with("metrics", "sslcertmode=disable")
        .code(3)
        .stderr_has("client certificate");

    accepted(try_with("ann", "channel_binding=require"));
    let socket = format!("{}?port={port}&channel_binding=require", postgres.url());
    record(&socket).run().code(3).stderr_has("channel binding");
}
