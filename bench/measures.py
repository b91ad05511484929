"""What is measured with CT slices: ingest by C-STORE and STOW-RS, 64 associations, what a copy costs."""
import os
import shutil

import clients
import dimse
import machine
import stow
from instances import Slices, part10

STOW_BATCH = 20
LIMIT = 20  # Seconds one run of senders may take.


class Bench:
    """The settings of a run, its folder and what was prepared in it."""

    def __init__(self, folder, peers, settings):
        self.folder, self.peers, self.settings = folder, peers, settings
        self.wires = {}
        self.number = 0

    def fresh(self, peer):
        """Starts the peer on an empty folder."""
        self.number += 1
        machine.wait_for_quiet(self.settings["quiet_seconds"])
        return peer.start(os.path.join(self.folder, "data-%d" % self.number))

    def clear(self, running):
        """Stops a receiver if it runs and removes what it wrote. Returns the bytes that were on disk."""
        running.stop()
        size = machine.disk_bytes(running.folder)
        shutil.rmtree(running.folder, ignore_errors=True)
        return size

    def wire(self, name, instances, pdu):
        """A wire file of these instances for this PDU size, made at its first use."""
        key = (name, pdu)
        if key not in self.wires:
            path = os.path.join(self.folder, "%s-%d.wire" % key)
            self.wires[key] = (path, dimse.write_wire(path, instances, pdu))
        return self.wires[key]

    def senders(self, running, name, instances, associations):
        path, places = self.wire(name, instances, running.pdu)
        stretches = list(zip(places, places[1:]))
        return [lambda share=stretches[n::associations]: dimse.Sender(running.port, running.peer.title, path, share)
                for n in range(associations)]

    def files(self, name, instances):
        """A folder of Part 10 files and their bytes together, made at the first use."""
        key = (name, "files")
        if key not in self.wires:
            folder, size = os.path.join(self.folder, name + "-files"), 0
            os.makedirs(folder)
            for n, (sop, data) in enumerate(instances):
                with open(os.path.join(folder, "%04d.dcm" % n), "wb") as file:
                    size += file.write(part10(sop, data))
            self.wires[key] = (folder, size)
        return self.wires[key]

    def bodies(self, name, instances, batch):
        key = (name, "bodies")
        if key not in self.wires:
            path = os.path.join(self.folder, name + ".bodies")
            self.wires[key] = (path, stow.write_bodies(path, instances, batch))
        return self.wires[key]


def _lean(associations):
    def measure(bench, peer):
        running = bench.fresh(peer)
        try:
            slices = Slices(bench.settings["slices"])
            figures = clients.run(running, bench.senders(running, "ct", slices, associations), LIMIT)
        finally:
            size = bench.clear(running)
        return _with_disk(figures, peer, size)
    return measure


def _storescu(nagle):
    def measure(bench, peer):
        count = bench.settings["storescu_slices"]
        folder, size = bench.files("ct", Slices(count))
        running = bench.fresh(peer)
        try:
            figures = clients.storescu(running, folder, count, size, nagle, LIMIT)
        finally:
            on_disk = bench.clear(running)
        return _with_disk(figures, peer, on_disk)
    return measure


def _stow(connections):
    def measure(bench, peer):
        path, places = bench.bodies("ct", Slices(bench.settings["slices"]), STOW_BATCH)
        running = bench.fresh(peer)
        try:
            makers = [lambda share=places[n::connections]:
                      stow.Sender(running.http_port, peer.stow_path, path, share) for n in range(connections)]
            figures = clients.run(running, makers, LIMIT)
        finally:
            size = bench.clear(running)
        return _with_disk(figures, peer, size)
    return measure


def _with_disk(figures, peer, size):
    if "keeps" in peer.can and figures["sent"]:
        figures["disk_per_byte"] = size / figures["sent"]
    return figures


def _copies(bench, peer):
    """Disk after a study, after the same pixels under another patient, after the same files again."""
    running = bench.fresh(peer)
    count, figures = bench.settings["slices"], {"errors": 0}
    try:
        before = _at_rest(running)
        for row, copy in (("study", 0), ("edited", 1), ("again", 0)):
            running = peer.start(running.folder)
            name = "copy" if copy else "ct"
            sent = clients.run(running, bench.senders(running, name, Slices(count, copy), 4), LIMIT)
            size = _at_rest(running)
            figures[row + "_per_byte"] = (size - before) / max(sent["sent"], 1)
            figures["errors"] += sent["errors"] + count - sent["stored"]
            before = size
    finally:
        bench.clear(running)
    return figures


def _at_rest(running):
    """Disk bytes once the receiver has ended: journals that it folds in at its end do not count."""
    running.stop()
    return machine.disk_bytes(running.folder)


# Name of the case, what a peer must be able to do, how it is measured.
CASES = [
    ("C-STORE, 1 association", "store", _lean(1)),
    ("C-STORE, 4 associations", "store", _lean(4)),
    ("storescu, Nagle on", "store", _storescu(True)),
    ("storescu, TCP_NODELAY=1", "store", _storescu(False)),
    ("STOW-RS, 1 connection", "stow", _stow(1)),
    ("STOW-RS, 4 connections", "stow", _stow(4)),
    ("C-STORE, 64 associations", "many", _lean(64)),
]
COPIES = ("Copies", "keeps", _copies)
