#!/usr/bin/env python3
"""Measures the page with many hosts, each with one sample a second.

    scripts/fleet-page.py [HOSTS] [SECONDS] [BINARY]        1000 60 target/release/metrics; needs Chromium

Prints how long the first rows take from the start of the navigation until they are visible, the values of all hosts, and
the past of the rows in view; then how busy the main thread is, and the heap after garbage collections, while the table is
scrolled once a second.
"""

import pathlib
import random
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent / "pictures"))
sys.dont_write_bytecode = True
from chromium import Chromium  # noqa: E402

hosts = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
seconds = int(sys.argv[2]) if len(sys.argv) > 2 else 60
binary = sys.argv[3] if len(sys.argv) > 3 else "target/release/metrics"

# Loading the page and scrolling take some seconds more than what is measured.
RECORDED_S = seconds + 30
LOOKS = 10
# One host of so many is in trouble now and then.
BUSY = 20
COLUMNS = ["cpu", "memory", "load1", "disk"] + [
    f"{name}:{nth}" for name in ("cpu", "disk", "diskRead", "networkReceived") for nth in range(8)]
TOP = '"[' + ",".join(
    f'{{""pid"":{pid},""name"":""worker-{pid}"",""cpu"":{30 - pid},""memory"":1.5}}' for pid in range(1, 6)) + ']"'
# When a frame begins, the one before has been painted.
WATCH = """
    window.painted = {};
    const look = () => {
        const note = (name) => (painted[name] ??= performance.now());
        if (document.querySelector('#hosts-table a')?.offsetParent) note('first');
        const [all, ...some] = document.getElementById('counts')?.textContent.match(/[0-9]+/g) ?? [];
        if (all === 'HOSTS' && some.reduce((sum, count) => sum + Number(count), 0) === HOSTS) note('all');
        const isInView = (link) => link.getBoundingClientRect().bottom > 0 && link.getBoundingClientRect().top < innerHeight;
        const isFilled = ({ hash }) => metrics.state.hosts.get(hash.slice('#host='.length)).line.isFilled;
        const links = [...document.querySelectorAll('#hosts-table a')];
        if (painted.all && links.filter(isInView).every(isFilled)) note('past');
        if (!painted.past) requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
""".replace("HOSTS", str(hosts))


def write(path):
    with open(path, "w", encoding="ascii") as file:
        file.write("timestamp,host,stream,seq,event," + ",".join(COLUMNS) + ",top\n")
        for at in range(RECORDED_S):
            begin = f"2026-11-24T14:{at // 60:02}:{at % 60:02}.000Z"
            for host in range(1, hosts + 1):
                most = 1000 if host % BUSY == 0 else 600
                values = ",".join(f"{random.randrange(most) / 10:g}" for _ in COLUMNS)
                file.write(f"{begin},web-{host},k3v9q2,{at + 1},,{values},{TOP}\n")


def figures(tab):
    return {it["name"]: it["value"] for it in tab.call("Performance.getMetrics")["metrics"]}


with tempfile.TemporaryDirectory() as work:
    write(f"{work}/fleet.csv")
    replay = subprocess.Popen(
        [binary, "replay", "--quiet", f"{work}/fleet.csv", "--listen", "127.0.0.1:0", "--wait", "1"],
        stdout=subprocess.PIPE, text=True)
    try:
        page = replay.stdout.readline().strip().replace("ws:", "http:").removesuffix("ws")
        with Chromium() as tab:
            tab.look(1280, 900, "light")
            # CPU time of the thread, so that it doesn't matter what else the machine does.
            tab.call("Performance.enable", timeDomain="threadTicks")
            # The first load includes the start of the browser, and lets the replay begin.
            tab.go(page)
            tab.wait_until("document.querySelectorAll('#hosts-table a').length > 1")
            time.sleep(5)
            tab.call("Page.addScriptToEvaluateOnNewDocument", source=WATCH)
            tab.go("about:blank")
            tab.go(page)
            tab.wait_until("Boolean(window.painted?.past)")
            first, all_hosts, past = tab.eval("[painted.first, painted.all, painted.past]")
            print(f"first rows: {first:.0f} ms; values of all hosts: {all_hosts:.0f} ms; past of the rows in view: "
                  f"{past:.0f} ms", flush=True)
            time.sleep(5)
            for _ in range(LOOKS):
                tab.call("HeapProfiler.collectGarbage")
                before, begun = figures(tab), time.monotonic()
                for second in range(seconds // LOOKS):
                    tab.eval(f"scrollTo(0, {second % 10} * 2000)")
                    time.sleep(1)
                after, took = figures(tab), time.monotonic() - begun
                tab.call("HeapProfiler.collectGarbage")
                busy = {name: (after[name] - before[name]) / took for name in ("TaskDuration", "ScriptDuration")}
                heap = figures(tab)["JSHeapUsedSize"] / 1e6
                rows = tab.eval("document.querySelectorAll('#hosts-table tr').length")
                print(f"main thread: {busy['TaskDuration']:.1%} (scripts {busy['ScriptDuration']:.1%}), "
                      f"heap {heap:.1f} MB, {rows} rows", flush=True)
            shown = tab.eval("document.getElementById('counts').textContent")
            print(shown)
    finally:
        replay.terminate()
        replay.wait()
