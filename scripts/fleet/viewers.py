#!/usr/bin/env python3
"""Viewers of one host each, over WebSocket, in one process.

    scripts/fleet/viewers.py VIEWERS HOSTS SECONDS PORT…        hosts are web-1, web-2, …; ports on loopback take turns

Prints "settled" once all have been connected for a while, and then how many messages of hosts arrived in so many seconds.
Fails if a viewer lost one, with a gap or without, got one twice, or was disconnected.
"""

import json
import selectors
import socket
import sys
import time

REQUEST = ("GET /ws?host={host} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
           "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n")
# After a crowd has connected, a server returns memory to the system, which isn't part of what a frame costs.
SETTLING_S = 2
PONG = b"\x8a\x84\0\0\0\0"


class Viewer:
    def __init__(self, host, port):
        self.host = host
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.sendall(REQUEST.format(host=host, port=port).encode())
        self.rest = b""
        self.is_greeted = False
        self.stream = self.seq = None
        self.messages = self.gaps = 0

    def read(self):
        """Reads what there is."""
        part = self.socket.recv(65536)
        if not part:
            sys.exit(f"error: the viewer of {self.host} was disconnected: {self.rest[:200]!r}")
        self.rest += part
        if not self.is_greeted:
            head, end, rest = self.rest.partition(b"\r\n\r\n")
            if not end:
                return
            if b" 101 " not in head.split(b"\r\n")[0]:
                sys.exit(f"error: the viewer of {self.host} was refused: {head!r}")
            self.is_greeted, self.rest = True, rest
        while self.frame():
            pass

    def frame(self):
        """Takes a frame off the rest. Returns whether there was one."""
        rest = self.rest
        if len(rest) < 2:
            return False
        length, begin = rest[1], 2
        if length == 126:
            length, begin = int.from_bytes(rest[2:4], "big"), 4
        elif length == 127:
            length, begin = int.from_bytes(rest[2:10], "big"), 10
        if len(rest) < begin + length:
            return False
        payload, self.rest = rest[begin:begin + length], rest[begin + length:]
        match rest[0] & 15:
            case 1:
                self.take(json.loads(payload))
            case 9:
                self.socket.sendall(PONG + payload)
            case 8:
                sys.exit(f"error: the viewer of {self.host} was disconnected: {payload[2:].decode()}")
        return True

    def take(self, message):
        if message["host"] != self.host:
            sys.exit(f"error: a message of {message['host']} for a viewer of {self.host}")
        match message["type"]:
            case "hello" if message["stream"] != self.stream:
                self.stream, self.seq = message["stream"], None
            case "gap":
                self.gaps += 1
                self.seq = None
            case "metric" | "alert":
                if self.seq is not None and message["seq"] != self.seq + 1:
                    sys.exit(f"error: {self.host}: {message['seq']} after {self.seq}")
                self.seq = message["seq"]
                self.messages += 1


def read_all(selector):
    for key, _ in selector.select(0):
        key.data.read()


def read_for(selector, seconds):
    """Reads for so long: seldom, but much at once, to leave the CPU to what is measured."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        time.sleep(0.2)
        read_all(selector)


def main():
    viewers, hosts, seconds, *ports = map(int, sys.argv[1:])
    selector = selectors.DefaultSelector()
    herd = []
    for nth in range(viewers):
        viewer = Viewer(f"web-{nth % hosts + 1}", ports[nth % len(ports)])
        viewer.socket.setblocking(False)
        selector.register(viewer.socket, selectors.EVENT_READ, viewer)
        herd.append(viewer)
        # Those that are already connected must not be too slow, however long the others take.
        if nth % 50 == 0:
            read_all(selector)
    read_for(selector, SETTLING_S)
    for viewer in herd:
        viewer.messages = 0
    print("settled", flush=True)
    read_for(selector, seconds)
    gaps = sum(viewer.gaps for viewer in herd)
    print(f"{sum(viewer.messages for viewer in herd)} messages, {gaps} gaps", flush=True)
    if gaps:
        sys.exit("error: viewers have gaps")


main()
