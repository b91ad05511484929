"""The files that are sent: pydicom's test files, pydicom-data, and the corpus beside the checkout.

A file is cut into meta and data set by hand, not by a library: what is compared are the bytes of the data set.
"""

import csv
import functools
import io
import os
import re
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import pydicom
from pydicom.data import get_charset_files, get_testdata_files
from pydicom.uid import generate_uid

import refusals

IMPLICIT = "1.2.840.10008.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
BIG_ENDIAN = "1.2.840.10008.1.2.2"
JPEG_BASELINE = "1.2.840.10008.1.2.4.50"
DEFLATED = "1.2.840.10008.1.2.1.99"
DICOMDIR = "1.2.840.10008.1.3.10"

CORPUS = Path(os.environ.get("PACS_CORPUS", Path(__file__).resolve().parents[2].parent / "shared" / "dicom-corpus"))

UID_TEXT = re.compile(r"[0-9.]{1,64}")
LONG_VRS = {b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"}
UNDEFINED = 0xFFFFFFFF


@dataclass(frozen=True)
class Sample:
    """One file and what it is."""

    name: str
    path: Path
    content: bytes
    data_set_at: int
    transfer_syntax: str
    sop_class: str
    sop_instance: str
    study: str
    series: str
    meta_sop_instance: str
    expect: str

    @property
    def data_set(self) -> bytes:
        return self.content[self.data_set_at :]

    @property
    def identified(self) -> bool:
        """All four UIDs and the transfer syntax are there and are UIDs."""
        uids = (self.transfer_syntax, self.sop_class, self.sop_instance, self.study, self.series)
        return all(UID_TEXT.fullmatch(uid) for uid in uids) and self.sop_class != DICOMDIR

    @property
    def sendable(self) -> bool:
        """What a C-STORE command needs is there; the rest is the server's to judge."""
        uids = (self.transfer_syntax, self.sop_class, self.sop_instance)
        return all(UID_TEXT.fullmatch(uid) for uid in uids)

    @property
    def is_file(self) -> bool:
        """A file with preamble and prefix (PS3.10 7.1)."""
        return self.content[128:132] == b"DICM"

    @property
    def must_be_stored(self) -> bool:
        """Sound and honest: no way of sending it may be refused."""
        return self.expect == "store" and refusals.expected(self) is None


def meta_end(content: bytes) -> int:
    """Where the data set starts: behind the last element of group 2, whatever its group length says."""
    if content[128:132] == b"DICM":
        at = 132
    elif content[:4] == b"DICM":
        at = 4
    elif content[:2] == b"\x02\x00":
        at = 0
    else:
        return 0
    while content[at : at + 2] == b"\x02\x00" and len(content) >= at + 8:
        vr = content[at + 4 : at + 6]
        if vr in LONG_VRS:
            at += 12 + struct.unpack_from("<I", content, at + 8)[0]
        elif vr.isalpha() and vr.isupper():
            at += 8 + struct.unpack_from("<H", content, at + 6)[0]
        else:  # meta in Implicit VR: against the standard, and seen
            at += 8 + struct.unpack_from("<I", content, at + 4)[0]
    return min(at, len(content))


def data_set_of(file: bytes) -> bytes:
    """The data set of a file, byte for byte."""
    return file[meta_end(file) :]


def runs_past_the_end(data_set: bytes, transfer_syntax: str) -> bool:
    """True where an element claims more bytes than there are: a cut file."""
    explicit, order = transfer_syntax != IMPLICIT, ">" if transfer_syntax == BIG_ENDIAN else "<"
    if transfer_syntax == DEFLATED:
        inflater = zlib.decompressobj(-15)
        try:
            data_set = inflater.decompress(data_set)
        except zlib.error:
            return True
    at = 0
    while at + 8 <= len(data_set):
        group, element = struct.unpack_from(f"{order}HH", data_set, at)
        vr = data_set[at + 4 : at + 6]
        if explicit and group != 0xFFFE and vr in LONG_VRS:
            if at + 12 > len(data_set):
                return True
            length, value = struct.unpack_from(f"{order}I", data_set, at + 8)[0], at + 12
        elif explicit and group != 0xFFFE and vr.isalpha() and vr.isupper():
            length, value = struct.unpack_from(f"{order}H", data_set, at + 6)[0], at + 8
        else:
            length, value = struct.unpack_from(f"{order}I", data_set, at + 4)[0], at + 8
        # Undefined lengths are walked into: their delimiters are elements without a value here.
        at = value if length == UNDEFINED or (group, element) == (0xFFFE, 0xE000) and length == 0 else value + length
    return at > len(data_set)


def read(path: Path, name: str, expect: str | None = None) -> Sample:
    """The sample of a file; one that pydicom cannot read has no UIDs. Without `expect` it is found out."""
    content = path.read_bytes()
    try:
        ds = pydicom.dcmread(path, force=True, stop_before_pixels=True)
        meta = ds.file_meta

        def uid(source, keyword):
            return str(source.get(keyword, "") or "").rstrip("\0 ")

        transfer_syntax = uid(meta, "TransferSyntaxUID")
        if not transfer_syntax:
            little = {True: IMPLICIT, False: EXPLICIT}[bool(ds.original_encoding[0])]
            transfer_syntax = little if ds.original_encoding[1] else BIG_ENDIAN
        fields = {
            "transfer_syntax": transfer_syntax,
            "sop_class": uid(ds, "SOPClassUID"),
            "sop_instance": uid(ds, "SOPInstanceUID"),
            "study": uid(ds, "StudyInstanceUID"),
            "series": uid(ds, "SeriesInstanceUID"),
            "meta_sop_instance": uid(meta, "MediaStorageSOPInstanceUID"),
        }
    except Exception:  # pydicom raises what it likes on a damaged file
        names = ("transfer_syntax", "sop_class", "sop_instance", "study", "series", "meta_sop_instance")
        fields = dict.fromkeys(names, "")
        transfer_syntax = ""
    sample = Sample(name, path, content, meta_end(content), **fields, expect=expect or "lenient")
    if expect is None:
        sound = sample.identified and not runs_past_the_end(sample.data_set, transfer_syntax)
        honest = sample.meta_sop_instance in ("", sample.sop_instance)
        sample = Sample(**{**sample.__dict__, "expect": "store" if sound and honest else "lenient"})
    return sample


def unique(samples: list[Sample]) -> list[Sample]:
    """Samples of other bytes than those before them."""
    seen: set[bytes] = set()
    return [s for s in samples if not (s.content in seen or seen.add(s.content))]


@functools.cache
def pydicom_samples() -> tuple[Sample, ...]:
    """pydicom's own test files and those of pydicom-data that are installed; nothing is downloaded."""
    paths = {Path(name) for name in get_testdata_files() + get_charset_files()}
    try:
        import data_store

        paths |= {p for p in (Path(data_store.__file__).parent / "data").rglob("*") if p.is_file()}
    except ImportError:
        pass
    # What pydicom fetched on demand in an earlier run is not part of the set.
    samples = [read(path, path.name) for path in sorted(paths) if path.is_file()]
    return tuple(unique([s for s in samples if s.sop_class or s.sop_instance]))


@functools.cache
def corpus_samples() -> tuple[Sample, ...]:
    """The corpus by its manifest; empty where it is absent."""
    manifest = CORPUS / "manifest.csv"
    if not manifest.exists():
        return ()
    with manifest.open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    return tuple(read(CORPUS / row["file"], row["file"], row["expect"]) for row in rows)


def of_syntax(transfer_syntax: str) -> Sample | None:
    """A small sound sample of a transfer syntax, best one of pydicom's."""
    for samples in (pydicom_samples(), corpus_samples()):
        found = [s for s in samples if s.transfer_syntax == transfer_syntax and s.must_be_stored and s.is_file]
        if found:
            return min(found, key=lambda s: len(s.content))
    return None


def relabelled(sample: Sample, transfer_syntax: str) -> Sample:
    """Another instance with the sample's fragments, said to be of another compressed transfer syntax: for such as no
    file is at hand of. Senders do not look into it."""
    ds = pydicom.dcmread(sample.path)
    ds.SOPInstanceUID = generate_uid(entropy_srcs=[transfer_syntax])
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    ds.file_meta.TransferSyntaxUID = pydicom.uid.UID(transfer_syntax)
    out = io.BytesIO()
    ds.save_as(out)
    content = out.getvalue()
    fields = {"content": content, "data_set_at": meta_end(content), "transfer_syntax": transfer_syntax}
    fields |= {"sop_instance": str(ds.SOPInstanceUID), "meta_sop_instance": str(ds.SOPInstanceUID)}
    return Sample(**{**sample.__dict__, **fields})
