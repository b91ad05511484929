"""SQLite and PostgreSQL, packs on the disk and in a bucket, side by side: storing, searching, reading, making the index
again. README.md says how to read it."""
import http.client
import os
import shutil
import statistics
import subprocess
import time

import clients
import machine
import peers
import stow
from instances import Slices, Tiny, uid

ASSOCIATIONS, STOW_BATCH, LIMIT = 4, 20, 120
FRAMES, QUERIES = 100, 25
# Instances of a study and of a series: CT, and X-rays of which each is a study and a patient of its own.
CT, X_RAY = (300, 100), (1, 1)
ARCHIVES = ("SQLite, disk", "PostgreSQL, disk", "SQLite, S3, ack local", "PostgreSQL, S3, ack remote")
FRAME = 'multipart/related; type="application/octet-stream"; transfer-syntax=*'


class Archive(peers.Ours):
    """This server over one kind of database and one kind of store."""

    def __init__(self, program, name, make):
        super().__init__(program)
        self.name, self.make, self.settings = name, make, {}

    def fresh(self):
        """From now on it is a new archive: an empty database, an empty place for packs."""
        self.settings = self.make()

    @property
    def remote(self):
        return "PACS_STORE__URL" in self.settings

    def environment(self, folder, dimse_port, http_port):
        return {**super().environment(folder, dimse_port, http_port), **self.settings}


def all_archives(program, postgres, bucket):
    settings = (dict, postgres.settings, lambda: bucket.settings("local"),
                lambda: {**postgres.settings(), **bucket.settings("remote")})
    return [Archive(program, name, make) for name, make in zip(ARCHIVES, settings)]


def slices(bench, archive):
    """CT slices by C-STORE, then their frames: first ones after a restart, and the same once more."""
    archive.fresh()
    running = bench.fresh(archive)
    try:
        count = bench.settings["slices"]
        sent = clients.run(running, bench.senders(running, "ct", Slices(count), ASSOCIATIONS), LIMIT)
        figures = {"store_mb_s": sent["mb_s"], "store_cpu_s_gb": sent.get("cpu_s_gb", 0), "noise": sent["noise"],
                   "errors": sent["errors"] + count - sent["stored"]}
        if archive.remote:
            _until_uploaded(running)
        running.stop()
        _forget(running.folder)
        running = archive.start(running.folder)
        for word in ("cold", "warm"):
            times, size = _frames(running, min(FRAMES, count))
            figures["frame_%s_ms" % word] = statistics.median(times)
            figures["frame_%s_mb_s" % word] = size / sum(times) / 1e3
    finally:
        bench.clear(running)
    return figures


def posts(bench, archive):
    """The same slices by STOW-RS."""
    archive.fresh()
    count = bench.settings["slices"]
    path, places = bench.bodies("ct", Slices(count), STOW_BATCH)
    running = bench.fresh(archive)
    try:
        makers = [lambda share=places[n::ASSOCIATIONS]: stow.Sender(running.http_port, archive.stow_path, path, share)
                  for n in range(ASSOCIATIONS)]
        sent = clients.run(running, makers, LIMIT)
    finally:
        bench.clear(running)
    return {"stow_mb_s": sent["mb_s"], "errors": sent["errors"] + count - sent["stored"]}


def tiny(bench, archive):
    """Tiny instances by C-STORE, searches over them, and their rows made again from the packs."""
    archive.fresh()
    count = bench.settings["tiny"]
    running = bench.fresh(archive)
    try:
        sent = clients.run(running, bench.senders(running, "tiny", Tiny(0, count), ASSOCIATIONS), LIMIT)
        figures = {"tiny_inst_s": sent["inst_s"], "tiny_p50_ms": sent["p50_ms"],
                   "errors": sent["errors"] + count - sent["stored"]}
        times = sorted(_queries(running, count))
        figures.update(qido_p50_ms=clients.percentile(times, 50), qido_p95_ms=clients.percentile(times, 95))
        if archive.remote:
            _until_uploaded(running)
        running.stop()
        seconds, cpu = rebuild(archive, running.folder)
        figures.update(rebuild_inst_s=count / seconds, rebuild_cpu_inst_s=count / cpu)
    finally:
        bench.clear(running)
    return figures


def shaped(key, per_study, per_series):
    """Rows made again from studies of one shape; the pictures are tiny, since making rows does not read them."""
    def measure(bench, archive):
        archive.fresh()
        count = bench.settings["shaped"]
        running = bench.fresh(archive)
        try:
            made = Tiny(0, count, per_study, per_series)
            sent = clients.run(running, bench.senders(running, "tiny-%d" % per_study, made, ASSOCIATIONS), LIMIT)
            if archive.remote:
                _until_uploaded(running)
            running.stop()
            seconds, cpu = rebuild(archive, running.folder)
        finally:
            bench.clear(running)
        return {"rebuild_%s_inst_s" % key: count / seconds, "rebuild_%s_cpu_inst_s" % key: count / cpu,
                "store_%s_inst_s" % key: sent["inst_s"], "errors": sent["errors"] + count - sent["stored"]}
    return measure


def replay(bench, archive, packs, count, postgres):
    """Packs of nothing but statements, made rows: seconds by the clock and of processors."""
    archive.fresh()
    folder = os.path.join(bench.folder, "said-%s" % archive.name.split(",")[0])
    shutil.copytree(packs, os.path.join(folder, "packs"), copy_function=os.link)
    machine.wait_for_quiet(bench.settings["quiet_seconds"])
    noise = machine.Noise()
    server = postgres.cpu(archive.settings) if archive.settings else 0
    try:
        seconds, cpu = rebuild(archive, folder)
        server = postgres.cpu(archive.settings) - server if archive.settings else 0
    finally:
        shutil.rmtree(folder)
    return {"statements": count, "replay_s": seconds, "replay_cpu_s": cpu, "replay_server_cpu_s": server,
            "noise": noise.cores(), "errors": 0}


