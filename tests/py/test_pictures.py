"""Rendered pictures and thumbnails (PS3.18 10.4.1.1.3, 10.4.1.1.4), compared with what pydicom decodes."""

import io

import numpy as np
import pydicom
import pytest
import requests
from PIL import Image
from pydicom.pixels import apply_modality_lut, apply_voi_lut
from pydicom.uid import generate_uid

from dicomweb_reader import instance_url, parts
from samples import CORPUS, corpus_samples, pydicom_samples
from stow_sender import TIMEOUT, body, image, post


def stored(server, samples):
    """Stores samples that are to be accepted; gives those that were."""
    kept = []
    for sample in samples:
        if post(server, body([sample.content], "b0undary")).status_code in (200, 202):
            kept.append(sample)
    return kept


def get(url: str, accept: str = "image/png", **more) -> requests.Response:
    return requests.get(url, headers={"Accept": accept, **more.pop("headers", {})}, timeout=TIMEOUT, **more)


def picture(response: requests.Response) -> np.ndarray:
    assert response.status_code == 200, f"{response.url}: {response.status_code} {response.text[:300]}"
    opened = Image.open(io.BytesIO(response.content))
    assert response.headers["Content-Type"] == f"image/{opened.format.lower()}"
    return np.asarray(opened)


def url_of(server, ds) -> str:
    return f"{server.web}/studies/{ds.StudyInstanceUID}/series/{ds.SeriesInstanceUID}/instances/{ds.SOPInstanceUID}"


def test_grey_values_are_those_of_the_standard(server):
    """Rescale, then the window of the header or of the request (PS3.3 C.11.2.1.2), to one grey level."""
    ramp = np.arange(0, 4096, dtype=np.uint16).reshape(64, 64)
    file, ds = image(Rows=64, Columns=64, PixelData=ramp.tobytes(), BitsAllocated=16, BitsStored=12, HighBit=11,
                     PixelRepresentation=0, SamplesPerPixel=1, PhotometricInterpretation="MONOCHROME2",
                     RescaleSlope=1, RescaleIntercept=-1024, WindowCenter=40, WindowWidth=400)
    assert post(server, body([file], "b0undary")).status_code == 200
    url = url_of(server, ds) + "/rendered"
    for query, center, width in (("", 40, 400), ("?window=500,2000,linear", 500, 2000)):
        ds.WindowCenter, ds.WindowWidth = center, width
        values = apply_voi_lut(apply_modality_lut(ramp, ds), ds)
        low, high = values.min(), values.max()
        wanted = (values - low) / (high - low) * 255
        assert np.abs(picture(get(url + query)).astype(float) - wanted).max() <= 1, query
    inverse = picture(get(url)).astype(int)
    file, other = image(Rows=64, Columns=64, PixelData=ramp.tobytes(), BitsAllocated=16, BitsStored=12, HighBit=11,
                        PixelRepresentation=0, SamplesPerPixel=1, PhotometricInterpretation="MONOCHROME1",
                        RescaleSlope=1, RescaleIntercept=-1024, WindowCenter=40, WindowWidth=400)
    assert post(server, body([file], "b0undary")).status_code == 200
    assert np.abs(picture(get(url_of(server, other) + "/rendered")).astype(int) + inverse - 255).max() <= 1


def test_lossless_colour_is_what_pydicom_decodes(server):
    checked = set()
    for sample in stored(server, [s for s in pydicom_samples() if s.must_be_stored and s.is_file]):
        ds = pydicom.dcmread(sample.path)
        lossless = sample.transfer_syntax in {
            "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.5",
            "1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.90",
        }
        wanted = {"RGB": 3}.get(ds.get("PhotometricInterpretation"))
        if not lossless or wanted != ds.get("SamplesPerPixel") or ds.get("BitsAllocated") != 8:
            continue
        response = get(instance_url(server, sample) + "/rendered")
        if response.status_code == 406:
            continue
        shown = picture(response)
        pixels = ds.pixel_array
        first = pixels[0] if pixels.ndim == 4 else pixels
        if shown.shape == first.shape:
            assert (shown == first).all(), sample.name
            checked.add(sample.transfer_syntax)
    assert len(checked) >= 3, checked


def test_every_sample_is_shown_or_refused_with_a_reason(server):
    """Nothing makes an error of the server's own; each refusal says why."""
    if not CORPUS.exists():
        print(f"no corpus at {CORPUS}: only the files of pydicom are shown")
    samples = stored(server, [s for s in (*pydicom_samples(), *corpus_samples()) if s.is_file and s.must_be_stored])
    shown, refused = 0, {}
    for sample in samples:
        for resource in ("rendered", "thumbnail"):
            response = get(f"{instance_url(server, sample)}/{resource}", "*/*")
            assert response.status_code in (200, 406), f"{sample.name}: {response.status_code} {response.text[:300]}"
            if response.status_code == 406:
                assert response.headers["Content-Type"] == "application/problem+json"
                refused[sample.name] = response.json()["detail"]
            elif response.headers["Content-Type"] == "image/jpeg":
                assert Image.open(io.BytesIO(response.content)).size[0] > 0
                shown += 1
    assert shown > len(samples), f"{shown} pictures of {len(samples)} instances; refused: {refused}"


