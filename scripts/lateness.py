#!/usr/bin/env python3
"""Measures how late samples are while notifiers misbehave.

    scripts/lateness.py [SAMPLES] [BINARY]         200 samples, 200 ms apart; Linux

Runs two servers side by side, one of them with seven notifiers: webhooks that never answer, close at once, or answer 429
or 500, and programs that stall, fork or fail. Prints the median and the maximum of `metrics_sample_lateness_seconds` of
each server, and what became of the notifications.
"""

import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

samples = int(sys.argv[1]) if len(sys.argv) > 1 else 200
binary = sys.argv[2] if len(sys.argv) > 2 else "target/release/metrics"

INTERVAL = 0.2
ANSWERS = {
    "429": b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n",
    "500": b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n",
}
PROGRAMS = {
    "stalls": "sleep 300",
    "forks": "sleep 300 & sleep 300 & exit 0",
    "fails": "exec <&-; exit 1",
}


def webhook(behaviour):
    """Listens on a free port until the end, and returns its URL."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)

    def serve():
        held = []
        while True:
            connection, _ = listener.accept()
            held.append(connection)
            if behaviour == "closes":
                connection.close()
            elif behaviour in ANSWERS:
                connection.recv(65536)
                connection.sendall(ANSWERS[behaviour])

    threading.Thread(target=serve, daemon=True).start()
    return f"http://127.0.0.1:{listener.getsockname()[1]}/"


def program(folder, name):
    path = os.path.join(folder, name)
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"#!/bin/sh\n{PROGRAMS[name]}\n")
    os.chmod(path, 0o755)
    return path


def start(flags):
    rules = ["--alert", "flapping: cpu:* > 10", "--alert", "up: uptime > 0"]
    command = [binary, "serve", "--listen", "127.0.0.1:0", "--interval", f"{INTERVAL * 1000:.0f}ms"]
    server = subprocess.Popen(
        command + rules + flags, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    return server, re.search(r":(\d+)/", server.stdout.readline())[1]


with tempfile.TemporaryDirectory() as folder:
    flags = []
    for behaviour in ["never answers", "closes", *ANSWERS]:
        flags += ["--notify-webhook", webhook(behaviour)]
    for name in PROGRAMS:
        flags += ["--notify-exec", program(folder, name)]
    servers = {"with notifiers": start(flags), "without": start([])}
    lateness = {name: {} for name in servers}
    counts = []
    end = time.monotonic() + samples * INTERVAL
    while time.monotonic() < end:
        for name, (_, port) in servers.items():
            text = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics").read().decode()
            taken = re.search(r"^host_sample_timestamp_seconds\S* (\S+)", text, re.M)
            if taken:
                late = re.search(r"^metrics_sample_lateness_seconds (\S+)", text, re.M)
                lateness[name][taken[1]] = float(late[1]) * 1000
            counts = re.findall(r"^metrics_notifications_total.*", text, re.M) or counts
        time.sleep(INTERVAL / 4)
    for server, _ in servers.values():
        server.terminate()
        server.wait()

for name, late in lateness.items():
    median, most = statistics.median(late.values()), max(late.values())
    print(f"{name}: {len(late)} samples, {median:.2f} ms late (median), {most:.2f} ms at most")
print("\n".join(counts))
