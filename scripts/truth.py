#!/usr/bin/env python3
"""Compares the values of `metrics serve` with those of mpstat, iostat, sar, vmstat, pidstat, nstat, free, df and ps.

    scripts/truth.py [SECONDS] [BINARY]

All programs read once a second, for a minute, under a known load: a core that is busy half of the time, short programs
that a shell starts, files that are written and synced, memory that is allocated and freed, TCP connections on loopback,
and a program that accepts none. For each value it prints our mean, the mean of the reference, and the largest difference
of their means over windows of ten seconds: in shorter ones, the programs would differ merely because they don't read at
the same moment. Needs sysstat, iproute2 and procps.
"""

import csv
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time

SECONDS = int(sys.argv[1]) if len(sys.argv) > 1 else 60
BINARY = sys.argv[2] if len(sys.argv) > 2 else "target/release/metrics"
WINDOW = 10
KIB = 1024
PAGE = os.sysconf("SC_PAGE_SIZE")

# Half a core: a second busy, a second idle.
BUSY = """
import time
while True:
    end = time.monotonic() + 1
    while time.monotonic() < end:
        pass
    time.sleep(1)
"""

# A shell that starts one short program after another, and waits for each.
SHORT = "while :; do python3 -c pass; sleep 0.05; done"

stop = threading.Event()


def write(folder):
    """16 MiB every three seconds."""
    while not stop.wait(3):
        with open(os.path.join(folder, "load"), "wb") as file:
            file.write(os.urandom(1 << 20) * 16)
            os.fsync(file.fileno())


def hold():
    """256 MiB for eight of every sixteen seconds."""
    while not stop.wait(8):
        block = bytearray(b"x" * (256 << 20))
        stop.wait(8)
        del block


def connect():
    """Fifty connections a second."""
    listener = socket.create_server(("127.0.0.1", 0))
    while not stop.wait(0.02):
        near = socket.create_connection(listener.getsockname())
        far, _ = listener.accept()
        near.close()
        far.close()


