"""`pacs-server import`: folders of real files, also without preamble or meta, with and without a running server."""

import re
import shutil

import pydicom
import pytest
import requests
from pydicom.uid import generate_uid

from archive_server import ArchiveServer
from dicomweb_reader import comes_back
from refusals import expected
from samples import BIG_ENDIAN, CORPUS, EXPLICIT, IMPLICIT, corpus_samples, pydicom_samples


def write(folder, samples):
    """The samples as files in some levels of folders."""
    for number, sample in enumerate(samples):
        target = folder / f"d{number % 7}" / f"e{number % 3}"
        target.mkdir(parents=True, exist_ok=True)
        (target / f"{number:04}-{sample.path.name}").write_bytes(sample.content)


def table(output: str) -> dict[str, int]:
    """The counts of the table an import ends with."""
    names = "readable|stored|duplicates|versions|not DICOM|DICOMDIR|refused"
    rows = re.findall(rf"^\s*({names})\s+([0-9,]+)(?:\s|$)", output, re.M)
    assert rows, f"no table in:\n{output}"
    return {name: int(count.replace(",", "")) for name, count in rows}


def missing(server, samples) -> list[str]:
    """Samples that must be there and are not, byte for byte."""
    wrong = []
    for sample in samples:
        if expected(sample) is None:
            try:
                way = comes_back(server, sample)
            except AssertionError as error:
                way = str(error)
            if way not in ("served", "version"):
                wrong.append(f"{sample.name}: {way}")
    return wrong


def check_refusals(output: str, samples, refused):
    """As many refused as are listed, each for a reason that is listed, and the reasons in the report."""
    counts = table(output)
    listed = [refusal for sample in samples if (refusal := expected(sample))]
    directories = [refusal for refusal in listed if refusal.failure_reason == 0x0122]
    assert counts["DICOMDIR"] == len(directories)
    assert counts["refused"] == len(listed) - len(directories), output
    told = re.findall(r"^  refused ([0-9,]+): (.*)$", output, re.M)
    assert sum(int(count.replace(",", "")) for count, _ in told) == counts["refused"], output
    for count, reason in told:
        refused("import", f"{count} files", reason)
        assert any(reason.startswith(refusal.told) for refusal in listed if refusal.told), reason


def test_import_of_the_pydicom_files(fresh_server, tmp_path, refused):
    samples = pydicom_samples()
    write(tmp_path / "disc", samples)
    (tmp_path / "disc" / "README.txt").write_text("Not DICOM.\n" * 100)
    (tmp_path / "disc" / "empty").touch()
    (tmp_path / "disc" / "round").symlink_to(tmp_path / "disc", target_is_directory=True)
    result = fresh_server.command("import", tmp_path / "disc")
    first = table(result.stdout + result.stderr)
    assert not (wrong := missing(fresh_server, samples)), "\n".join(wrong)
    assert first["not DICOM"] == 2
    check_refusals(result.stdout + result.stderr, samples, refused)

    again = table_of(fresh_server, tmp_path / "disc", "--from-start")
    assert again["stored"] == 0
    assert again["duplicates"] == first["stored"] + first["versions"] + first["duplicates"]


def table_of(server, *arguments) -> dict[str, int]:
    result = server.command("import", *arguments)
    return table(result.stdout + result.stderr)


def test_files_without_preamble_or_meta(fresh_server, tmp_path):
    """The same instance three ways: whole, from `DICM` on, and as a bare data set."""
    chosen = []
    for syntax in (IMPLICIT, EXPLICIT, BIG_ENDIAN):
        found = [s for s in pydicom_samples() if s.must_be_stored and s.is_file and s.transfer_syntax == syntax]
        assert found, syntax
        chosen += sorted(found, key=lambda s: len(s.content))[:6]
    folder = tmp_path / "bare"
    folder.mkdir()
    for number, sample in enumerate(chosen):
        (folder / f"{number}-no-preamble").write_bytes(sample.content[128:])
        (folder / f"{number}-no-meta").write_bytes(sample.data_set)
    counts = table_of(fresh_server, folder)
    assert counts["refused"] == 0 and counts["not DICOM"] == 0, counts
    assert not (wrong := missing(fresh_server, chosen)), "\n".join(wrong)


