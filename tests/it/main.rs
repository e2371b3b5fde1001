//! Integration tests: they run the real binary, talk to it over real sockets and terminals, and check the results with
//! code that shares nothing with it.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_possible_truncation,
    reason = "in a test a failing unwrap is a failure, and what is printed is shown only then"
)]

mod harness;

mod alerts;
mod alerts_live;
mod assertions;
mod banner;
mod chaos;
mod check;
mod client;
mod command;
mod command_line;
mod compression;
mod containers;
mod counts;
mod database;
mod demo;
mod duckdb;
mod ended;
mod errors;
mod example;
mod far;
mod fleet_example;
mod foreign;
mod fuzzed;
mod gate;
mod golden;
mod grafana;
mod harness_itself;
mod herd;
mod hostile_crowds;
mod hostile_frames;
mod hostile_heads;
mod hostile_http;
mod hostile_names;
mod hostile_tls;
mod layering;
mod limits;
mod lists;
mod many_hosts;
mod memory;
mod nothing_lost;
mod notify;
mod other_ways;
mod packaging;
mod page;
mod page_alerts;
mod page_charts;
mod page_elsewhere;
mod page_fleet;
mod page_honest;
mod page_looks;
mod page_overview;
mod page_parts;
mod page_past;
mod page_proxied;
mod page_scene;
mod page_sections;
mod page_sizes;
mod page_streams;
mod print_alerts;
mod publish_faults;
mod readers;
mod readme;
mod recipes;
mod record;
mod refused;
mod relay;
mod relay_checks;
mod relay_cluster;
mod relay_faults;
mod relay_silence;
mod relay_wrong;
mod replay_again;
mod replay_directory;
mod replay_flags;
mod replay_inputs;
mod replay_order;
mod request_forms;
mod rotation;
mod round_trip;
mod screen;
mod screen_alerts;
mod screen_history;
mod sentence;
mod server;
mod service;
mod several_servers;
mod slow_viewers;
mod spool;
mod spool_faults;
mod ssh;
mod statsd;
mod statsd_clients;
mod statsd_reach;
mod statsd_sockets;
mod steps;
mod streams;
mod threat_model;
mod tls;
mod token;
mod token_file;
mod truth;
mod tutorial;
mod two_sources;
mod typed;
mod types;
mod unread;
mod version;
