#!/usr/bin/env python3
"""Plants ten incidents on this machine, one after the other, and reports which line of the screen names each of them,
and after how many seconds.

    scripts/incidents.py [BINARY] [INCIDENT…]

Needs root on Linux, and of Debian: iproute2, util-linux, e2fsprogs. Each incident is bounded in time and size and is
removed again, whatever happens: memory is taken within a control group of 1 GiB, files are in images of 64 MiB, the
network is one of its own. Other work on the machine shows on the screen too, so a busy machine takes longer.

An incident counts as named by the first line of `metrics watch --once` that matches its pattern; only the sentences at
the top are read. BINARY is target/release/metrics.
"""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

SECONDS = 90  # the longest that an incident lasts
TOP_LINES = 4  # the sentences at the top of the screen
CGROUPS = "/sys/fs/cgroup"
NAME = f"incident-{os.getpid()}"

# What the incidents run. Each ends by itself.
LEAK = """
import time
kept = []
while True:
    kept.append(bytearray(b'x' * (1 << 20) * 8))
    time.sleep(0.5)
"""
RUNAWAY = "while True: pass"
THRASH = """
size = 400 << 20
kept = bytearray(size)
while True:
    for at in range(0, size, 4096): kept[at] = (kept[at] + 1) % 256
"""
DEAF = """
import socket, time
listener = socket.create_server(('127.0.0.1', 0), backlog=1)
print(listener.getsockname()[1], flush=True)
time.sleep(600)
"""
KNOCK = """
import socket, sys, time
while True:
    for _ in range(20):
        caller = socket.socket()
        caller.setblocking(False)
        caller.connect_ex(('127.0.0.1', int(sys.argv[1])))
        time.sleep(0.02)
        globals().setdefault('kept', []).append(caller)
    del kept[:-200]
"""
SINK = """
import socket
listener = socket.create_server(('', 5001))
while True:
    taken, _ = listener.accept()
    while taken.recv(1 << 16): pass
"""
SEND = """
import socket, time
sender = socket.create_connection(('10.222.0.2', 5001))
while True: sender.sendall(bytes(20000)); time.sleep(0.01)
"""
# Two tunnels, and every tenth packet between them is lost: for kernels without netem.
LOSSY = """
import ctypes, fcntl, os, select, struct, sys
def tunnel(namespace, address):
    with open(f'/var/run/netns/{namespace}') as there: assert ctypes.CDLL(None).setns(there.fileno(), 0) == 0
    fd = os.open('/dev/net/tun', os.O_RDWR)
    fcntl.ioctl(fd, 0x400454ca, struct.pack('16sH', b'lossy', 0x1001))
    os.system(f'ip address add {address}/24 dev lossy; ip link set lossy up')
    return fd
a, b = (tunnel(name, address) for name, address in zip(sys.argv[1:], ('10.222.0.1', '10.222.0.2')))
print('up', flush=True)
count = 0
while True:
    for fd in select.select([a, b], [], [])[0]:
        packet = os.read(fd, 1 << 16)
        count += 1
        if count % 10: os.write(b if fd == a else a, packet)
"""


def run(*command):
    """Runs a command to its end; says what it said if it fails."""
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise OSError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout


def start(stack, *command, before=None):
    """Starts a program in a process group of its own, which ends with the incident."""
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                             start_new_session=True, preexec_fn=before)

    def end():
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()

    stack.callback(end)
    return child


def python(stack, script, *arguments, before=None, within=()):
    return start(stack, *within, "python3", "-c", script, *arguments, before=before)


SERVE = ["serve", "--quiet", "--listen", "127.0.0.1:0", "--interval", "1s"]


def serve(stack, binary, within=()):
    """Starts a server; returns its address."""
    return address(start(stack, *within, binary, *SERVE))


def address(server):
    url = server.stdout.readline().strip()
    if not url:
        raise OSError("the server did not start")
    return url


def contain(stack, binary, enter):
    """Starts a server in a container of its own. Returns its address, and what starts a script in there."""
    server = start(stack, "unshare", "--pid", "--fork", "--mount-proc", binary, *SERVE, before=enter)
    url = address(server)
    with open(f"/proc/{server.pid}/task/{server.pid}/children") as children:
        inside = children.read().split()[0]
    within = ["nsenter", "--target", inside, "--pid", "--mount"]
    return url, lambda script: python(stack, script, within=within, before=enter)


