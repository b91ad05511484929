"""The receivers: how each is started, what it can do, how it is stopped."""
import glob
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time

import dimse
import machine

HERE = os.path.dirname(os.path.abspath(__file__))
START_LIMIT, STOP_LIMIT = 30, 20


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Peer:
    """A receiver. `can` holds store, many (64 associations at once), stow, keeps (writes what it receives), growth
    (is measured with a large index)."""

    name, title, can, durable = "", "ANY", (), "no"
    stow_path = "/dicom-web/studies"
    http_ready = None

    def absent(self):
        """Why it cannot take part, or empty."""
        return ""

    def version(self):
        return ""

    def command(self, folder, dimse_port, http_port):
        raise NotImplementedError

    def environment(self, folder, dimse_port, http_port):
        return {}

    def start(self, folder):
        return Running(self, folder)


class Ours(Peer):
    name, title, can = "this server", "PACS", ("store", "many", "stow", "keeps", "growth")
    durable = "before every answer"
    http_ready = "/readyz"

    def __init__(self, program):
        self.program = program

    def version(self):
        return machine.first_line([self.program, "--version"])

    def command(self, folder, dimse_port, http_port):
        return [self.program, "serve"]

    def environment(self, folder, dimse_port, http_port):
        return {"PACS_DATA_DIR": folder, "PACS_DIMSE__LISTEN": "127.0.0.1:%d" % dimse_port,
                "PACS_HTTP__LISTEN": "127.0.0.1:%d" % http_port}


class Sink(Peer):
    name, can, durable = "null sink", ("store", "many", "stow"), "keeps nothing"

    def version(self):
        return "bench/sink.py, Python %d.%d" % sys.version_info[:2]

    def command(self, folder, dimse_port, http_port):
        return [sys.executable, os.path.join(HERE, "sink.py"), str(dimse_port), str(http_port)]


class Storescp(Peer):
    """DCMTK's receiver; a process for each association, without Nagle's algorithm, with its largest PDU."""

    name, can = "storescp", ("store", "many", "keeps")
    options = ("+B", "-od")  # Writes data sets as they come.

    def absent(self):
        return "" if shutil.which("storescp") else "DCMTK is not installed"

    def version(self):
        return machine.first_line(["storescp", "--version"]).strip("$ ").replace("dcmtk: ", "")

    def command(self, folder, dimse_port, http_port):
        options = [*self.options, folder] if self.options[-1] == "-od" else [*self.options]
        return ["storescp", "--fork", "-q", "-pdu", "131072", *options, str(dimse_port)]

    def environment(self, folder, dimse_port, http_port):
        return {"TCP_NODELAY": "1"}


class StorescpIgnore(Storescp):
    name, can, durable = "storescp --ignore", ("store", "many"), "keeps nothing"
    options = ("--ignore",)


class Orthanc(Peer):
    """Orthanc with settings that favour it; SyncStorageArea stays on, as in its defaults.

    It serves four associations at a time and lets others wait, so it cannot take part where 64 are held open.
    """

    name, title, durable = "Orthanc", "ORTHANC", "files yes, index no"

    def __init__(self):
        self.program = shutil.which("Orthanc") or shutil.which("Orthanc", path="/usr/sbin:/usr/local/sbin")
        places = ("/usr/share/orthanc/plugins", "/usr/local/share/orthanc/plugins", "/usr/lib/orthanc/plugins")
        found = [path for place in places for path in glob.glob(place + "/libOrthancDicomWeb.so*")]
        self.plugin = found[0] if found else ""
        self.can = ("store", "keeps", "stow") if self.plugin else ("store", "keeps")

    def absent(self):
        return "" if self.program else "Orthanc is not installed"

    def version(self):
        plugin = os.path.realpath(self.plugin).rpartition(".so.")[2]
        line = machine.first_line([self.program, "--version"])
        return line + (", DICOMweb plugin " + plugin if plugin else ", without DICOMweb plugin")

    def command(self, folder, dimse_port, http_port):
        settings = {
            "Name": "bench", "StorageDirectory": folder, "IndexDirectory": folder, "DicomAet": self.title,
            "DicomPort": dimse_port, "HttpPort": http_port, "RemoteAccessAllowed": False,
            "AuthenticationEnabled": False, "DicomAlwaysAllowStore": True, "DicomCheckCalledAet": False,
            "MaximumPduLength": 131072, "StoreMD5ForAttachments": False, "HttpCompressionEnabled": False,
            "StorageAccessOnFind": "Never", "SaveJobs": False, "MetricsEnabled": False,
            "Plugins": [self.plugin] if self.plugin else [], "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
        }
        path = folder + ".json"
        with open(path, "w") as file:
            json.dump(settings, file)
        return [self.program, path]

    def environment(self, folder, dimse_port, http_port):
        return {"TCP_NODELAY": "1"}


class Running:
    """A started receiver; leaves no process behind."""

    def __init__(self, peer, folder):
        self.peer, self.folder = peer, folder
        os.makedirs(folder, exist_ok=True)
        self.port, self.http_port = free_port(), free_port()
        self.log = open(folder + ".log", "ab")
        began = time.monotonic()
        self.process = subprocess.Popen(
            peer.command(folder, self.port, self.http_port), stdin=subprocess.DEVNULL, stdout=self.log,
            stderr=self.log, env={**os.environ, **peer.environment(folder, self.port, self.http_port)})
        try:
            self.pdu = self._wait(began + START_LIMIT)
        except BaseException:
            self.stop()
            raise
        self.pid = self.process.pid

    def _wait(self, end):
        """Waits until it is ready; `ready_seconds` is the time to HTTP readiness where it says so."""
        began = end - START_LIMIT
        while True:
            try:
                if self.peer.http_ready:
                    self._ask(self.peer.http_ready)
                self.ready_seconds = time.monotonic() - began
                if "stow" in self.peer.can:
                    socket.create_connection(("127.0.0.1", self.http_port), timeout=1).close()
                return dimse.asked_pdu(self.port, self.peer.title)
            except (OSError, http.client.HTTPException):
                if self.process.poll() is not None or time.monotonic() > end:
                    raise RuntimeError("%s did not start: %s" % (self.peer.name, self.log.name)) from None
                time.sleep(0.002)

    def _ask(self, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.http_port, timeout=2)
        try:
            connection.request("GET", path)
            if connection.getresponse().status != 200:
                raise OSError("not ready")
        finally:
            connection.close()

    def cpu(self):
        return machine.cpu_seconds(self.pid)

    def peak(self):
        return machine.memory_mib(self.pid, "VmHWM")

    def resident(self):
        return machine.memory_mib(self.pid, "VmRSS")

    def stop(self, how=signal.SIGTERM):
        """Ends it and the processes it forked; does nothing when it has ended."""
        if self.process.returncode is not None:
            return
        family = {pid: machine.started(pid) for pid in machine.tree(self.process.pid)}
        if self.process.poll() is None:
            self.process.send_signal(how)
            try:
                self.process.wait(STOP_LIMIT)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        for pid, started in family.items():
            if started is not None and machine.started(pid) == started:
                os.kill(pid, signal.SIGKILL)
        self.log.close()


def all_peers(program):
    return [Ours(program), Sink(), StorescpIgnore(), Storescp(), Orthanc()]
