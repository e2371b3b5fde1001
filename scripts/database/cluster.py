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
        log = open(os.path.join(self.folder, "log"), "ab")
        self.server = subprocess.Popen(self.as_user("postgres", *options), stdout=log, stderr=log, cwd="/")
        while True:
            try:
                return self.sql("SELECT 1", database="postgres")
            except subprocess.CalledProcessError:
                if self.server.poll() is not None:
                    raise
                time.sleep(0.1)

    def psql(self, *args, database="metrics"):
        return [os.path.join(self.programs, "psql"), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-U", "metrics", "-h", self.folder, "-d", database, *args]

    def sql(self, sql, database="metrics"):
        """What a statement prints, a row on each line."""
        quiet = subprocess.DEVNULL if database == "postgres" else None
        done = subprocess.run(self.psql("-c", sql, database=database), check=True, capture_output=quiet is None, text=True,
                              stdout=None if quiet is None else quiet, stderr=quiet)
        return (done.stdout or "").strip()

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


def create_tables(binary, cluster):
    """Ends with status 3, because there is no server to record."""
    command = [binary, "record", "127.0.0.1:1", "--retries", "0", "--create", "-o", cluster.url]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 3, done.stderr


def first_line(process):
    """The URL of a server."""
    return process.stdout.readline().decode().strip()
