"""Which of the sent files are refused, and why. What is not listed here has to be stored and to come back.

A file is refused where it has no identity to be found by, where it is not whole, or where its sender contradicts
himself; never over the description of its contents.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Refusal:
    """A reason: in words, as the Error Comment and the report of an import begin, and as STOW-RS codes it."""

    why: str
    told: str
    failure_reason: int
    names: frozenset[str]


def _refusal(why: str, told: str, failure_reason: int, names: str) -> Refusal:
    return Refusal(why, told, failure_reason, frozenset(names.split()))


# Refused whichever way they come.
EVERYWHERE = [
    _refusal(
        "Study Instance UID is Type 1 (PS3.3 C.7.2.1): without it there is no place to find it at; none is invented",
        "StudyInstanceUID is missing",
        0xC000,
        """JPEGLSNearLossless_08.dcm JPEGLSNearLossless_16.dcm SC_rgb_jls_lossy_line.dcm SC_rgb_jls_lossy_sample.dcm
        fo-dicom.fo-dicom/multiframe.dcm fo-dicom.fo-dicom/GH220.dcm fo-dicom.fo-dicom/GH223.dcm
        fo-dicom.fo-dicom/GH487.dcm nroduit.weasis-dicom-tools/NeurosurgeryPlan.dcm ivmartel.dwv/bbmri.dcmdir""",
    ),
    _refusal(
        "Series Instance UID is Type 1 (PS3.3 C.7.3.1)",
        "SeriesInstanceUID is missing",
        0xC000,
        "generated/bad/no-series-uid.dcm",
    ),
    _refusal(
        "SOP Class UID is Type 1 (PS3.3 C.12.1): worklist items, queries and tests of parsers, no instances",
        "SOPClassUID is missing",
        0xC000,
        """orthanc-mirrors.orthanc-tests/issue49-latin1.wl orthanc-mirrors.orthanc-tests/orig.7814.other.station.dump.wl
        orthanc-mirrors.orthanc-tests/ZeissOCT-cfind-query.dcm dcm4che.dcm4che/no_preamble_dicm_in_data
        ivmartel.dwv/dwv-test-anonymise.dcm ivmartel.dwv/dwv-test-sequence.dcm ivmartel.dwv/dwv-test-simple.dcm
        ivmartel.dwv/dwv-test-simple.dcm.1 ivmartel.dwv/dwv-test_no-number-rows.dcm
        ivmartel.dwv/dwv-test_no-number-rows.dcm.1""",
    ),
    _refusal(
        "SOP Instance UID is Type 1 (PS3.3 C.12.1)",
        "SOPInstanceUID is missing",
        0xC000,
        """ivmartel.dwv/sr-arrow.dcm ivmartel.dwv/sr-circle.dcm ivmartel.dwv/sr-ellipse.dcm
        ivmartel.dwv/sr-protractor.dcm ivmartel.dwv/sr-rectangle.dcm ivmartel.dwv/sr-roi.dcm
        ivmartel.dwv/sr-ruler.dcm""",
    ),
    _refusal(
        "a SOP Instance UID is 1 to 64 digits and dots (PS3.5 9.1)",
        "SOPInstanceUID is invalid",
        0xC000,
        "bad_sequence.dcm nroduit.weasis-dicom-tools/jpeg2000-multiframe-multifragments.dcm",
    ),
    _refusal(
        "a Series Instance UID is 1 to 64 digits and dots (PS3.5 9.1)",
        "SeriesInstanceUID is invalid",
        0xC000,
        "ivmartel.dwv/gdcm-CT-MONO2-8-abdo.dcm",
    ),
    _refusal(
        "a Study Instance UID is 1 to 64 digits and dots (PS3.5 9.1)",
        "StudyInstanceUID is invalid",
        0xC000,
        "generated/bad/study-uid-long.dcm",
    ),
    _refusal(
        "an element claims more bytes than there are: the sender must not believe that the rest arrived",
        "data set ends at byte",
        0xC000,
        """MR_truncated.dcm rtplan_truncated.dcm dcm4che.dcm4che/3gb-bulk-data-truncated fo-dicom.fo-dicom/GH179B.dcm
        generated/bad/bad-vr.dcm generated/bad/pixel-len-4g.dcm generated/bad/truncated-797.dcm""",
    ),
    _refusal(
        "a media directory describes a medium, it is no instance (PS3.3 Annex F)",
        "",
        0x0122,
        """orthanc-mirrors.orthanc-tests/DavidClunie_DICOMDIR fo-dicom.fo-dicom/Data_DICOMDIR
        ivmartel.dwv/data_DICOMDIR""",
    ),
]

# Refused by STOW-RS only: there somebody is told and can send again; import and C-STORE take the data set as it is.
STOW_ONLY = [
    _refusal(
        "file meta and data set name two instances: the sender would book the one and we would keep the other",
        "",
        0xA900,
        """chrJapMulti.dcm chrJapMultiExplicitIR6.dcm badVR.dcm rtdose.dcm rtdose_1frame.dcm rtdose_expb.dcm
        rtdose_expb_1frame.dcm rtplan.dcm orthanc-mirrors.orthanc-tests/Issue143.dcm fo-dicom.fo-dicom/GH1146.dcm
        fo-dicom.fo-dicom/GH1376.dcm cocosip.fo-dicom.PureCodecs/PM5644-960x540_JPEG-LS_Lossless.dcm
        cocosip.fo-dicom.PureCodecs/PM5644-960x540_JPEG-Lossless_RGB.dcm
        cocosip.fo-dicom.PureCodecs/PM5644-960x540_JPEG2000-Lossless.dcm
        cocosip.fo-dicom.PureCodecs/PM5644-960x540_RLE-Lossless.dcm""",
    ),
    _refusal(
        "no file meta, which application/dicom has (PS3.18 8.7.3.1): the transfer syntax would be a guess",
        "",
        0xC000,
        """OT-PAL-8-face.dcm ExplVR_BigEndNoMeta.dcm ExplVR_LitEndNoMeta.dcm rtstruct.dcm
        fo-dicom.fo-dicom/CR-MONO1-10-chest""",
    ),
]


def expected(sample, stow: bool = False) -> Refusal | None:
    """Why the sample is refused; None where it has to be stored."""
    lists = EVERYWHERE + STOW_ONLY if stow else EVERYWHERE
    return next((refusal for refusal in lists if sample.name in refusal.names), None)
