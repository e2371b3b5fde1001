"""Recordings by Python's csv module: the second opinion on RFC 4180.

python.py write STYLE    writes a recording to standard output
python.py rewrite        reads one from standard input and writes it again, cell by cell
"""

import csv
import io
import json
import sys

STYLES = {
    "default": {},
    "all": {"quoting": csv.QUOTE_ALL},
    "nonnumeric": {"quoting": csv.QUOTE_NONNUMERIC},
    "unix": {"lineterminator": "\n", "quoting": csv.QUOTE_ALL},
    "excel": {},
}


def write(style):
    top = [{"pid": 812, "name": 'it\'s "x",\n', "cpu": 9.5, "memory": 1}]
    alert = {
        "name": "busy, very",
        "rule": "cpu > 90 for 30s",
        "state": "firing",
        "metric": "cpu",
        "value": 97.5,
        "threshold": 90,
        "since": 1795529251204,
    }
    at = "2026-11-24T14:07:31.204Z"
    rows = [
        ["timestamp", "host", "stream", "seq", "event", "cpu", 'a "b", é', "users", "top", "extra"],
        [at, "web-1", "k3v9q2", 41, "", 7.0, "", 0.5, json.dumps(top), ""],
        [at, "web-1", "k3v9q2", 42, "alert " + json.dumps(alert), 97.5, 1e300, "", "[]", ""],
        [at, "web-1", "k3v9q2", "", "gap expired 43-57", "", "", "", "", ""],
        [at, "web-1", "k3v9q2", 58, "", 1, "", "", "", json.dumps({"läte": 7, "x y": -0.25})],
        [at, "db.2", "k3v9zz", "", "gap restarted", "", "", "", "", ""],
        [at, "db.2", "k3v9zz", 1, "", "", "", 3, "", ""],
    ]
    text = io.StringIO(newline="")
    csv.writer(text, **STYLES[style]).writerows(rows)
    encoding = "utf-8-sig" if style == "excel" else "utf-8"
    sys.stdout.buffer.write(text.getvalue().encode(encoding))


def rewrite():
    text = io.TextIOWrapper(sys.stdin.buffer, encoding="utf-8", newline="")
    again = io.StringIO(newline="")
    reader = csv.DictReader(text)
    writer = csv.DictWriter(again, reader.fieldnames, lineterminator="\n")
    writer.writeheader()
    for row in reader:
        for name in ("top", "extra"):
            if row[name]:
                json.loads(row[name])
        writer.writerow(row)
    sys.stdout.buffer.write(again.getvalue().encode("utf-8"))


if __name__ == "__main__":
    write(sys.argv[2]) if sys.argv[1] == "write" else rewrite()
