"""`pacs-server import` of what `fixtures` makes: the demo studies, and hostile files."""

import json
import os
import subprocess
from pathlib import Path

import pytest
import requests

from dicomweb_reader import TIMEOUT, version_file
from samples import UID_TEXT, data_set_of
from test_import import studies, table

FIXTURES = os.environ.get("FIXTURES_BIN")
pytestmark = pytest.mark.skipif(not FIXTURES, reason="FIXTURES_BIN does not name the generator")


def generate(folder: Path, *arguments: str) -> Path:
    """A folder with what the generator makes."""
    subprocess.run([FIXTURES, *arguments, "--out", folder], check=True, capture_output=True, timeout=300)
    return folder


def resident_bytes(server) -> int:
    """Memory that the server holds (VmRSS)."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) * 1024


def kept(server, sop_instance: str, data_set: bytes) -> bool:
    """Whether a version under this SOP Instance UID has these bytes."""
    response = requests.get(f"{server.base}/api/v1/instances/{sop_instance}/versions", timeout=TIMEOUT)
    assert response.status_code in (200, 404), response.text[:300]
    found = response.json() if response.status_code == 200 else []
    return any(data_set_of(version_file(server, sop_instance, v["digest"])) == data_set for v in found)


def test_demo_studies_are_found_by_name(fresh_server, tmp_path):
    folder = generate(tmp_path / "demo", "demo", "--scale", "small")
    count = sum(1 for path in folder.rglob("*.dcm"))
    result = fresh_server.command("import", folder, "--source", "demo")
    assert result.returncode == 0, result.stdout + result.stderr
    counts = table(result.stdout + result.stderr)
    assert (counts["stored"], counts["duplicates"], counts["versions"]) == (count, 0, 0)
    rows = studies(fresh_server)
    assert len(rows) > 3
    assert {modality for row in rows for modality in row["00080061"]["Value"]} >= {"CT", "MR", "DX"}
    for row in rows:
        name = row["00100010"]["Value"][0]["Alphabetic"]
        found = studies(fresh_server, PatientName=name.replace("^", " ").lower())
        assert row["0020000D"] in [other["0020000D"] for other in found], name
    again = table(fresh_server.command("import", folder, "--from-start").stdout)
    assert (again["stored"], again["duplicates"], again["versions"]) == (0, count, 0)


def test_hostile_files_harm_nobody(fresh_server, tmp_path):
    folder = generate(tmp_path / "hostile", "hostile")
    cases = [case for case in json.loads((folder / "hostile.json").read_text()) if case["answer"]]
    before = resident_bytes(fresh_server)
    result = fresh_server.command("import", folder)
    assert fresh_server.alive()
    assert resident_bytes(fresh_server) < before + 100_000_000
    wrong = []
    for case in cases:
        if not UID_TEXT.fullmatch(case["sop_instance"]):
            continue
        data_set = (folder / case["file"]).read_bytes()[case["data_set_offset"] :]
        is_kept = kept(fresh_server, case["sop_instance"], data_set)
        # An import takes what the data set says where the file meta says otherwise; STOW-RS refuses that.
        answer = "either" if case["attack"] == "A15" else case["answer"]
        if answer != "either" and is_kept != (answer == "store"):
            wrong.append(f"{case['file']} ({case['attack']}): {'kept' if is_kept else 'not kept'}, {answer} expected")
    assert not wrong, "\n".join(wrong) + result.stdout
    counts = table(result.stdout + result.stderr)
    refusals = sum(case["answer"] == "refuse" and case["attack"] != "A15" for case in cases)
    assert counts["refused"] + counts["not DICOM"] + counts["DICOMDIR"] >= refusals
    assert requests.get(f"{fresh_server.base}/readyz", timeout=TIMEOUT).status_code == 200
