"""Visitors of the shop: some 40 orders a second, more and fewer of them in turns, each with a patience of 5 s.

    visitors.py URL
"""
import http.client
import math
import random
import sys
import threading
import time
import urllib.request

WAITING = threading.Semaphore(150)


def order():
    try:
        urllib.request.urlopen(f"{sys.argv[1]}{random.randrange(60)}", timeout=5).read()
    except (OSError, http.client.HTTPException):
        pass
    finally:
        WAITING.release()


due = time.monotonic()
while True:
    due += random.expovariate(40 + 12 * math.sin(due / 25))
    time.sleep(max(0, due - time.monotonic()))
    due = max(due, time.monotonic() - 1)
    if WAITING.acquire(blocking=False):
        threading.Thread(target=order, daemon=True).start()
