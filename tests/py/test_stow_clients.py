"""STOW-RS by dicomweb-client and by hand; WADO-RS gives the same bytes back."""

import uuid

import pydicom
import pytest
import requests
from dicomweb_client.api import DICOMwebClient
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from dicomweb_reader import comes_back, files
from refusals import expected
from samples import CORPUS, EXPLICIT, corpus_samples, data_set_of, of_syntax, pydicom_samples
from stow_sender import JSON, TIMEOUT, body, image, post, results


def assert_stored(server, ds: Dataset, file: bytes):
    url = f"{server.web}/studies/{ds.StudyInstanceUID}/series/{ds.SeriesInstanceUID}/instances/{ds.SOPInstanceUID}"
    assert [data_set_of(f) for f in files(url)] == [data_set_of(file)]


def test_dicomweb_client_stores_and_finds(server):
    client = DICOMwebClient(url=server.web)
    sent = [image(PatientID=f"CLIENT{n}")[1] for n in range(5)]
    answer = client.store_instances(sent)
    assert len(answer.ReferencedSOPSequence) == 5
    assert "FailedSOPSequence" not in answer
    for ds in sent:
        back = client.retrieve_instance(ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.SOPInstanceUID)
        assert back == ds
        assert client.search_for_studies(search_filters={"PatientID": ds.PatientID})
        metadata = client.retrieve_instance_metadata(ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.SOPInstanceUID)
        assert metadata["00080018"]["Value"] == [ds.SOPInstanceUID]


def test_dicomweb_client_stores_real_files(server):
    client = DICOMwebClient(url=server.web)
    chosen = {s.sop_instance: s for s in pydicom_samples() if s.must_be_stored and s.is_file}
    chosen = [s for s in chosen.values() if len(s.content) < 300_000]
    # What pydicom gives up reading it would send as an empty data set.
    sent = [ds for s in chosen if "SOPInstanceUID" in (ds := pydicom.dcmread(s.path))][:40]
    answer = client.store_instances(sent)
    assert len(answer.ReferencedSOPSequence) == len(sent)
    assert "FailedSOPSequence" not in answer
    for ds in sent:
        back = client.retrieve_instance(ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.SOPInstanceUID)
        assert back.SOPInstanceUID == ds.SOPInstanceUID
        assert back.get("PixelData") == ds.get("PixelData"), ds.SOPInstanceUID


def test_media_type_is_exactly_dicom_json(server):
    """dicomweb-client compares the whole header: a parameter would make it throw the answer away."""
    file, ds = image()
    assert post(server, body([file], "b0undary")).headers["Content-Type"] == JSON
    study = f"{server.web}/studies/{ds.StudyInstanceUID}"
    for url in (f"{server.web}/studies", f"{study}/series", f"{study}/instances", f"{study}/metadata"):
        response = requests.get(url, headers={"Accept": JSON}, timeout=TIMEOUT)
        assert (response.status_code, response.headers["Content-Type"]) == (200, JSON), url


def stores_all(server, samples) -> list[str]:
    """Posts samples in batches; returns those that are not stored or do not come back."""
    wrong = []
    for at in range(0, len(samples), 12):
        batch = samples[at : at + 12]
        boundary = uuid.uuid4().hex
        response = post(server, body([s.content for s in batch], boundary), boundary=boundary)
        if response.status_code not in (200, 202):
            wrong.append(f"{batch[0].name} and {len(batch) - 1} more: {response.status_code} {response.text[:200]}")
            continue
        stored, failed = results(response)
        wrong += [f"{uid}: refused, {reasons}" for uid, reasons in failed.items()]
        warnings = [warning for found in stored.values() for warning in found]
        assert len(warnings) + sum(map(len, failed.values())) == len(batch)
        if response.status_code != (202 if failed or any(warnings) else 200):
            wrong.append(f"{batch[0].name} ...: {response.status_code} with {failed} failed, warnings {warnings}")
        ways = {sample.name: comes_back(server, sample) for sample in batch}
        wrong += [f"{name}: {way}" for name, way in ways.items() if way not in ("served", "version")]
    return wrong


def check_all(server, refused, samples) -> list[str]:
    """Posts all samples; each is stored and comes back, or is refused as listed. Returns what must not have been."""
    wrong = stores_all(server, [s for s in samples if expected(s, stow=True) is None])
    for sample in samples:
        refusal = expected(sample, stow=True)
        if refusal is None:
            continue
        response = post(server, body([sample.content], "b0undary"))
        stored, failed = results(response)
        reasons = [f"{reason:04X}" for found in failed.values() for reason in found]
        refused("STOW-RS", sample.name, f"{', '.join(reasons)} {refusal.why}")
        if response.status_code != 409 or stored or reasons != [f"{refusal.failure_reason:04X}"]:
            wrong.append(f"{sample.name}: {response.status_code} {reasons}, not {refusal.failure_reason:04X}")
    return wrong