def cgroup(stack, memory=None, quota=None):
    """Makes a control group. Returns what moves a process there, to be called in that process."""
    is_unified = os.path.exists(f"{CGROUPS}/cgroup.controllers")
    hierarchies = [""] if is_unified else ["memory", "cpu", "cpuacct"]
    folders = [os.path.join(CGROUPS, hierarchy, NAME) for hierarchy in hierarchies]

    def write(path, value):
        with open(path, "w") as file:
            file.write(str(value))

    for folder in folders:
        os.makedirs(folder, exist_ok=True)
        stack.callback(remove_cgroup, folder)
    if memory:
        write(f"{folders[0]}/{'memory.max' if is_unified else 'memory.limit_in_bytes'}", memory)
    if quota:
        if is_unified:
            write(f"{folders[0]}/cpu.max", f"{int(100000 * quota)} 100000")
        else:
            write(f"{folders[1]}/cpu.cfs_quota_us", int(100000 * quota))
    return lambda: [write(f"{folder}/cgroup.procs", os.getpid()) for folder in folders]


def remove_cgroup(folder):
    for _ in range(50):
        with contextlib.suppress(FileNotFoundError):
            try:
                return os.rmdir(folder)
            except OSError:
                time.sleep(0.1)  # its processes are still ending


def image(stack, *options):
    """Mounts a filesystem of 64 MiB. Loop devices aren't shown on the screen, so this one goes by another name."""
    folder = tempfile.mkdtemp(prefix="incident-")
    stack.callback(shutil.rmtree, folder, ignore_errors=True)
    file, node, mount = f"{folder}/image", f"/dev/{NAME}", f"/mnt/{NAME}"
    with open(file, "wb") as made:
        made.truncate(64 << 20)
    run("mkfs.ext4", "-q", "-m", "0", *options, file)
    loop = run("losetup", "--find", "--show", file).strip()
    stack.callback(run, "losetup", "--detach", loop)
    os.mknod(node, 0o660 | 0o060000, os.stat(loop).st_rdev)
    stack.callback(os.remove, node)
    os.mkdir(mount)
    stack.callback(os.rmdir, mount)
    run("mount", node, mount)
    stack.callback(run, "umount", mount)
    return mount


def leak(stack, binary):
    """A process takes 16 MiB a second until there are no more of 1 GiB."""
    enter = cgroup(stack, memory=1 << 30)
    url, plant = contain(stack, binary, enter)
    return url, lambda: plant(LEAK)


def runaway(stack, binary):
    """A thread never ends."""
    return serve(stack, binary), lambda: python(stack, RUNAWAY)


def fork_storm(stack, binary):
    """Shells start programs that end at once."""
    storm = ["sh", "-c", "while :; do /bin/true; done"]
    return serve(stack, binary), lambda: [start(stack, *storm) for _ in range(os.cpu_count())]


def disk_full(stack, binary):
    """A file grows until its filesystem is full."""
    mount = image(stack)
    return serve(stack, binary), lambda: start(stack, "dd", "if=/dev/zero", f"of={mount}/file", "bs=1M")


def inodes_full(stack, binary):
    """Small files use up the inodes of a filesystem that has room."""
    mount = image(stack, "-N", "512")
    script = f"for n in range(1000): open('{mount}/%d' % n, 'w').close()"
    return serve(stack, binary), lambda: python(stack, script)


def slow_disk(stack, binary):
    """The disk of the temporary files takes 100 kB a second from four processes that write as much as they can."""
    device = os.stat(tempfile.gettempdir()).st_dev
    # The whole disk, if that is a partition.
    link = os.path.realpath(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}")
    disk = os.path.dirname(link) if os.path.exists(f"{link}/partition") else link
    with open(f"{disk}/dev") as file:
        number = file.read().strip()
    if os.path.exists(f"{CGROUPS}/cgroup.controllers"):
        folder, file, value = f"{CGROUPS}/{NAME}-io", "io.max", f"{number} wbps=100000"
    else:
        folder, file, value = f"{CGROUPS}/blkio/{NAME}-io", "blkio.throttle.write_bps_device", f"{number} 100000"
    os.makedirs(folder)
    stack.callback(remove_cgroup, folder)
    with open(f"{folder}/{file}", "w") as limit:
        limit.write(value)
    written = tempfile.mkdtemp(prefix="incident-")
    stack.callback(shutil.rmtree, written)

    def enter():
        with open(f"{folder}/cgroup.procs", "w") as procs:
            procs.write(str(os.getpid()))

    def plant():
        for n in range(4):
            write = ["dd", "if=/dev/zero", f"of={written}/{n}", "bs=64k", "count=150", "oflag=direct"]
            start(stack, *write, before=enter)

    return serve(stack, binary), plant


