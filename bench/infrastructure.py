"""Measures this server over each database and each store (backends.py), in turns, and prints tables."""
import datetime
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import time

import backends
import machine
import measures
import report
import services
from run import rotated, say, wanted


def settings():
    number = lambda name, default: int(os.environ.get(name) or default)
    short = bool(os.environ.get("BENCH_SHORT"))
    return {
        "rounds": number("BENCH_ROUNDS", 1 if short else 3), "slices": number("BENCH_SLICES", 60 if short else 200),
        "tiny": number("BENCH_TINY", 2_000 if short else 20_000),
        "shaped": number("BENCH_SHAPED", 3_000 if short else 30_000), "quiet_seconds": number("BENCH_QUIET", 2),
        "statements": number("BENCH_STATEMENTS", 20_000 if short else 1_000_000),
    }


def once(bench, archive, name, measure):
    try:
        return measure(bench, archive)
    except Exception as error:  # One archive that fails must not end the others' run.
        say("%s: %s failed: %s" % (name, archive.name, error))
        return {"errors": 1, "first_error": str(error)}


def measure_all(bench, archives, results):
    for turn in range(bench.settings["rounds"]):
        for name, measure in backends.CASES:
            for archive in rotated(archives, turn):
                say("round %d: %s: %s" % (turn + 1, name, archive.name))
                figures = once(bench, archive, name, measure)
                rounds = results["archives"].setdefault(archive.name, [])
                if len(rounds) <= turn:
                    rounds.append({"errors": 0})
                figures["errors"] += rounds[turn]["errors"]
                rounds[turn].update(figures)


def measure_replay(bench, archives, results, postgres):
    count = bench.settings["statements"]
    if not count:
        return
    made = os.path.join(bench.folder, "said")
    subprocess.run([os.environ["SAID_PACKS_BIN"], made, str(count)], check=True, stdout=subprocess.DEVNULL)
    for archive in archives:
        if "S3" not in archive.name:
            say("replay of %d statements: %s" % (count, archive.name))
            measure = lambda bench, archive: backends.replay(
                bench, archive, os.path.join(made, "packs"), count, postgres)
            results["replay"][archive.name] = [once(bench, archive, "replay", measure)]


def aims(results):
    rows, names = [], {key: name for key, name, _ in backends.ROWS + backends.REPLAY_ROWS}
    for archive, key, sign, bound in backends.AIMS:
        rounds = results["archives"].get(archive, []) + results["replay"].get(archive, [])
        values = [r[key] for r in rounds if key in r]
        whole = results["settings"]["statements"] >= 1_000_000 or not key.startswith("replay")
        if values and whole:
            value = statistics.median(values)
            met = "yes" if sign * value >= sign * bound else "**no**"
            rows.append((archive, names[key], ("≥ %g" if sign > 0 else "≤ %g") % bound, "%.4g" % value, met))
    return ["## Aims", ""] + report.table(("archive", "figure", "aim", "median", "met"), rows) if rows else []


def render(results):
    about, chosen = results["machine"], results["settings"]
    lines = ["# Databases and stores", "",
             "%(processor)s, %(cores)d cores, %(memory_mib)d MiB, Linux %(kernel)s, %(disk)s" % about, "",
             "%s; %s; object store: %s" % (results["server"], results["postgres"], results["bucket"]), "",
             "%d rounds; %d slices of 526 KB, %d tiny instances; begun %s, took %d s" % (
                 chosen["rounds"], chosen["slices"], chosen["tiny"], results["begun"], results["seconds"]), ""]
    for title, rows, columns in (("Side by side", backends.ROWS, results["archives"]),
                                 ("{:,} statements".format(chosen["statements"]), backends.REPLAY_ROWS, results["replay"])):
        if columns:
            body = [(text, *(report.spread(rounds, key, digits) for rounds in columns.values()))
                    for key, text, digits in rows]
            lines += ["## " + title, ""] + report.table(("", *columns), body)
    return "\n".join(lines + aims(results))


def main():
    folder = os.path.abspath(os.environ.get("BENCH_DIR") or "build/bench")
    work = os.path.join(folder, "work")
    shutil.rmtree(work, ignore_errors=True)
    os.makedirs(work)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    program = shutil.copy(os.environ["PACS_BIN"], os.path.join(work, "server"))
    fixtures = shutil.copy(os.environ["FIXTURES_BIN"], os.path.join(work, "fixtures"))
    postgres, bucket = services.Postgres(fixtures), services.Bucket(fixtures)
    archives = [a for a in backends.all_archives(program, postgres, bucket) if wanted(a.name, "BENCH_ARCHIVES")]
    bench, began = measures.Bench(work, archives, settings()), time.monotonic()
    results = {
        "begun": datetime.datetime.now().astimezone().isoformat(timespec="seconds"), "machine": machine.describe(work),
        "settings": bench.settings, "server": machine.first_line([program, "--version"]),
        "postgres": postgres.version(), "bucket": "in memory, on this machine (fixtures bucket)",
        "archives": {}, "replay": {},
    }
    try:
        measure_all(bench, archives, results)
        measure_replay(bench, archives, results, postgres)
    finally:
        postgres.stop()
        bucket.stop()
        shutil.rmtree(work, ignore_errors=True)
        results["seconds"] = round(time.monotonic() - began)
        with open(os.path.join(folder, "backends.json"), "w") as file:
            json.dump(results, file, indent=1)
            file.write("\n")
    print(render(results))
    every = [r for rounds in [*results["archives"].values(), *results["replay"].values()] for r in rounds]
    return 1 if any(r["errors"] for r in every) else 0


if __name__ == "__main__":
    sys.exit(main())
