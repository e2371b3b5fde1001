#!/usr/bin/env python3
"""What hosts cost that a viewer doesn't watch: viewers of one host each, at a server of one host and at one of many.

    scripts/fleet/channels.py [HOSTS] [VIEWERS] [SECONDS] [BINARY]        1000 1000 20 target/release/metrics

Every host has a sample a second, so the same number of frames is delivered either way. Encoding the samples of many hosts
takes time too, whoever watches: that is measured with a single viewer, and subtracted. Reading the recording isn't counted.
Prints the CPU time of a delivered frame, from the medians of some passes.
"""

import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time

numbers = [int(arg) for arg in sys.argv[1:4]]
hosts, viewers, seconds = numbers + [1000, 1000, 20][len(numbers):]
binary = sys.argv[4] if len(sys.argv) > 4 else "target/release/metrics"

COLUMNS = ["cpu", "memory", "load1", "disk"] + [
    f"{name}:{nth}" for name in ("cpu", "disk", "diskRead", "networkReceived") for nth in range(4)]
TOP = '"[' + ",".join(
    f'{{""pid"":{pid},""name"":""worker-{pid}"",""cpu"":{30 - pid},""memory"":1.5}}' for pid in range(1, 6)) + ']"'
PASSES = 5
# Connecting and settling take some seconds more than what is measured.
RECORDED_S = seconds + 30


def write(path, count, is_spread):
    """Without `is_spread`, all hosts have their samples at the same moment."""
    with open(path, "w", encoding="ascii") as file:
        file.write("timestamp,host,stream,seq,event," + ",".join(COLUMNS) + ",top\n")
        for at in range(RECORDED_S):
            for host in range(1, count + 1):
                ms = (host - 1) * 1000 // count if is_spread else 0
                begin = f"2026-11-24T14:{at // 60:02}:{at % 60:02}.{ms:03}Z"
                values = ",".join(f"{(at * 7 + host * nth) % 1000 / 10:g}" for nth in range(len(COLUMNS)))
                file.write(f"{begin},web-{host},k3v9q2,{at + 1},,{values},{TOP}\n")


def cpu_ns(pid, reader):
    """The CPU time of a process so far, without that of the thread that reads the recording."""
    # With that of threads that have ended (clock_getcpuclockid(3)).
    whole = time.clock_gettime_ns(~pid << 3 | 2)
    return whole - (int((reader / "schedstat").read_text().split()[0]) if reader else 0)


def reader_of(pid):
    """The thread that reads the recording; `None` if it has ended, because there was little to read."""
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        try:
            if (task / "comm").read_text() == "reader\n":
                return task
        except (FileNotFoundError, ProcessLookupError):
            pass
    return None


def measure(path, count, viewers):
    """The CPU time of some seconds in ms, and the number of frames delivered in them."""
    command = [binary, "replay", "--quiet", path, "-l", "127.0.0.1:0", "--wait", str(viewers), "--max-viewers", str(viewers + 10)]
    herd_command = [sys.executable, pathlib.Path(__file__).parent / "viewers.py", str(viewers), str(count), str(seconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as replay:
        try:
            port = re.search(r":(\d+)/", replay.stdout.readline()).group(1)
            with subprocess.Popen([*herd_command, port], stdout=subprocess.PIPE, text=True) as herd:
                assert herd.stdout.readline() == "settled\n"
                reader = reader_of(replay.pid)
                before = cpu_ns(replay.pid, reader)
                frames = re.match(r"(\d+) messages, 0 gaps", herd.stdout.readline()).group(1)
                spent = cpu_ns(replay.pid, reader) - before
        finally:
            replay.terminate()
    return spent / 1e6, int(frames)


CASES = {"1 host": (1, False), f"{hosts} hosts at once": (hosts, False), f"{hosts} hosts one by one": (hosts, True)}
with tempfile.TemporaryDirectory() as work:
    passes = {case: [] for case in CASES}
    for case, (count, is_spread) in CASES.items():
        write(f"{work}/{case}.csv", count, is_spread)
    for _ in range(PASSES):
        for case, (count, _) in CASES.items():
            source, samples = measure(f"{work}/{case}.csv", count, 1)
            spent, frames = measure(f"{work}/{case}.csv", count, viewers)
            print(f"{case}: {spent:.0f} ms for {frames} frames; with a single viewer, {source:.0f} ms for {samples} samples "
                  "of each host", flush=True)
            # Both per frame: one of the two runs may have seen a sample of each host more.
            passes[case].append((1e3 * spent / frames, 1e3 * source / samples / viewers))
    least = None
    for case, costs in passes.items():
        all_in, source = (statistics.median(cost) for cost in zip(*costs))
        own = all_in - source
        least = least or own
        print(f"{case}: {own:.1f} µs a frame, {own / least:.2f} times that of 1 host; {all_in:.1f} µs with the source")
