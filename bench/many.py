"""The part `reuse` of the bench: what an order and a search wait for on top of a million studies.

Fills a data folder with BENCH_FILLED studies the ordinary way, multiplies its rows BENCH_COPIES times, and asks the real
server (reuse.py). BENCH_MANY_FOLDER names a folder that is kept and used again.
"""
import datetime
import os
import shutil
import subprocess
import sys

import machine


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    kept = os.environ.get("BENCH_MANY_FOLDER")
    folder = os.path.abspath(kept or os.path.join(os.environ.get("BENCH_DIR") or "build/bench", "many"))
    filled, copies = (int(os.environ.get(name) or default) for name, default in (("BENCH_FILLED", 20_000), ("BENCH_COPIES", 50)))
    about = machine.describe(os.path.dirname(folder))
    print("%s; %s, %d cores, %d MiB, %s on %s; load %s; %d studies, %d copies" % (
        datetime.datetime.now().astimezone().isoformat(timespec="seconds"), about["processor"], about["cores"],
        about["memory_mib"], about["kernel"], about["disk"], os.getloadavg(), filled, copies), flush=True)
    try:
        if not os.path.exists(os.path.join(folder, "index.sqlite")):
            os.makedirs(folder, exist_ok=True)
            subprocess.run([os.environ["MANY_STUDIES_BIN"], folder, str(filled)], check=True)
            if copies > 1:
                index = os.path.join(folder, "index.sqlite")
                subprocess.run([sys.executable, os.path.join(here, "multiply.py"), index, str(copies)], check=True)
        questions = os.environ.get("BENCH_QUESTIONS") or "2000"
        return subprocess.run([sys.executable, os.path.join(here, "reuse.py"), folder, questions]).returncode
    finally:
        print("load at the end: %s" % (os.getloadavg(),))
        if not kept:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
