#!/usr/bin/env python3
"""Measures how late samples are before and during a flood of packets from an application.

    scripts/flood.py [PACKETS] [BINARY] [BURST]         200,000 packets, 10,000 at a time; Linux

Starts a server with `--statsd` on a free port of loopback, reads `metrics_sample_lateness_seconds` for ten seconds, then
sends it the packets, in bursts as fast as possible with half a second between them, and reads on. Prints the median and
the maximum of both, and what became of the packets.
"""

import re
import socket
import statistics
import subprocess
import sys
import threading
import time
import urllib.request

packets = int(sys.argv[1]) if len(sys.argv) > 1 else 200_000
binary = sys.argv[2] if len(sys.argv) > 2 else "target/release/metrics"
burst = int(sys.argv[3]) if len(sys.argv) > 3 else 10_000

INTERVAL = 0.2
BEFORE = 10
PAUSE = 0.5

command = [binary, "serve", "--listen", "127.0.0.1:0", "--interval", "200ms", "--statsd", "127.0.0.1:0"]
server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
statsd = None
while statsd is None:
    statsd = re.search(r"UDP 127\.0\.0\.1:(\d+)", server.stderr.readline())
threading.Thread(target=server.stderr.read, daemon=True).start()
port = re.search(r":(\d+)/", server.stdout.readline())[1]


def exposition():
    return urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics").read().decode()


def number(text, family):
    found = re.search(rf"^{family}(?:{{.*}})? (\S+)", text, re.M)
    return float(found[1]) if found else 0.0


def watch(lateness, is_over):
    """Notes the lateness of each sample in milliseconds, by its time."""
    while not is_over():
        text = exposition()
        taken = number(text, "host_sample_timestamp_seconds")
        if taken:
            lateness[taken] = number(text, "metrics_sample_lateness_seconds") * 1000
        time.sleep(INTERVAL / 4)


def flood():
    client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    client.connect(("127.0.0.1", int(statsd[1])))
    for n in range(packets):
        client.send(b"hits:1|c\nwait:%d|ms\nusers:%d|s" % (n % 1000, n % 5000))
        if n % burst == burst - 1:
            time.sleep(PAUSE)


before, during = {}, {}
end = time.monotonic() + BEFORE
watch(before, lambda: time.monotonic() > end)
sender = threading.Thread(target=flood)
begun = time.monotonic()
sender.start()
watch(during, lambda: not sender.is_alive())
took = time.monotonic() - begun
counts = None
while True:
    time.sleep(2)
    text = exposition()
    found = re.findall(r"^metrics_statsd_.*packets.*", text, re.M)
    if found == counts:
        break
    counts = found
server.terminate()
server.wait()

for name, late in [("before", before), ("during", during)]:
    median, most = statistics.median(late.values()), max(late.values())
    print(f"{name}: {len(late)} samples, {median:.2f} ms late (median), {most:.2f} ms at most")
read, dropped = (number(text, f"metrics_statsd_{name}packets_total") for name in ["", "dropped_"])
print(f"{packets} packets in {took:.1f} s: {read:.0f} read, {dropped:.0f} dropped by the kernel")
