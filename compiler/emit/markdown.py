"""A plan as a page of Markdown, for a pull request or a wiki: what goes where, what is promised, a Mermaid picture.

GitHub's flavour (tables; a ``mermaid`` block is drawn). Names come from plans that nobody vouches for: each stands in a
code span in which nothing is markup, a mention or a reference.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from ...dsl.diagnostics import Diagnostic
from ...runtime.plan import CompiledPlan, Drive, Pool, Source
from ..differ_change import value_text
from ..differ_flows import Flow, flows
from ..duration import clock
from ..forecast import Forecast
from .mermaid import to_mermaid
from .picture import picture_of
from .picture_text import amount, short

if TYPE_CHECKING:
    from jinja2 import Template

#: A picture with more buffers than these is no picture on a page (and Mermaid draws at most 500 lines by default).
PICTURE_BUFFERS_MAX: Final = 150
#: Code points of a name on the page.
_NAME_SHOWN: Final = 80

_PAGE: Final = """\
# Backup plan {{ name }}

{{ sentence }}

| | |
| --- | --- |
{% for key, value in facts -%}
| {{ key }} | {{ value }} |
{% endfor -%}
{% if sources %}
## What is backed up, and where to

| source | what it is | copies | on | sites |
| --- | --- | ---: | --- | --- |
{% for row in sources -%}
| {{ row|join(" | ") }} |
{% endfor -%}
{% endif -%}
{% if restored %}
## What is read from volumes, and where to

| read | copies | on | targets |
| --- | ---: | --- | --- |
{% for row in restored -%}
| {{ row|join(" | ") }} |
{% endfor -%}
{% endif %}
## Drives

| drive | what it is | site | media | pool |
| --- | --- | --- | --- | --- |
{% for row in drives -%}
| {{ row|join(" | ") }} |
{% endfor -%}
{% if requirements %}
## Requirements, all kept

{% for line in requirements -%}
- {{ line }}
{% endfor -%}
{% endif -%}
{% if warnings %}
## Warnings

{% for line in warnings -%}
- {{ line }}
{% endfor -%}
{% endif -%}
{% if picture %}
## Picture

