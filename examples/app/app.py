#!/usr/bin/env python3
"""A web app that reports its active users and requests per second to metrics.

    metrics serve --statsd 8125
    examples/app/app.py [PORT] [STATSD_PORT]        http://127.0.0.1:8000/, in several browsers

Each request sends one UDP packet with two lines: a counter, and the user as a member of a set. The numbers appear as
"App users" (who made a request since the previous sample) and "Requests/s" wherever metrics are shown.
"""

import socket
import sys
import uuid
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ports = [int(port) for port in sys.argv[1:]]
PORT, STATSD_PORT = (ports + [8000, 8125][len(ports):])[:2]
statsd = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)


class App(BaseHTTPRequestHandler):
    def do_GET(self):
        cookie = SimpleCookie(self.headers.get("Cookie")).get("user")
        # A cookie may say anything, but the statsd line and the page below take it as it is.
        is_ours = cookie and cookie.value.isascii() and cookie.value.isalnum()
        user = cookie.value if is_ours else uuid.uuid4().hex
        report = f"requestsPerSecond:1|c\nactiveUsers:{user}|s"
        statsd.sendto(report.encode(), ("127.0.0.1", STATSD_PORT))
        page = f"<!doctype html><title>App</title><p>Hello, {user}!".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(page)))
        self.send_header("Set-Cookie", f"user={user}; HttpOnly; SameSite=Lax")
        self.end_headers()
        self.wfile.write(page)


server = ThreadingHTTPServer(("127.0.0.1", PORT), App)
print(f"http://127.0.0.1:{server.server_port}/", flush=True)
server.serve_forever()
