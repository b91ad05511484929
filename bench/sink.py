"""A null receiver: answers every C-STORE and every POST with success and keeps nothing.

What it takes in is the most that sender, loopback and this machine give; no archive can be measured above it.

    python3 sink.py DIMSE_PORT HTTP_PORT
"""
import os
import signal
import socket
import struct
import sys

from dimse import CONTEXT, OUR_PDU, field, item, p_data
from instances import CT, EXPLICIT_LE

WINDOW = 256 * 1024


class Reader:
    """Bytes of a socket, most of them passed over."""

    def __init__(self, sock):
        self.sock, self.buffer = sock, bytearray(WINDOW)
        self.at = self.end = 0

    def _fill(self):
        # As in any receiver that is not to wait for a sender's Nagle algorithm: the system forgets this setting.
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        self.end = self.sock.recv_into(self.buffer)
        self.at = 0
        if not self.end:
            raise ConnectionError("closed by the peer")

    def take(self, length):
        taken = b""
        while len(taken) < length:
            if self.at == self.end:
                self._fill()
            part = bytes(self.buffer[self.at:min(self.end, self.at + length - len(taken))])
            self.at += len(part)
            taken += part
        return taken

    def skip(self, length):
        while length:
            if self.at == self.end:
                self._fill()
            step = min(length, self.end - self.at)
            self.at += step
            length -= step


def accept_association(reader):
    _, length = struct.unpack(">BxI", reader.take(6))
    request = reader.take(length)
    syntaxes = {}
    at = 68
    while at + 4 <= len(request):
        kind, size = request[at], struct.unpack_from(">H", request, at + 2)[0]
        if kind == 0x20:
            syntaxes[request[at + 4]] = request[at + 4:at + 4 + size]
        at += 4 + size
    answers = b""
    for context, proposed in syntaxes.items():
        good = CT.encode() in proposed and EXPLICIT_LE.encode() in proposed
        answers += item(0x21, bytes((context, 0, 0 if good else 3, 0)) + item(0x40, EXPLICIT_LE.encode()))
    user = item(0x50, item(0x51, struct.pack(">I", OUR_PDU)) + item(0x52, b"2.25.1"))
    body = request[:68] + item(0x10, b"1.2.840.10008.3.1.1.1") + answers + user
    reader.sock.sendall(struct.pack(">BxI", 2, len(body)) + body)


def serve_dimse(reader):
    accept_association(reader)
    command = b""
    while True:
        kind, length = struct.unpack(">BxI", reader.take(6))
        if kind == 5:
            reader.take(length)
            return reader.sock.sendall(struct.pack(">BxII", 6, 4, 0))
        if kind != 4:
            return None
        while length:
            size, context, flags = struct.unpack(">IBB", reader.take(6))
            length -= size + 4
            if flags & 1:
                command = reader.take(size - 2)
                continue
            reader.skip(size - 2)
            if flags & 2:
                reader.sock.sendall(answer(command, context))


def answer(command, context):
    """A C-STORE-RSP with the message and instance of the request."""
    sent, at = {}, 0
    while at + 8 <= len(command):
        number, length = struct.unpack_from("<xxHI", command, at)
        sent[number] = command[at + 8:at + 8 + length]
        at += 8 + length
    number = lambda value: struct.unpack("<H", value)[0]
    text = lambda value: value.rstrip(b"\0").decode()
    body = b"".join((field(2, text(sent[2])), field(0x100, 0x8001), field(0x120, number(sent[0x110])),
                     field(0x800, 0x101), field(0x900, 0), field(0x1000, text(sent[0x1000]))))
    pdu = bytearray(p_data(3, struct.pack("<HHII", 0, 0, 4, len(body)) + body))
    assert pdu[10] == CONTEXT
    pdu[10] = context
    return pdu


def serve_http(reader):
    while True:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += reader.take(1)
        lengths = [line.split(b":")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
        reader.skip(int(lengths[0]) if lengths else 0)
        reader.sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/dicom+json\r\nContent-Length: 2\r\n\r\n{}")


def listen(port, serve):
    """Accepts for ever, a process for each connection."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(128)
    while True:
        sock, _ = listener.accept()
        if os.fork():
            sock.close()
            continue
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            serve(Reader(sock))
        except (ConnectionError, ValueError, struct.error):
            pass
        os._exit(0)


def main():
    dimse_port, http_port = map(int, sys.argv[1:3])
    web = os.fork()
    if not web:
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        listen(http_port, serve_http)

    def stop(*_):
        os.kill(web, signal.SIGTERM)
        os._exit(0)

    signal.signal(signal.SIGTERM, stop)
    # Children are reaped by default only when waited for; their time has to count as this process's.
    signal.signal(signal.SIGCHLD, reap)
    listen(dimse_port, serve_dimse)


def reap(*_):
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


if __name__ == "__main__":
    main()