def test_import_of_the_corpus(fresh_server, refused):
    samples = corpus_samples()
    if not samples:
        pytest.skip(f"no corpus at {CORPUS}")
    result = fresh_server.command("import", CORPUS)
    assert not (wrong := missing(fresh_server, samples)), "\n".join(wrong)
    check_refusals(result.stdout + result.stderr, samples, refused)


def test_import_without_a_running_server(tmp_path):
    samples = [s for s in pydicom_samples() if s.must_be_stored][:20]
    write(tmp_path / "disc", samples)
    server = ArchiveServer(tmp_path / "archive")
    server.folder.mkdir()
    result = server.command("import", tmp_path / "disc")
    assert result.returncode == 0, result.stdout + result.stderr
    server.start()
    try:
        assert not (wrong := missing(server, samples)), "\n".join(wrong)
    finally:
        server.stop()


def test_dry_run_stores_nothing(fresh_server, tmp_path):
    samples = [s for s in pydicom_samples() if s.must_be_stored][:10]
    write(tmp_path / "disc", samples)
    counts = table_of(fresh_server, "--dry-run", tmp_path / "disc")
    assert counts["readable"] == len(samples)
    response = requests.get(f"{fresh_server.web}/studies", headers={"Accept": "application/dicom+json"}, timeout=60)
    assert response.status_code == 204 or response.json() == []


def test_a_broken_file_is_refused_with_a_reason_and_stops_nobody(fresh_server, tmp_path):
    samples = [s for s in pydicom_samples() if s.must_be_stored and s.is_file][:5]
    write(tmp_path / "disc", samples)
    (tmp_path / "disc" / "cut.dcm").write_bytes(samples[0].content[:-11])
    result = fresh_server.command("import", tmp_path / "disc")
    counts = table(result.stdout + result.stderr)
    assert result.returncode != 0
    assert counts["refused"] == 1, result.stdout
    assert "cut.dcm" in result.stdout + result.stderr
    assert not (wrong := missing(fresh_server, samples)), "\n".join(wrong)


def test_what_is_imported_survives_a_restart(tmp_path):
    samples = [s for s in pydicom_samples() if s.must_be_stored][:20]
    write(tmp_path / "disc", samples)
    server = ArchiveServer(tmp_path / "archive").start()
    server.command("import", tmp_path / "disc")
    assert server.stop() == 0
    server.start()
    try:
        assert not (wrong := missing(server, samples)), "\n".join(wrong)
    finally:
        server.stop()
    for index in (tmp_path / "archive" / "data").glob("index.sqlite*"):
        index.unlink()
    rebuilt = server.command("rebuild")
    assert rebuilt.returncode == 0, rebuilt.stdout + rebuilt.stderr
    server.start()
    try:
        assert not (wrong := missing(server, samples)), "\n".join(wrong)
    finally:
        server.stop()
    shutil.rmtree(tmp_path / "archive")


def studies(server, **query) -> list[dict]:
    """The rows of a search for studies."""
    headers = {"Accept": "application/dicom+json"}
    response = requests.get(f"{server.web}/studies", params=query, headers=headers, timeout=60)
    assert response.status_code == 200, response.text[:300]
    return response.json()


def test_the_issuer_is_that_of_files_that_name_none(fresh_server, tmp_path):
    sample = next(s for s in pydicom_samples() if s.must_be_stored and s.name == "CT_small.dcm")
    bare = pydicom.dcmread(sample.path)
    assert "IssuerOfPatientID" not in bare
    named = pydicom.dcmread(sample.path)
    named.IssuerOfPatientID = "OTHER"
    named.SOPInstanceUID = named.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    named.StudyInstanceUID, named.SeriesInstanceUID = generate_uid(), generate_uid()
    folder = tmp_path / "disc"
    folder.mkdir()
    (folder / "bare.dcm").write_bytes(sample.content)
    named.save_as(folder / "named.dcm")
    counts = table_of(fresh_server, "--issuer", "79001", "--source", "disc 7", folder)
    assert counts["stored"] == 2
    for issuer, ds in (("79001", bare), ("OTHER", named)):
        rows = studies(fresh_server, PatientID=bare.PatientID, IssuerOfPatientID=issuer)
        assert [row["0020000D"]["Value"] for row in rows] == [[ds.StudyInstanceUID]], issuer
    assert len(studies(fresh_server, PatientID=bare.PatientID)) == 2
    # What is stored and sent is what the file had.
    assert comes_back(fresh_server, sample) == "served"