def test_stow_of_the_pydicom_files(server, refused):
    wrong = check_all(server, refused, pydicom_samples())
    assert not wrong, "\n".join(wrong)


def test_stow_of_the_corpus(server, refused):
    samples = corpus_samples()
    if not samples:
        pytest.skip(f"no corpus at {CORPUS}")
    wrong = check_all(server, refused, samples)
    assert not wrong, "\n".join(wrong)


FORMS = {
    "quoted boundary": {"content_type": 'multipart/related; type="application/dicom"; boundary="b0undary"'},
    "boundary first": {"content_type": 'multipart/related; boundary=b0undary; type="application/dicom"'},
    "type without quotes": {"content_type": "multipart/related; type=application/dicom; boundary=b0undary"},
    "upper case": {"content_type": 'MULTIPART/RELATED; TYPE="application/dicom"; BOUNDARY=b0undary'},
    "no spaces": {"content_type": 'multipart/related;type="application/dicom";boundary=b0undary'},
    "start parameter": {"content_type": 'multipart/related; type="application/dicom"; start="<1>"; boundary=b0undary'},
    "preamble": {"preamble": b"This is a multipart message.\r\n"},
    "line before the first boundary": {"preamble": b"\r\n"},
    "epilogue": {"epilogue": b"\r\nNothing to see here.\r\n"},
    "no line at the end": {"end": b"--"},
    "part with transfer syntax": {"part_type": f"application/dicom; transfer-syntax={EXPLICIT}"},
    "part type in upper case": {"part_type": "APPLICATION/DICOM"},
    "part without type": {"part_type": None},
    "part with more headers": {"part_type": "application/dicom\r\nContent-ID: <1>\r\nMIME-Version: 1.0\r\nX-A: b"},
    "part with a length": {"part_type": "application/dicom\r\nContent-Length: 999999"},
    "long boundary": {"boundary": "x" * 70},
    "odd boundary": {"boundary": "----=_Part_1_2'()+_,-./:?", "quoted": True},
}


@pytest.mark.parametrize("form", FORMS)
def test_forms_of_multipart(server, form):
    how = dict(FORMS[form])
    boundary = how.pop("boundary", "b0undary")
    kind = how.pop("content_type", None)
    if how.pop("quoted", False):
        kind = f'multipart/related; type="application/dicom"; boundary="{boundary}"'
    made = [image(), image()]
    response = post(server, body([f for f, _ in made], boundary, **how), content_type=kind, boundary=boundary)
    assert response.status_code == 200, f"{response.status_code} {response.text[:300]}"
    for file, ds in made:
        assert_stored(server, ds, file)


def test_boundary_within_the_pixels(server):
    pixels = b"\r\n--b0undar\r\n--b0undarX--\r\n--b0undary0--b0undary\r\n-" + b"--b0undary" * 3
    pixels += b" " * (-len(pixels) % 4)
    file, ds = image(PixelData=pixels, Rows=1, Columns=len(pixels))
    # "\r\n--b0undary0" begins like a delimiter and is none (RFC 2046 5.1.1): the client must choose another boundary,
    # and this one did.
    response = post(server, body([file], "another"), boundary="another")
    assert response.status_code == 200
    assert_stored(server, ds, file)


@pytest.mark.parametrize("size", [1, 7, 64, 4093])
def test_chunks_of_any_size(server, size):
    made = [image(), image()]
    content = body([f for f, _ in made], "b0undary")
    if size == 1:
        content = body([made[0][0]], "b0undary")
    chunks = (content[at : at + size] for at in range(0, len(content), size))
    response = post(server, chunks)
    assert response.status_code == 200, response.text[:300]
    assert_stored(server, made[0][1], made[0][0])


