"""Print where the time of this build went: python notebooks/times.py START FILE...

Each file holds the seconds that what it is named after took; those older than START (seconds since 1970) are of another
build.
"""

import sys
import time
from pathlib import Path


def clock(seconds):
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def main(start, *files):
    print("where the time went (minutes):")
    for path in map(Path, files):
        if path.stat().st_mtime >= start and path.read_text().strip():
            name = {".complete": "environment"}.get(path.name, path.name)
            print(f"  {name:24}{clock(float(path.read_text())):>6}")
    print(f"  {'from start to end':24}{clock(time.time() - start):>6}", flush=True)


if __name__ == "__main__":
    main(float(sys.argv[1]), *sys.argv[2:])
