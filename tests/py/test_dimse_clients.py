"""C-STORE by DCMTK's storescu and by pynetdicom; what comes back by WADO-RS is what was sent, byte for byte."""

import functools
import itertools
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import pydicom
import pytest
from pynetdicom import AE, _config

from archive_server import free_port
from dicomweb_reader import comes_back, files, instance_url, transfer_syntax_of, versions
from dimse_sender import Sender
from refusals import expected
from samples import (
    CORPUS,
    EXPLICIT,
    JPEG_BASELINE,
    Sample,
    corpus_samples,
    data_set_of,
    of_syntax,
    pydicom_samples,
    relabelled,
)

STORESCU = shutil.which("storescu")
STORESCP = shutil.which("storescp")
needs_dcmtk = pytest.mark.skipif(not (STORESCU and STORESCP), reason="DCMTK is not installed")

# Each proposal option of storescu and the transfer syntax it is for.
PROPOSALS = {
    "-x=": EXPLICIT,
    "-xe": EXPLICIT,
    "-xb": "1.2.840.10008.1.2.2",
    "-xi": "1.2.840.10008.1.2",
    "-xs": "1.2.840.10008.1.2.4.70",
    "-xy": "1.2.840.10008.1.2.4.50",
    "-xx": "1.2.840.10008.1.2.4.51",
    "-xv": "1.2.840.10008.1.2.4.90",
    "-xw": "1.2.840.10008.1.2.4.91",
    "-xt": "1.2.840.10008.1.2.4.80",
    "-xu": "1.2.840.10008.1.2.4.81",
    "-xm": "1.2.840.10008.1.2.4.100",
    "-xh": "1.2.840.10008.1.2.4.101",
    "-xn": "1.2.840.10008.1.2.4.102",
    "-xl": "1.2.840.10008.1.2.4.103",
    "-x2": "1.2.840.10008.1.2.4.104",
    "-x3": "1.2.840.10008.1.2.4.105",
    "-xo": "1.2.840.10008.1.2.4.106",
    "-x4": "1.2.840.10008.1.2.4.107",
    "-x5": "1.2.840.10008.1.2.4.108",
    "-xr": "1.2.840.10008.1.2.5",
    "-xd": "1.2.840.10008.1.2.1.99",
}
# These propose nothing but their own syntax, and video is of SOP classes that only -R proposes.
ALONE = {"-xi", "-xm", "-xh", "-xn", "-xl", "-x2", "-x3", "-xo", "-x4", "-x5"}

OTHERS = [
    ["-R"],
    ["-R", "+C"],
    ["+C"],
    ["-u"],
    ["-pdu", "4096"],
    ["-pdu", "131072"],
    ["--max-send-pdu", "4096"],
    ["--repeat", "3"],
    ["+II"],
    ["-usr", "technician"],
    ["-usr", "technician", "-pwd", "secret"],
    ["-aet", "CT1", "-aec", "PACS"],
    ["-nh", "-up"],
    ["--abort"],
    ["+v", "-v"],
]


def storescu(port: int, *arguments, timeout: float = 300) -> subprocess.CompletedProcess:
    command = [STORESCU, *map(str, arguments)]
    at = next((i for i, a in enumerate(command[1:], 1) if a == "--"), None)
    options, names = (command[:at], command[at + 1 :]) if at else (command, [])
    return subprocess.run(
        [*options, "127.0.0.1", str(port), *names], capture_output=True, text=True, errors="replace", timeout=timeout
    )


