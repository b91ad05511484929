"""Reads one instance back over DICOMweb and compares its data set with that of a file, byte for byte.

Arguments: root of the archive, file, and `picture` where its thumbnail has to be made too, which takes a process that
decodes. Says how many instances the archive holds.
"""

import json
import struct
import sys
from urllib.request import Request, urlopen


def data_set(part10: bytes) -> bytes:
    """What follows the file meta information (PS3.10 7.1)."""
    if part10[128:132] != b"DICM":
        raise SystemExit("not a DICOM file")
    (length,) = struct.unpack_from("<I", part10, 140)  # value of (0002,0000)
    return part10[144 + length :]


def get(url: str, accept: str) -> bytes:
    with urlopen(Request(url, headers={"Accept": accept}), timeout=30) as answer:
        return answer.read()


def uid(instance: dict, tag: str) -> str:
    return instance[tag]["Value"][0]


def main() -> None:
    root, path, *more = sys.argv[1:]
    with open(path, "rb") as file:
        wanted = data_set(file.read())
    instances = json.loads(get(f"{root}/instances", "application/dicom+json") or b"[]")
    print(f"{len(instances)} instances")
    for instance in instances:
        study, series, sop = (uid(instance, tag) for tag in ("0020000D", "0020000E", "00080018"))
        if sop.encode() not in wanted:
            continue
        address = f"{root}/studies/{study}/series/{series}/instances/{sop}"
        body = get(
            address,
            'multipart/related; type="application/dicom"; transfer-syntax=*',
        )
        if wanted not in body:
            raise SystemExit(f"{sop} came back altered")
        if more == ["picture"]:
            picture = get(f"{address}/thumbnail", "image/jpeg")
            if not (picture.startswith(b"\xff\xd8\xff") and picture.endswith(b"\xff\xd9")):
                raise SystemExit(f"the thumbnail of {sop} is no JPEG: {picture[:100]!r}")
        return
    raise SystemExit("the instance is not there")


main()
