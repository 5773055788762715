"""What a run reports: statuses that fit each other, and each failed drive once, with what is safe and what to do."""

from __future__ import annotations

import pytest
from tapechain.cli.summary import lines
from tapechain.runtime.faults import DriveBusyFault, Place
from tapechain.runtime.model import CopyResult, DriveReport, Ending, ObjectReport, RunReport
from tapechain.runtime.report import copy_report, drive_report, to_json


@pytest.mark.parametrize("began", [False, True])
def test_copies_of_a_source_that_was_stopped_are_cut_off_not_failed(began: bool) -> None:
    ending = Ending("cut-off", error="the run was stopped")
    result = CopyResult("object", "R1", "A1", "failed") if began else None
    copy = copy_report("R1", "A1", discards=False, ending=ending, result=result, error=None)
    assert (copy.status, copy.error) == ("cut-off", "the run was stopped")


def test_copy_on_a_drive_that_failed_stays_failed_when_its_source_is_stopped() -> None:
    ending = Ending("cut-off", error="every copy of it failed")
    copy = copy_report("R1", "A1", discards=False, ending=ending, result=None, error="no such device")
    assert (copy.status, copy.error) == ("failed", "no such device")


def test_plan_that_stores_nothing_says_why_it_failed(runner, plan_of) -> None:
    report = runner.run(plan_of([], {}))
    assert report.status == "failed"
    assert any("no source of the plan reaches a drive" in note for note in report.notes)


def test_each_failed_drive_is_told_once_with_what_to_do() -> None:
    fault = DriveBusyFault(
        "another run holds the folder", place=Place(drive="R1", volume="R1-000001"), safe="all of it", todo="wait"
    )
    told = drive_report("R1", fault)
    assert told == DriveReport("R1", "volume R1-000001: another run holds the folder", "all of it", "wait")
    ending = Ending("failed", error="not read: none of its drives can be written")
    objects = tuple(
        ObjectReport(
            source, source * 2, 0, 0, "failed", error=ending.error,
            copies=(copy_report("R1", "A1", discards=False, ending=ending, result=None, error=str(fault)),),
        )
        for source in ("S1", "S2")
    )  # fmt: skip
    report = RunReport("session", "plan", "failed", objects, 1.0, faults=(told,))
    text = "\n".join(lines(report))
    assert text.count("another run holds the folder") == 1
    assert "    do: wait" in text and "    safe: all of it" in text
    assert "see why" not in text
    assert list(to_json(report)["faults"]) == [
        {"drive": "R1", "error": told.error, "safe": "all of it", "todo": "wait"},
    ]
