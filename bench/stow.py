"""A lean STOW-RS sender: request bodies stand in a file beforehand and are sent with sendfile(2)."""
import http.client
import json
import os
import socket
import struct
import time

from dimse import TIMEOUT
from instances import part10

BOUNDARY = "bench-2f1d9a"
PART = b"\r\n--" + BOUNDARY.encode() + b"\r\nContent-Type: application/dicom\r\n\r\n"
END = b"\r\n--" + BOUNDARY.encode() + b"--\r\n"


def body(instances):
    return b"".join(PART + part10(sop, data) for sop, data in instances) + END


def batches(instances, size):
    batch = []
    for instance in instances:
        batch.append(instance)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def write_bodies(path, instances, size):
    """Writes the bodies of requests of `size` instances. Returns (start, end, instances) of each."""
    places, at = [], 0
    with open(path, "wb") as file:
        for batch in batches(instances, size):
            length = file.write(body(batch))
            places.append((at, at + length, len(batch)))
            at += length
    return places


class Connection:
    """One kept-alive connection."""

    def __init__(self, port, path):
        self.path, self.refusal = path, ""
        self.http = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)
        self.http.connect()
        sock = self.http.sock
        # Blocking, because sendfile needs it; the system ends calls that last too long.
        sock.settimeout(None)
        for option in (socket.SO_SNDTIMEO, socket.SO_RCVTIMEO):
            sock.setsockopt(socket.SOL_SOCKET, option, struct.pack("ll", TIMEOUT, 0))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def post(self, count, length, send):
        """Posts a body of `count` instances that `send(socket)` sends. Returns how many of them were refused."""
        self.http.putrequest("POST", self.path)
        self.http.putheader("Content-Type",
                            'multipart/related; type="application/dicom"; boundary=%s' % BOUNDARY)
        self.http.putheader("Accept", "application/dicom+json")
        self.http.putheader("Content-Length", str(length))
        self.http.endheaders()
        send(self.http.sock)
        answer = self.http.getresponse()
        text = answer.read()
        if answer.status == 200 and b"00081198" not in text:
            return 0
        # 0008,1198 is the Failed SOP Sequence; some send it empty.
        taken = answer.status in (200, 202)
        failed = len(json.loads(text or b"{}").get("00081198", {}).get("Value", [])) if taken else count
        if failed:
            self.refusal = "status %d: %s" % (answer.status, text[-300:].decode(errors="replace"))
        return failed

    def close(self):
        self.http.close()


class Sender:
    """Sends its share of the bodies over one connection; used by `clients`."""

    def __init__(self, port, path, bodies, places):
        self.file = os.open(bodies, os.O_RDONLY)
        self.places = places
        self.connection = Connection(port, path)

    def run(self, deadline):
        """Like `dimse.Sender.run`; the times are those of requests."""
        stored, refused, sent, times = 0, 0, 0, []
        for start, end, instances in self.places:
            began = time.monotonic()
            if began > deadline:
                break
            failed = self.connection.post(instances, end - start, lambda sock: self._send(sock, start, end))
            times.append((time.monotonic() - began) * 1000)
            stored, refused = stored + instances - failed, refused + failed
            sent += 0 if failed else end - start
        return stored, refused, sent, times

    def _send(self, sock, start, end):
        while start < end:
            start += os.sendfile(sock.fileno(), self.file, start, end - start)

    def refusal(self):
        return self.connection.refusal

    def close(self):
        self.connection.close()
        os.close(self.file)


class Filler:
    """Makes tiny instances and posts them: to fill an archive, not to measure it."""

    def __init__(self, port, path, source, batch):
        self.source, self.batch = source, batch
        self.connection = Connection(port, path)

    def run(self, deadline):
        stored, refused, sent, times = 0, 0, 0, []
        for batch in batches(self.source, self.batch):
            began = time.monotonic()
            if began > deadline:
                break
            data = body(batch)
            failed = self.connection.post(len(batch), len(data), lambda sock: sock.sendall(data))
            times.append((time.monotonic() - began) * 1000)
            stored, refused = stored + len(batch) - failed, refused + failed
            sent += 0 if failed else len(data)
        return stored, refused, sent, times

    def refusal(self):
        return self.connection.refusal

    def close(self):
        self.connection.close()
