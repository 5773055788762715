"""A schedule that systemd would not take is refused when the plan is checked, not when its timer never elapses."""

import shutil
import subprocess

import pytest
from tapechain.compiler.calendar import may_be_calendar

SOUND = [
    "daily",
    "daily UTC",
    "02:00",
    "*-*-* 02:00",
    "Mon..Fri 02:00",
    "Mon,Wed *-*-1..7 02:00:00 Europe/Berlin",
    "Sat",
    "Monday",
    "Mon UTC",
    "*:0/15",
    "12-25",
    "*-*~1",
    "Sun *-*~07/1",
    "@1395716396",
    "mon,fri *-1/2-1,3 *:30:45",
    "Fri-Sun 1:00",
    "05:40:23.4200004/3.1700005",
]
WRONG = [
    "2",
    "0 2 * * *",
    "every night",
    "nightly",
    "at 2:00",
    "02h00",
    "Mo 02:00",
    "*",
    "2026-11-20T02:00",
    "Sat, Sun 02:00",
]
B = "backup group g { agent A -> R1 { B1 <- D1   B2 <- D2 } }\n"


@pytest.mark.parametrize("text", SOUND)
def test_what_systemd_takes_is_taken(check, text) -> None:
    assert check(f'plan p {{ schedule = "{text}" }}\n{B}').codes == []


@pytest.mark.parametrize("text", WRONG)
def test_what_it_does_not_take_is_refused(check, text) -> None:
    checked = check(f'plan p {{ schedule = «"{text}"» }}\n{B}')
    assert checked.codes == ["TC207"]
    assert checked.places == checked.marks


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not there to be asked")
@pytest.mark.parametrize("text", [*SOUND, *WRONG])
def test_systemd_says_the_same(text) -> None:
    asked = subprocess.run(["systemd-analyze", "calendar", "--", text], capture_output=True, timeout=60, check=False)
    assert (asked.returncode == 0) == may_be_calendar(text)