def copy(folder: Path, *samples: Sample) -> list[Path]:
    """Files of the samples in a folder, names made plain."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number, sample in enumerate(samples):
        path = folder / f"{number:04}.dcm"
        path.write_bytes(sample.content)
        paths.append(path)
    return paths


class Recorder:
    """DCMTK's own storescp, which keeps exactly the bytes that storescu sends: what the archive is compared with."""

    def __init__(self, folder: Path):
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.port = folder, free_port()
        self.process = subprocess.Popen(
            [STORESCP, "+xa", "+B", "-uf", "-od", folder, str(self.port)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def __enter__(self):
        deadline = time.monotonic() + 10
        echo = ["echoscu", "127.0.0.1", str(self.port)]
        while subprocess.run(echo, capture_output=True).returncode != 0:
            assert time.monotonic() < deadline, "storescp does not answer"
            time.sleep(0.05)
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(10)

    def received(self) -> dict[str, list[tuple[str, bytes]]]:
        """Transfer syntax and data set of what came, by SOP Instance UID."""
        found: dict[str, list[tuple[str, bytes]]] = {}
        for path in self.folder.iterdir():
            meta = pydicom.filereader.read_file_meta_info(path)
            entry = (str(meta.TransferSyntaxUID), data_set_of(path.read_bytes()))
            found.setdefault(str(meta.MediaStorageSOPInstanceUID), []).append(entry)
        return found


def assert_same_as_recorded(server, recorder: Recorder, samples):
    """The archive has what the recorder has, wherever both were sent the same transfer syntax."""
    received = recorder.received()
    compared = 0
    for sample in samples:
        for syntax, data_set in received.get(sample.sop_instance, []):
            stored = files(instance_url(server, sample))
            if any(transfer_syntax_of(file) == syntax for file in stored):
                assert comes_back(server, sample, data_set) in ("served", "version"), sample.name
                compared += 1
    return compared


@functools.cache
def uncompressed(count: int) -> list[Sample]:
    """Small sound uncompressed samples of instances of their own that storescu sends without further options."""
    return sendable_by_default()[:count]


@functools.cache
def sendable_by_default() -> list[Sample]:
    """What arrives at DCMTK's own receiver: storescu proposes a list of SOP classes that lacks newer and older ones."""
    candidates: dict[str, Sample] = {}
    for sample in sorted(pydicom_samples(), key=lambda s: len(s.content)):
        if sample.transfer_syntax == EXPLICIT and sample.is_file and sample.must_be_stored:
            candidates.setdefault(sample.sop_instance, sample)
    with tempfile.TemporaryDirectory() as folder, Recorder(Path(folder) / "recorded") as recorder:
        storescu(recorder.port, "-nh", "--", *copy(Path(folder) / "in", *candidates.values()))
        received = recorder.received()
    by_class: dict[str, list[Sample]] = {}
    for sop_instance, sample in candidates.items():
        if sop_instance in received:
            by_class.setdefault(sample.sop_class, []).append(sample)
    # One of each class, then a second one of each, and so on.
    turns = itertools.zip_longest(*by_class.values())
    return [sample for turn in turns for sample in turn if sample]


@needs_dcmtk
def test_echo(server):
    result = subprocess.run(
        ["echoscu", "-aec", "PACS", "127.0.0.1", str(server.dimse_port)], capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr


@needs_dcmtk
def test_storescu_as_it_comes(server, tmp_path):
    samples = uncompressed(20)
    assert len(samples) >= 5
    paths = copy(tmp_path / "in", *samples)
    result = storescu(server.dimse_port, "--", *paths)
    assert result.returncode == 0, result.stderr + result.stdout
    with Recorder(tmp_path / "recorded") as recorder:
        assert storescu(recorder.port, "--", *paths).returncode == 0
        assert assert_same_as_recorded(server, recorder, samples) > 0


@needs_dcmtk
def test_storescu_scans_directories(server, tmp_path):
    samples = uncompressed(12)
    copy(tmp_path / "in", *samples[:4])
    copy(tmp_path / "in" / "a", *samples[4:8])
    copy(tmp_path / "in" / "a" / "b b", *samples[8:])
    result = storescu(server.dimse_port, "+sd", "+r", "-aec", "PACS", "--", tmp_path / "in")
    assert result.returncode == 0, result.stderr + result.stdout
    with Recorder(tmp_path / "recorded") as recorder:
        assert storescu(recorder.port, "+sd", "+r", "--", tmp_path / "in").returncode == 0
        assert len(recorder.received()) == len(samples)
        assert assert_same_as_recorded(server, recorder, samples) > 0


@needs_dcmtk
@pytest.mark.parametrize("option", PROPOSALS)
def test_storescu_proposal(server, tmp_path, option):
    own = of_syntax(PROPOSALS[option]) or relabelled(of_syntax(JPEG_BASELINE), PROPOSALS[option])
    samples = [own] if option in ALONE else [own, *uncompressed(2)]
    options = [option, "-R"] if option in ALONE else [option]
    paths = copy(tmp_path / "in", *samples)
    with Recorder(tmp_path / "recorded") as recorder:
        reference = storescu(recorder.port, *options, "--", *paths)
        # What DCMTK's own receiver does not get from this client and file says nothing about the archive.
        if reference.returncode != 0:
            pytest.skip(f"storescu cannot send {own.name} with {option}: {reference.stderr.strip()[-200:]}")
        result = storescu(server.dimse_port, *options, "--", *paths)
        assert result.returncode == 0, result.stderr + result.stdout
        for sample in samples:
            assert files(instance_url(server, sample)), sample.name
        assert assert_same_as_recorded(server, recorder, samples) > 0


@needs_dcmtk
def test_storescu_profile_of_a_configuration_file(server, tmp_path):
    samples = uncompressed(4)
    contexts = "\n".join(
        f"PresentationContext{n} = {sop_class}\\Uncompressed"
        for n, sop_class in enumerate(sorted({s.sop_class for s in samples}), 1)
    )
    profile = tmp_path / "storescu.cfg"
    profile.write_text(
        "[[TransferSyntaxes]]\n[Uncompressed]\nTransferSyntax1 = LocalEndianExplicit\n"
        "TransferSyntax2 = OppositeEndianExplicit\nTransferSyntax3 = LittleEndianImplicit\n"
        f"[[PresentationContexts]]\n[Storage]\n{contexts}\n"
        "[[Profiles]]\n[Default]\nPresentationContexts = Storage\n"
    )
    paths = copy(tmp_path / "in", *samples)
    result = storescu(server.dimse_port, "-xf", profile, "Default", "--", *paths)
    assert result.returncode == 0, result.stderr + result.stdout
    for sample in samples:
        assert files(instance_url(server, sample)), sample.name


@needs_dcmtk
@pytest.mark.parametrize("options", OTHERS, ids=" ".join)
def test_storescu_other_options(server, tmp_path, options):
    samples = uncompressed(3)
    result = storescu(server.dimse_port, *options, "--", *copy(tmp_path / "in", *samples))
    assert result.returncode == 0, result.stderr + result.stdout
    if "+II" not in options:
        for sample in samples:
            assert files(instance_url(server, sample)), sample.name


@needs_dcmtk
def test_many_storescu_at_once(server, tmp_path):
    paths = copy(tmp_path / "in", *uncompressed(4))
    senders = [
        subprocess.Popen(
            [STORESCU, "--repeat", "5", "127.0.0.1", str(server.dimse_port), *map(str, paths)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for _ in range(16)
    ]
    assert [sender.wait(120) for sender in senders] == [0] * 16


def check_all(server, refused, client: str, samples):
    """Sends all; each is stored and comes back, or is refused as listed. Returns what must not have happened."""
    wrong, stored = [], []
    for sample, outcome in Sender(server.dimse_port).send([s for s in samples if s.sendable]):
        refusal = expected(sample)
        if outcome.stored:
            stored.append(sample)
            if refusal:
                wrong.append(f"{sample.name}: stored, and listed as refused: {refusal.why}")
            continue
        refused(client, sample.name, f"{outcome}; {refusal.why}" if refusal else str(outcome))
        if refusal is None:
            wrong.append(f"{sample.name}: refused, {outcome}")
        elif outcome.context_accepted and (outcome.status is None or not outcome.comment.startswith(refusal.told)):
            wrong.append(f"{sample.name}: {outcome}, not {refusal.told!r}")
    for sample in stored:
        way = comes_back(server, sample)
        if way not in ("served", "version"):
            wrong.append(f"{sample.name}: {way}")
    for sample in samples:
        if not sample.sendable:
            refused(client, sample.name, "not sent: a UID of the command is missing or is none")
            if expected(sample) is None:
                wrong.append(f"{sample.name}: cannot be sent, and is not listed")
    return stored, wrong


def test_pynetdicom_sends_the_pydicom_files(server, refused):
    samples = pydicom_samples()
    assert len(samples) > 100
    stored, wrong = check_all(server, refused, "pynetdicom", samples)
    assert not wrong, "\n".join(wrong)
    assert len(stored) > 0.8 * len(samples)


def test_pynetdicom_sends_the_corpus(server, refused):
    samples = corpus_samples()
    if not samples:
        pytest.skip(f"no corpus at {CORPUS}")
    stored, wrong = check_all(server, refused, "pynetdicom", samples)
    assert not wrong, "\n".join(wrong)
    assert len(stored) >= len([s for s in samples if s.must_be_stored])


def test_files_that_share_a_uid_are_versions(server):
    """After the two tests above: each content under a SOP Instance UID of several is listed and fetched."""
    outcomes = list(Sender(server.dimse_port).send([s for s in pydicom_samples() if s.must_be_stored]))
    by_uid: dict[str, list[Sample]] = {}
    for sample, outcome in outcomes:
        assert outcome.stored, f"{sample.name}: {outcome}"
        by_uid.setdefault(sample.sop_instance, []).append(sample)
    shared = {uid: group for uid, group in by_uid.items() if len({(s.data_set, s.transfer_syntax) for s in group}) > 1}
    assert shared, "no two files of one UID: nothing was tested"
    for uid, group in shared.items():
        listed = versions(server, uid)
        assert len(listed) >= len({(s.data_set, s.transfer_syntax) for s in group}), uid
        assert len({v["digest"] for v in listed}) == len(listed)
        assert any(v["served"] for v in listed)
        for sample in group:
            assert comes_back(server, sample) in ("served", "version"), sample.name


def test_pynetdicom_sends_a_path_in_chunks(server, monkeypatch):
    monkeypatch.setattr(_config, "STORE_SEND_CHUNKED_DATASET", True)
    sample = of_syntax(EXPLICIT)
    ae = AE(ae_title="CHUNKS")
    ae.add_requested_context(sample.sop_class, sample.transfer_syntax)
    association = ae.associate("127.0.0.1", server.dimse_port, ae_title="PACS", max_pdu=4096)
    assert association.is_established
    status = association.send_c_store(sample.path)
    association.release()
    assert status.Status == 0x0000
    assert comes_back(server, sample) in ("served", "version")


def test_another_instance_in_the_command_is_refused(server, refused):
    sample = of_syntax(EXPLICIT)
    lie = Sample(**{**sample.__dict__, "sop_instance": "2.25.7777777777777777"})
    [(_, outcome)] = Sender(server.dimse_port).send([lie])
    assert outcome.status == 0xA900 and outcome.comment, str(outcome)
    refused("pynetdicom", "command of another instance", str(outcome))


def test_the_same_again_is_success_and_no_version(server):
    sample = of_syntax(EXPLICIT)
    before = None
    for _ in range(3):
        [(_, outcome)] = Sender(server.dimse_port).send([sample])
        assert outcome.status == 0x0000
        listed = versions(server, sample.sop_instance)
        assert before is None or listed == before
        before = listed