def listen_queue(stack, binary):
    """A program does not accept, and others go on connecting."""

    def plant():
        deaf = python(stack, DEAF)
        python(stack, KNOCK, deaf.stdout.readline().strip())

    return serve(stack, binary), plant


def packet_loss(stack, binary):
    """Every tenth packet between two network namespaces is lost."""
    near, far = f"{NAME}-a", f"{NAME}-b"
    for namespace in (near, far):
        run("ip", "netns", "add", namespace)
        stack.callback(run, "ip", "netns", "delete", namespace)
        run("ip", "-n", namespace, "link", "set", "lo", "up")
    lossy = python(stack, LOSSY, near, far)
    if lossy.stdout.readline().strip() != "up":
        raise OSError("no tunnel between the namespaces")
    there = ["ip", "netns", "exec"]
    python(stack, SINK, within=[*there, far])
    time.sleep(1)
    url = serve(stack, binary, [*there, near])
    return url, lambda: python(stack, SEND, within=[*there, near]), [*there, near]


def swap_storm(stack, binary):
    """A process uses 400 MiB in turn and may keep 128 MiB of them in memory."""
    folder = tempfile.mkdtemp(prefix="incident-")
    stack.callback(shutil.rmtree, folder)
    swap = f"{folder}/swap"
    run("dd", "if=/dev/zero", f"of={swap}", "bs=1M", "count=600")
    os.chmod(swap, 0o600)
    run("mkswap", swap)
    run("swapon", swap)
    stack.callback(run, "swapoff", swap)
    enter = cgroup(stack, memory=128 << 20)
    return serve(stack, binary), lambda: python(stack, THRASH, before=enter)


def throttled(stack, binary):
    """A process wants a core in a container that has a fifth of one."""
    enter = cgroup(stack, quota=0.2)
    url, plant = contain(stack, binary, enter)
    return url, lambda: plant(RUNAWAY)


INCIDENTS = [
    ("a leak", leak, r"(memory|OOM).*python3"),
    ("a runaway thread", runaway, r"(one core busy.*|CPU.*): python3 [3-9]\d"),
    ("a fork storm", fork_storm, r": (came and went|sh) "),
    ("a full disk", disk_full, rf"disk /mnt/{NAME}"),
    ("no inodes left", inodes_full, rf"inodes /mnt/{NAME}"),
    ("a slow disk", slow_disk, r"(await|I/O wait|I/O pressure).*: dd"),
    ("an overflowing listen queue", listen_queue, r"listen drops"),
    ("packet loss", packet_loss, r"TCP retransmits"),
    ("a swap storm", swap_storm, r"swap in"),
    ("a throttled container", throttled, r"throttled.*python3"),
]


def sentences(binary, url, within=()):
    """The lines at the top of the screen that begin with a mark."""
    shown = run(*within, binary, "watch", "--once", "--color", "never", url)
    return [line.strip() for line in shown.splitlines()[:TOP_LINES]]


def watch(binary, name, plant, pattern):
    """Plants an incident. Returns the line that names it, which line that is, and the seconds until then."""
    with contextlib.ExitStack() as stack:
        url, begin, *within = plant(stack, binary)
        time.sleep(5)  # some samples of the time before
        begin()
        begun = time.monotonic()
        lines = []
        while (passed := time.monotonic() - begun) < SECONDS:
            lines = sentences(binary, url, *within)
            for number, line in enumerate(lines, 1):
                if re.search(pattern, line):
                    line = re.sub(r"  +since .*", "", line.replace(f"-{os.getpid()}", ""))
                    return re.sub(r"  +", " ", line), number, passed
            time.sleep(0.5)
        return f"not named; the screen says: {' | '.join(lines)}", 0, SECONDS


def main():
    binary = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else "target/release/metrics")
    wanted = sys.argv[2:]
    if os.geteuid() or not sys.platform.startswith("linux"):
        sys.exit("error: incidents are planted by root on Linux")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    print("| incident | line | what it says | after |\n|---|---|---|---|", flush=True)
    failed = 0
    for name, plant, pattern in INCIDENTS:
        if wanted and not any(word in name for word in wanted):
            continue
        try:
            line, number, seconds = watch(binary, name, plant, pattern)
        except OSError as error:
            line, number, seconds = f"not planted: {error}", 0, 0
        failed += not number
        print(f"| {name} | {number or '-'} | `{line}` | {seconds:.0f} s |", flush=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
