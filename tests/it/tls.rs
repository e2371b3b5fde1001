//! TLS, end to end and in every way it fails.

use std::path::Path;

use rustix::process::Signal;

use crate::harness::PATIENCE;
use crate::harness::certificates::{Authority, Pair, Valid, sign_as_ca};
use crate::harness::http::get;
use crate::harness::metrics::{Metrics, Output, Running};
use crate::harness::recording::write_long;

fn with(metrics: Metrics, pair: &Pair) -> Metrics {
    let metrics = metrics.arg("--tls-cert").arg(&pair.cert);
    metrics.arg("--tls-key").arg(&pair.key)
}

/// One sample over TLS, from a server named `name`.
fn watch(server: &Running, name: &str, ca: &Path) -> Output {
    let url = format!("wss://{name}:{}/ws", server.port());
    let watch = Metrics::watch(&url).args(["--plain", "--samples", "1", "--ca-cert"]);
    watch.arg(ca).run()
}

#[test]
fn a_certificate_is_trusted_for_its_names() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let ca = authority.write(dir.path());
    let pair = authority.sign(dir.path(), &["localhost", "127.0.0.1"], Valid::Now);
    let server = with(Metrics::serve(), &pair).start();
    let port = server.port();
    assert_eq!(server.url(), format!("wss://127.0.0.1:{port}/ws"));
    for name in ["localhost", "127.0.0.1"] {
        watch(&server, name, &ca).success().stderr_lacks("error");
    }
    server.signal(Signal::TERM);
    server
        .wait()
        .success()
        .stdout_is(&format!("wss://127.0.0.1:{port}/ws\n"));
}

#[test]
fn a_recording_is_the_same_byte_for_byte() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let ca = authority.write(dir.path());
    let pair = authority.sign(dir.path(), &["127.0.0.1"], Valid::Now);
    let (csv, out) = (dir.path().join("r.csv"), dir.path().join("out.csv"));
    write_long(&csv, 10_000, 40);
    let replay = Metrics::replay([&csv]).args(["--speed", "max", "--wait", "1"]);
    let replay = with(replay, &pair).start();
    let record = Metrics::record(replay.url())
        .arg("--ca-cert")
        .arg(&ca)
        .arg("-o");
    record.arg(&out).run().success();
    let (given, kept) = (std::fs::read(&csv).unwrap(), std::fs::read(&out).unwrap());
    assert!(given == kept, "{} bytes of {}", kept.len(), given.len());
    replay.wait().success();
}