@pytest.mark.parametrize("size", [5_000, 300_000])
def test_equal_values_within_one_instance(server, size):
    """Each value is held once, also where one instance has it several times."""
    items = []
    for _ in range(3):
        items.append(Dataset())
        items[-1].EncapsulatedDocument = uuid.uuid5(uuid.NAMESPACE_OID, str(size)).bytes * (size // 16)
    file, ds = image(ContentSequence=items)
    assert post(server, body([file], "b0undary")).status_code == 200
    assert_stored(server, ds, file)


def test_one_file_of_many_megabytes(server):
    pixels = bytes(range(256)) * (40 * 4096)
    file, ds = image(PixelData=pixels, Rows=6400, Columns=6553)
    assert post(server, body([file], "b0undary")).status_code == 200
    assert_stored(server, ds, file)


def test_some_stored_is_202(server, refused):
    file, ds = image()
    # Of the same length, so that nothing else of the file changes.
    broken = ds.SOPInstanceUID[:-1] + str((int(ds.SOPInstanceUID[-1]) + 1) % 10)
    cut = file.replace(ds.SOPInstanceUID.encode(), broken.encode())[:-9]
    response = post(server, body([file, cut, b"no DICOM at all"], "b0undary"))
    assert response.status_code == 202
    stored, failed = results(response)
    assert list(stored) == [ds.SOPInstanceUID]
    # The cut file said who it is before it broke off; the other part cannot be named.
    assert failed == {broken: [0xC000], "": [0xC000]}
    refused("STOW-RS", "cut file", "C000")
    assert_stored(server, ds, file)


def test_none_stored_is_409(server):
    response = post(server, body([b"no DICOM at all", b""], "b0undary"))
    assert response.status_code == 409
    stored, failed = results(response)
    assert not stored and failed


def test_other_study_than_the_address_is_refused(server):
    file, ds = image()
    response = post(server, body([file], "b0undary"), study="2.25.1")
    assert response.status_code == 409
    _, failed = results(response)
    assert failed[ds.SOPInstanceUID]
    url = f"{server.web}/studies/{ds.StudyInstanceUID}"
    assert requests.get(url, headers={"Accept": "*/*"}, timeout=TIMEOUT).status_code == 404


def test_study_of_the_address_is_stored(server):
    file, ds = image()
    response = post(server, body([file], "b0undary"), study=ds.StudyInstanceUID)
    assert response.status_code == 200
    assert_stored(server, ds, file)


def test_the_same_twice_in_one_request(server):
    file, ds = image()
    response = post(server, body([file, file], "b0undary"))
    assert response.status_code == 200
    assert_stored(server, ds, file)


BAD_REQUESTS = {
    "no boundary": ({"content_type": 'multipart/related; type="application/dicom"'}, {400, 415}),
    "boundary too long": ({"boundary": "x" * 20_000}, {400, 413, 415, 431}),
    "form data": ({"content_type": "multipart/form-data; boundary=b0undary"}, {400, 415}),
    "octets": ({"content_type": "application/octet-stream"}, {400, 415}),
    "text": ({"content_type": "text/plain"}, {400, 415}),
}


@pytest.mark.parametrize("case", BAD_REQUESTS)
def test_requests_that_are_none(server, case):
    how, allowed = BAD_REQUESTS[case]
    file, _ = image()
    response = post(server, body([file], how.get("boundary", "b0undary")), **how)
    assert response.status_code in allowed, f"{response.status_code} {response.text[:300]}"


def test_body_without_end_is_no_success(server):
    file, ds = image()
    content = body([file], "b0undary", end=b"")[: -len("--b0undary") - 2]
    response = post(server, content)
    assert response.status_code in (400, 409), response.text[:300]
    assert post(server, b"").status_code in (400, 409)
    assert post(server, b"--b0undary--\r\n").status_code in (204, 400, 409)


def test_study_and_series_come_back_whole(server):
    study, series = generate_uid(), generate_uid()
    made = [image(StudyInstanceUID=study, SeriesInstanceUID=series, InstanceNumber=n) for n in range(30)]
    assert post(server, body([f for f, _ in made], "b0undary")).status_code == 200
    wanted = sorted(data_set_of(f) for f, _ in made)
    for url in (f"{server.web}/studies/{study}", f"{server.web}/studies/{study}/series/{series}"):
        assert sorted(data_set_of(f) for f in files(url)) == wanted


@pytest.mark.parametrize("accept", ["application/dicom", 'multipart/related; type="application/dicom"', "*/*"])
def test_accept_of_a_retrieve(server, accept):
    sample = of_syntax(EXPLICIT)
    assert post(server, body([sample.content], "b0undary")).status_code == 200
    url = f"{server.web}/studies/{sample.study}/series/{sample.series}/instances/{sample.sop_instance}"
    response = requests.get(url, headers={"Accept": accept}, timeout=TIMEOUT)
    assert response.status_code in (200, 406), response.text[:300]
    if accept.startswith("multipart"):
        assert response.status_code == 200