def refuse():
    """A queue for one connection that nobody takes: what comes next is dropped, four times a second."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=0)
    kept = []
    while not stop.wait(0.25):
        near = socket.socket()
        near.setblocking(False)
        near.connect_ex(listener.getsockname())
        kept = [*kept, near][-20:]


def run(*command):
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env={**os.environ, "LC_ALL": "C"})


def polled(found, pid):
    """Runs free, df and ps regularly: they can't do so themselves."""
    begin = time.monotonic()
    before = None
    for second in range(SECONDS):
        time.sleep(max(0, begin + second + 1 - time.monotonic()))
        row = subprocess.run(["free", "-b"], capture_output=True, text=True).stdout.splitlines()
        memory, swap = ([int(n) for n in line.split()[1:]] for line in row[1:3])
        found("free", "memoryUsed", memory[0] - memory[5])
        found("free", "memoryAvailable", memory[5])
        found("free", "memory", 100 * (memory[0] - memory[5]) / memory[0])
        if swap[0]:
            found("free", "swap", 100 * swap[1] / swap[0])
        columns = "--output=target,used,avail,size,iused,itotal"
        table = subprocess.run(["df", "-B1", columns], capture_output=True, text=True).stdout
        for line in table.splitlines()[1:]:
            target, used, available, size, inodes, limit = line.rsplit(None, 5)
            if used.isdigit() and int(used) + int(available):
                found("df", f"disk:{target}", 100 * int(used) / (int(used) + int(available)))
                found("df", f"diskFree:{target}", int(available))
                found("df", f"diskSize:{target}", int(size))
            if limit.isdigit() and int(limit):
                found("df", f"inodes:{target}", 100 * int(inodes) / int(limit))
        with open("/proc/sys/fs/file-nr") as file:
            allocated, unused, limit = map(int, file.read().split())
            found("file-nr", "fileDescriptors", 100 * (allocated - unused) / limit)
        counters = subprocess.run(["nstat", "-asz", "-j"], capture_output=True, text=True).stdout
        counters = json.loads(counters)["kernel"]
        states = ["state", "established", "state", "close-wait"]
        connections = subprocess.run(["ss", "-Htn", *states], capture_output=True, text=True).stdout
        found("ss", "tcpConnections", len(connections.splitlines()))
        now = time.monotonic()
        if before:
            found("nstat", "listenDrops", (counters["TcpExtListenDrops"] - before[1]) / (now - before[0]))
        before = (now, counters["TcpExtListenDrops"])
        # Leaves out the process that counts.
        found("ps", "processCount", len(subprocess.run(["ps", "-e", "-o", "pid="], capture_output=True, text=True).stdout.split()) - 1)
        found("ps", "agentMemory", KIB * int(subprocess.run(["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, text=True).stdout))


def read_mpstat(text, found):
    for second in json.loads(text)["sysstat"]["hosts"][0]["statistics"]:
        for load in second["cpu-load"]:
            name = "cpu" if load["cpu"] == "all" else f"cpu:{load['cpu']}"
            found("mpstat", name, 100 - load["idle"] - load["iowait"])
            if load["cpu"] == "all":
                found("mpstat", "iowait", load["iowait"])
                found("mpstat", "steal", load["steal"])
                # It shows the time of guests apart.
                found("mpstat", "cpuUser", load["usr"] + load["nice"] + load["guest"] + load["gnice"])
                found("mpstat", "cpuSystem", load["sys"] + load["irq"] + load["soft"])


def read_iostat(text, found):
    for second in json.loads(text)["sysstat"]["hosts"][0]["statistics"]:
        for disk in second["disk"]:
            name = disk["disk_device"]
            found("iostat", f"diskRead:{name}", KIB * disk["rkB/s"])
            found("iostat", f"diskWritten:{name}", KIB * disk["wkB/s"])
            found("iostat", f"diskBusy:{name}", disk["util"])
            found("iostat", f"diskReads:{name}", disk["r/s"])
            found("iostat", f"diskWrites:{name}", disk["w/s"])
            found("iostat", f"diskQueue:{name}", disk["aqu-sz"])
            operations = disk["r/s"] + disk["w/s"]
            spent = disk["r/s"] * disk["r_await"] + disk["w/s"] * disk["w_await"]
            found("iostat", f"diskAwait:{name}", spent / operations if operations else 0)


def read_sar(text, found):
    for second in json.loads(text)["sysstat"]["hosts"][0]["statistics"]:
        network = second["network"]
        for interface in network["net-dev"]:
            found("sar", f"networkReceived:{interface['iface']}", KIB * interface["rxkB"])
            found("sar", f"networkSent:{interface['iface']}", KIB * interface["txkB"])
            found("sar", f"networkPacketsReceived:{interface['iface']}", interface["rxpck"])
            found("sar", f"networkPacketsSent:{interface['iface']}", interface["txpck"])
        for interface in network["net-edev"]:
            found("sar", f"networkErrors:{interface['iface']}", interface["rxerr"] + interface["txerr"])
            found("sar", f"networkDrops:{interface['iface']}", interface["rxdrop"] + interface["txdrop"])
        found("sar", "tcpRetransmits", network["net-etcp"]["retrans"])
        found("sar", "requestsPerSecond", network["net-tcp"]["passive"])
        switches = second["process-and-context-switch"]
        found("sar", "forks", switches["proc"])
        found("sar", "contextSwitches", switches["cswch"])
        found("sar", "tasksRunnable", second["queue"]["runq-sz"])
        found("sar", "tasksBlocked", second["queue"]["blocked"])
        found("sar", "majorFaults", second["paging"]["majflt"])
        found("sar", "memoryDirty", KIB * second["memory"]["dirty"])
        found("sar", "swapIn", PAGE * second["swap-pages"]["pswpin"])
        found("sar", "swapOut", PAGE * second["swap-pages"]["pswpout"])
        for number in ["1", "5", "15"]:
            found("sar", f"load{number}", second["queue"][f"ldavg-{number}"])


def read_vmstat(text, found):
    lines = text.splitlines()
    heads = lines[1].split()
    # The first line holds averages since boot.
    for line in lines[3:]:
        row = dict(zip(heads, map(int, line.split())))
        found("vmstat", "cpu", 100 - row["id"] - row["wa"])
        found("vmstat", "iowait", row["wa"])
        found("vmstat", "tasksRunnable", row["r"])
        found("vmstat", "tasksBlocked", row["b"])
        found("vmstat", "contextSwitches", row["cs"])
        found("vmstat", "swapIn", KIB * row["si"])
        found("vmstat", "swapOut", KIB * row["so"])


def read_pidstat(text, found):
    """The share of a core that the process whose number is in the text takes."""
    for line in text.splitlines():
        fields = line.split()
        if len(fields) > 8 and fields[-1] == "python3" and fields[0] != "Average:":
            found("pidstat", "top: python3", float(fields[-3]) / os.cpu_count())


def totals_of_stalls():
    totals = {}
    for kind, name in [("cpu", "pressureCpu"), ("memory", "pressureMemory"), ("io", "pressureIo")]:
        with open(f"/proc/pressure/{kind}") as file:
            for line in file:
                full = line.startswith("full")
                if not (full and kind == "cpu"):
                    totals[name + "Full" * full] = int(line.rsplit("=", 1)[1])
    return time.monotonic(), totals


def stalled(found):
    """The kernel's totals, twenty times a second."""
    begin = last = totals_of_stalls()
    second = 0
    while second < SECONDS:
        time.sleep(0.05)
        now = totals_of_stalls()
        if now[0] - begin[0] >= second + 1:
            for name, total in now[1].items():
                found("total=", name, (total - last[1][name]) / 1e4 / (now[0] - last[0]))
            second, last = second + 1, now


def spinner_of(row, pid):
    top = json.loads(row["top"] or "[]")
    return [process["cpu"] for process in top if process["pid"] == pid]


def windows(values):
    return [sum(part) / len(part) for part in (values[i : i + WINDOW] for i in range(0, len(values) - WINDOW + 1, WINDOW))]


def shown(value):
    if abs(value) >= 1e6:
        return f"{value / 1e6:,.2f} M"
    return f"{value:,.3f}".rstrip("0").rstrip(".")


def main():
    references = {}
    lock = threading.Lock()

    def found(tool, name, value):
        with lock:
            references.setdefault((name, tool), []).append(value)

    with tempfile.TemporaryDirectory(dir=".") as folder:
        server = run(BINARY, "serve", "--quiet", "--listen", "127.0.0.1:0", "--interval", "1s", "--top", "20")
        url = server.stdout.readline().strip()
        loads = [threading.Thread(target=act, args=args, daemon=True) for act, args in [(write, (folder,)), (hold, ()), (connect, ()), (refuse, ())]]
        # A process of its own, because threads of Python take turns.
        spinner = run("python3", "-c", BUSY)
        shell = run("sh", "-c", SHORT)
        for thread in loads:
            thread.start()
        time.sleep(3)
        ours, data = os.path.join(folder, "ours.csv"), os.path.join(folder, "sar.data")
        # One more, because a viewer's first sample is older than its connection.
        recorder = run(BINARY, "record", url, "-o", ours, "--samples", str(SECONDS + 1))
        count = str(SECONDS)
        tools = [
            (run("mpstat", "-P", "ALL", "-o", "JSON", "1", count), read_mpstat),
            (run("iostat", "-d", "-x", "-y", "-o", "JSON", "1", count), read_iostat),
            (run("vmstat", "-n", "1", str(SECONDS + 1)), read_vmstat),
            (run("pidstat", "-u", "-p", str(spinner.pid), "1", count), read_pidstat),
        ]
        sar = run("sar", "-o", data, "1", count)
        stalls = threading.Thread(target=stalled, args=(found,))
        stalls.start()
        poller = threading.Thread(target=polled, args=(found, server.pid))
        poller.start()
        for tool, read in tools:
            read(tool.communicate()[0], found)
        sar.communicate()
        options = ["-n", "DEV,EDEV,TCP,ETCP", "-q", "LOAD", "-w", "-r", "-B", "-W"]
        read_sar(subprocess.run(["sadf", "-j", data, "--", *options], capture_output=True, text=True).stdout, found)
        poller.join()
        stalls.join()
        recorder.wait()
        stop.set()
        spinner.kill()
        shell.kill()
        server.terminate()
        with open(ours, newline="") as file:
            rows = [row for row in csv.DictReader(file)][1:]

    print(f"{SECONDS} s, {os.cpu_count()} cores, {len(rows)} samples; worst: the largest difference of the means of {WINDOW} s\n")
    print("| value | reference | our mean | its mean | worst difference |\n|---|---|--:|--:|--:|")
    for (name, tool), values in sorted(references.items(), key=lambda item: [re.sub(r"\d+", lambda n: n[0].zfill(3), part) for part in item[0]]):
        if name.startswith("top:"):
            mine = [share for row in rows for share in spinner_of(row, spinner.pid)]
        else:
            mine = [float(row[name]) for row in rows if row.get(name)]
        if not mine:
            continue
        worst = max((abs(a - b) for a, b in zip(windows(mine), windows(values))), default=float("nan"))
        mean = sum(mine) / len(mine), sum(values) / len(values)
        print(f"| `{name}` | {tool} | {shown(mean[0])} | {shown(mean[1])} | {shown(worst)} |")
    columns = ["cpuUser", "cpuSystem", "exitedCpu"]
    listed = [row for row in rows if row.get("exitedCpu") and row["top"]]
    user, system, exited = (sum(float(row[name]) for row in listed) / max(1, len(listed)) for name in columns)
    top = sum(process["cpu"] for row in listed for process in json.loads(row["top"])) / max(1, len(listed))
    print(f"\nOf the {user + system:.1f} % of the CPU in programs and the kernel, the processes in `top` took {top:.1f} % and")
    print(f"`exitedCpu` was {exited:.1f} %.")


main()
