#!/usr/bin/env python3
"""The size of a sample in a database, and the time of the queries for trends that docs/OPERATING.md has.

    scripts/database/trends.py RECORDING [DAYS] [HOSTS] [SECONDS] [BINARY]

30 days of 20 hosts with a sample every 10 s (5,184,000 rows) and target/release/metrics if they are left out. The
samples are those of RECORDING again and again, with other values of cpu and disk, on a cluster with PostgreSQL's
defaults. The rows of RECORDING alone, each once, also go into TimescaleDB (as WebAssembly, which test.sh installs),
plain and compressed.
"""

import json
import os
import re
import statistics
import subprocess
import sys
import time

from cluster import Cluster
from programs import Programs, load

recording = sys.argv[1]
days, hosts, step = (int(arg) for arg in (*sys.argv[2:5], *(30, 20, 10)[len(sys.argv[2:5]):]))
programs = Programs(sys.argv[5] if len(sys.argv) > 5 else "target/release/metrics")

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# Each host at its own moment, with load that rises and falls with the hour, and a disk that fills up slowly.
FILL = """
    INSERT INTO metrics_sample ({columns})
    SELECT now() - interval '1 day' * {days} + interval '1 second' * ({step} * n), 'web-' || {host}, 'k3v9q2', n,
        {values}
    FROM generate_series(1, {count}) AS n JOIN template ON nth = n % {templates}"""


def queries():
    """The three queries in the documents, each with a name."""
    with open(os.path.join(ROOT, "docs", "OPERATING.md"), encoding="utf-8") as file:
        blocks = re.findall(r"```sql\n(.*?)```", file.read(), re.S)
    beginnings = {
        "the busiest hour of each host": "SELECT DISTINCT ON (host)",
        "the 95th percentile of two weeks": "SELECT host,\n    percentile_cont",
        "when disks will be full": "SELECT host, round(((100 - max(disk))",
    }
    return {name: next(it for it in blocks if it.startswith(begin)) for name, begin in beginnings.items()}


def store(cluster):
    """The recording through `replay` and `record`."""
    programs.create_tables(cluster.url)
    replay, url = programs.replay(recording)
    programs.record(url, cluster.url)
    replay.wait()


def fill(cluster):
    """Many rows like those of the recording."""
    columns = cluster.sql("SELECT string_agg(attname, ',' ORDER BY attnum) FROM pg_attribute "
                          "WHERE attrelid = 'metrics_sample'::regclass AND 0 < attnum AND NOT attisdropped").split(",")
    cluster.sql("CREATE TABLE template AS SELECT row_number() OVER () - 1 AS nth, * FROM metrics_sample; "
                "TRUNCATE metrics_sample; CREATE INDEX ON template (nth)")
    values = {
        "cpu": "40 + 30 * sin(n * {step} / 13751.0) + random() * 20",
        "disk": "50 + 20.0 * n / {count} + {host}",
    }
    count = days * 86_400 // step
    for host in range(1, hosts + 1):
        names = [name for name in columns if name not in ("time", "host", "stream", "seq")]
        given = {"step": step, "count": count, "host": host}
        chosen = ", ".join(values.get(name, f"template.{name}").format(**given) for name in names)
        cluster.sql(FILL.format(columns=", ".join(["time", "host", "stream", "seq", *names]), values=chosen, days=days,
                                templates="(SELECT count(*) FROM template)", **given))
    cluster.sql("VACUUM ANALYZE metrics_sample")


def times(cluster):
    for name, query in queries().items():
        first, *others = [cluster.timed("-c", query) for _ in range(4)]
        print(f"{name:34} {statistics.median(others):6.2f} s, the first time {first:.2f} s")


class Timescale:
    """The server of the tests, one connection at a time."""

    def __init__(self):
        program = os.path.join(ROOT, "tests", "it", "fixtures", "pglite.mjs")
        folder = os.path.join(ROOT, "target", "tmp", "pglite")
        pipe = subprocess.PIPE
        self.node = subprocess.Popen(["node", program, folder], stdin=pipe, stdout=pipe, text=True)
        port = self.node.stdout.readline().split()[-1]
        self.url = f"postgres://postgres@127.0.0.1:{port}/postgres?sslmode=disable"

    def sql(self, sql):
        """The rows of the last statement."""
        self.node.stdin.write(json.dumps(sql) + "\n")
        self.node.stdin.flush()
        answer = json.loads(self.node.stdout.readline())
        assert "error" not in answer, answer
        return answer[-1] if answer else []


def compressed(cluster):
    """The bytes of a sample in TimescaleDB, before and after its chunk is compressed."""
    dump = cluster.client("pg_dump", "--data-only", "--inserts", "-t", "metrics_sample", "metrics")
    lines = subprocess.run(dump, check=True, capture_output=True, text=True).stdout.splitlines()
    inserts = [line.replace("public.", "", 1) for line in lines if line.startswith("INSERT")]
    os.environ["PGPASSWORD"] = "postgres"
    timescale = Timescale()
    try:
        programs.create_tables(timescale.url)
        for at in range(0, len(inserts), 100):
            timescale.sql("\n".join(inserts[at : at + 100]))
        timescale.sql("SELECT compress_chunk(it) FROM show_chunks('metrics_sample') AS it")
        stats = timescale.sql("SELECT * FROM hypertable_compression_stats('metrics_sample')")[0]
        rows = len(inserts)
        print(f"in TimescaleDB, {rows} rows, each once: " + ", ".join(
            f"{int(stats[f'{when}_compression_total_bytes']) // rows} bytes each {what}"
            for when, what in (("before", "plain"), ("after", "compressed"))))
    finally:
        timescale.node.kill()


cluster = Cluster()
try:
    store(cluster)
    compressed(cluster)
    begun = time.monotonic()
    fill(cluster)
    rows = cluster.sql("SELECT count(*) FROM metrics_sample")
    print(f"{days} days of {hosts} hosts, a sample every {step} s: {rows} rows, "
          f"made in {time.monotonic() - begun:.0f} s; load of the machine: {load()}")
    sizes = ("SELECT pg_table_size('metrics_sample') / count(*), pg_indexes_size('metrics_sample') / count(*) "
             "FROM metrics_sample")
    table, indexes = cluster.sql(sizes).split("|")
    print(f"a row takes {table} bytes in the table, and {indexes} in its indexes")
    times(cluster)
finally:
    programs.kill()
    cluster.remove()
