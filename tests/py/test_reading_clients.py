"""What a viewer reads, by dicomweb-client, against what pydicom reads of the file: metadata and frames."""

import numpy as np
import pydicom
import pytest
from dicomweb_client.api import DICOMwebClient
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.valuerep import PersonName

from samples import corpus_samples, pydicom_samples
from stow_sender import body, post

# What differs by right: (file, keyword within).
KNOWN = {
    ("lat9.dcm", "PatientName"): "pydicom reads ISO 8859-15 as 8859-1",
    ("Tag-0040-A170-VR-CS.dcm", "PurposeOfReferenceCodeSequence"): "a code string, which pydicom takes for a sequence",
    ("pm-float.dcm", "FloatPixelData"): "pixels are fetched as frames",
}

TEXT_WITHOUT_SETS = {"AE", "AS", "CS", "DA", "DT", "TM", "UI"}
NUMBERS = {"US", "SS", "UL", "SL", "FL", "FD", "IS", "DS", "UV", "SV"}


@pytest.fixture(scope="module")
def read_back(server):
    """Stored samples, each once by SOP Instance UID, with their metadata."""
    client = DICOMwebClient(url=server.web)
    found, seen = [], set()
    for sample in (*pydicom_samples(), *corpus_samples()):
        if not (sample.is_file and sample.must_be_stored) or sample.sop_instance in seen:
            continue
        if post(server, body([sample.content], "b0undary")).status_code != 200:
            continue
        seen.add(sample.sop_instance)
        try:
            ds = pydicom.dcmread(sample.path)
            ds.walk(lambda _, element: element.value)
        except Exception:  # what pydicom cannot read is no measure
            continue
        metadata = client.retrieve_instance_metadata(sample.study, sample.series, sample.sop_instance)
        found.append((sample, ds, metadata))
    assert len(found) > 60
    return client, found


def values(element) -> list:
    value = element.value
    if value is None or value == "":
        return []
    return list(value) if isinstance(value, (MultiValue, list)) else [value]


def compare(element, given: dict) -> str | None:
    """What differs between an element as pydicom reads it and as the metadata give it."""
    if given["vr"] != element.VR:
        return f"VR {given['vr']} for {element.VR}"
    if "BulkDataURI" in given:
        return None
    got = given.get("Value", [])
    if element.VR in TEXT_WITHOUT_SETS:
        wanted = [str(value).strip(" \0") for value in values(element)]
        return None if [str(v or "").strip(" \0") for v in got] == wanted or not any(wanted) else f"{got} for {wanted}"
    if element.VR in NUMBERS:
        wanted = [float(value) for value in values(element)]
        try:
            numbers = [float(value) for value in got]
        except (TypeError, ValueError):
            return f"{got} for {wanted}"
        return None if np.allclose(numbers, wanted, rtol=1e-6, equal_nan=True) else f"{got} for {wanted}"
    if element.VR == "PN":
        wanted = [PersonName(value).components[0].strip(" ^") for value in values(element)]
        names = [(value or {}).get("Alphabetic", "").strip(" ^") for value in got]
        return None if names == wanted or not any(wanted) else f"{names} for {wanted}"
    return None


def differences(ds: Dataset, metadata: dict) -> list[str]:
    found = []
    for element in ds:
        tag = f"{element.tag:08X}"
        # JSON is UTF-8, and says so.
        text_is_utf8 = element.keyword == "SpecificCharacterSet"
        if text_is_utf8 or element.tag.is_private or element.tag.element == 0 or element.VR in ("UN", "OB", "OW"):
            continue
        if tag not in metadata:
            found.append(f"{element.keyword} is missing")
            continue
        if element.VR == "SQ":
            items = metadata[tag].get("Value", [])
            if len(items) != len(element.value):
                found.append(f"{element.keyword} has {len(items)} items for {len(element.value)}")
                continue
            for item, given in zip(element.value, items):
                found += [f"{element.keyword}/{told}" for told in differences(item, given or {})]
        elif told := compare(element, metadata[tag]):
            found.append(f"{element.keyword}: {told}")
    return found


def test_metadata_agree_with_pydicom(read_back):
    _, found = read_back
    wrong = {}
    for sample, ds, metadata in found:
        name = sample.name.rsplit("/", 1)[-1]
        known = [keyword for file, keyword in KNOWN if file == name]
        if told := [told for told in differences(ds, metadata) if not any(keyword in told for keyword in known)]:
            wrong[sample.name] = told[:5]
    assert not wrong, f"{len(wrong)} of {len(found)}: {wrong}"


def test_metadata_are_readable_by_pydicom(read_back):
    _, found = read_back
    without_numbers = []
    for sample, ds, metadata in found:
        try:
            again = Dataset.from_json(metadata, bulk_data_uri_handler=lambda *_: b"")
            assert again.SOPInstanceUID == ds.SOPInstanceUID, sample.name
        except ValueError as error:  # a number that is none stays text in the metadata, and is none for pydicom
            assert "could not convert string to float" in str(error) or "invalid literal" in str(error), sample.name
            without_numbers.append(sample.name)
    assert len(without_numbers) * 20 < len(found), without_numbers


def cannot_be_told_apart(ds: Dataset, count: int) -> bool:
    """Frames of several fragments without an offset table: pydicom looks for the ends of codestreams."""
    if not ds.file_meta.TransferSyntaxUID.is_encapsulated or count == 1:
        return False
    offsets = pydicom.encaps.parse_basic_offsets(ds.PixelData)
    # The first fragment is the offset table.
    return not offsets and len(list(pydicom.encaps.generate_fragments(ds.PixelData))) - 1 != count


def test_frames_agree_with_pydicom_sample_for_sample(read_back):
    """The frames as stored, decoded by pydicom and pylibjpeg, are the frames of the file."""
    client, found = read_back
    checked = set()
    for sample, ds, _ in found:
        if "PixelData" not in ds or "Rows" not in ds:
            continue
        try:
            wanted = ds.pixel_array
        except Exception:  # what pydicom cannot decode is no measure
            continue
        count = int(ds.get("NumberOfFrames", 1) or 1)
        if count > 20 or cannot_be_told_apart(ds, count):
            continue
        frames = client.retrieve_instance_frames(
            sample.study, sample.series, sample.sop_instance, list(range(1, count + 1)),
            media_types=(("application/octet-stream", "*"),
                         ("image/jpeg", "*"), ("image/jls", "*"), ("image/jp2", "*"),
                         ("image/dicom-rle", "*")),
        )
        assert len(frames) == count, sample.name
        again = pydicom.dcmread(sample.path)
        if again.file_meta.TransferSyntaxUID.is_compressed and not again.file_meta.TransferSyntaxUID.is_deflated:
            again.PixelData = pydicom.encaps.encapsulate(frames)
            again["PixelData"].VR = "OB"
        else:
            if again.BitsAllocated == 1 and count > 1:
                continue  # frames of single bits come apart, those of the file share bytes
            joined = b"".join(frames)
            again.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
            again.set_original_encoding(False, True)
            again.PixelData = joined + b"\0" * (len(joined) % 2)
        assert (again.pixel_array == wanted).all(), sample.name
        checked.add(str(ds.file_meta.TransferSyntaxUID))
    assert len(checked) >= 6, checked
