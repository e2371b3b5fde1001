#!/usr/bin/env python3
"""Loads a million rows into a database, and compares with plain `\\copy` of the same rows into the same table.

    scripts/database/load.py [ROWS] [BINARY]         1000000, target/release/metrics; needs postgresql

Records a few samples of this machine, makes ROWS rows like them, and measures, on a cluster with PostgreSQL's defaults:
`record` from `replay --speed max` to a file and to the database, and `\\copy`, which has no messages to parse and nothing to
look up. CPU times are in seconds.
"""

import json
import os
import subprocess
import sys
import threading
import time
from datetime import datetime, timedelta, timezone

from cluster import Cluster, create_tables, first_line

rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
binary = sys.argv[2] if len(sys.argv) > 2 else "target/release/metrics"

TICK = os.sysconf("SC_CLK_TCK")

cluster = Cluster()
processes = []


def start(*args, **more):
    processes.append(subprocess.Popen([binary, *args], **more))
    return processes[-1]


def make(path):
    """Rows like those that this machine has now, 2 s apart."""
    template = os.path.join(cluster.folder, "template.csv")
    serve = start("serve", "--quiet", "-l", "127.0.0.1:0", "-i", "1s", "--name", "web-1", stdout=subprocess.PIPE)
    subprocess.run([binary, "record", "--quiet", first_line(serve), "-o", template, "--samples", "30"], check=True)
    serve.terminate()
    with open(template, encoding="utf-8") as file:
        header, *lines = file.readlines()
    # What follows the number: the event and the values.
    tails = [line.split(",", 4)[4] for line in lines]
    begin = datetime(2026, 1, 1, tzinfo=timezone.utc)
    with open(path, "w", encoding="utf-8") as file:
        file.write(header)
        for seq in range(1, rows + 1):
            moment = (begin + timedelta(seconds=2 * seq)).strftime("%Y-%m-%dT%H:%M:%S.000Z")
            file.write(f"{moment},web-1,k3v9q2,{seq},{tails[seq % len(tails)]}")
    return template, header.count(",") + 1


def cpu_by_thread(pid):
    """The CPU time of each thread, by its name."""
    times = {}
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/stat", encoding="utf-8") as file:
            name, rest = file.read().split("(", 1)[1].rsplit(")", 1)
        fields = rest.split()
        times[name] = times.get(name, 0) + (int(fields[11]) + int(fields[12])) / TICK
    return times


def rss(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))


def watch(process, seen, is_over):
    """Notes the memory and the threads of a process twice a second until it ends."""
    while not is_over.wait(0.5):
        try:
            seen["rss"].append(rss(process.pid))
            seen["threads"] = cpu_by_thread(process.pid)
        except (FileNotFoundError, ProcessLookupError, StopIteration):
            return


def end_to_end(path, output):
    """Rows per second of `record`, its CPU time, and its memory."""
    replay = start("replay", "--quiet", path, "-l", "127.0.0.1:0", "--speed", "max", "--wait", "1", stdout=subprocess.PIPE)
    url = first_line(replay)
    begun = time.monotonic()
    record = start("record", "--quiet", url, "-o", output)
    seen, is_over = {"rss": [], "threads": {}}, threading.Event()
    watcher = threading.Thread(target=watch, args=(record, seen, is_over))
    watcher.start()
    _, status, usage = os.wait4(record.pid, 0)
    seconds = time.monotonic() - begun
    record.returncode = os.waitstatus_to_exitcode(status)
    is_over.set()
    watcher.join()
    replay_usage = os.wait4(replay.pid, 0)[2]
    replay.returncode = 0
    assert record.returncode == 0
    last = len(seen["rss"]) - 1
    quarters = [seen["rss"][last * part // 4] / 1024 for part in (1, 2, 3, 4) if 0 <= last]
    return {
        "rows/s": round(rows / seconds),
        "record: CPU": round(usage.ru_utime + usage.ru_stime, 1),
        "of it": {name: round(value, 1) for name, value in seen["threads"].items() if 0.5 < value},
        "record: most MiB": round(usage.ru_maxrss / 1024, 1),
        "MiB at each quarter": [round(value, 1) for value in quarters],
        "replay: CPU": round(replay_usage.ru_utime + replay_usage.ru_stime, 1),
    }


def database_cpu():
    """The CPU time of the server's processes so far, those that ended included."""
    with open(f"/proc/{cluster.server.pid}/stat", encoding="utf-8") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    total = sum(int(field) for field in fields[11:15])
    for child in open(f"/proc/{cluster.server.pid}/task/{cluster.server.pid}/children", encoding="utf-8").read().split():
        with open(f"/proc/{child}/stat", encoding="utf-8") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICK


def with_database_cpu(work):
    before = database_cpu()
    figures = work()
    # A backend counts once the server has noticed its end.
    time.sleep(0.5)
    return {**figures, "database: CPU": round(database_cpu() - before, 1)}


def report(what, figures):
    print(f"{what:24} {json.dumps(figures)}", flush=True)


def empty():
    cluster.sql("TRUNCATE metrics_sample, metrics_event, metrics_header, metrics_position")
    cluster.sql("CHECKPOINT")


try:
    path = os.path.join(cluster.folder, "rows.csv")
    template, columns = make(path)
    size = os.path.getsize(path)
    print(f"{rows} rows of {columns} columns, {size // rows} bytes each; load of the machine: {open('/proc/loadavg').read().split()[:3]}", flush=True)
    report("record to a file", end_to_end(path, os.path.join(cluster.folder, "again.csv")))
    create_tables(binary, cluster)
    report("record to the database", with_database_cpu(lambda: end_to_end(path, cluster.url)))
    assert cluster.sql("SELECT count(*), min(seq), max(seq) FROM metrics_sample") == f"{rows}|1|{rows}"
    sizes = "SELECT pg_table_size('metrics_sample') / count(*), pg_total_relation_size('metrics_sample') / count(*) FROM metrics_sample"
    table, total = cluster.sql(sizes).split("|")
    print(f"a row takes {table} bytes in the table, and {total} with its indexes", flush=True)

    dump = os.path.join(cluster.folder, "dump")
    cluster.timed("-c", f"\\copy metrics_sample TO '{dump}'")
    empty()
    copy = lambda: {"rows/s": round(rows / cluster.timed("-c", f"\\copy metrics_sample FROM '{dump}'"))}
    report("\\copy", with_database_cpu(copy))
finally:
    for process in processes:
        if process.poll() is None:
            process.kill()
    cluster.remove()
