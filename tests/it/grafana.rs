//! The dashboards for Grafana: their queries are run where Grafana would run them.

use std::path::Path;

use crate::harness::http::get;
use crate::harness::metrics::Metrics;
use crate::harness::postgres::Postgres;
use crate::harness::prometheus::Prometheus;
use crate::harness::viewer::Viewer;
use crate::harness::{PATIENCE, wait_for};

/// The values of a key anywhere in a dashboard.
fn all_of(dashboard: &serde_json::Value, key: &str) -> Vec<String> {
    let mut found = Vec::new();
    match dashboard {
        serde_json::Value::Object(fields) => {
            found.extend(
                fields
                    .get(key)
                    .and_then(|it| it.as_str())
                    .map(str::to_owned),
            );
            found.extend(fields.values().flat_map(|it| all_of(it, key)));
        }
        serde_json::Value::Array(items) => {
            found.extend(items.iter().flat_map(|it| all_of(it, key)));
        }
        _ => {}
    }
    found
}

#[track_caller]
fn dashboard(name: &str) -> serde_json::Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("examples/grafana")
        .join(name);
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Two hours of samples of a host, with everything that the panels show, and an alert.
const ROWS: &str = "
    INSERT INTO metrics_sample (time, host, stream, seq, cpu, memory, disk, networkReceived, networkSent, diskBusy, load1)
    SELECT now() - interval '1 minute' * n, 'web-1', 'k3v9q2', 1000 - n, 40, 50, 60, 1000, 2000, 5, 0.5
    FROM generate_series(1, 120) AS n;
    INSERT INTO metrics_event (time, host, stream, seq, kind, alert)
    VALUES (now(), 'web-1', 'k3v9q2', 2000, 'firing', '{\"name\": \"busy\", \"metric\": \"cpu\", \"value\": 95}');
    INSERT INTO metrics_position (host, stream, seq, first_time, last_time) VALUES ('web-1', 'k3v9q2', 2000, now(), now())";

#[test]
fn the_dashboard_of_the_database() {
    let postgres = Postgres::start();
    postgres.create_tables();
    postgres.sql(ROWS);
    let dashboard = dashboard("postgresql.json");
    let queries = all_of(&dashboard, "rawSql");
    assert!(10 < queries.len(), "{queries:?}");
    for query in queries {
        // What Grafana puts in.
        let query = query
            .replace(
                "$__timeFilter(time)",
                "time BETWEEN now() - interval '24 hours' AND now()",
            )
            .replace("${host:sqlstring}", "'web-1'");
        assert!(!query.contains('$'), "{query}");
        assert_ne!(postgres.sql(&query), "", "nothing for {query}");
    }
    let hosts = "SELECT DISTINCT host FROM metrics_position ORDER BY host";
    assert!(
        all_of(&dashboard, "query")
            .iter()
            .any(|query| query == hosts)
    );
    assert_eq!(postgres.sql(hosts), "web-1\n");
}

#[test]
fn the_dashboard_of_prometheus() {
    let serve = Metrics::serve_as("web-1").start();
    Viewer::connect(serve.url(), "").numbered(1);
    let prometheus = Prometheus::scraping(serve.port());
    let queries = all_of(&dashboard("prometheus.json"), "expr");
    assert!(7 < queries.len(), "{queries:?}");
    let (_, exposed) = get(serve.port(), "/metrics");
    for query in queries {
        let query = query.replace("$host", "web-1");
        // A container may have no disk of its own.
        let is_there = !query.contains("host_disk_usage_ratio")
            || exposed.contains("\nhost_disk_usage_ratio{");
        let expected = if is_there {
            "\"value\":["
        } else {
            "\"status\":\"success\""
        };
        wait_for(
            PATIENCE,
            || prometheus.query(&query).contains(expected).then_some(()),
            || format!("{query}: {}", prometheus.query(&query)),
        );
    }
}
