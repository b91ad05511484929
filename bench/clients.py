"""Runs senders against a receiver and says what came of it: rates, latencies, time and memory of the receiver."""
import http.client
import math
import multiprocessing
import os
import subprocess
import threading
import time

import dimse
import machine

FORK = multiprocessing.get_context("fork")
# More senders than this share processes, so that 64 of them fit on a small machine.
PROCESSES = 8


class Result:
    """What a run of senders gave. Rates are of what the receiver has acknowledged as stored."""

    def __init__(self, stored, refused, sent, seconds, times, errors):
        self.stored, self.refused, self.sent, self.seconds = stored, refused, sent, seconds
        self.times, self.errors = sorted(times), errors

    def figures(self):
        figures = {"mb_s": self.sent / self.seconds / 1e6, "inst_s": self.stored / self.seconds,
                   "stored": self.stored, "errors": max(len(self.errors), self.refused)}
        if self.times:
            figures["p50_ms"] = percentile(self.times, 50)
            figures["p95_ms"] = percentile(self.times, 95)
        return figures


def percentile(ordered, share):
    return ordered[max(0, math.ceil(len(ordered) * share / 100) - 1)]


def _sender(make, ready, go, limit, results, leave):
    """One sender: connects, waits for the others, sends, keeps its connection until memory was read."""
    sender, error, outcome = None, "", (0, 0, 0, [])
    try:
        sender = make()
    except OSError as refused:
        error = str(refused) or type(refused).__name__
    ready.release()
    go.wait(limit)
    began = time.monotonic()
    if sender:
        try:
            outcome = sender.run(began + limit)
            error = sender.refusal()
        except (OSError, http.client.HTTPException, ValueError) as broken:
            error = str(broken) or type(broken).__name__
    results.put((*outcome, began, time.monotonic(), error))
    leave.wait(limit)
    if sender:
        sender.close()


def _process(makers, *rest):
    threads = [threading.Thread(target=_sender, args=(make, *rest)) for make in makers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def run(running, makers, limit):
    """Lets the senders that `makers` make loose at once, for at most `limit` seconds.

    Returns the figures of the run, with those of the receiver.
    """
    ready, go, leave = FORK.Semaphore(0), FORK.Event(), FORK.Event()
    results = FORK.Queue()
    count = min(len(makers), PROCESSES)
    processes = [FORK.Process(target=_process, args=(makers[n::count], ready, go, limit, results, leave))
                 for n in range(count)]
    for process in processes:
        process.start()
    try:
        for _ in makers:
            ready.acquire(timeout=limit)
        noise, before = machine.Noise(), running.cpu()
        go.set()
        # One call of a sender may last `dimse.TIMEOUT` beyond the limit.
        got = [results.get(timeout=2 * limit + dimse.TIMEOUT) for _ in makers]
        cpu, peak, others = running.cpu() - before, running.peak(), noise.cores()
        leave.set()
    finally:
        for process in processes:
            process.join(5 if leave.is_set() else 0)
            if process.is_alive():
                process.kill()
    total = lambda n: sum(g[n] for g in got)
    result = Result(total(0), total(1), total(2), max(g[5] for g in got) - min(g[4] for g in got),
                    [ms for g in got for ms in g[3]], [g[6] for g in got if g[6]])
    return finish(result, cpu, peak, others)


def finish(result, cpu, peak, others):
    figures = result.figures()
    if result.sent:
        figures["cpu_s_gb"] = cpu / result.sent * 1e9
    figures.update(peak_mib=peak, noise=others, sent=result.sent)
    if result.errors:
        figures["first_error"] = result.errors[0]
    return figures


def storescu(running, folder, count, size, nagle, limit):
    """DCMTK's sender with its default settings, `count` files of `size` bytes together."""
    environment = {key: value for key, value in os.environ.items() if key != "TCP_NODELAY"}
    if not nagle:
        environment["TCP_NODELAY"] = "1"
    command = ["storescu", "-aec", running.peer.title, "+sd", "127.0.0.1", str(running.port), folder]
    noise, before, began = machine.Noise(), running.cpu(), time.monotonic()
    process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.PIPE)
    peak = 0
    while process.poll() is None and time.monotonic() < began + limit:
        peak = max(peak, running.peak())
        time.sleep(0.02)
    seconds = time.monotonic() - began
    errors = []
    if process.poll() is None:
        process.kill()
        errors.append("storescu took more than %d s" % limit)
    text = process.communicate()[1].decode(errors="replace").strip()
    if process.returncode and not errors:
        errors.append(text.splitlines()[0] if text else "storescu ended with %d" % process.returncode)
    # It stops at the first refusal and says so by its exit status.
    stored = 0 if errors else count
    cpu, others = running.cpu() - before, noise.cores()
    return finish(Result(stored, 0, 0 if errors else size, seconds, [], errors), cpu, max(peak, running.peak()), others)
