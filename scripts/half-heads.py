#!/usr/bin/env python3
"""Attacks a server with requests that are never finished, while well-behaved viewers are connected.

    scripts/half-heads.py [BINARY] [CONNECTIONS] [SECONDS]        target/release/metrics 3500 20

Runs once without TLS and twice with it (unfinished ClientHellos, and unfinished heads inside TLS). Each time it
starts a server with a token and at most 128 MiB (in a cgroup if this user may create one, otherwise as a limit on its
data), connects 50 viewers, and measures how old samples are when they arrive: first undisturbed, then while
CONNECTIONS unfinished requests of 64 KiB are opened, and reopened when the server closes them. Prints the resident
memory before, at its peak, and 2 s after the last request; whether the server survived; the 50th and 99th percentile
of the ages; and how long new viewers wait for their first sample, by turns from the crowd's address and from another
one, before and during the attack. A word as a fourth argument picks the scenes whose names contain it.
"""
import asyncio, json, multiprocessing, os, resource, ssl, struct, subprocess, sys, tempfile, time

BINARY = sys.argv[1] if len(sys.argv) > 1 else "target/release/metrics"
CROWD = int(sys.argv[2]) if len(sys.argv) > 2 else 3500
SECONDS = int(sys.argv[3]) if len(sys.argv) > 3 else 20
ONLY = sys.argv[4] if len(sys.argv) > 4 else ""
VIEWERS = 50
LIMIT = 128 * 1024 * 1024
TOKEN = "0123456789abcdef0123"
HALF = b"GET / HTTP/1.1\r\nX: " + b"x" * (64 * 1024 - 100)
HELLO = bytes([1, 0, 0xFF, 0xFF, 3, 3]) + b"\7" * (64 * 1024 - 100)
HELLO = b"".join(struct.pack("!BHH", 22, 0x301, len(part)) + part
                 for part in (HELLO[at : at + 16384] for at in range(0, len(HELLO), 16384)))


