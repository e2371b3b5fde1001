"""Puts a load on this host, in waves, to make the pictures interesting: load.py FOLDER

It compresses data (CPU and memory), writes a file in FOLDER to the disk, and sends HTTP requests.
"""

import http.server
import math
import os
import random
import subprocess
import sys
import threading
import time
import urllib.request

TURN = 0.1


class Hello(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


def write(folder, kib):
    with open(os.path.join(folder, "data"), "wb") as file:
        file.write(os.urandom(1024) * kib)
        file.flush()
        os.fsync(file.fileno())


def compressor(*command):
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    return child.stdin


def main():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hello)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    words = [f"{number:x}" for number in range(5000)]
    text = " ".join(random.choices(words, k=200000)).encode()
    ballast = []
    xz, gzip = compressor("xz", "-8"), compressor("gzip", "-9")
    begin = time.monotonic()
    turn = 0
    while True:
        now = time.monotonic() - begin
        # Three waves from 0 to 1 that seldom peak together.
        wave = (math.sin(now / 9) + math.sin(now / 23 + 1) + math.sin(now / 4.1)) / 6 + 0.5
        for _ in range(1 + int(5 * wave)):
            urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}/").close()
        start = random.randrange(len(text) // 2)
        xz.write(text[start : start + int(100000 * wave)])
        gzip.write(text[start : start + int(400000 * wave * wave)])
        if turn % 7 == 0:
            threading.Thread(target=write, args=(sys.argv[1], int(200 + 8000 * wave))).start()
        if turn % 20 == 0:
            del ballast[int(60 * wave):]
            ballast.append(bytearray(os.urandom(1024) * 16384))
        time.sleep(max(0, begin + (turn + 1) * TURN - time.monotonic()))
        turn += 1


main()
