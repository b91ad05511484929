"""STOW-RS by dicomweb-client and by hand; QIDO-RS finds it again; WADO-RS gives the same bytes back."""

import io
import uuid

import pydicom
import pytest
import requests
from dicomweb_client.api import DICOMwebClient
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from dicomweb_reader import comes_back, files
from samples import CORPUS, corpus_samples, data_set_of, of_syntax, pydicom_samples, EXPLICIT

TIMEOUT = 300
JSON = "application/dicom+json"
FAILED, STORED, REASON = "00081198", "00081199", "00081197"


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


def results(response: requests.Response) -> tuple[dict[str, dict], dict[str, int]]:
    """Stored items and failure reasons by SOP Instance UID (PS3.18 I.2)."""
    assert response.headers["Content-Type"].startswith(JSON), response.headers
    answer = response.json()

    def rows(tag):
        return answer.get(tag, {}).get("Value", [])

    def uid(row):
        return (row.get("00081155", {}).get("Value") or [""])[0]

    return {uid(r): r for r in rows(STORED)}, {uid(r): r[REASON]["Value"][0] for r in rows(FAILED)}


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
    chosen = [s for s in pydicom_samples() if s.must_be_stored and s.content[128:132] == b"DICM"]
    chosen = [s for s in chosen if len(s.content) < 300_000][:40]
    answer = client.store_instances([pydicom.dcmread(s.path) for s in chosen])
    assert len(answer.ReferencedSOPSequence) == len(chosen)
    assert "FailedSOPSequence" not in answer


def send_all(server, refused, samples) -> list[str]:
    """Posts samples in batches; returns what must not have happened."""
    wrong, batch = [], []
    batches = [samples[at : at + 12] for at in range(0, len(samples), 12)]
    for batch in batches:
        boundary = uuid.uuid4().hex
        response = post(server, body([s.content for s in batch], boundary), boundary=boundary)
        if response.status_code not in (200, 202, 409):
            wrong.append(f"{batch[0].name} and {len(batch) - 1} more: {response.status_code} {response.text[:200]}")
            continue
        stored, failed = results(response)
        unnamed = failed.get("")
        for sample in batch:
            if sample.sop_instance in stored and sample.identified:
                way = comes_back(server, sample)
                if way in ("served", "version"):
                    continue
                # Two files of one UID in a batch: one may be stored and the other refused.
                if sample.must_be_stored or sample.sop_instance not in failed:
                    wrong.append(f"{sample.name}: {way}")
                continue
            reason = failed.get(sample.sop_instance, failed.get(sample.meta_sop_instance, unnamed))
            if reason is None:
                wrong.append(f"{sample.name}: neither stored nor failed")
            elif sample.must_be_stored:
                wrong.append(f"{sample.name}: refused, {reason:04X}")
            else:
                refused("STOW-RS", sample.name, f"{reason:04X}")
        expected = 200 if not failed else 202 if stored else 409
        if response.status_code != expected:
            wrong.append(f"{batch[0].name} ...: {response.status_code} with {len(stored)} stored, {len(failed)} failed")
    return wrong


def test_stow_of_the_pydicom_files(server, refused):
    wrong = send_all(server, refused, [s for s in pydicom_samples() if s.content[128:132] == b"DICM"])
    assert not wrong, "\n".join(wrong)


def test_stow_of_the_corpus(server, refused):
    samples = corpus_samples()
    if not samples:
        pytest.skip(f"no corpus at {CORPUS}")
    wrong = send_all(server, refused, [s for s in samples if s.content[128:132] == b"DICM"])
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


def test_one_file_of_many_megabytes(server):
    pixels = bytes(range(256)) * (40 * 4096)
    file, ds = image(PixelData=pixels, Rows=6400, Columns=6553)
    assert post(server, body([file], "b0undary")).status_code == 200
    assert_stored(server, ds, file)


def test_some_stored_is_202(server, refused):
    file, ds = image()
    _, broken = image()
    cut = file.replace(ds.SOPInstanceUID.encode(), broken.SOPInstanceUID.encode())[:-9]
    response = post(server, body([file, cut, b"no DICOM at all"], "b0undary"))
    assert response.status_code == 202
    stored, failed = results(response)
    assert list(stored) == [ds.SOPInstanceUID] and len(response.json()[FAILED]["Value"]) == 2
    assert all(failed.values())
    refused("STOW-RS", "cut file", ", ".join(f"{reason:04X}" for reason in failed.values()))
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


# Names as facilities write them; what is asked for is what a clerk types.
PEOPLE = {
    "N1": "NGUYỄN THỊ HỒNG ÁNH",
    "N2": "NGUYEN THI HONG ANH",
    "N3": "ĐẶNG^VĂN^ĐỨC",
    "N4": "Lê Minh Anh",
    "N5": "VÕ HOÀNG YẾN",
}


@pytest.fixture(scope="module")
def people(server):
    """One study for each of PEOPLE."""
    made = {}
    for number, (patient_id, name) in enumerate(PEOPLE.items()):
        file, ds = image(
            PatientID=f"QIDO-{patient_id}",
            PatientName=name,
            StudyDate=f"2026010{number + 1}",
            Modality=["CT", "MR", "DX", "CT", "US"][number],
            SOPClassUID="1.2.840.10008.5.1.4.1.1.7",
            StudyDescription="CT SO NAO KHONG TIEM",
            AccessionNumber=f"QIDO{number}",
        )
        assert post(server, body([file], "b0undary")).status_code == 200
        made[patient_id] = ds
    return made


