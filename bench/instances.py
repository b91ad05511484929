"""Synthetic instances: CT slices of noise, header-edited copies of them, and tiny ones for the index.

Everything is Explicit VR Little Endian CT. Pixels are noise, so that nothing is saved by chance.
"""
import random
import struct

CT = "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT_LE = "1.2.840.10008.1.2.1"
SIDE = 512
LONG_VRS = ("OB", "OW", "UN", "SQ", "UT")
# Instances of one study and of one series among the tiny ones: less than a real archive has, so that the index
# holds more studies and patients than a real one of that size.
PER_STUDY, PER_SERIES = 20, 10


def uid(kind, number):
    """A UID of fixed length: `kind` says what it names (one digit)."""
    return "2.25.1%d%028d" % (kind, number)


def element(group, number, vr, value):
    if isinstance(value, int):
        value = struct.pack("<H", value)
    elif isinstance(value, str):
        value = value.encode("latin1")
    if len(value) & 1:
        value += b"\0" if vr in ("UI", "OB") else b" "
    head = struct.pack("<HH", group, number) + vr.encode()
    if vr in LONG_VRS:
        return head + b"\0\0" + struct.pack("<I", len(value)) + value
    return head + struct.pack("<H", len(value)) + value


def data_set(sop, series, study, patient, number, pixels, rows, columns):
    """The data set of one slice; the arguments are text, `pixels` bytes."""
    fields = [
        (0x0008, 0x0005, "CS", "ISO_IR 100"), (0x0008, 0x0008, "CS", "ORIGINAL\\PRIMARY\\AXIAL"),
        (0x0008, 0x0016, "UI", CT), (0x0008, 0x0018, "UI", sop),
        (0x0008, 0x0020, "DA", "20240102"), (0x0008, 0x0021, "DA", "20240102"), (0x0008, 0x0022, "DA", "20240102"),
        (0x0008, 0x0030, "TM", "101500"), (0x0008, 0x0031, "TM", "101530"), (0x0008, 0x0032, "TM", "101531.25"),
        (0x0008, 0x0050, "SH", "A" + patient), (0x0008, 0x0060, "CS", "CT"),
        (0x0008, 0x0070, "LO", "Bench"), (0x0008, 0x0080, "LO", "Bench Hospital"),
        (0x0008, 0x0090, "PN", "Referring^Physician"), (0x0008, 0x1010, "SH", "CT1"),
        (0x0008, 0x1030, "LO", "CT of noise"), (0x0008, 0x103E, "LO", "Axial 1.0"),
        (0x0010, 0x0010, "PN", "Bench^" + patient), (0x0010, 0x0020, "LO", patient),
        (0x0010, 0x0030, "DA", "19700101"), (0x0010, 0x0040, "CS", "O"),
        (0x0018, 0x0015, "CS", "CHEST"), (0x0018, 0x0050, "DS", "1.0"), (0x0018, 0x0060, "DS", "120"),
        (0x0018, 0x1151, "IS", "250"), (0x0018, 0x1210, "SH", "B30f"), (0x0018, 0x5100, "CS", "HFS"),
        (0x0020, 0x000D, "UI", study), (0x0020, 0x000E, "UI", series), (0x0020, 0x0010, "SH", "1"),
        (0x0020, 0x0011, "IS", "1"), (0x0020, 0x0013, "IS", number),
        (0x0020, 0x0032, "DS", "-250\\-250\\100"), (0x0020, 0x0037, "DS", "1\\0\\0\\0\\1\\0"),
        (0x0020, 0x0052, "UI", study), (0x0020, 0x1041, "DS", "100"),
        (0x0028, 0x0002, "US", 1), (0x0028, 0x0004, "CS", "MONOCHROME2"),
        (0x0028, 0x0010, "US", rows), (0x0028, 0x0011, "US", columns), (0x0028, 0x0030, "DS", "0.97\\0.97"),
        (0x0028, 0x0100, "US", 16), (0x0028, 0x0101, "US", 16), (0x0028, 0x0102, "US", 15),
        (0x0028, 0x0103, "US", 0), (0x0028, 0x1050, "DS", "40"), (0x0028, 0x1051, "DS", "400"),
        (0x0028, 0x1052, "DS", "-1024"), (0x0028, 0x1053, "DS", "1"), (0x7FE0, 0x0010, "OW", pixels),
    ]
    return b"".join(element(*field) for field in fields)


def part10(sop, data):
    """The data set with preamble and file meta information before it."""
    meta = (element(2, 1, "OB", b"\0\1") + element(2, 2, "UI", CT) + element(2, 3, "UI", sop)
            + element(2, 0x10, "UI", EXPLICIT_LE) + element(2, 0x12, "UI", uid(9, 1)))
    head = element(2, 0, "UL", struct.pack("<I", len(meta)))
    return b"\0" * 128 + b"DICM" + head + meta + data


class Slices:
    """`count` CT slices of 526 KB, always the same ones; `copy` says under which header."""

    def __init__(self, count, copy=0):
        self.count, self.copy = count, copy

    def __iter__(self):
        """Pairs of SOP Instance UID and data set."""
        study, series = uid(1, self.copy), uid(2, self.copy)
        for n in range(self.count):
            sop = uid(3, self.copy * 1_000_000 + n)
            pixels = random.Random(n).randbytes(SIDE * SIDE * 2)
            yield sop, data_set(sop, series, study, "P%04d" % self.copy, str(n + 1), pixels, SIDE, SIDE)


class Tiny:
    """Instances `first` to `first + count` of an endless row: 64 bytes of pixels, so many to a study and a patient, and to a
    series."""

    MARKS = {"sop": "S" * 35, "series": "E" * 35, "study": "D" * 35, "patient": "T" * 10, "number": "N" * 4}

    def __init__(self, first, count, per_study=PER_STUDY, per_series=PER_SERIES):
        self.first, self.count, self.per_study, self.per_series = first, count, per_study, per_series
        marks = self.MARKS
        template = data_set(marks["sop"], marks["series"], marks["study"], marks["patient"], marks["number"],
                            bytes(range(64)), 4, 8)
        self.pieces = self.cut(template)

    def cut(self, template):
        """The template as a list of bytes and, where a mark stood, its name."""
        pieces = [template]
        for name, mark in self.MARKS.items():
            parted = []
            for piece in pieces:
                if isinstance(piece, str):
                    parted.append(piece)
                    continue
                for part in piece.split(mark.encode()):
                    parted += [part, name]
                parted.pop()
            pieces = parted
        return pieces

    def __iter__(self):
        for n in range(self.first, self.first + self.count):
            sop = uid(6, n)
            study, series = n // self.per_study, n // self.per_series
            values = {"sop": sop.encode(), "series": uid(5, series).encode(), "study": uid(4, study).encode(),
                      "patient": b"T%09d" % study, "number": b"%04d" % (n % self.per_series + 1)}
            yield sop, b"".join(values[p] if isinstance(p, str) else p for p in self.pieces)
