"""What grows with the archive: the ingest rate of tiny instances, the restart, idle memory, the index on disk."""
import os
import shutil
import signal
import time

import clients
import machine
import stow
from instances import PER_STUDY, Tiny

FILLERS, FILL_BATCH = 4, 500
PROBE_ASSOCIATIONS, PROBE_SECONDS, PROBE_INSTANCES = 4, 4, 40_000
IDLE_SECONDS = 2


def measure(bench, peer, say):
    """All figures of one peer: a list of rounds."""
    count, rounds = bench.settings["index"], bench.settings["rounds"]
    folder = os.path.join(bench.folder, "filled")
    fill = _fill(bench, peer, folder, count, say)
    results = []
    for turn in range(rounds):
        figures = dict(fill)
        # Made for each round, so that neither archive has seen them.
        first = 10_000_000 + turn * PROBE_INSTANCES
        probe = ("tiny-%d" % first, Tiny(first, PROBE_INSTANCES))
        for part in (("filled", "empty"), ("empty", "filled"))[turn % 2]:
            say("growth, round %d, %s" % (turn + 1, part))
            if part == "empty":
                running = bench.fresh(peer)
                try:
                    figures.update(_prefix("empty", _probe(bench, running, probe)))
                finally:
                    bench.clear(running)
            else:
                figures.update(_filled(bench, peer, folder, probe))
        figures["rate_kept"] = figures["filled_inst_s"] / figures["empty_inst_s"]
        for path in [w[0] for key, w in bench.wires.items() if key[0] == probe[0]]:
            os.remove(path)
        results.append(figures)
    shutil.rmtree(folder)
    return results


def _fill(bench, peer, folder, count, say):
    """Fills an archive by STOW-RS in steps and notes the rate of the first and the last."""
    machine.wait_for_quiet(bench.settings["quiet_seconds"])
    running = peer.start(folder)
    empty = _index_bytes(folder)
    step, rates = max(count // 10, 1), []
    try:
        for first in range(0, count, step):
            share = min(step, count - first) // FILLERS // PER_STUDY * PER_STUDY or 1
            starts = [first + n * share for n in range(FILLERS)]
            lengths = [share] * (FILLERS - 1) + [min(step, count - first) - share * (FILLERS - 1)]
            makers = [lambda s=s, n=n: stow.Filler(running.http_port, peer.stow_path, Tiny(s, n), FILL_BATCH)
                      for s, n in zip(starts, lengths)]
            got = clients.run(running, makers, bench.settings["fill_seconds"])
            if got["errors"] or got["stored"] != sum(lengths):
                raise RuntimeError("the archive took %d of %d: %s" % (
                    got["stored"], sum(lengths), got.get("first_error", "refused or out of time")))
            rates.append(got["inst_s"])
            say("filled with %d, %.0f/s" % (first + sum(lengths), got["inst_s"]))
    finally:
        running.stop()
    return {"instances": count, "fill_first_s": rates[0], "fill_last_s": rates[-1],
            "index_bytes_each": (_index_bytes(folder) - empty) / count,
            "disk_bytes_each": machine.disk_bytes(folder) / count}


def _filled(bench, peer, folder, probe):
    """Restarts after SIGKILL and after SIGTERM, memory at rest, the rate on top of what is indexed."""
    machine.wait_for_quiet(bench.settings["quiet_seconds"])
    running = peer.start(folder)
    try:
        figures = {"restart_s": running.ready_seconds}
        time.sleep(IDLE_SECONDS)
        figures.update(idle_mib=running.resident(), **_prefix("filled", _probe(bench, running, probe)))
        # What was just stored stands at the end of an unsealed pack: that is what has to be read again.
        running.stop(signal.SIGKILL)
        running = peer.start(folder)
        figures["restart_killed_s"] = running.ready_seconds
    finally:
        running.stop()
    return figures


def _probe(bench, running, probe):
    return clients.run(running, bench.senders(running, *probe, PROBE_ASSOCIATIONS), PROBE_SECONDS)


def _prefix(word, figures):
    return {"%s_%s" % (word, key): value for key, value in figures.items()}


def _index_bytes(folder):
    total = 0
    for path, _, names in os.walk(folder):
        total += sum(os.lstat(os.path.join(path, n)).st_blocks * 512 for n in names if ".sqlite" in n)
    return total
