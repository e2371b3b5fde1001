#!/usr/bin/env python3
"""Measures `serve` with a spool that holds a day at one sample a second.

    scripts/spool-day.py [BINARY] [SECONDS]         target/release/metrics, 100 s for CPU time; Linux

Records a few samples of this machine, makes a day of 86,400 samples like them that ends now, and prints a table: the time
to start, the first byte of `since=20h`, memory and CPU time beside a server without a spool, the throughput of
`record --since 24h`, and a day in steps of a minute. Exits 1 if a figure is beyond its limit.
"""

import base64
import csv
import gzip
import os
import random
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import datetime, timezone

binary = sys.argv[1] if len(sys.argv) > 1 else "target/release/metrics"
seconds = int(sys.argv[2]) if len(sys.argv) > 2 else 100

DAY = 86_400

# Both servers keep a minute, so that they hold equally much when they are compared: they are old enough then.
WARM_UP = 75


def rows_like_here(folder):
    """The header and some rows that this machine has now."""
    path = os.path.join(folder, "sample.csv")
    server = Server([])
    subprocess.run([binary, "record", server.url, "-o", path, "--samples", "12"], check=True, stderr=subprocess.DEVNULL)
    server.stop()
    with open(path, encoding="utf-8", newline="") as file:
        lines = list(csv.reader(file))
    return lines[0], [row for row in lines[1:] if row[3]]


def vary(cell):
    """A number near another one, with as many decimals."""
    decimals = len(cell.partition(".")[2])
    return f"{float(cell) * random.uniform(0.8, 1.2):.{decimals}f}".rstrip("0").rstrip(".") if decimals else (
        str(int(int(cell) * random.uniform(0.98, 1.02))))


def make_day(spool, header, templates):
    """A file for each hour, compressed but for the newest, which ends now."""
    host = os.path.join(spool, "web-1")
    os.makedirs(host)
    begin = int(time.time()) - DAY
    numeric = [[bool(re.fullmatch(r"\d+(\.\d+)?", cell)) and at > 4 for at, cell in enumerate(row)] for row in templates]
    hours = {}
    for seq in range(1, DAY + 1):
        which = seq % len(templates)
        now = datetime.fromtimestamp(begin + seq, timezone.utc)
        row = [vary(cell) if is_number else cell for cell, is_number in zip(templates[which], numeric[which])]
        row[0], row[2], row[3] = now.strftime("%Y-%m-%dT%H:%M:%S.000Z"), "k3v9q2", str(seq)
        hours.setdefault(now.strftime("%Y-%m-%dT%H"), []).append(row)
    size = 0
    for nth, (hour, rows) in enumerate(hours.items()):
        path = os.path.join(host, f"{hour}.csv")
        is_newest = nth + 1 == len(hours)
        with open(path, "w", encoding="utf-8", newline="") if is_newest else gzip.open(path + ".gz", "wt", newline="") as out:
            lines = csv.writer(out, lineterminator="\n")
            lines.writerow(header)
            lines.writerows(rows)
            size += sum(sum(map(len, row)) + len(row) for row in rows)
    return len(hours), size


class Server:
    """A server with one sample a second."""

    def __init__(self, flags):
        begin = time.monotonic()
        command = [binary, "serve", "--listen", "127.0.0.1:0", "--name", "web-1", "--interval", "1s", *flags]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.url = self.process.stdout.readline().strip()
        self.started_in = time.monotonic() - begin
        self.port = int(re.search(r":(\d+)", self.url).group(1))

    def status(self, key):
        with open(f"/proc/{self.process.pid}/status", encoding="utf-8") as file:
            return int(re.search(rf"{key}:\s+(\d+)", file.read()).group(1)) / 1024

    def cpu(self):
        """Seconds of CPU time."""
        total = 0
        for task in os.listdir(f"/proc/{self.process.pid}/task"):
            with open(f"/proc/{self.process.pid}/task/{task}/schedstat", encoding="utf-8") as file:
                total += int(file.read().split()[0])
        return total / 1e9

    def stop(self):
        self.process.terminate()
        self.process.wait()


def request(port, path, upgrade=False):
    """Sends a request; the socket, and what came after the head of the response."""
    sock = socket.create_connection(("127.0.0.1", port))
    key = base64.b64encode(os.urandom(16)).decode()
    more = f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n" if upgrade else ""
    sock.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{more}\r\n".encode())
    received = b""
    while b"\r\n\r\n" not in received:
        received += sock.recv(65536)
    return sock, received.partition(b"\r\n\r\n")[2]


def until(port, path, text, upgrade=False):
    """The seconds until a response contains `text`, and the bytes until then."""
    begin = time.monotonic()
    sock, body = request(port, path, upgrade)
    count, tail = len(body), body
    while text not in tail:
        part = sock.recv(1 << 20)
        assert part, "closed"
        count += len(part)
        tail = tail[-64:] + part
    sock.close()
    return time.monotonic() - begin, count


def median(measure, times=5):
    return statistics.median(measure() for _ in range(times))


def restart(flags):
    server = Server(flags)
    server.stop()
    return server.started_in


