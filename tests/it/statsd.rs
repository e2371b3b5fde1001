//! What applications report becomes values of samples: every type, counted exactly, whatever else is in the packets.

use std::collections::HashSet;

use crate::harness::dice::Dice;
use crate::harness::statsd::{Samples, Statsd};
use crate::harness::viewer::Viewer;
use crate::harness::wire::{Metric, Wire};

/// The number of lines that were accepted, or refused for a reason.
fn lines(statsd: &Statsd, result: &str) -> u64 {
    let family = format!("metrics_statsd_lines_total{{result=\"{result}\"}}");
    statsd.count(&family).unwrap()
}

/// `expected`, but for the rounding of sums.
#[track_caller]
fn assert_close(what: &str, found: f64, expected: f64) {
    let off = (found / expected - 1.0).abs();
    assert!(off < 0.001, "{what}: {found}, not {expected}");
}

#[test]
fn counters_add_up_and_two_clients_do_not_disturb_each_other() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("statsd");
    let statsd = Statsd::start(["--statsd", path.to_str().unwrap()]);
    let mut samples = Samples::of(&statsd.serve);
    let mut dice = Dice::seeded(7);
    let mut line = |name: &str| {
        let (value, rate) = (dice.within(1..50), *dice.pick(&[1.0, 0.5, 0.1]));
        (format!("{name}:{value}|c|@{rate}\n"), value as f64 / rate)
    };
    let mut packets = |name: &str| -> (Vec<String>, f64) {
        let packets = (0..2000).map(|_| [line(name), line(name), line("both")]);
        let packets: Vec<_> = packets.collect();
        let both = packets.iter().flatten().map(|(_, counted)| counted).sum();
        let text = |lines: [(String, f64); 3]| lines.map(|(line, _)| line).concat();
        (packets.into_iter().map(text).collect(), both)
    };
    let (by_udp, udp_sum) = packets("udp");
    let (by_path, path_sum) = packets("path");
    let socket = std::os::unix::net::UnixDatagram::unbound().unwrap();
    let rounds = by_udp.chunks(100).zip(by_path.chunks(100));
    for ((by_udp, by_path), round) in rounds.zip(1..) {
        std::thread::scope(|scope| {
            let send = |packet: &String| socket.send_to(packet.as_bytes(), &path).unwrap();
            scope.spawn(move || by_path.iter().map(send).sum::<usize>());
            by_udp.iter().for_each(|packet| statsd.send(packet));
        });
        // Not more than a small buffer holds.
        statsd.wait_for_packets(200 * round);
    }
    let all = udp_sum + path_sum;
    let sum = samples.sum(all, |data, seconds| {
        let rates = ["udp", "path", "both"].map(|name| data.values.get(name).unwrap_or(&0.0));
        Some(rates.into_iter().sum::<f64>() * seconds)
    });
    assert_close("all", sum, all);
    assert_eq!(lines(&statsd, "accepted"), 12_000);
}

#[test]
fn sets_and_timers_match_a_reference() {
    let statsd = Statsd::start([]);
    let mut samples = Samples::of(&statsd.serve);
    let mut dice = Dice::seeded(3);
    let mut packet = String::new();
    let (mut members, mut times) = (HashSet::new(), Vec::new());
    for _ in 0..400 {
        let (member, time) = (dice.within(0..300), dice.within(0..100_000) as f64 / 8.0);
        let rate = *dice.pick(&[1.0, 0.25]);
        packet += &format!("set:user{member}|s\ntime:{time}|ms|@{rate}\n");
        members.insert(member);
        times.extend(vec![time; (1.0 / rate) as usize]);
    }
    statsd.send(&packet);
    let data = samples.find(|data| data.values.contains_key("time").then(|| data.clone()));
    times.sort_by(f64::total_cmp);
    let mean = times.iter().sum::<f64>() / times.len() as f64;
    let p95 = times[(times.len() * 95).div_ceil(100) - 1];
    assert_close("mean", data.values["time"], mean);
    assert_close("p95", data.values["time.p95"], p95);
    assert_close("max", data.values["time.max"], *times.last().unwrap());
    assert_close("set", data.values["set"], members.len() as f64);

    // Without more of them, there is no time, and the set is empty.
    let (data, _) = samples.next();
    assert_eq!((data.values.get("time"), data.values["set"]), (None, 0.0));
}

#[test]
fn gauges_hold_and_change() {
    let statsd = Statsd::start([]);
    let mut samples = Samples::of(&statsd.serve);
    statsd.send("queue.depth:0.1|g");
    samples.find(|data| (data.values.get("queue.depth") == Some(&0.1)).then_some(()));
    assert_eq!(samples.next().0.values["queue.depth"], 0.1);
    statsd.send("queue.depth:+0.2|g\nqueue.depth:-5|g");
    // Not rounded.
    let expected = 0.1 + 0.2 - 5.0;
    samples.find(|data| (data.values["queue.depth"] == expected).then_some(()));
}