```mermaid
{{ picture }}```
{% endif -%}
"""


def to_markdown(plan: CompiledPlan, forecast: Forecast, diagnostics: Sequence[Diagnostic] = ()) -> str:
    """*plan* as a page. Pure: the same text for the same plan on any machine. *diagnostics*: its warnings."""
    ways = flows(plan)
    pools = {pool.name: pool for pool in plan.pools}
    buffers = sum(len(agent.buffers) for agent in plan.agents)
    return _template(_PAGE).render(
        name=code(plan.plan),
        sentence=_sentence(plan, ways.values()),
        facts=_facts(plan, forecast),
        sources=[_source_row(source, ways[source.name]) for source in plan.sources],
        restored=[_restored_row(plan, way) for way in ways.values() if way.restored],
        drives=[_drive_row(drive, pools) for drive in plan.drives],
        requirements=[
            code(f"{r.metric} {r.operator} {value_text(r.metric, r.value)}")
            + (f" of {', '.join(map(code, r.of))}" if r.of else "")
            for r in plan.requirements
        ],
        warnings=[f"{d.code}, line {d.span.line}: {code(d.message, 400)}" for d in diagnostics],
        picture=to_mermaid(picture_of(plan)) if buffers <= PICTURE_BUFFERS_MAX else None,
    )


def code(text: str, most: int = _NAME_SHOWN) -> str:
    """*text* as a code span that means nothing else, in a table too.

    Where it holds a character that could end the span or the table's cell, all such are written as HTML's references.
    """
    seen = short(text, most)
    if seen.strip() == seen and seen and not set(seen) & set("`|\\"):
        return f"`{seen}`"
    return f"<code>{''.join(c if c.isalnum() or c == ' ' else f'&#{ord(c)};' for c in seen)}</code>"


def _sentence(plan: CompiledPlan, ways: Iterable[Flow]) -> str:
    read = [way for way in ways if way.copies or way.discards or way.restored]
    copies = sum(len(way.copies) for way in read)
    drives = {copy.drive.name for way in read for copy in way.copies.values()}
    return (
        f"{_counted(len(read), 'object is', 'objects are')} read once each and written as "
        f"{_counted(copies, 'copy', 'copies')} to {_counted(len(drives), 'drive')}, "
        f"through {_counted(len(plan.rings), 'ring of buffer memory', 'rings of buffer memory')}."
    )


def _facts(plan: CompiledPlan, forecast: Forecast) -> list[tuple[str, str]]:
    facts = [
        ("record", amount(plan.record)),
        ("memory", amount(plan.memory) + (f" of {amount(plan.memory_limit)} allowed" if plan.memory_limit else "")),
    ]
    hosts = [own for own in forecast.memory if own.host is not None]
    if hosts:
        facts.append(("memory by host", ", ".join(f"{code(own.host or '')} {amount(own.bytes)}" for own in hosts)))
    missing = len(forecast.duration.missing)
    lacks = f" ({_counted(missing, 'fact is', 'facts are')} missing: `tcc estimate` names them)" if missing else ""
    facts.append(("estimate", code(forecast.duration.said, 200) + lacks))
    if plan.window is not None:
        facts.append(("window", clock(plan.window)))
    if plan.schedule is not None:
        facts.append(("schedule", code(plan.schedule)))
    facts.append(("fingerprint", code(plan.fingerprint)))
    return facts


def _source_row(source: Source, way: Flow) -> tuple[str, ...]:
    said = {
        "files": ", ".join(map(code, source.files[:6])) + (" …" if len(source.files) > 6 else ""),
        "stream": code(source.stream or ""),
        "command": code(" ".join(source.command)),
        "chain": code(source.chain or "") + (f" up to object {code(source.object)}" if source.object else ""),
    }[source.kind]
    more = [word for word in (source.compress, "encrypted" if source.encrypt else None) if word]
    if source.level != "full":
        more.append(source.level)
    what = f"{source.kind} {said}" + (f" ({', '.join(more)})" if more else "")
    return (code(source.name), what, *_where(way), ", ".join(map(code, way.sites)) or "–")


def _where(way: Flow) -> tuple[str, str]:
    on = [code(name) for name in way.copies] + [f"{code(name)} (discards)" for name in way.discards]
    return str(len(way.copies)), ", ".join(on) or "–"


def _restored_row(plan: CompiledPlan, way: Flow) -> tuple[str, ...]:
    from ..differ_flows import buffer_paths

    paths = buffer_paths(plan)
    targets = [code(t.name) for t in plan.targets if t.feed in paths and paths[t.feed][0] == way.name]
    return (code(way.name), *_where(way), ", ".join(targets) or "–")


def _drive_row(drive: Drive, pools: dict[str, Pool]) -> tuple[str, ...]:
    place = drive.volumes or drive.tape or drive.bucket
    what = drive.kind + (f" {code(place)}" if place else "")
    if drive.capacity is not None:
        what += f", {amount(drive.capacity)} a volume"
    pool = pools.get(drive.pool or "")
    kept = "" if pool is None or pool.retention is None else f", kept {value_text('retention', pool.retention)}"
    named = code(drive.pool) + kept if drive.pool else "–"
    return (
        code(drive.name),
        what,
        code(drive.site) if drive.site else "–",
        code(drive.media or "") if drive.media else "–",
        named,
    )


def _counted(number: int, one: str, many: str | None = None) -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"


@functools.cache
def _template(text: str) -> Template:
    from jinja2 import Environment, StrictUndefined

    # Markdown: `code` has made every value harmless; HTML's escapes would only be shown.
    environment = Environment(undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False)  # noqa: S701
    return environment.from_string(text)
