"""The plan as a Mermaid flowchart, for pages that draw it themselves (a README on a forge, say).

Mermaid gives no places: this is the same graph in the same colours, not the same picture. Each agent is a subgraph of
its buffers and its drive inside the frame of its group.
"""

from __future__ import annotations

from ...runtime.plan import Agent, CompiledPlan
from .colours import LIGHT, stroke
from .picture import BufferKey, Picture, picture_of
from .picture_sizes import drive_notes, group_title, source_notes, target_notes
from .picture_text import amount, selector_text, short, visible

#: Line styles as Mermaid's ``stroke-dasharray``.
_DASHES = {"solid": "", "dashed": ",stroke-dasharray:7 4", "dotted": ",stroke-dasharray:2 3"}


def to_mermaid(plan: CompiledPlan) -> str:
    """*plan* as a Mermaid document. Pure: the same text for the same plan on any machine."""
    return _Chart(picture_of(plan)).text()


class _Chart:
    def __init__(self, picture: Picture) -> None:
        self._picture = picture
        self._ids: dict[tuple[str, ...], str] = {}
        self._lines: list[str] = []
        self._styles: list[str] = []
        self._links: list[tuple[str, str, int]] = []

    def text(self) -> str:
        picture, plan = self._picture, self._picture.plan
        self._lines += [
            "flowchart LR",
            f"  %% plan {_comment(plan.plan)}: {len(plan.rings)} rings, {amount(plan.memory)} of memory",
        ]
        for name, source in picture.sources.items():
            self._node(1, ("source", name), f"{_strong(name)}<br/>{_text(source_notes(source))}")
            self._tint(("source", name), picture.chain_of_source[name])
        for stage in picture.stages:
            for group, agents in stage.groups:
                kind, _, of = group_title(group)
                title = f"{kind} {_strong(group.name)}" + (f" {_text(of)}" if of else "")
                self._lines.append(f'  subgraph {self._id("group", group.name)}["{title}"]')
                for agent in agents:
                    self._agent(agent)
                self._lines.append("  end")
        for target in plan.targets:
            self._node(1, ("target", target.name), f"{_strong(target.name)}<br/>{_text(target_notes(target))}")
        for drive in picture.idle_drives:
            self._node(1, ("drive", drive.name, ""), f"{_strong(drive.name)}<br/>{_text(drive_notes(drive))} · unused")
        self._couplings()
        for number, (tail, head, chain) in enumerate(self._links):
            line = stroke(chain, LIGHT)
            self._lines.append(f"  {tail} --> {head}")
            style = f"stroke:{line.colour},stroke-width:{line.width:.1f}px{_DASHES[line.style]}"
            self._styles.append(f"  linkStyle {number} {style}")
        return "\n".join([*self._lines, *self._styles]) + "\n"

    def _agent(self, agent: Agent) -> None:
        self._lines.append(f'    subgraph {self._id("agent", agent.name)}["{_strong(agent.name)}"]')
        for buffer in agent.buffers:
            key: BufferKey = (agent.name, buffer.name)
            feed = selector_text(buffer.feed, buffer.as_of) if agent.role == "read" else buffer.feed
            self._node(3, ("buffer", *key), f"{_strong(buffer.name)} {_text(short(feed))}")
            self._tint(("buffer", *key), self._picture.chain_of_buffer[key])
        drive = drive_notes(self._picture.drives.get(agent.drive))
        self._node(3, ("drive", agent.drive, agent.name), f"{_strong(agent.drive)}<br/>{_text(drive)}", "[(", ")]")
        self._lines.append("    end")
        for buffer in agent.buffers:
            ends = (self._id("buffer", agent.name, buffer.name), self._id("drive", agent.drive, agent.name))
            tail, head = reversed(ends) if agent.role == "read" else ends
            self._links.append((tail, head, self._picture.chain_of_buffer[agent.name, buffer.name]))

    def _couplings(self) -> None:
        picture = self._picture
        for coupling in picture.couplings:
            if coupling.source is not None:
                tail = self._id("source", coupling.source)
            else:
                assert coupling.buffer is not None
                tail = self._id("buffer", *coupling.buffer)
            self._links.append((tail, self._id("buffer", *coupling.into), picture.chain_of_buffer[coupling.into]))
        for name, feed in picture.target_feeds.items():
            self._links.append((self._id("buffer", *feed), self._id("target", name), picture.chain_of_buffer[feed]))
            self._tint(("target", name), picture.chain_of_buffer[feed])

    def _node(self, depth: int, key: tuple[str, ...], label: str, left: str = "[", right: str = "]") -> None:
        self._lines.append(f'{"  " * depth}{self._id(*key)}{left}"{label}"{right}')

    def _tint(self, key: tuple[str, ...], chain: int) -> None:
        line = stroke(chain, LIGHT)
        self._styles.append(f"  style {self._id(*key)} fill:{line.tint},stroke:{line.colour},color:{LIGHT.ink}")

    def _id(self, *key: str) -> str:
        return self._ids.setdefault(key, f"n{len(self._ids)}")


def _text(text: str) -> str:
    """*text* inside a quoted label: all that could be markup becomes Mermaid's ``#code;``."""
    return "".join(c if c.isalnum() or c in " _-·/.,→…@" else f"#{ord(c)};" for c in visible(text))


def _strong(name: str) -> str:
    return f"<b>{_text(short(name))}</b>"


def _comment(text: str) -> str:
    return "".join(c if c.isalnum() or c in " _-." else "_" for c in visible(text))
