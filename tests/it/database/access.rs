//! Credentials and TLS come from where libpq takes them.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::harness::certificates::{Authority, Valid};
use crate::harness::metrics::{Metrics, Output};
use crate::harness::postgres::{Postgres, own};
use crate::harness::{PATIENCE, wait_for};

/// A recorder whose server isn't there: status 3 names it once the database has accepted us.
fn record(database: &str) -> Metrics {
    Metrics::record("127.0.0.1:1").args(["--retries", "0", "--create", "-o", database])
}

#[track_caller]
fn accepted(output: Output) {
    output
        .code(3)
        .stderr_has("cannot connect to ws://127.0.0.1:1");
}

fn private(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o600)).unwrap();
}

#[test]
fn passwords_and_services() {
    let postgres = Postgres::start();
    postgres.sql("CREATE ROLE ann LOGIN SUPERUSER PASSWORD 's3cret'");
    postgres.allow("local all metrics trust\nlocal all all scram-sha-256\n");
    let url = postgres.url_of("ann", "metrics");
    wait_for(
        PATIENCE,
        || {
            record(&url)
                .run()
                .stderr
                .contains("password missing")
                .then_some(())
        },
        || "no password is asked for".into(),
    );
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

    let wrong = record(&url).env("PGPASSWORD", "wrong").run().code(3);
    wrong
        .stderr_has("password authentication failed")
        .stderr_lacks("s3cret");
    std::fs::set_permissions(&passwords, PermissionsExt::from_mode(0o644)).unwrap();
    let open = record(&url).env("PGPASSFILE", &passwords).run().code(3);
    open.stderr_has("chmod 0600").stderr_lacks("s3cret");
}

#[test]
fn sslmode_means_what_it_means_in_libpq() {
    let dir = tempfile::tempdir().unwrap();
    let (ours, theirs) = (Authority::new(), Authority::named("Another"));
    let root = ours.write(dir.path());
    let other = dir.path().join("other");
    std::fs::create_dir(&other).unwrap();
    let other = theirs.write(&other);
    let pair = ours.sign(dir.path(), &["db.example"], Valid::Now);
    std::fs::set_permissions(&pair.key, PermissionsExt::from_mode(0o600)).unwrap();
    for path in [dir.path(), &pair.cert, &pair.key] {
        own(path);
    }
    let postgres = Postgres::on_tcp(&[
        "ssl=on",
        &format!("ssl_cert_file={}", pair.cert.display()),
        &format!("ssl_key_file={}", pair.key.display()),
    ]);
    let port = postgres.port();
    let try_with = |parameters: &str| {
        let url = format!("postgres://metrics@127.0.0.1:{port}/metrics?{parameters}");
        record(&url).env("HOME", dir.path()).run()
    };
    let with = |mode: &str, root: &Path| format!("sslmode={mode}&sslrootcert={}", root.display());
    for mode in ["disable", "allow", "prefer", "require"] {
        accepted(try_with(&format!("sslmode={mode}")));
    }
    // The certificate is for db.example, not for 127.0.0.1.
    accepted(try_with(&with("verify-ca", &root)));
    try_with(&with("verify-full", &root))
        .code(3)
        .stderr_has("certificate");
    try_with(&with("verify-ca", &other))
        .code(3)
        .stderr_has("certificate");
    // With an authority's file, `require` checks the authority too.
    try_with(&with("require", &other))
        .code(3)
        .stderr_has("certificate");
    try_with("sslmode=verify-full")
        .code(2)
        .stderr_has("sslrootcert");
    let named = format!(
        "host=db.example&hostaddr=127.0.0.1&{}",
        with("verify-full", &root)
    );
    accepted(try_with(&named));

    // A server that only takes one kind of connection.
    postgres.allow("local all all trust\nhostnossl all all all trust\n");
    let refused = || {
        try_with("sslmode=require")
            .stderr
            .contains("no pg_hba.conf entry")
    };
    wait_for(PATIENCE, || refused().then_some(()), || postgres.log());
    accepted(try_with("sslmode=prefer"));
    postgres.allow("local all all trust\nhostssl all all all trust\n");
    let refused = || {
        try_with("sslmode=disable")
            .stderr
            .contains("no pg_hba.conf entry")
    };
    wait_for(PATIENCE, || refused().then_some(()), || postgres.log());
    accepted(try_with("sslmode=allow"));
}
