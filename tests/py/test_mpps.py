"""Modality performed procedure steps by pynetdicom: what a device is answered, also a hostile one."""

import re

import pytest
import requests
from pydicom.dataset import Dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian, generate_uid

from archive_server import ArchiveServer
from dimse_sender import Sender
from mpps_sender import begun, device, now
from samples import EXPLICIT, of_syntax

CLOSED = "Performed Procedure Step Object may no longer be updated"


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, DeflatedExplicitVRLittleEndian])
def test_a_step_from_its_begin_to_its_end(server, syntax):
    name, study = generate_uid(), generate_uid()
    with device(server.dimse_port, transfer_syntax=syntax) as ct:
        assert ct.change(now("COMPLETED", {}), name).status == 0x0112
        assert ct.create(begun(study), name).status == 0
        assert ct.create(begun(study), name).status == 0x0111
        assert ct.change(now("IN PROGRESS", {generate_uid(): [generate_uid()]}), name).status == 0
        assert ct.change(now("COMPLETED", {generate_uid(): [generate_uid(), generate_uid()]}), name).status == 0
        for status in ("IN PROGRESS", "COMPLETED", "DISCONTINUED"):
            told = ct.change(now(status, {}), name)
            assert (told.status, told.comment, told.error_id) == (0x0110, CLOSED, 0xA710)


def test_a_step_without_a_name_is_given_one(server):
    with device(server.dimse_port) as ct:
        told = ct.create(begun(generate_uid()), None)
        assert told.status == 0
        assert re.fullmatch(r"2\.25\.[0-9]+", told.instance), told
        assert ct.change(now("DISCONTINUED", {}), told.instance).status == 0


def without(keyword: str) -> Dataset:
    step = begun(generate_uid())
    delattr(step, keyword)
    return step


def test_what_is_missing_is_named(server):
    with device(server.dimse_port) as ct:
        for keyword in ("PerformedProcedureStepStatus", "ScheduledStepAttributesSequence"):
            told = ct.create(without(keyword), generate_uid())
            assert told.status == 0x0120 and keyword in told.comment, told
        studyless = begun(generate_uid())
        del studyless.ScheduledStepAttributesSequence[0].StudyInstanceUID
        assert ct.create(studyless, generate_uid()).status == 0x0120
        for status in ("COMPLETED", "DISCONTINUED", "DONE"):
            step = begun(generate_uid())
            step.PerformedProcedureStepStatus = status
            told = ct.create(step, generate_uid())
            assert told.status == 0x0106 and "PerformedProcedureStepStatus" in told.comment, told
        # What devices leave out in practice is no reason to refuse a step.
        spare = Dataset()
        spare.PerformedProcedureStepStatus = "IN PROGRESS"
        spare.ScheduledStepAttributesSequence = begun(generate_uid()).ScheduledStepAttributesSequence
        assert ct.create(spare, generate_uid()).status == 0


def test_hostile_steps_are_refused_and_the_device_goes_on(server):
    with device(server.dimse_port) as ct:
        deep = begun(generate_uid())
        item = Dataset()
        for _ in range(80):
            around = Dataset()
            around.PerformedProtocolCodeSequence = [item]
            item = around
        deep.PerformedProtocolCodeSequence = [item]
        assert ct.create(deep, generate_uid()).status == 0x0213
        long = begun(generate_uid())
        long.PixelData = b"\0" * (9 << 20)
        long["PixelData"].VR = "OB"
        assert ct.create(long, generate_uid()).status == 0x0213
        name = generate_uid()
        assert ct.create(begun(generate_uid()), name).status == 0
        crowd = {generate_uid(): [f"1.2.3.{n}" for n in range(50_001)]}
        told = ct.change(now("COMPLETED", crowd), name)
        assert told.status == 0x0213 and "50000" in told.comment, told
        wrong = now("COMPLETED", {generate_uid(): [generate_uid()]})
        wrong.PerformedSeriesSequence[0].SeriesInstanceUID = "../../etc"
        assert ct.change(wrong, name).status == 0x0106
        assert ct.change(now("COMPLETED", {}), name).status == 0


def test_who_may_store_may_tell_of_steps_and_nobody_else(tmp_path):
    settings = {"PACS_DIMSE__ACCEPT": "known"}
    running = ArchiveServer(tmp_path / "archive", **settings)
    running.folder.mkdir(parents=True)
    config = running.folder / "pacs.toml"
    config.write_text('[[peer]]\nae_title = "CT1"\naddress = "127.0.0.1"\n')
    running.environment["PACS_CONFIG"] = str(config)
    running.start()
    try:
        with device(running.dimse_port, "CT1") as ct:
            assert ct.create(begun(generate_uid()), generate_uid()).status == 0
        with pytest.raises(AssertionError), device(running.dimse_port, "STRANGER"):
            pass
    finally:
        running.stop()


def test_the_page_of_a_study_tells_what_its_device_told(fresh_server):
    sample = of_syntax(EXPLICIT)
    [(_, outcome)] = Sender(fresh_server.dimse_port).send([sample])
    assert outcome.stored, outcome
    name = generate_uid()
    with device(fresh_server.dimse_port) as ct:
        assert ct.create(begun(sample.study), name).status == 0
        missing = generate_uid()
        done = now("COMPLETED", {sample.series: [sample.sop_instance, missing]})
        assert ct.change(done, name).status == 0
    page = requests.get(f"{fresh_server.base}/studies/{sample.study}", timeout=30).text
    assert "MPPS" in page and "Đã xong, 2 ảnh" in page
    assert fresh_server.stop() == 0
    assert fresh_server.command("rebuild").returncode == 0
    fresh_server.start()
    page = requests.get(f"{fresh_server.base}/studies/{sample.study}", timeout=30).text
    assert "Đã xong, 2 ảnh" in page
    with device(fresh_server.dimse_port) as ct:
        told = ct.change(now("COMPLETED", {}), name)
        assert (told.status, told.error_id) == (0x0110, 0xA710)
