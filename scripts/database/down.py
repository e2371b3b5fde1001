#!/usr/bin/env python3
"""A database that is down for minutes while `record` runs: afterwards it has exactly the rows that an independent
recorder wrote to a file.

    scripts/database/down.py [MINUTES] [BINARY]         10, target/release/metrics; needs postgresql

The server takes a sample every 200 ms and keeps 15 minutes. Exits 1 if a row is missing, twice or different.
"""

import os
import signal
import sys
import time

from cluster import Cluster
from programs import Programs, rss

minutes = float(sys.argv[1]) if len(sys.argv) > 1 else 10
programs = Programs(sys.argv[2] if len(sys.argv) > 2 else "target/release/metrics")
cluster = Cluster()


def stored():
    return int(cluster.sql("SELECT count(*) FROM metrics_sample"))


def wait_for(wanted):
    while stored() < wanted:
        time.sleep(0.2)


try:
    programs.create_tables(cluster.url)
    _, url = programs.serve("-i", "200ms")
    beside = os.path.join(cluster.folder, "beside.csv")
    independent = programs.start("record", "--quiet", url, "--since", "1h", "-o", beside)
    said = open(os.path.join(cluster.folder, "said"), "w+", encoding="utf-8")
    record = programs.start("record", url, "--since", "1h", "-o", cluster.url, stderr=said)
    wait_for(50)
    cluster.stop()
    before = rss(record)
    time.sleep(minutes * 60)
    during = rss(record)
    begun = time.monotonic()
    missed = int(minutes * 60 * 5)
    cluster.start()
    wait_for(missed)
    caught_up = time.monotonic() - begun
    time.sleep(2)
    record.send_signal(signal.SIGINT)
    assert record.wait() == 0
    rows = stored()
    time.sleep(1)
    independent.send_signal(signal.SIGINT)
    independent.wait()

    _, url = programs.replay(cluster.url)
    back = os.path.join(cluster.folder, "back.csv")
    programs.record(url, back)
    with open(beside, encoding="utf-8") as file:
        expected = file.readlines()[: rows + 1]
    with open(back, encoding="utf-8") as file:
        same = file.readlines() == expected
    said.seek(0)
    print(said.read(), end="")
    what = "the same as" if same else "NOT those"
    print(f"down for {minutes:g} minutes: {rows} rows, {what} of the independent recorder")
    print(f"caught up {caught_up:.1f} s after the database was started; "
          f"record had {before} KiB before and {during} KiB while it was down")
    sys.exit(not same)
finally:
    programs.kill()
    cluster.remove()