#[test]
fn a_bad_line_costs_nothing_but_itself() {
    let statsd = Statsd::start([]);
    let mut samples = Samples::of(&statsd.serve);
    let mut packet = Vec::new();
    for line in [
        &b"good1:1|g"[..],
        b"no value",
        b"\xff\xfe:1|c",
        b"cpu:1|g",
        b"__proto__:1|g",
        b"timestamp:1|g",
        b"good2:NaN|g",
        b"good2:2|g|#env:prod|c:83c0|T1656581400",
        b"good1:1|c",
        b"_e{1,1}:t|x",
        b"good3:1:2:x|h",
        b"\r",
        b"good3:1:2:3|h\r",
        b"half:1|",
    ] {
        packet.extend_from_slice(line);
        packet.push(b'\n');
    }
    packet.pop();
    statsd.send(&packet);
    let values = samples.find(|data| {
        data.values
            .contains_key("good3")
            .then(|| data.values.clone())
    });
    let got = ["good1", "good2", "good3", "good3.max"].map(|name| values[name]);
    assert_eq!(got, [1.0, 2.0, 2.0, 3.0]);
    assert!(!values.contains_key("half") && values["cpu"] <= 100.0);
    let reasons = [
        "accepted",
        "malformed",
        "name",
        "not_finite",
        "type",
        "not_metric",
    ];
    let counted = reasons.map(|reason| lines(&statsd, reason));
    assert_eq!(counted, [3, 3, 4, 1, 1, 1]);

    // Each reason is reported once, however many lines follow.
    statsd.send(&packet);
    statsd.wait_for_packets(2);
    for reason in [
        "not NAME:VALUE|TYPE",
        "may not use",
        "not finite",
        "another type",
        "an event",
        "are dropped",
    ] {
        statsd.serve.wait_for_stderr(reason);
        let said = statsd.serve.story().matches(reason).count();
        assert_eq!(said, 1, "{reason}: {}", statsd.serve.story());
    }
}

#[test]
fn names_are_limited() {
    let statsd = Statsd::start([]);
    let mut samples = Samples::of(&statsd.serve);
    let longest = "n".repeat(64);
    statsd.send(format!(
        "{longest}:1|g\n{longest}n:1|g\nwith space:1|g\n\u{fc}:1|g"
    ));
    let packet: Vec<_> = (0..200).map(|n| format!("name{n}:{n}|g\n")).collect();
    statsd.send(packet.concat());
    let values = samples.find(|data| {
        data.values
            .contains_key("name198")
            .then(|| data.values.clone())
    });
    assert_eq!((values[&longest], values["name198"]), (1.0, 198.0));
    // 200 names, and the name with one character more is not among them.
    assert!(!values.contains_key("name199"));
    assert_eq!(statsd.count("metrics_statsd_names"), Some(200));
    assert_eq!(
        (lines(&statsd, "name"), lines(&statsd, "too_many_names")),
        (3, 1)
    );
    statsd.serve.wait_for_stderr("but there are 200 already");
    statsd.send("name0:7|g");
    samples.find(|data| (data.values["name0"] == 7.0).then_some(()));
}

/// The metric `name` of the next hello in which it is labelled otherwise than `label`.
fn relabelled(viewer: &mut Viewer, name: &str, label: &str) -> Metric {
    loop {
        if let Wire::Hello { metrics, .. } = viewer.message() {
            let metric = metrics.into_iter().find(|metric| metric.name == name);
            if let Some(metric) = metric.filter(|metric| metric.label != label) {
                return metric;
            }
        }
    }
}

#[test]
fn an_application_takes_over_users_and_requests() {
    let statsd = Statsd::start([]);
    let mut viewer = Viewer::connect(statsd.serve.url(), "");
    let users = relabelled(&mut viewer, "activeUsers", "");
    let requests = relabelled(
        &mut Viewer::connect(statsd.serve.url(), ""),
        "requestsPerSecond",
        "",
    );
    assert_eq!(
        (&*users.label, &*requests.label),
        ("Active users", "TCP accepts/s")
    );
    statsd.send("activeUsers:1234.5|g\nrequestsPerSecond:1000000|c");
    let taken = relabelled(&mut viewer, "activeUsers", &users.label);
    assert_eq!((&*taken.label, &*taken.unit), ("App users", "users"));
    let mut other = Viewer::connect(statsd.serve.url(), "");
    let taken = relabelled(&mut other, "requestsPerSecond", "TCP accepts/s");
    assert_eq!((&*taken.label, &*taken.unit), ("Requests/s", "1/s"));
    let mut samples = Samples::of(&statsd.serve);
    // The host's own values don't come back: there are connections, but no requests.
    for _ in 0..5 {
        let (data, _) = samples.next();
        assert_eq!(data.values["activeUsers"], 1234.5);
        assert!(data.values["requestsPerSecond"] == 0.0 || data.values["requestsPerSecond"] > 1e5);
    }
}

#[test]
fn a_flood_is_counted_and_samples_go_on() {
    let statsd = Statsd::start([]);
    let mut viewer = Viewer::connect(statsd.serve.url(), "");
    viewer.numbered(1);
    let packets = 20_000;
    for _ in 0..packets {
        statsd.send("hits:1|c");
    }
    let seqs: Vec<_> = viewer.numbered(3).iter().filter_map(Wire::seq).collect();
    assert!(seqs.is_sorted());
    let settled = || {
        let read = statsd.count("metrics_statsd_packets_total")?;
        let dropped = statsd.count("metrics_statsd_dropped_packets_total")?;
        (read + dropped == packets).then_some(())
    };
    crate::harness::wait_for(crate::harness::PATIENCE, settled, || statsd.serve.story());
}
