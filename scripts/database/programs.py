"""The processes of metrics that a script runs."""

import os
import subprocess

ANYWHERE = ["-l", "127.0.0.1:0"]


class Programs:
    """Those of one binary; `kill` them at the end."""

    def __init__(self, binary):
        self.binary = binary
        self.processes = []

    def start(self, *args, **more):
        self.processes.append(subprocess.Popen([self.binary, *args], **more))
        return self.processes[-1]

    def start_server(self, *args):
        """The process of a server, and its URL."""
        server = self.start(*args, "--quiet", *ANYWHERE, stdout=subprocess.PIPE)
        return server, server.stdout.readline().decode().strip()

    def serve(self, *args):
        return self.start_server("serve", *args)

    def replay(self, source):
        """As fast as can be, to one viewer."""
        return self.start_server("replay", source, "--speed", "max", "--wait", "1")

    def record(self, url, output, *args):
        """Records until the stream ends."""
        subprocess.run([self.binary, "record", "--quiet", url, "-o", output, *args], check=True)

    def create_tables(self, database):
        """Ends with status 3, because there is no server to record."""
        command = [self.binary, "record", "127.0.0.1:1", "--retries", "0", "--create", "-o", database]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 3, done.stderr

    def kill(self):
        for process in self.processes:
            if process.poll() is None:
                process.kill()


def rss(process):
    """The memory of a process, in KiB."""
    with open(f"/proc/{process.pid}/status", encoding="utf-8") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))


def load():
    """How busy the machine is: the mean load of 1, 5 and 15 minutes."""
    return " ".join(f"{mean:.1f}" for mean in os.getloadavg())
