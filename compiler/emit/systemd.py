"""A plan with a ``schedule`` as a systemd service and its timer (systemd.service(5), systemd.timer(5)).

Names and paths come from plans that nobody vouches for: whatever goes into a unit is written so that it stays one word
of one line (systemd.syntax(7): quotes and C escapes, ``%%`` for ``%``, ``$$`` for ``$`` in commands).
"""

from __future__ import annotations

import functools
import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ...runtime.plan import CompiledPlan
from .picture_text import short

if TYPE_CHECKING:
    from jinja2 import Template

#: systemd.unit(5): the longest name of a unit, with its suffix, in bytes.
UNIT_NAME_BYTES_MAX: Final = 255

#: What systemd.time(7) makes calendar expressions of: digits, weekdays, time zones, ``* / , . : ~ - + _`` and blanks.
_CALENDAR: Final = re.compile(r"[A-Za-z0-9*/,.:~+_ -]{1,500}")

#: Folders that ``ProtectSystem=full`` makes read-only (systemd.exec(5)).
_SYSTEM_FOLDERS: Final = ("/usr", "/bin", "/sbin", "/lib", "/boot", "/efi", "/etc")

#: A word that means only itself without quotes, too.
_PLAIN: Final = re.compile(r"[A-Za-z0-9_./:=+-]+", re.ASCII)

_SERVICE: Final = """\
# The service of a backup plan, made by `tcc compile --emit systemd`.
# Make it again when the plan's schedule or place changes, or tcc's.
# Install: copy this file and its .timer to /etc/systemd/system, then `systemctl daemon-reload`
# and `systemctl enable --now {{ timer }}`. What the last run said: `journalctl -u {{ service }}`.

[Unit]
Description=tapechain: backup plan {{ plan }}
After=local-fs.target remote-fs.target{% if network %} network-online.target
Wants=network-online.target{% endif %}

[Service]
Type=oneshot
ExecStart={{ command }}
{% for line in environment -%}
Environment={{ line }}
{% endfor -%}
# Exit codes 1 (failed), 2 (could not work) and 3 (degraded: some copies lack) leave the unit failed: see OnFailure=.
{% if window -%}
# The plan's window is {{ window }}: `tcc check` says whether a run is expected to fit.
{% endif -%}
# A run is never cut short: a late backup is worth more than none.
TimeoutStartSec=infinity
# A stop reaches tcc alone, which ends its readers itself and closes its volumes in order.
KillMode=mixed
TimeoutStopSec=15min
Nice=10
{% if protect_system -%}
ProtectSystem=full
{% endif -%}
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectHostname=yes
LockPersonality=yes
RestrictRealtime=yes
{% if not commands -%}
# The plan starts no commands of its own: tar is all that runs beside tcc.
NoNewPrivileges=yes
RestrictNamespaces=yes
RestrictSUIDSGID={{ "no" if restores else "yes" }}
{% endif -%}
"""

_TIMER: Final = """\
# When the backup plan runs, made by `tcc compile --emit systemd` from the plan's `schedule`.

[Unit]
Description=tapechain: when the backup plan {{ plan }} runs

[Timer]
OnCalendar={{ schedule }}
# A run that was missed while the machine was off is made up for.
Persistent=true
Unit={{ service }}

[Install]
WantedBy=timers.target
"""


class NoUnits(Exception):
    """The plan cannot be a service: says why, and what to do."""

    def __init__(self, why: str, todo: str) -> None:
        super().__init__(why)
        self.todo = todo


@dataclass(frozen=True, slots=True)
class Invocation:
    """What the service runs, all of it absolute: the ``program`` (with arguments that come before ``run``), the plan's
    ``file``, and its ``folder``, which its relative paths are relative to. ``environment`` is set for the run.
    """

    program: tuple[str, ...]
    file: str
    folder: str
    defines: Mapping[str, str]
    environment: Mapping[str, str]