class Table:
    """Figures, with their limits."""

    def __init__(self):
        self.rows = []
        self.has_failed = False

    def add(self, name, shown, limit="", is_within=True):
        self.rows.append((name, shown, limit if is_within else f"{limit}: NO"))
        self.has_failed |= not is_within

    def print(self):
        width = max(len(row[0]) for row in self.rows)
        for name, shown, limit in self.rows:
            print(f"{name:<{width}}  {shown:<46}  {limit}")


def compare(flags):
    """Two servers at the same time, one with these flags and one without: their CPU time, as parts of a core, and MiB."""
    # Both sample at the same moment, and whichever comes second finds in the kernel's caches what the first has read. So
    # each is first once.
    spent, resident = [0, 0], [0, 0]
    for order in ((0, 1), (1, 0)):
        both = {which: Server([*(flags, [])[which], "--retain", "1m"]) for which in order}
        time.sleep(WARM_UP)
        before = {which: server.cpu() for which, server in both.items()}
        time.sleep(seconds / 2)
        for which, server in both.items():
            spent[which] += (server.cpu() - before[which]) / seconds
            resident[which] = max(resident[which], server.status("VmRSS"))
        for server in both.values():
            server.stop()
    return spent, resident


def main():
    folder = tempfile.TemporaryDirectory()
    spool = os.path.join(folder.name, "spool")
    files, size = make_day(spool, *rows_like_here(folder.name))
    flags = ["--spool", spool, "--keep", "30h", "--keep-bytes", "4GiB"]
    table = Table()
    fresh = Server(flags)
    table.add("start, without .minutes files", f"{fresh.started_in:.3f} s", "< 1 s", fresh.started_in < 1)
    host = os.path.join(spool, "web-1")
    while sum(name.endswith(".minutes") for name in os.listdir(host)) < files - 1:
        time.sleep(0.1)
    table.add("all .minutes files written", f"{fresh.cpu():.2f} s of CPU time")
    fresh.stop()
    took, without = median(lambda: restart(flags)), median(lambda: restart([]))
    table.add("start", f"{took:.3f} s; without a spool {without:.3f} s", "< 1 s", took < 1)

    (one, other), resident = compare(flags)
    table.add("memory", f"{resident[0]:.1f} MiB; without {resident[1]:.1f} MiB", "at most 4 MiB more",
              resident[0] <= resident[1] + 4)
    ratio = one / other
    table.add("CPU time", f"{one * 100:.3f} %; without {other * 100:.3f} %: x {ratio:.2f}", "at most x 1.2", ratio <= 1.2)

    server = Server(flags)
    for name, path, upgrade, text in [
        ("/ws", "/ws?since=20h", True, b'"metric"'),
        ("/events", "/events?since=20h", False, b'"metric"'),
        ("/recording.csv", "/recording.csv?since=20h", False, b",k3v9q2,"),
    ]:
        took = median(lambda: until(server.port, path, text, upgrade)[0])
        table.add(f"first sample of {name}?since=20h", f"{took * 1000:.0f} ms", "< 100 ms", took < 0.1)
    steps = [until(server.port, "/ws?since=24h&step=1m", b'"metric"', True) for _ in range(5)]
    took = statistics.median(took for took, _ in steps)
    table.add("a day in steps of 1m", f"{took * 1000:.0f} ms, {steps[0][1] / 1e6:.1f} MB", "< 300 ms", took < 0.3)
    took, count = until(server.port, "/ws?since=24h&step=10m", b'"metric"', True)
    table.add("a day in steps of 10m", f"{took * 1000:.0f} ms, {count / 1e6:.2f} MB")

    idle = server.status("VmRSS")
    before = server_bytes(server)
    begin = time.monotonic()
    out = os.path.join(folder.name, "out.csv")
    subprocess.run([binary, "record", server.url, "-o", out, "--since", "24h", "--samples", str(DAY - 600)],
                   check=True, stderr=subprocess.DEVNULL)
    took = time.monotonic() - begin
    written = os.path.getsize(out) / 1024 / 1024
    sent = (server_bytes(server) - before) / 1024 / 1024
    table.add("record --since 24h", f"{written / took:.1f} MiB/s of CSV, {sent / took:.1f} MiB/s sent ({took:.1f} s)",
              "at least 5 MiB/s", written / took >= 5)
    peak = server.status("VmHWM")
    table.add("memory meanwhile", f"at most {peak:.1f} MiB; {idle:.1f} before", "at most 8 MiB more", peak <= idle + 8)
    server.stop()
    print(f"a day: {DAY} samples in {files} files, {size / 1e6:.0f} MB of rows")
    table.print()
    sys.exit(table.has_failed)


def server_bytes(server):
    sock, body = request(server.port, "/metrics")
    sock.settimeout(1)
    try:
        while b"\nmetrics_gaps_total" not in body:
            body += sock.recv(65536)
    except TimeoutError:
        pass
    return sum(int(it) for it in re.findall(rb"^metrics_sent_bytes_total(?:{[^}]*})? (\d+)", body, re.MULTILINE))


main()
