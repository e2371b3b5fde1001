"""Takes the load averages out of a recording: they look back at what the machine did before it began.

    without_load.py < RECORDING > RECORDING
"""
import csv
import sys

rows = csv.reader(sys.stdin)
header = next(rows)
kept = [index for index, name in enumerate(header) if name not in ("load1", "load5", "load15")]
out = csv.writer(sys.stdout, lineterminator="\n")
for row in [header, *rows]:
    out.writerow([row[index] for index in kept])
