"""A PostgreSQL server of a script's own, in a temporary directory, with Debian's usual settings."""

import glob
import os
import shutil
import signal
import subprocess
import tempfile
import time


class Cluster:
    """Started at once; `stop` it, and `remove` it at the end."""

    def __init__(self, *settings):
        self.folder = tempfile.mkdtemp(prefix="metrics-database-")
        self.settings = settings
        self.programs = max(glob.glob("/usr/lib/postgresql/*/bin"), key=lambda path: int(path.split("/")[-2]))
        self.url = f"postgres://metrics@{self.folder.replace('/', '%2F')}/metrics"
        os.chmod(self.folder, 0o755)
        data = os.path.join(self.folder, "own")
        os.mkdir(data)
        if os.geteuid() == 0:
            shutil.chown(data, "postgres", "postgres")
            os.chmod(self.folder, 0o777)
        self.data = os.path.join(data, "data")
        self.run("initdb", "--encoding=UTF8", "--locale=C.UTF-8", "--auth=trust", "--username=metrics", "-D", self.data)
        self.start()
        self.sql("CREATE DATABASE metrics", database="postgres")

    def as_user(self, program, *args):
        """The server refuses to be root."""
        user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
        return [*user, os.path.join(self.programs, program), *args]

    def run(self, program, *args):
        subprocess.run(self.as_user(program, *args), check=True, stdout=subprocess.DEVNULL, cwd="/")

    def start(self):
        options = ["-D", self.data, "-k", self.folder, "-c", "listen_addresses=", *self.settings]
        with open(os.path.join(self.folder, "log"), "ab") as log:
            self.server = subprocess.Popen(self.as_user("postgres", *options), stdout=log, stderr=log, cwd="/")
        question = self.psql("-c", "SELECT 1", database="postgres")
        while subprocess.run(question, capture_output=True).returncode:
            assert self.server.poll() is None, f"PostgreSQL doesn't start: see {log.name}"
            time.sleep(0.1)

    def client(self, program, *args):
        """The command of a program that connects to it."""
        return [os.path.join(self.programs, program), "-U", "metrics", "-h", self.folder, *args]

    def psql(self, *args, database="metrics"):
        return self.client("psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", database, *args)

    def sql(self, sql, database="metrics"):
        """What a statement prints, a row on each line."""
        command = self.psql("-c", sql, database=database)
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()

    def timed(self, *args):
        """The seconds that psql takes."""
        begun = time.monotonic()
        subprocess.run(self.psql(*args), check=True, stdout=subprocess.DEVNULL)
        return time.monotonic() - begun

    def stop(self):
        self.server.send_signal(signal.SIGINT)
        self.server.wait()

    def remove(self):
        if self.server.poll() is None:
            self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
