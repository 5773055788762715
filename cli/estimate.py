"""``tcc estimate``: how long a run would take, what sets the pace, how much memory and which loads it means."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING, Any

import click

from ..runtime.faults import EXIT_FAILED, EXIT_OK, UsageFault
from .console import print_json, print_result
from .options import define_option
from .plans import compile_file, is_compiled, print_diagnostics
from .table import print_table, size_text

if TYPE_CHECKING:
    from ..compiler.forecast import DriveLoad, Forecast

#: Errors about what the plan promises: its couplings are sound, and the estimate says by how much a promise is missed.
PROMISES = frozenset({"TC401", "TC402", "TC501", "TC502"})

#: Missing facts beyond these are counted, not listed.
MISSING_SHOWN = 20


@click.command(
    "estimate",
    epilog="\b\nExamples:\n"
    "  tcc estimate night.tc          the duration, what sets the pace, memory, the load of each drive\n"
    "  tcc estimate night.tc --json   the same as JSON",
)
@click.argument("file", metavar="FILE")
@click.option("--json", "as_json", is_flag=True, help="The estimate as JSON.")
@define_option
def estimate_command(file: str, *, as_json: bool, defines: dict[str, str]) -> int:
    """Estimate a run of the plan FILE from the rate and size of its sources and the rate of its drives.

    Nothing is opened. What the plan does not say is named, and the duration is then the least that the rest makes
    necessary. docs/estimate.md has the model and what it leaves out.
    """
    if is_compiled(file):
        raise UsageFault(f"{file} is a compiled plan", todo="give the .tc that it was made from")
    compilation = compile_file(file, defines)
    print_diagnostics(compilation)
    errors = {d.code for d in compilation.diagnostics if d.severity == "error"}
    if errors - PROMISES:
        return EXIT_FAILED
    from ..compiler.forecast import forecast

    found = forecast(compilation.graph, compilation.layout)
    name = compilation.graph.model.plan_name
    if as_json:
        print_json(forecast_json(name, found))
    else:
        _print_text(name, found)
    return EXIT_FAILED if errors else EXIT_OK


def forecast_json(plan: str, found: Forecast) -> dict[str, Any]:
    """The document of ``--json`` (docs/estimate.md). What is not known is null."""
    duration = found.duration
    kind, _, name = duration.bottleneck.partition(" ")
    return {
        "version": 1,
        "plan": plan,
        "seconds": {"least": duration.low, "most": duration.high if duration.high < math.inf else None},
        "exact": duration.exact and not duration.missing,
        "bottleneck": {"kind": kind, "name": name} if name else None,
        "missing": list(duration.missing),
        "memory": {
            "bytes": sum(own.bytes for own in found.memory),
            "hosts": [{"host": own.host, "rings": own.rings, "bytes": own.bytes} for own in found.memory],
        },
        "drives": [
            {
                "name": load.drive,
                "agent": load.agent,
                "bytes": load.bytes,
                "rate": load.rate,
                "inflow": load.inflow,
                "busy_seconds": load.busy_seconds,
                "load": load.load,
            }
            for load in found.drives
        ],
    }


def _print_text(plan: str, found: Forecast) -> None:
    duration = found.duration
    print_result(f"{plan}: {duration.said}")
    if duration.missing:
        print_result("What the plan does not give, and the estimate lacks:")
        for line in duration.missing[:MISSING_SHOWN]:
            print_result(f"  {line}")
        if len(duration.missing) > MISSING_SHOWN:
            print_result(f"  … and {len(duration.missing) - MISSING_SHOWN} more (--json lists all)")
    if not duration.exact:
        print_result("The plan is too large to be followed to its end: this is the least that it takes.")
    print_result("")
    print_table(
        ("DRIVE", "AGENT", "BYTES", "RATE", "FED AT", "BUSY", "LOAD"),
        [_row(load) for load in found.drives],
        right=frozenset({2, 3, 4, 5, 6}),
    )
    print_result("")
    print_table(
        ("HOST", "RINGS", "MEMORY"),
        [(own.host or "this machine", str(own.rings), size_text(own.bytes)) for own in found.memory],
        right=frozenset({1, 2}),
    )
    sys.stdout.flush()


def _row(load: DriveLoad) -> tuple[str, ...]:
    from ..compiler.duration import clock, rate_text

    rate = "-"
    if load.rate is not None:
        slow, fast = load.rate
        rate = rate_text(fast) if slow == fast else f"{rate_text(slow)}..{rate_text(fast)}"
    return (
        load.drive,
        load.agent,
        "-" if load.bytes is None else size_text(load.bytes),
        rate,
        "-" if load.inflow is None else rate_text(load.inflow),
        "-" if load.busy_seconds is None else clock(load.busy_seconds),
        "-" if load.load is None else f"{load.load:.0%}",
    )
