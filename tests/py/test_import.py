"""`pacs-server import`: folders of real files, also such without preamble or meta, with and without a running server."""

import re
import shutil

import pytest
import requests

from archive_server import ArchiveServer
from dicomweb_reader import comes_back
from samples import CORPUS, corpus_samples, pydicom_samples


def write(folder, samples):
    """The samples as files in some levels of folders."""
    for number, sample in enumerate(samples):
        target = folder / f"d{number % 7}" / f"e{number % 3}"
        target.mkdir(parents=True, exist_ok=True)
        (target / f"{number:04}-{sample.path.name}").write_bytes(sample.content)


def table(output: str) -> dict[str, int]:
    """The counts of the table an import ends with."""
    rows = re.findall(r"^\s*(readable|stored|duplicates|versions|not DICOM|DICOMDIR|refused)\s+([0-9,]+)", output, re.M)
    assert rows, f"no table in:\n{output}"
    return {name: int(count.replace(",", "")) for name, count in rows}


def missing(server, samples) -> list[str]:
    """Samples that must be there and are not, byte for byte."""
    wrong = []
    for sample in samples:
        if sample.must_be_stored:
            try:
                way = comes_back(server, sample)
            except AssertionError as error:
                way = str(error)
            if way not in ("served", "version"):
                wrong.append(f"{sample.name}: {way}")
    return wrong


def test_import_of_the_pydicom_files(fresh_server, tmp_path, refused):
    samples = pydicom_samples()
    write(tmp_path / "disc", samples)
    (tmp_path / "disc" / "README.txt").write_text("Not DICOM.\n" * 100)
    (tmp_path / "disc" / "empty").touch()
    (tmp_path / "disc" / "round").symlink_to(tmp_path / "disc", target_is_directory=True)
    result = fresh_server.command("import", tmp_path / "disc")
    first = table(result.stdout + result.stderr)
    assert not (wrong := missing(fresh_server, samples)), "\n".join(wrong)
    assert first["not DICOM"] >= 2
    for line in (result.stdout + result.stderr).splitlines():
        if re.match(r"\s+[0-9,]+\s+\S", line):
            refused("import", "", line.strip())

    again = table_of(fresh_server, tmp_path / "disc", "--from-start")
    assert again["stored"] == 0
    assert again["duplicates"] == first["stored"] + first["versions"] + first["duplicates"]


def table_of(server, *arguments) -> dict[str, int]:
    result = server.command("import", *arguments)
    return table(result.stdout + result.stderr)


def test_files_without_preamble_or_meta(fresh_server, tmp_path):
    """The same instance three ways: whole, from `DICM` on, and as a bare data set."""
    plain = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2")
    chosen = [s for s in pydicom_samples() if s.must_be_stored and s.transfer_syntax in plain]
    chosen = [s for s in chosen if s.content[128:132] == b"DICM" and len(s.content) < 200_000][:12]
    assert {s.transfer_syntax for s in chosen} >= set(plain[:2])
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
    counts = table(result.stdout + result.stderr)
    assert counts["DICOMDIR"] >= 3
    assert not (wrong := missing(fresh_server, samples)), "\n".join(wrong)
    refused("import", "corpus", str(counts))


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
    samples = [s for s in pydicom_samples() if s.must_be_stored and s.content[128:132] == b"DICM"][:5]
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