def found(server, people, level="studies", **query) -> set[str]:
    """Which of PEOPLE a query finds."""
    response = requests.get(f"{server.web}/{level}", params=query, headers={"Accept": JSON}, timeout=TIMEOUT)
    assert response.status_code in (200, 204), f"{response.status_code} {response.text[:300]}"
    rows = response.json() if response.content else []
    studies = {row["0020000D"]["Value"][0] for row in rows}
    return {key for key, ds in people.items() if ds.StudyInstanceUID in studies}


QUERIES = [
    ({"PatientID": "QIDO-N1"}, {"N1"}),
    ({"00100020": "QIDO-N2"}, {"N2"}),
    ({"PatientID": "QIDO-*"}, set(PEOPLE)),
    ({"PatientID": "QIDO-N?"}, set(PEOPLE)),
    ({"PatientID": "QIDO-N1", "StudyDate": "20260101"}, {"N1"}),
    ({"PatientID": "QIDO-*", "StudyDate": "20260102-20260104"}, {"N2", "N3", "N4"}),
    ({"PatientID": "QIDO-*", "StudyDate": "20260104-"}, {"N4", "N5"}),
    ({"PatientID": "QIDO-*", "StudyDate": "-20260102"}, {"N1", "N2"}),
    ({"PatientID": "QIDO-*", "ModalitiesInStudy": "CT"}, {"N1", "N4"}),
    ({"PatientID": "QIDO-*", "ModalitiesInStudy": "CT", "StudyDate": "20260104"}, {"N4"}),
    ({"AccessionNumber": "QIDO2"}, {"N3"}),
    ({"PatientName": "NGUYỄN THỊ HỒNG ÁNH", "PatientID": "QIDO-*"}, {"N1", "N2"}),
    ({"PatientName": "nguyen thi hong anh", "PatientID": "QIDO-*"}, {"N1", "N2"}),
    ({"PatientName": "NGUYEN*", "PatientID": "QIDO-*"}, {"N1", "N2"}),
    ({"PatientName": "nguyễn*", "PatientID": "QIDO-*"}, {"N1", "N2"}),
    ({"PatientName": "DANG VAN DUC", "PatientID": "QIDO-*"}, {"N3"}),
    ({"PatientName": "Đặng^Văn*", "PatientID": "QIDO-*"}, {"N3"}),
    ({"PatientName": "anh nguyen", "fuzzymatching": "true", "PatientID": "QIDO-*"}, {"N1", "N2"}),
    ({"PatientName": "ÁNH HỒNG", "fuzzymatching": "true", "PatientID": "QIDO-*"}, {"N1", "N2"}),
    ({"PatientName": "le anh", "fuzzymatching": "true", "PatientID": "QIDO-*"}, {"N4"}),
    ({"PatientName": "yen vo", "fuzzymatching": "true", "PatientID": "QIDO-*"}, {"N5"}),
    ({"PatientName": "nobody", "fuzzymatching": "true", "PatientID": "QIDO-*"}, set()),
    ({"PatientID": "QIDO-N9"}, set()),
]


@pytest.mark.parametrize("query,wanted", QUERIES, ids=lambda q: str(sorted(q.items()) if isinstance(q, dict) else ""))
def test_search(server, people, query, wanted):
    assert found(server, people, **query) == wanted


def test_search_by_uid_at_each_level(server, people):
    ds = people["N3"]
    assert found(server, people, StudyInstanceUID=ds.StudyInstanceUID) == {"N3"}
    two = f"{ds.StudyInstanceUID},{people['N1'].StudyInstanceUID}"
    assert found(server, people, StudyInstanceUID=two) == {"N1", "N3"}
    for level in (f"studies/{ds.StudyInstanceUID}/series", f"studies/{ds.StudyInstanceUID}/instances"):
        rows = requests.get(f"{server.web}/{level}", headers={"Accept": JSON}, timeout=TIMEOUT).json()
        assert len(rows) == 1 and rows[0]["0020000E"]["Value"] == [ds.SeriesInstanceUID]
    rows = requests.get(
        f"{server.web}/instances",
        params={"SOPInstanceUID": ds.SOPInstanceUID},
        headers={"Accept": JSON},
        timeout=TIMEOUT,
    ).json()
    assert [row["00080018"]["Value"] for row in rows] == [[ds.SOPInstanceUID]]


def test_names_come_back_as_they_were_sent(server, people):
    for key, ds in people.items():
        params = {"StudyInstanceUID": ds.StudyInstanceUID, "includefield": "StudyDescription"}
        rows = requests.get(f"{server.web}/studies", params=params, headers={"Accept": JSON}, timeout=TIMEOUT).json()
        assert rows[0]["00100010"]["Value"][0]["Alphabetic"] == PEOPLE[key]
        assert rows[0]["00081030"]["Value"] == ["CT SO NAO KHONG TIEM"]


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
