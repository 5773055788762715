"""``tcc sessions``: the runs that the catalog knows."""

from __future__ import annotations

import click

from ..runtime.faults import EXIT_OK
from .console import print_json
from .options import catalog_option, define_option, examples, plan_option, state_option


@click.command(epilog=examples("tcc sessions --plan night.tc", "tcc sessions --json"))
@click.option("--json", "as_json", is_flag=True, help="The list as JSON.")
@plan_option
@catalog_option
@state_option
@define_option
def sessions_command(
    *,
    as_json: bool,
    plan_path: str | None,
    catalog: str | None,
    state: str | None,
    defines: dict[str, str],
) -> int:
    """List the sessions that the catalog knows, newest first."""
    from .state import catalog_of_options

    known, _ = catalog_of_options(plan_path, catalog, state, defines)
    with known:
        sessions = known.sessions()
    if as_json:
        print_json(
            [
                {
                    "session": s.id,
                    "plan": s.plan,
                    "started": s.started,
                    "seconds": s.seconds,
                    "status": s.status,
                    "objects": s.objects,
                }
                for s in sessions
            ]
        )
        return EXIT_OK
    from .table import moment_text, print_table

    rows = [
        (
            str(s.number),
            s.plan,
            moment_text(s.started),
            "-" if s.seconds is None else f"{s.seconds:.1f}",
            s.status,
            str(s.objects),
            s.id,
        )
        for s in sessions
    ]
    print_table(
        ("NUMBER", "PLAN", "STARTED", "SECONDS", "STATUS", "OBJECTS", "SESSION"), rows, right=frozenset({0, 3, 5})
    )
    return EXIT_OK