def test_sizes_formats_and_caching(server):
    pixels = np.zeros((200, 100), dtype=np.uint8)
    pixels[:, 50:] = 255
    uids = {"StudyInstanceUID": generate_uid(), "SeriesInstanceUID": generate_uid()}
    made = [image(Rows=200, Columns=100, PixelData=pixels.tobytes(), BitsAllocated=8, BitsStored=8, HighBit=7,
                  PixelRepresentation=0, SamplesPerPixel=1, PhotometricInterpretation="MONOCHROME2",
                  InstanceNumber=n, **uids) for n in (1, 2, 3)]
    assert post(server, body([file for file, _ in made], "b0undary")).status_code == 200
    study = f"{server.web}/studies/{uids['StudyInstanceUID']}"
    series = f"{study}/series/{uids['SeriesInstanceUID']}"
    one = url_of(server, made[0][1])
    for url in (study, series, one, f"{one}/frames/1"):
        assert picture(get(f"{url}/thumbnail?viewport=64%2C64", "image/jpeg")).shape == (64, 32), url
        assert picture(get(f"{url}/rendered?viewport=50,50", "*/*")).shape == (50, 25), url
    # At the edge of the part its neighbours outside show through the filter.
    assert (picture(get(f"{one}/rendered?viewport=10,20,50,0,50,100"))[:, 1:] == 255).all()
    assert (picture(get(f"{one}/rendered?viewport=100,200,0,0,-100,200"))[:, :50] == 255).all()
    row = parts(get(f"{series}/rendered", 'multipart/related; type="image/png"'))
    assert [headers["content-type"] for headers, _ in row] == ["image/png"] * 3
    row = parts(get(f"{one}/frames/1,1/rendered", 'multipart/related; type="image/jpeg"'))
    assert len(row) == 2
    first = get(f"{one}/thumbnail", "image/jpeg")
    assert first.headers["Cache-Control"] == "private, no-cache"
    again = get(f"{one}/thumbnail", "image/jpeg", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert get(f"{one}/thumbnail", "image/png").headers["ETag"] != first.headers["ETag"]
    head = requests.head(f"{one}/thumbnail", headers={"Accept": "image/jpeg"}, timeout=TIMEOUT)
    assert int(head.headers["Content-Length"]) == len(first.content)


@pytest.mark.parametrize("query, field", [
    ("viewport=0,5", "viewport"), ("viewport=x", "viewport"), ("viewport=100000,100000", "viewport"),
    ("viewport=1,1,900,0,5,5", "viewport"), ("window=1,0,linear", "window"), ("quality=0", "quality"),
])
def test_impossible_requests_name_their_parameter(server, query, field):
    file, ds = image()
    assert post(server, body([file], "b0undary")).status_code == 200
    response = get(f"{url_of(server, ds)}/rendered?{query}")
    assert (response.status_code, response.json()["field"]) == (400, field), response.text


def test_what_has_no_picture_says_so(server):
    file, ds = image()
    del ds.PixelData
    assert post(server, body([file], "b0undary")).status_code == 200
    url = url_of(server, ds)
    assert get(f"{url}/frames/2/rendered").status_code == 404
    assert get(f"{url}/rendered", "image/gif").status_code == 406
    assert get(f"{url[:-1]}/thumbnail").status_code == 404
    assert get(f"{url}/frames/1,1/rendered").status_code == 406
    file, ds = image(SOPClassUID="1.2.840.10008.5.1.4.1.1.88.11", Modality="SR")
    for name in ("PixelData", "Rows", "Columns"):
        if name in ds:
            delattr(ds, name)
    buffer = io.BytesIO()
    ds.save_as(buffer, enforce_file_format=True)
    assert post(server, body([buffer.getvalue()], "b0undary")).status_code == 200
    assert get(f"{url_of(server, ds)}/thumbnail").status_code == 406
    assert get(f"{url_of(server, ds)}/rendered").status_code == 406


def test_a_frame_that_lies_is_refused_and_others_are_served(server):
    """A codestream that is no codestream, and sizes beyond any memory: the process that decodes is a child."""
    good, good_ds = image()
    assert post(server, body([good], "b0undary")).status_code == 200
    for syntax in ("1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.4.80",
                   "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.5"):
        _, ds = image(Rows=65535, Columns=65535)
        ds.file_meta.TransferSyntaxUID = syntax
        ds.PixelData = pydicom.encaps.encapsulate([b"\xff\xd8\xff\xc3" + bytes(range(256)) * 8])
        ds["PixelData"].VR = "OB"
        ds["PixelData"].is_undefined_length = True
        buffer = io.BytesIO()
        ds.save_as(buffer, enforce_file_format=True)
        assert post(server, body([buffer.getvalue()], "b0undary")).status_code == 200
        response = get(f"{url_of(server, ds)}/rendered")
        assert response.status_code == 406, f"{syntax}: {response.status_code} {response.text[:200]}"
        assert get(f"{url_of(server, good_ds)}/rendered").status_code == 200
