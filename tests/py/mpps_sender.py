"""Performed procedure steps as pynetdicom sends them: N-CREATE and N-SET (PS3.4 F.7)."""

from contextlib import contextmanager
from dataclasses import dataclass

from pydicom.dataset import Dataset
from pynetdicom import AE, evt
from pynetdicom.sop_class import ModalityPerformedProcedureStep

from dimse_sender import pause


@dataclass(frozen=True)
class Told:
    """The answer to one message."""

    status: int | None
    comment: str
    error_id: int | None
    instance: str


class Device:
    """A device over one association."""

    def __init__(self, ae: AE, port: int):
        handlers = [(evt.EVT_DIMSE_RECV, self._heard)]
        self.instance = ""
        self.association = ae.associate("127.0.0.1", port, ae_title="PACS", evt_handlers=handlers)

    def _heard(self, event):
        # What send_n_create returns leaves the name of the new instance out.
        self.instance = str(event.message.command_set.get("AffectedSOPInstanceUID", ""))

    def create(self, attributes: Dataset, instance: str | None) -> Told:
        pause(self.association)
        return self._told(self.association.send_n_create(attributes, ModalityPerformedProcedureStep, instance))

    def change(self, attributes: Dataset, instance: str) -> Told:
        pause(self.association)
        return self._told(self.association.send_n_set(attributes, ModalityPerformedProcedureStep, instance))

    def _told(self, answer) -> Told:
        status, _ = answer
        comment = str(status.get("ErrorComment", ""))
        return Told(status.get("Status"), comment, status.get("ErrorID"), self.instance)


@contextmanager
def device(port: int, calling: str = "CT1", transfer_syntax=None):
    """An association of a device that tells of its steps."""
    ae = AE(ae_title=calling)
    ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = 60
    ae.add_requested_context(ModalityPerformedProcedureStep, transfer_syntax)
    calls = Device(ae, port)
    assert calls.association.is_established, "the association was not accepted"
    assert calls.association.accepted_contexts, "the context was not accepted"
    try:
        yield calls
    finally:
        calls.association.release()


def begun(*studies: str, accession: str = "A-1") -> Dataset:
    """A step that begins, with what PS3.4 table F.7.2-1 asks of it."""
    step = Dataset()
    step.SpecificCharacterSet = "ISO_IR 192"
    scheduled = []
    for study in studies:
        item = Dataset()
        item.StudyInstanceUID, item.AccessionNumber = study, accession
        item.RequestedProcedureID = item.RequestedProcedureDescription = ""
        item.ScheduledProcedureStepID = item.ScheduledProcedureStepDescription = ""
        item.ReferencedStudySequence = item.ScheduledProtocolCodeSequence = []
        scheduled.append(item)
    step.ScheduledStepAttributesSequence = scheduled
    step.PatientName, step.PatientID, step.PatientBirthDate, step.PatientSex = "Đặng Thị Dung", "P-1", "19491120", "F"
    step.ReferencedPatientSequence = []
    step.PerformedProcedureStepID, step.PerformedStationAETitle = "PPS1", "CT1"
    step.PerformedStationName = step.PerformedLocation = ""
    step.PerformedProcedureStepStartDate, step.PerformedProcedureStepStartTime = "20260102", "093000"
    step.PerformedProcedureStepEndDate = step.PerformedProcedureStepEndTime = ""
    step.PerformedProcedureStepStatus = "IN PROGRESS"
    step.PerformedProcedureStepDescription = step.PerformedProcedureTypeDescription = ""
    step.ProcedureCodeSequence = step.PerformedProtocolCodeSequence = []
    step.Modality, step.StudyID = "CT", "1"
    step.PerformedSeriesSequence = []
    return step


def now(status: str, series: dict[str, list[str]]) -> Dataset:
    """How far the step is, and the series that were made."""
    step = Dataset()
    step.PerformedProcedureStepStatus = status
    step.PerformedProcedureStepEndDate, step.PerformedProcedureStepEndTime = "20260102", "094500"
    step.PerformedSeriesSequence = [made(uid, images) for uid, images in series.items()]
    return step


def made(uid: str, images: list[str]) -> Dataset:
    """An item of Performed Series Sequence."""
    item = Dataset()
    item.PerformingPhysicianName = item.OperatorsName = item.SeriesDescription = item.RetrieveAETitle = ""
    item.ProtocolName, item.SeriesInstanceUID = "HEAD", uid
    references = []
    for image in images:
        reference = Dataset()
        reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = "1.2.840.10008.5.1.4.1.1.2", image
        references.append(reference)
    item.ReferencedImageSequence = references
    item.ReferencedNonImageCompositeSOPInstanceSequence = []
    return item
