"""Measures this server beside its peers. README.md says what, and how to read it."""
import datetime
import json
import os
import shutil
import signal
import sys
import time

import growth
import machine
import measures
import peers
import report


def settings():
    number = lambda name, default: int(os.environ.get(name) or default)
    return {
        "rounds": number("BENCH_ROUNDS", 3), "slices": number("BENCH_SLICES", 400),
        "storescu_slices": number("BENCH_STORESCU_SLICES", 150), "index": number("BENCH_INDEX", 100_000),
        "quiet_seconds": number("BENCH_QUIET", 2), "fill_seconds": number("BENCH_FILL_SECONDS", 600),
    }


def say(text):
    print("%s  %s" % (time.strftime("%H:%M:%S"), text), file=sys.stderr, flush=True)


def wanted(name, variable):
    """Whether `name` is among those a variable lists, separated by ";"; all are when it is empty."""
    listed = [word.strip().lower() for word in os.environ.get(variable, "").split(";") if word.strip()]
    return not listed or any(word in name.lower() for word in listed)


def rotated(things, turn):
    """The order turns each round, so that nobody always comes after the same neighbour."""
    shift = turn % len(things) if things else 0
    return things[shift:] + things[:shift]


def once(bench, case, peer, measure):
    try:
        return measure(bench, peer)
    except Exception as error:  # One receiver that fails must not end the others' run.
        say("%s: %s failed: %s" % (case, peer.name, error))
        return {"errors": 1, "first_error": str(error)}


def measure_all(bench, results):
    chosen = [c for c in measures.CASES if wanted(c[0], "BENCH_CASES")]
    for turn in range(bench.settings["rounds"]):
        for case, need, measure in chosen:
            for peer in rotated([p for p in bench.peers if need in p.can], turn):
                say("round %d: %s: %s" % (turn + 1, case, peer.name))
                row = results["cases"].setdefault(case, {p.name: [] for p in bench.peers if need in p.can})
                row[peer.name].append(once(bench, case, peer, measure))
    case, need, measure = measures.COPIES
    if wanted(case, "BENCH_CASES"):
        for peer in [p for p in bench.peers if need in p.can]:
            say("%s: %s" % (case, peer.name))
            results["cases"].setdefault(case, {})[peer.name] = [once(bench, case, peer, measure)]
    if bench.settings["index"] and wanted("Growth", "BENCH_CASES"):
        for peer in [p for p in bench.peers if "growth" in p.can]:
            try:
                results["growth"][peer.name] = growth.measure(bench, peer, say)
            except Exception as error:
                say("growth: %s failed: %s" % (peer.name, error))
                results["failed"] = True


def main():
    folder = os.path.abspath(os.environ.get("BENCH_DIR") or "build/bench")
    work = os.path.join(folder, "work")
    shutil.rmtree(work, ignore_errors=True)
    os.makedirs(work)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    # A copy, so that a build meanwhile does not change what is measured.
    program = shutil.copy(os.environ["PACS_BIN"], os.path.join(work, "server"))
    every = [p for p in peers.all_peers(program) if wanted(p.name, "BENCH_PEERS")]
    absent = ["%s: %s" % (p.name, p.absent()) for p in every if p.absent()]
    present = [p for p in every if not p.absent()]
    began = time.monotonic()
    results = {
        "begun": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        "machine": machine.describe(work), "settings": settings(), "absent": absent,
        "peers": [{"name": p.name, "version": p.version(), "durable": p.durable} for p in present],
        "cases": {}, "growth": {},
    }
    if not shutil.which("storescu"):
        absent.append("storescu: DCMTK is not installed")
        measures.CASES[:] = [c for c in measures.CASES if not c[0].startswith("storescu")]
    try:
        measure_all(measures.Bench(work, present, results["settings"]), results)
    finally:
        shutil.rmtree(work, ignore_errors=True)
        results["seconds"] = round(time.monotonic() - began)
        with open(os.path.join(folder, "results.json"), "w") as file:
            json.dump(results, file, indent=1)
            file.write("\n")
    print(report.render(results))
    failed = [r for rounds in results["cases"].values() for r in rounds.get(present[0].name, []) if r["errors"]]
    return 1 if failed or results.get("failed") else 0


if __name__ == "__main__":
    sys.exit(main())
