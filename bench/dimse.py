"""A lean C-STORE sender.

All PDUs of a run are written into one "wire" file beforehand, cut to the PDU size the peer asks for. Sending an
instance is one sendfile(2) of its stretch of that file, so that the sender costs next to nothing and the receiver
is what is measured. One C-STORE is outstanding on an association.
"""
import os
import socket
import struct
import time

from instances import CT, EXPLICIT_LE

CONTEXT = 1
OUR_PDU = 131072
TIMEOUT = 60


def item(kind, data):
    return struct.pack(">BxH", kind, len(data)) + data


def field(number, value):
    if isinstance(value, int):
        value = struct.pack("<H", value)
    else:
        value = value.encode() + b"\0" * (len(value) & 1)
    return struct.pack("<HHI", 0, number, len(value)) + value


def store_command(sop, message):
    body = b"".join((field(0x0002, CT), field(0x0100, 1), field(0x0110, message), field(0x0700, 0),
                     field(0x0800, 1), field(0x1000, sop)))
    return struct.pack("<HHII", 0, 0, 4, len(body)) + body


def p_data(flags, data):
    return struct.pack(">BxIIBB", 4, len(data) + 6, len(data) + 2, CONTEXT, flags) + data


def write_wire(path, instances, pdu):
    """Writes the PDUs of all instances. Returns where each instance begins, and the end."""
    places, at, step = [], 0, pdu - 6
    with open(path, "wb") as wire:
        for n, (sop, data) in enumerate(instances):
            places.append(at)
            parts = [p_data(3, store_command(sop, n % 65535 + 1))]
            for start in range(0, len(data), step):
                parts.append(p_data(2 if start + step >= len(data) else 0, data[start:start + step]))
            at += wire.write(b"".join(parts))
    return places + [at]


class Association:
    """An association that stores CT; raises ConnectionError when it is refused or breaks."""

    def __init__(self, port, called, timeout=TIMEOUT):
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        # Blocking, because sendfile needs it; the system ends calls that last too long.
        self.sock.settimeout(None)
        for option in (socket.SO_SNDTIMEO, socket.SO_RCVTIMEO):
            self.sock.setsockopt(socket.SOL_SOCKET, option, struct.pack("ll", timeout, 0))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.rest = b""
        self._request(called)

    def _request(self, called):
        context = item(0x20, bytes((CONTEXT, 0, 0, 0)) + item(0x30, CT.encode()) + item(0x40, EXPLICIT_LE.encode()))
        user = item(0x50, item(0x51, struct.pack(">I", OUR_PDU)) + item(0x52, b"2.25.1"))
        body = (struct.pack(">Hxx16s16s32x", 1, called.encode().ljust(16), b"BENCH".ljust(16))
                + item(0x10, b"1.2.840.10008.3.1.1.1") + context + user)
        self.sock.sendall(struct.pack(">BxI", 1, len(body)) + body)
        kind, answer = self._pdu()
        if kind != 2:
            raise ConnectionError("the association was refused: PDU %d %s" % (kind, answer.hex()))
        self.pdu, at = OUR_PDU, 68
        while at + 4 <= len(answer):
            kind, length = answer[at], struct.unpack_from(">H", answer, at + 2)[0]
            if kind == 0x21 and answer[at + 6] != 0:
                raise ConnectionError("CT in Explicit VR Little Endian was not accepted")
            if kind == 0x51:
                self.pdu = struct.unpack_from(">I", answer, at + 4)[0] or OUR_PDU
            # Sub-items of the user information are walked like items.
            at += 4 if kind == 0x50 else 4 + length
        self.pdu = min(self.pdu, 1 << 20)

    def _take(self, length):
        while len(self.rest) < length:
            more = self.sock.recv(65536)
            if not more:
                raise ConnectionError("closed by the peer")
            self.rest += more
        taken, self.rest = self.rest[:length], self.rest[length:]
        return taken

    def _pdu(self):
        kind, length = struct.unpack(">BxI", self._take(6))
        return kind, self._take(length)

    def send(self, file, start, end):
        """Sends one instance, waits for its answer, returns the status."""
        while start < end:
            start += os.sendfile(self.sock.fileno(), file, start, end - start)
        command = b""
        while True:
            kind, data = self._pdu()
            if kind != 4:
                raise ConnectionError("PDU %d came in place of an answer" % kind)
            command += data[6:]
            if data[5] & 2:
                return self._status(command)

    @staticmethod
    def _status(command):
        at = 0
        while at + 8 <= len(command):
            number, length = struct.unpack_from("<xxHI", command, at)
            if number == 0x0900:
                return struct.unpack_from("<H", command, at + 8)[0]
            at += 8 + length
        raise ConnectionError("an answer without status")

    def release(self):
        try:
            self.sock.sendall(struct.pack(">BxII", 5, 4, 0))
            self._pdu()
        except OSError:
            pass  # The stores are answered; how a peer parts is not measured.
        self.sock.close()


def asked_pdu(port, called):
    """The PDU size the peer asks for; proves that it answers."""
    association = Association(port, called, timeout=5)
    association.release()
    return association.pdu


class Sender:
    """Sends its share of a wire file over one association; used by `clients`."""

    def __init__(self, port, called, wire, places):
        self.file = os.open(wire, os.O_RDONLY)
        self.places = places
        self.association, self.refused_with = Association(port, called), None

    def run(self, deadline):
        """Sends until done or until `deadline`. Returns instances stored and refused, bytes stored, milliseconds."""
        stored, refused, sent, times = 0, 0, 0, []
        for start, end in self.places:
            began = time.monotonic()
            if began > deadline:
                break
            status = self.association.send(self.file, start, end)
            times.append((time.monotonic() - began) * 1000)
            # 0xBxxx are warnings: the instance is stored.
            if status == 0 or status >> 12 == 0xB:
                stored += 1
                sent += end - start
            else:
                refused += 1
                self.refused_with = status
        return stored, refused, sent, times

    def refusal(self):
        return "" if self.refused_with is None else "status %04X" % self.refused_with

    def close(self):
        self.association.release()
        os.close(self.file)
