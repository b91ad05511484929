"""Reading back: WADO-RS by hand, so that no library touches the bytes, and the list of versions."""

import email.parser
import io
import re

import pydicom
import requests

from samples import data_set_of

TIMEOUT = 120
AS_STORED = 'multipart/related; type="application/dicom"; transfer-syntax=*'


def parts(response: requests.Response) -> list[tuple[dict[str, str], bytes]]:
    """Headers and body of each part of a multipart/related answer (RFC 2046 5.1)."""
    kind = response.headers["Content-Type"]
    found = re.search(r'boundary="?([^";]+)"?', kind)
    assert kind.lower().startswith("multipart/related") and found, kind
    boundary = b"--" + found.group(1).encode()
    body = b"\r\n" + response.content
    pieces = body.split(b"\r\n" + boundary)
    assert pieces[-1].startswith(b"--"), "no closing boundary: the answer was cut"
    out = []
    for piece in pieces[1:-1]:
        head, _, content = piece.partition(b"\r\n\r\n")
        headers = email.parser.Parser().parsestr(head.decode().lstrip())
        out.append(({name.lower(): value for name, value in headers.items()}, content))
    return out


def files(url: str) -> list[bytes]:
    """All Part 10 files behind a study, series or instance resource, as stored."""
    response = requests.get(url, headers={"Accept": AS_STORED}, timeout=TIMEOUT)
    assert response.status_code == 200, f"{url}: {response.status_code} {response.text[:300]}"
    return [content for _, content in parts(response)]


def transfer_syntax_of(file: bytes) -> str:
    """Transfer Syntax UID (0002,0010) of a Part 10 file."""
    return str(pydicom.dcmread(io.BytesIO(file), stop_before_pixels=True).file_meta.TransferSyntaxUID)


def instance_url(server, sample) -> str:
    return f"{server.web}/studies/{sample.study}/series/{sample.series}/instances/{sample.sop_instance}"


def versions(server, sop_instance: str) -> list[dict]:
    """What the archive has under a SOP Instance UID."""
    response = requests.get(f"{server.base}/api/v1/instances/{sop_instance}/versions", timeout=TIMEOUT)
    assert response.status_code == 200, f"{response.status_code} {response.text[:300]}"
    return response.json()


def version_file(server, sop_instance: str, digest: str) -> bytes:
    url = f"{server.base}/api/v1/instances/{sop_instance}/versions/{digest}"
    response = requests.get(url, timeout=TIMEOUT)
    assert response.status_code == 200, f"{url}: {response.status_code} {response.text[:300]}"
    return response.content


def comes_back(server, sample, data_set: bytes | None = None) -> str:
    """How the data set is reachable, byte for byte: "served", "version", or what came instead."""
    wanted = sample.data_set if data_set is None else data_set
    response = requests.get(instance_url(server, sample), headers={"Accept": AS_STORED}, timeout=TIMEOUT)
    if response.status_code == 200:
        for headers, content in parts(response):
            assert headers.get("content-type", "").startswith("application/dicom"), headers
            if data_set_of(content) == wanted:
                return "served"
    for version in versions(server, sample.sop_instance):
        if data_set_of(version_file(server, sample.sop_instance, version["digest"])) == wanted:
            return "version"
    return f"HTTP {response.status_code} and no version with the same bytes"


def retrieve_syntax(server, sample) -> str | None:
    """The transfer syntax the part's own header names, where it names one."""
    response = requests.get(instance_url(server, sample), headers={"Accept": AS_STORED}, timeout=TIMEOUT)
    if response.status_code != 200:
        return None
    found = re.search(r"transfer-syntax=\"?([0-9.]+)", parts(response)[0][0].get("content-type", ""))
    return found.group(1) if found else None