class Limited:
    """A cgroup of its own for the server, or an rlimit."""

    def __init__(self):
        self.group = None
        for path, knob in (("/sys/fs/cgroup", "memory.max"), ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")):
            group = f"{path}/half-heads-{os.getpid()}"
            try:
                os.mkdir(group)
                open(f"{group}/{knob}", "r+").write(str(LIMIT))  # fails if there is no cgroup
                self.group = group
                break
            except OSError:
                if os.path.isdir(group):
                    os.rmdir(group)
        print(f"limited to {LIMIT >> 20} MiB by", self.group or "RLIMIT_DATA")

    def __call__(self):
        if self.group:
            open(f"{self.group}/cgroup.procs", "w").write(str(os.getpid()))
        else:
            resource.setrlimit(resource.RLIMIT_DATA, (LIMIT, LIMIT))

    def peak(self):
        for knob in ("memory.peak", "memory.max_usage_in_bytes"):
            try:
                return int(open(f"{self.group}/{knob}").read()) >> 20
            except OSError:
                pass
        return None

    def remove(self):
        if self.group:
            time.sleep(0.2)
            os.rmdir(self.group)


def status(pid, key):
    for line in open(f"/proc/{pid}/status"):
        if line.startswith(key):
            return int(line.split()[1]) / 1024
    return 0.0


def tls(cert):
    return ssl.create_default_context(cafile=cert) if cert else None


async def viewer(port, context, ages, address="127.0.0.1"):
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, local_addr=(address, 0),
                                                   server_hostname="localhost" if context else None)
    writer.write((f"GET /ws HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                  f"Authorization: Bearer {TOKEN}\r\nSec-WebSocket-Version: 13\r\n"
                  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n").encode())
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101"), head
    while True:
        first, length = await reader.readexactly(2)
        if length == 126:
            (length,) = struct.unpack("!H", await reader.readexactly(2))
        payload = await reader.readexactly(length)
        if first == 0x89:
            writer.write(bytes([0x8A, 0x80 | len(payload), 0, 0, 0, 0]) + payload)
        elif first == 0x81:
            message = json.loads(payload)
            if message["type"] == "metric":
                ages.append((time.time(), time.time() * 1000 - message["data"]["timestamp"]))


def watch(port, cert, pipe):
    """The well-behaved viewers, in a process of their own."""

    async def run():
        ages = []
        lost = []
        tasks = [asyncio.create_task(viewer(port, tls(cert), ages)) for _ in range(VIEWERS)]
        while not pipe.poll():
            await asyncio.sleep(0.1)
        lost = [repr(task.exception()) for task in tasks if task.done()]
        pipe.send((ages, lost))

    asyncio.run(run())


async def half(port, context, body):
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="localhost" if context else None)
        writer.write(body)
        await reader.read()
        writer.close()
    except OSError:
        pass


def attack(port, cert, body, until):
    """Keeps CROWD unfinished requests open."""

    async def run():
        async def again():
            while time.time() < until:
                try:
                    await asyncio.wait_for(half(port, tls(cert), body), max(until - time.time(), 0.1))
                except asyncio.TimeoutError:
                    pass
                await asyncio.sleep(0.05)

        await asyncio.gather(*(again() for _ in range(CROWD)))

    global tls
    context = tls(cert)
    tls = lambda _: context
    asyncio.run(run())


def percentile(ages, share):
    return sorted(ages)[min(int(len(ages) * share), len(ages) - 1)] if ages else float("nan")


def knock(port, cert, address):
    """How long a new viewer takes to connect and get a sample, in seconds, or why it was refused."""

    async def run():
        ages = []
        task = asyncio.create_task(viewer(port, context, ages, address))
        while not ages and not task.done():
            await asyncio.sleep(0.002)
        if task.done():
            task.result()  # raises why it was refused
        task.cancel()

    context = tls(cert)
    begun = time.time()
    try:
        asyncio.run(asyncio.wait_for(run(), 20))
    except Exception as error:
        return repr(error)
    return time.time() - begun


def knocks(port, cert, until):
    """New viewers, one after another, by turns from the crowd's address and from another."""
    waits = {"127.0.0.1": [], "127.0.0.9": []}
    while time.time() < until:
        for address, of_address in waits.items():
            of_address.append(knock(port, cert, address))
            time.sleep(0.1)
    return waits


def describe(waits):
    parts = []
    for address, of_address in waits.items():
        timed = sorted(wait for wait in of_address if isinstance(wait, float))
        refused = [wait for wait in of_address if not isinstance(wait, float)]
        middle, worst = (timed[len(timed) // 2], timed[-1]) if timed else (float("nan"),) * 2
        parts.append(f"from {address} median {middle:.3f} s, worst {worst:.3f} s of {len(of_address)}, "
                     f"refused {len(refused)} {' '.join(refused[:1])}".rstrip())
    return "; ".join(parts)


def scene(name, files, body, in_tls):
    token, cert, key = files
    limited = Limited()
    command = [BINARY, "serve", "-l", "127.0.0.1:0", "--name", "web-1", "-i", "200ms", "--token-file", token]
    if cert:
        command += ["--tls-cert", cert, "--tls-key", key]
    serve = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, preexec_fn=limited)
    port = int(serve.stdout.readline().decode().split(":")[2].split("/")[0])
    ours, theirs = multiprocessing.Pipe()
    watching = multiprocessing.Process(target=watch, args=(port, cert, theirs))
    watching.start()
    time.sleep(3)
    begun = time.time()
    undisturbed = knocks(port, cert, begun + SECONDS / 2)
    crowd_begins = time.time()
    before = status(serve.pid, "VmRSS")
    until = crowd_begins + SECONDS
    attacking = multiprocessing.Process(target=attack, args=(port, cert if in_tls else None, body, until))
    attacking.start()
    time.sleep(2)
    came = knocks(port, cert, until - 1)
    attacking.join()
    crowd_ends = time.time()
    lives = serve.poll() is None
    peak = status(serve.pid, "VmHWM") if lives else float("nan")
    time.sleep(2)
    after = status(serve.pid, "VmRSS") if lives else float("nan")
    ours.send("enough")
    ages, lost = ours.recv()
    watching.join()
    if lives:
        serve.terminate()
        lives = serve.wait() == 0
    group = limited.peak()
    limited.remove()
    idle = [age for at, age in ages if begun < at < crowd_begins]
    busy = [age for at, age in ages if crowd_begins < at < until]
    p99 = percentile(idle, 0.99), percentile(busy, 0.99)
    print(f"{name}: the server {'survived' if lives else 'DIED'}; resident {before:.1f} MiB before, {peak:.1f} at its peak, {after:.1f} "
          f"2 s after{f', {group} with the kernel' if group else ''}\n"
          f"  age of samples, idle: p50 {percentile(idle, 0.5):.1f} ms, p99 {p99[0]:.1f} ms ({len(idle)} samples); "
          f"with {CROWD} unfinished requests: p50 {percentile(busy, 0.5):.1f} ms, p99 {p99[1]:.1f} ms ({len(busy)}); {p99[1] / p99[0]:.2f} x\n"
          f"  new viewers, idle: {describe(undisturbed)}\n  new viewers, with them: {describe(came)}\n"
          f"  viewers lost: {len(lost)} {lost[:1]}", flush=True)
    return lives and not lost and after < before + 16


def main():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with tempfile.TemporaryDirectory() as work:
        token, cert, key = (f"{work}/{name}" for name in ("token", "cert.pem", "key.pem"))
        open(token, "w").write(TOKEN + "\n")
        os.chmod(token, 0o600)
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj",
                        "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", key, "-out", cert],
                       check=True, stderr=subprocess.DEVNULL)
        scenes = [("plain", (token, None, None), HALF, False), ("TLS, ClientHellos", (token, cert, key), HELLO, False),
                  ("TLS, heads inside", (token, cert, key), HALF, True)]
        good = all([scene(*args) for args in scenes if ONLY in args[0]])
    sys.exit(0 if good else 1)


main()
