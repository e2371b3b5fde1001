"""Runs the leaking release of the shop 20 s after the recording began, and the one before it when that is killed.

    supervisor.py PROGRAM SCRIPT
"""
import subprocess
import sys
import time

program, script = sys.argv[1:]
shop = subprocess.Popen([program, script, "0"])
time.sleep(60)
shop.terminate()
shop.wait()
shop = subprocess.Popen([program, script, "140000"])
shop.wait()
time.sleep(4)
shop = subprocess.Popen([program, script, "0"])
shop.wait()