#[test]
fn each_failure_is_explained() {
    let authority = Authority::new();
    for (names, valid, reason) in [
        (
            &["web-1.example.com"][..],
            Valid::Now,
            "not for 127.0.0.1 but for web-1.example.com",
        ),
        (
            &["127.0.0.1"],
            Valid::Past,
            "the certificate of 127.0.0.1 has expired",
        ),
        (&["127.0.0.1"], Valid::Future, "is not valid yet"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let ca = authority.write(dir.path());
        let pair = authority.sign(dir.path(), names, valid);
        let server = with(Metrics::serve(), &pair).start();
        watch(&server, "127.0.0.1", &ca)
            .code(3)
            .stdout_is("")
            .stderr_has(reason);
    }
}

#[test]
fn a_servers_own_certificate_needs_no_authority_but_must_be_valid() {
    for (names, valid, reason) in [
        (&["127.0.0.1"][..], Valid::Now, None),
        (
            &["web-1.example.com"],
            Valid::Now,
            Some("not for 127.0.0.1"),
        ),
        (&["127.0.0.1"], Valid::Past, Some("has expired")),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path();
        for pair in [
            Authority::new().sign(path, names, valid),
            sign_as_ca(path, names, valid),
        ] {
            let server = with(Metrics::serve(), &pair).start();
            let output = watch(&server, "127.0.0.1", &pair.cert);
            match reason {
                None => drop(output.success()),
                Some(reason) => drop(output.code(3).stdout_is("").stderr_has(reason)),
            }
        }
    }
}

#[test]
fn a_certificate_that_calls_itself_that_of_a_ca_is_believed_only_where_it_was_given() {
    let dir = tempfile::tempdir().unwrap();
    let others = tempfile::tempdir().unwrap();
    let pair = sign_as_ca(dir.path(), &["127.0.0.1"], Valid::Now);
    let server = with(Metrics::serve(), &pair).start();
    // Of the same name and by somebody else, and as a CA of the same name.
    let stranger = sign_as_ca(others.path(), &["127.0.0.1"], Valid::Now).cert;
    for ca in [stranger, Authority::new().write(others.path())] {
        let output = watch(&server, "127.0.0.1", &ca).code(3);
        output
            .stdout_is("")
            .stderr_has("is a CA certificate")
            .stderr_has("--ca-cert FILE")
            .stderr_has("CA:FALSE");
    }
}

#[test]
fn an_unknown_authority_is_not_trusted() {
    let dir = tempfile::tempdir().unwrap();
    let pair = Authority::new().sign(dir.path(), &["127.0.0.1"], Valid::Now);
    let server = with(Metrics::serve(), &pair).start();
    // Other authorities, given explicitly, one of them with the same name; and those that the machine trusts.
    for name in ["Authority", "Stranger"] {
        let ca = Authority::named(name).write(dir.path());
        let output = watch(&server, "127.0.0.1", &ca).code(3);
        output
            .stdout_is("")
            .stderr_has("unknown CA")
            .stderr_has("--ca-cert");
    }
}

#[test]
fn plain_http_to_a_tls_port_gets_an_explanation() {
    let dir = tempfile::tempdir().unwrap();
    let pair = Authority::new().sign(dir.path(), &["127.0.0.1"], Valid::Now);
    let server = with(Metrics::serve(), &pair).start();
    let (status, said) = get(server.port(), "/healthz");
    assert_eq!((status, said.lines().count()), (400, 1), "{said}");
    assert!(said.contains("wss://"), "{said}");
    let url = format!("127.0.0.1:{}", server.port());
    let watch = Metrics::watch(&url).args(["--plain", "--samples", "1"]);
    watch.run().code(3).stderr_has("speaks TLS: use wss://");
}

#[test]
fn tls_to_a_plain_port_is_explained() {
    let dir = tempfile::tempdir().unwrap();
    let ca = Authority::new().write(dir.path());
    let server = Metrics::serve().start();
    watch(&server, "127.0.0.1", &ca)
        .code(3)
        .stderr_has("does not speak TLS");
}

#[test]
fn sighup_rereads_the_certificate() {
    let dir = tempfile::tempdir().unwrap();
    let (old, new) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (first, second) = (Authority::new(), Authority::new());
    let (old, new) = (first.write(old.path()), second.write(new.path()));
    let pair = first.sign(dir.path(), &["127.0.0.1"], Valid::Now);
    let server = with(Metrics::serve(), &pair).start();
    // Connected viewers stay connected.
    let url = server.url().to_owned();
    let stays = Metrics::watch(&url)
        .args(["--json", "--ca-cert"])
        .arg(&old)
        .spawn();
    stays.stdout_lines(1);
    watch(&server, "127.0.0.1", &new).code(3);

    second.sign(dir.path(), &["127.0.0.1"], Valid::Now);
    server.signal(Signal::HUP);
    server.wait_for_stderr("read the certificate");
    watch(&server, "127.0.0.1", &new).success();
    watch(&server, "127.0.0.1", &old).code(3);

    std::fs::write(&pair.key, "no key").unwrap();
    server.signal(Signal::HUP);
    server.wait_for_stderr("the old certificate stays in use");
    watch(&server, "127.0.0.1", &new).success();
    let seen = stays.stdout_lines(1).len();
    stays.stdout_lines(seen + 2);
    assert!(
        !stays.stderr().text().contains("reconnecting"),
        "{}",
        stays.story()
    );
}

#[test]
fn a_recording_survives_an_expired_certificate_that_is_renewed() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let ca = authority.write(dir.path());
    let pair = authority.sign(dir.path(), &["127.0.0.1"], Valid::Now);
    let server = with(Metrics::serve().arg("-vv"), &pair).start();
    let proxy = crate::harness::proxy::Proxy::clear(server.port());
    let url = proxy.url().replace("ws://", "wss://");
    let watch = Metrics::watch(&url).args(["--json", "--ca-cert"]).arg(&ca);
    let watch = watch.args(["--retries", "1000"]).spawn();
    watch.stdout_lines(1);
    authority.sign(dir.path(), &["127.0.0.1"], Valid::Past);
    server.signal(Signal::HUP);
    server.wait_for_stderr("read the certificate");
    proxy.cut_all();
    // It keeps trying although this certificate is not trusted.
    server.wait_for_stderr("CertificateExpired");
    let refused = || server.stderr().text().matches("reread").count();
    authority.sign(dir.path(), &["127.0.0.1"], Valid::Now);
    server.signal(Signal::HUP);
    crate::harness::wait_for(
        PATIENCE,
        || (1 < refused()).then_some(()),
        || server.story(),
    );
    watch.wait_for_stderr("reconnected");
}

#[test]
fn a_certificate_and_key_that_do_not_match_are_an_error() {
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let authority = Authority::new();
    let pair = authority.sign(dir.path(), &["127.0.0.1"], Valid::Now);
    let stranger = authority.sign(other.path(), &["127.0.0.1"], Valid::Now);
    let serve = |cert: &Path, key: &Path| {
        let serve = Metrics::serve().arg("--tls-cert").arg(cert);
        serve.arg("--tls-key").arg(key).run()
    };
    serve(&pair.cert, &stranger.key)
        .code(1)
        .stderr_has("does not belong to the certificate");
    serve(&pair.key, &pair.key)
        .code(1)
        .stderr_has("contains no certificate");
    serve(&pair.cert, &pair.cert)
        .code(1)
        .stderr_has("contains no private key");
    let missing = dir.path().join("missing");
    serve(&missing, &pair.key)
        .code(1)
        .stderr_has("missing': no such file");
    Metrics::serve()
        .arg("--tls-cert")
        .arg(&pair.cert)
        .run()
        .code(2)
        .stderr_has("--tls-key");
    let watch = Metrics::watch("wss://127.0.0.1:9")
        .arg("--ca-cert")
        .arg(&pair.key);
    watch.run().code(1).stderr_has("contains no certificate");
}