def rebuild(archive, folder):
    """Makes the index again; seconds by the clock and of processors."""
    with open(folder + ".rebuild.log", "wb") as log:
        began = time.monotonic()
        process = subprocess.Popen([archive.program, "rebuild"], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                   env={**os.environ, **archive.environment(folder, 0, 0)})
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError("rebuild ended with %d: %s" % (process.returncode, log.name))
    return time.monotonic() - began, used.ru_utime + used.ru_stime


def _until_uploaded(running):
    """Waits until the bucket has everything and the disk nothing."""
    packs, end = os.path.join(running.folder, "packs"), time.monotonic() + LIMIT
    while any(name.endswith(".pack") for name in os.listdir(packs)):
        if time.monotonic() > end:
            raise RuntimeError("packs were not uploaded within %d s" % LIMIT)
        time.sleep(0.1)


def _forget(folder):
    """Has the system forget what it holds of the packs in memory."""
    for path, _, names in os.walk(folder):
        for name in names:
            if name.endswith(".pack"):
                file = os.open(os.path.join(path, name), os.O_RDONLY)
                os.fsync(file)
                os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
                os.close(file)


def _timed(connection, path, accept):
    began = time.monotonic()
    connection.request("GET", path, headers={"Accept": accept})
    answer = connection.getresponse()
    body = answer.read()
    if answer.status not in (200, 204):
        raise RuntimeError("%s: %d" % (path, answer.status))
    return (time.monotonic() - began) * 1000, len(body)


def _frames(running, count):
    """Milliseconds of each of `count` frames, read one after the other, and bytes of all."""
    connection = http.client.HTTPConnection("127.0.0.1", running.http_port, timeout=60)
    series, took, size = "/dicom-web/studies/%s/series/%s/instances/" % (uid(1, 0), uid(2, 0)), [], 0
    for n in range(count):
        ms, length = _timed(connection, series + "%s/frames/1" % uid(3, n), FRAME)
        took.append(ms)
        size += length
    connection.close()
    return took, size


def _queries(running, count):
    """Milliseconds of searches of five kinds."""
    connection = http.client.HTTPConnection("127.0.0.1", running.http_port, timeout=60)
    took = []
    for n in range(QUERIES):
        study = n * 37 % max(count // 20, 1)
        for query in ("studies?limit=50", "studies?PatientID=T%09d" % study,
                      "studies?PatientName=Bench*%03d&limit=50" % (study % 1000),
                      "studies?StudyDate=20240101-20240131&limit=50&offset=%d" % study,
                      "studies/%s/instances" % uid(4, study)):
            took.append(_timed(connection, "/dicom-web/" + query, "application/dicom+json")[0])
    connection.close()
    return took


CASES = [("slices", slices), ("posts", posts), ("tiny", tiny), ("ct", shaped("ct", *CT)),
         ("x-ray", shaped("x_ray", *X_RAY))]
ROWS = [
    ("store_mb_s", "C-STORE, 4 associations, CT slices, MB/s", 0), ("store_cpu_s_gb", "the same, CPU s/GB", 2),
    ("stow_mb_s", "STOW-RS, 4 connections, CT slices, MB/s", 0),
    ("tiny_inst_s", "C-STORE, 4 associations, tiny instances, instances/s", 0), ("tiny_p50_ms", "the same, p50 ms", 2),
    ("qido_p50_ms", "QIDO-RS, p50 ms", 1), ("qido_p95_ms", "QIDO-RS, p95 ms", 1),
    ("frame_cold_ms", "a frame, cold, median ms", 2), ("frame_cold_mb_s", "frames, cold, MB/s", 0),
    ("frame_warm_ms", "a frame, warm, median ms", 2), ("frame_warm_mb_s", "frames, warm, MB/s", 0),
    ("rebuild_inst_s", "rebuild, instances/s", 0), ("rebuild_cpu_inst_s", "rebuild, instances per CPU second", 0),
    ("store_ct_inst_s", "C-STORE, CT studies of 300, instances/s", 0), ("rebuild_ct_inst_s", "rebuild of these, instances/s", 0),
    ("rebuild_ct_cpu_inst_s", "the same, instances per CPU second", 0),
    ("store_x_ray_inst_s", "C-STORE, a study and patient each, instances/s", 0),
    ("rebuild_x_ray_inst_s", "rebuild of these, instances/s", 0),
    ("rebuild_x_ray_cpu_inst_s", "the same, instances per CPU second", 0),
    ("noise", "noise, cores", 2), ("errors", "errors", 0),
]
REPLAY_ROWS = [("replay_s", "replay, s", 0), ("replay_cpu_s", "CPU s of this server", 0),
               ("replay_server_cpu_s", "CPU s of PostgreSQL", 0), ("noise", "noise, cores", 2), ("errors", "errors", 0)]
# What this server is to reach: archive, figure, at least (1) or at most (-1), bound.
AIMS = [(name, key, 1, 2000) for key in ("rebuild_inst_s", "rebuild_ct_inst_s", "rebuild_x_ray_inst_s")
        for name in ARCHIVES] + [(name, "replay_s", -1, 60) for name in ARCHIVES[:2]]
