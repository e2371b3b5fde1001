"""A web shop's back end, which reports to statsd. Every order reads some of what is cached, and adds to it.

    orders_api.py LEAK      bytes that each order leaves behind
"""
import http.server
import random
import socket
import sys
import threading
import time

LEAK = int(sys.argv[1])
cache = [b"x" * 100_000 for _ in range(1_800)]
statsd = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
in_flight = 0


def report(line):
    statsd.sendto(line.encode(), ("127.0.0.1", 8125))


class Orders(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        global in_flight
        began = time.monotonic()
        in_flight += 1
        if LEAK:
            cache.append(b"x" * LEAK)
        price = 0
        for _ in range(6):
            entry = random.choice(cache)
            price += sum(entry[::4096])
        price += sum(range(40_000))
        body = b"%d" % price * 600
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        try:
            self.end_headers()
            self.wfile.write(body)
        except OSError:
            pass  # the visitor has lost patience
        in_flight -= 1
        report("requestsPerSecond:1|c")
        report(f"order.time:{(time.monotonic() - began) * 1e3:.1f}|ms")
        report(f"activeUsers:{self.path.rpartition('/')[2]}|s")
        report(f"orders.waiting:{in_flight}|g")

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 64
    daemon_threads = True


threading.stack_size(256 * 1024)
Server(("10.99.0.2", 8000), Orders).serve_forever()
