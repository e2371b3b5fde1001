#!/usr/bin/env python3
"""Loads a million rows into a database, and compares with plain `\\copy` of the same rows into the same table.

    scripts/database/load.py [ROWS] [BINARY]         1000000, target/release/metrics; needs postgresql

Records a few samples of this machine, makes ROWS rows like them, and measures, on a cluster with PostgreSQL's defaults:
`record` from `replay --speed max` to a file and to the database; the sink of the database alone, which `cargo bench
--bench database` feeds from memory; and `\\copy`, which has no messages to parse and nothing to look up. CPU times are in
seconds.
"""

import json
import os
import subprocess
import sys
import threading
import time
from datetime import datetime, timedelta, timezone

from cluster import Cluster
from programs import Programs, load, rss

rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
programs = Programs(sys.argv[2] if len(sys.argv) > 2 else "target/release/metrics")

TICK = os.sysconf("SC_CLK_TCK")

cluster = Cluster()


def make(path):
    """Rows like those that this machine has now, 2 s apart."""
    template = os.path.join(cluster.folder, "template.csv")
    serve, url = programs.serve("-i", "1s", "--name", "web-1")
    programs.record(url, template, "--samples", "30")
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
    return header.count(",") + 1


def cpu_times(task):
    """The name of a process or thread, its CPU time, and that with its children that have ended."""
    with open(f"/proc/{task}/stat", encoding="utf-8") as file:
        name, rest = file.read().split("(", 1)[1].rsplit(")", 1)
    user, system, *of_children = (int(field) / TICK for field in rest.split()[11:15])
    return name, user + system, user + system + sum(of_children)


def cpu_by_thread(pid):
    """The CPU time of each thread, by its name."""
    times = {}
    for task in os.listdir(f"/proc/{pid}/task"):
        name, own, _ = cpu_times(f"{pid}/task/{task}")
        times[name] = times.get(name, 0) + own
    return times


def watch(process, seen, is_over):
    """Notes the memory and the threads of a process twice a second until it ends."""
    while not is_over.wait(0.5):
        try:
            seen["rss"].append(rss(process))
            seen["threads"] = cpu_by_thread(process.pid)
        except (FileNotFoundError, ProcessLookupError, StopIteration):
            return


def end_to_end(path, output):
    """Rows per second of `record`, its CPU time, and its memory."""
    replay, url = programs.replay(path)
    begun = time.monotonic()
    record = programs.start("record", "--quiet", url, "-o", output)
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
    pid = cluster.server.pid
    with open(f"/proc/{pid}/task/{pid}/children", encoding="utf-8") as file:
        children = file.read().split()
    return cpu_times(pid)[2] + sum(cpu_times(child)[1] for child in children)


def with_database_cpu(work):
    before = database_cpu()
    figures = work()
    # A backend counts once the server has noticed its end.
    time.sleep(0.5)
    return {**figures, "database: CPU": round(database_cpu() - before, 1)}


def report(what, figures):
    print(f"{what:24} {json.dumps(figures)}", flush=True)


def stored_from_memory(path):
    """Rows per second of the sink alone."""
    command = ["cargo", "bench", "--quiet", "--bench", "database", "--", cluster.url, path, str(rows)]
    return {"rows/s": int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)}


def copied_from(dump):
    return {"rows/s": round(rows / cluster.timed("-c", f"\\copy metrics_sample FROM '{dump}'"))}


def empty():
    cluster.sql("TRUNCATE metrics_sample, metrics_event, metrics_header, metrics_position")
    cluster.sql("CHECKPOINT")


try:
    path = os.path.join(cluster.folder, "rows.csv")
    columns = make(path)
    size = os.path.getsize(path)
    print(f"{rows} rows of {columns} columns, {size // rows} bytes each; load of the machine: {load()}", flush=True)
    report("record to a file", end_to_end(path, os.path.join(cluster.folder, "again.csv")))
    programs.create_tables(cluster.url)
    report("record to the database", with_database_cpu(lambda: end_to_end(path, cluster.url)))
    assert cluster.sql("SELECT count(*), min(seq), max(seq) FROM metrics_sample") == f"{rows}|1|{rows}"
    sizes = ("SELECT pg_table_size('metrics_sample') / count(*), "
             "pg_total_relation_size('metrics_sample') / count(*) FROM metrics_sample")
    table, total = cluster.sql(sizes).split("|")
    print(f"a row takes {table} bytes in the table, and {total} with its indexes", flush=True)

    dump = os.path.join(cluster.folder, "dump")
    cluster.timed("-c", f"\\copy metrics_sample TO '{dump}'")
    empty()
    report("\\copy", with_database_cpu(lambda: copied_from(dump)))
    empty()
    template = os.path.join(cluster.folder, "template.csv")
    report("the sink alone", with_database_cpu(lambda: stored_from_memory(template)))
finally:
    programs.kill()
    cluster.remove()
