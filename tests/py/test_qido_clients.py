"""QIDO-RS: what STOW-RS stored is found by UID, PatientID, date, modality and name."""

import pytest
import requests
from dicomweb_client.api import DICOMwebClient

from stow_sender import JSON, TIMEOUT, body, image, post

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


def test_search_for_series_and_instances(server, people):
    both = {"PatientID": "QIDO-*", "Modality": "CT"}
    assert found(server, people, "series", **both) == {"N1", "N4"}
    assert found(server, people, "instances", **both, StudyDate="20260104-20260131") == {"N4"}
    assert found(server, people, "series", PatientName="duc van dang", fuzzymatching="true") == {"N3"}
    assert found(server, people, "instances", SOPInstanceUID=people["N5"].SOPInstanceUID) == {"N5"}


def test_dicomweb_client_searches(server, people):
    client = DICOMwebClient(url=server.web)
    filters = {"PatientName": "nguyen thi hong anh", "PatientID": "QIDO-*"}
    assert len(client.search_for_studies(search_filters=filters)) == 2
    assert len(client.search_for_studies(fuzzymatching=True, search_filters=filters | {"PatientName": "anh thi"})) == 2
    assert len(client.search_for_series(search_filters={"PatientID": "QIDO-*", "Modality": "CT"})) == 2
    [row] = client.search_for_instances(search_filters={"SOPInstanceUID": people["N2"].SOPInstanceUID})
    assert row["0020000D"]["Value"] == [people["N2"].StudyInstanceUID]


def test_pages_are_disjoint_and_complete(server, people):
    client = DICOMwebClient(url=server.web)
    pages = [client.search_for_studies(limit=2, offset=at, search_filters={"PatientID": "QIDO-*"}) for at in (0, 2, 4)]
    assert [len(page) for page in pages] == [2, 2, 1]
    uids = {row["0020000D"]["Value"][0] for page in pages for row in page}
    assert uids == {ds.StudyInstanceUID for ds in people.values()}


@pytest.mark.parametrize(
    "query",
    [
        {"PatientNam": "NGUYEN"},
        {"StudyDate": "yesterday"},
        {"limit": "-1"},
        {"PatientID": "QIDO-N1\0"},
        {"StudyInstanceUID": "1.2'; DROP TABLE study; --"},
    ],
    ids=str,
)
def test_what_cannot_be_asked_is_an_error(server, people, query):
    response = requests.get(f"{server.web}/studies", params=query, headers={"Accept": JSON}, timeout=TIMEOUT)
    assert response.status_code == 400, f"{response.status_code} {response.text[:300]}"


@pytest.mark.parametrize("value", ["%", "_", "QIDO-N_", "' OR 1=1 --", "QIDO-N1\\QIDO-N2"])
def test_values_are_values(server, people, value):
    assert found(server, people, PatientID=value) == set()
