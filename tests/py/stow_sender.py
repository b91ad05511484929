"""STOW-RS by hand: small files made up for a test, multipart bodies, and what the answer says."""

import io

import pydicom
import requests
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

TIMEOUT = 300
JSON = "application/dicom+json"
FAILED, STORED, OTHERS, REASON, WARNING = "00081198", "00081199", "0008119A", "00081197", "00081196"


def body(parts, boundary: str, part_type="application/dicom", preamble=b"", epilogue=b"", end=b"--\r\n") -> bytes:
    """A multipart/related body (RFC 2387) of files."""
    head = f"Content-Type: {part_type}\r\n".encode() if part_type else b""
    out = preamble
    for part in parts:
        out += f"--{boundary}\r\n".encode() + head + b"\r\n" + part + b"\r\n"
    return out + f"--{boundary}".encode() + end + epilogue


def post(server, content, content_type=None, boundary="b0undary", study=None, **more) -> requests.Response:
    kind = content_type or f'multipart/related; type="application/dicom"; boundary={boundary}'
    url = f"{server.web}/studies" + (f"/{study}" if study else "")
    return requests.post(url, data=content, headers={"Content-Type": kind, "Accept": JSON}, timeout=TIMEOUT, **more)


def results(response: requests.Response) -> tuple[dict[str, list], dict[str, list[int]]]:
    """By SOP Instance UID the warnings (None where there is none) of what is stored and the failure reasons of what
    is not (PS3.18 I.2); under "" those of parts that could not be told apart (Other Failures Sequence)."""
    assert response.headers["Content-Type"] == JSON, response.headers
    answer = response.json()

    def by_uid(tag, what):
        found = {}
        for row in answer.get(tag, {}).get("Value", []):
            uid = (row.get("00081155", {}).get("Value") or [""])[0]
            found.setdefault(uid, []).extend(row.get(what, {}).get("Value", [None]))
        return found

    return by_uid(STORED, WARNING), by_uid(FAILED, REASON) | by_uid(OTHERS, REASON)


def image(**attributes) -> tuple[bytes, Dataset]:
    """A small file of its own; attributes by keyword."""
    ds = Dataset()
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.SOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    ds.SOPInstanceUID, ds.StudyInstanceUID, ds.SeriesInstanceUID = generate_uid(), generate_uid(), generate_uid()
    ds.PatientName, ds.PatientID = "DU LIEU^GIA", "STOW"
    ds.StudyDate, ds.StudyTime, ds.Modality = "20260105", "101500", "OT"
    ds.Rows = ds.Columns = 4
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated = ds.BitsStored = 8
    ds.HighBit, ds.PixelRepresentation = 7, 0
    ds.PixelData = bytes(range(16))
    for keyword, value in attributes.items():
        setattr(ds, keyword, value)
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    out = io.BytesIO()
    pydicom.dcmwrite(out, ds, enforce_file_format=True)
    return out.getvalue(), ds