def to_units(plan: CompiledPlan, invocation: Invocation) -> dict[str, str]:
    """The units by file name: ``tapechain-NAME.service`` and ``.timer``. Pure. Raises :class:`NoUnits`."""
    if plan.schedule is None:
        raise NoUnits(
            f"the plan {short(plan.plan)} has no `schedule`: nobody knows when its service is to run",
            'give it one: plan … { schedule = "*-*-* 01:30" }',
        )
    if not _CALENDAR.fullmatch(plan.schedule):
        raise NoUnits(
            f"the schedule {short(plan.schedule, 80)!r} is no calendar expression",
            "`man systemd.time` says how they are written, `systemd-analyze calendar EXPRESSION` what they mean",
        )
    for source in plan.sources:
        if source.stream == "-":
            raise NoUnits(
                f"the source {short(source.name)} reads standard input, which is empty in a service",
                "let it read a file or FIFO, or write it as a `command`",
            )
    for path in (invocation.program[0], invocation.file):
        if not path.startswith("/"):
            raise NoUnits(f"{short(path)} is no absolute path", "units name files by absolute paths only")
    stem = "tapechain-" + escaped_name(plan.plan)
    if len(f"{stem}.service") > UNIT_NAME_BYTES_MAX:
        raise NoUnits("the plan's name is too long for the name of a unit", "give the plan a shorter name")
    words = [*invocation.program, "run", "--progress", "none"]
    words += [part for name, value in invocation.defines.items() for part in ("-D", f"{name}={value}")]
    written = _written_folders(plan, invocation.folder)
    values = {
        "plan": _value(plan.plan),
        "service": f"{stem}.service",
        "timer": f"{stem}.timer",
        "schedule": plan.schedule,
        "command": " ".join([word(words[0], expand=False), *map(word, [*words[1:], invocation.file])]),
        "environment": [
            word(f"{name}={value}", expand=False) for name, value in sorted(invocation.environment.items())
        ],
        "window": None if plan.window is None else f"{plan.window:g} s",
        "network": any(h.address not in (None, "localhost", "127.0.0.1", "::1") for h in plan.hosts)
        or any(d.bucket is not None for d in plan.drives)
        or (plan.catalog or "").startswith("postgres"),
        "commands": "command" in {s.kind for s in plan.sources} | {t.kind for t in plan.targets},
        "restores": any(t.kind == "files" for t in plan.targets),
        "protect_system": not any(t.kind == "command" for t in plan.targets)
        and not any(_below(path, folder) for path in written for folder in _SYSTEM_FOLDERS),
    }
    return {f"{stem}.service": _template(_SERVICE).render(values), f"{stem}.timer": _template(_TIMER).render(values)}


def escaped_name(name: str) -> str:
    """*name* as part of a unit's name: what systemd-escape(1) makes of it."""
    out = []
    for i, byte in enumerate(name.encode("utf-8", "surrogatepass")):
        c = chr(byte)
        if c == "/":
            out.append("-")
        elif (c.isascii() and c.isalnum()) or c in ":_" or (c == "." and i):
            out.append(c)
        else:
            out.append(f"\\x{byte:02x}")
    return "".join(out)


def word(text: str, *, expand: bool = True) -> str:
    """*text* as one quoted word of a unit file; *expand*: ``$`` would be a variable there (arguments of ExecStart)."""
    out = []
    for byte in text.encode("utf-8", "surrogateescape"):
        c = chr(byte)
        if c in '"\\':
            out.append("\\" + c)
        elif c == "%":
            out.append("%%")
        elif c == "$" and expand:
            out.append("$$")
        elif " " <= c <= "~":
            out.append(c)
        else:
            out.append(f"\\x{byte:02x}")
    return "".join(out) if _PLAIN.fullmatch(text) else '"' + "".join(out) + '"'


def _value(text: str) -> str:
    """*text* as the rest of a line: nothing that does not print, no specifier, no backslash that continues the line."""
    seen = short(text, 120).replace("%", "%%")
    return seen + "." if seen.endswith("\\") else seen


def _written_folders(plan: CompiledPlan, folder: str) -> list[str]:
    paths: list[str | None] = [plan.state]
    paths += [path for d in plan.drives for path in (d.volumes, d.tape)]
    paths += [path for t in plan.targets for path in (t.files, t.stream)]
    paths += [agent.spool for agent in plan.agents]
    if plan.catalog is not None and plan.catalog.startswith("sqlite"):
        paths.append(plan.catalog.partition(":///")[2])
    return [posixpath.normpath(posixpath.join(folder, path)) for path in paths if path]


def _below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder + "/")


@functools.cache
def _template(text: str) -> Template:
    from jinja2 import Environment, StrictUndefined

    # Units are no HTML: every value above is escaped as units want it.
    environment = Environment(undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False)  # noqa: S701
    return environment.from_string(text)
