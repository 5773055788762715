#!/usr/bin/env python3
"""How long an editor waits: one line of a large plan is edited again and again, through a real ``tcc lsp``.

    python bench/lsp_latency.py [--buffers 10000] [--edits 12]

Prints for each kind of edit the server's CPU time from the edit to its diagnostics (the figure that other work on the
machine does not change) and the time on the clock, medians; and how long the requests that editors make most take.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import sysconfig
import tempfile
import time
from pathlib import Path
from typing import Any

from lsprotocol import types as lsp
from pygls.lsp.client import LanguageClient

os.environ["PATH"] = os.pathsep.join([sysconfig.get_path("scripts"), os.environ.get("PATH", os.defpath)])
DEADLINE_SECONDS = 120
STAGES = 3


def plan(buffers: int) -> str:
    """Sources, and for each a chain of three buffers, ten in an agent: backup and two mirrors."""
    agents = max(buffers // (STAGES * 10), 1)
    lines = ["plan big", ""]
    lines += [f'source S{i} {{ files = "/srv/{i}"  exclude = ["*.tmp"] }}' for i in range(agents * 10)]
    for stage in range(STAGES):
        names = ((f"R{stage}_{a}", f"media/R{stage}_{a}", f"s{stage}") for a in range(agents))
        lines += [f'drive {name} {{ volumes = "{folder}"  site = "{site}" }}' for name, folder, site in names]
    for stage in range(STAGES):
        lines.append("backup group g0 {" if not stage else f"mirror group g{stage} of g{stage - 1} {{")
        for a in range(agents):
            lines.append(f"  agent A{stage}_{a} -> R{stage}_{a} {{")
            feeds = (f"S{a * 10 + b}" if not stage else f"A{stage - 1}_{a}.B{b}" for b in range(10))
            lines += [f"    B{b} <- {feed}" for b, feed in enumerate(feeds)]
            lines.append("  }")
        lines.append("}")
    return "\n".join([*lines, "require copies >= 3, sites >= 2", ""])


class Editor(LanguageClient):
    def __init__(self) -> None:
        super().__init__("bench", "1")
        self.news = asyncio.Condition()
        self.latest: lsp.PublishDiagnosticsParams | None = None
        self.version = 1
        self.uri = ""

        @self.feature(lsp.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)
        async def _(params: lsp.PublishDiagnosticsParams) -> None:
            async with self.news:
                self.latest = params
                self.news.notify_all()

    def cpu_seconds(self) -> float:
        """What the server's process has taken so far (proc(5), utime and stime)."""
        assert self._server is not None
        fields = Path(f"/proc/{self._server.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    async def diagnostics(self) -> list[Any]:
        async with asyncio.timeout(DEADLINE_SECONDS), self.news:
            await self.news.wait_for(lambda: self.latest is not None and self.latest.version == self.version)
        assert self.latest is not None
        return list(self.latest.diagnostics)

    async def edit(self, line: int, start: int, end: int, new: str) -> tuple[float, float, int]:
        """CPU seconds, clock seconds, and how many diagnostics there are then."""
        self.version += 1
        change = lsp.TextDocumentContentChangePartial(
            lsp.Range(lsp.Position(line, start), lsp.Position(line, end)), new
        )
        cpu, clock = self.cpu_seconds(), time.monotonic()
        self.text_document_did_change(
            lsp.DidChangeTextDocumentParams(lsp.VersionedTextDocumentIdentifier(self.version, self.uri), [change])
        )
        found = await self.diagnostics()
        return self.cpu_seconds() - cpu, time.monotonic() - clock, len(found)


async def measure(buffers: int, edits: int) -> None:
    text = plan(buffers)
    lines = text.split("\n")
    with tempfile.TemporaryDirectory() as folder:
        editor = Editor()
        await editor.start_io("tcc", "lsp")
        await editor.initialize_async(lsp.InitializeParams(lsp.ClientCapabilities(), root_uri=Path(folder).as_uri()))
        editor.initialized(lsp.InitializedParams())
        editor.uri = (Path(folder) / "big.tc").as_uri()
        cpu, clock = editor.cpu_seconds(), time.monotonic()
        editor.text_document_did_open(
            lsp.DidOpenTextDocumentParams(lsp.TextDocumentItem(editor.uri, "tapechain", 1, text))
        )
        found = await editor.diagnostics()
        print(f"{text.count('<-'):,} buffers, {len(lines):,} lines, {len(text) >> 10:,} KiB; {len(found)} diagnostics")
        print(f"{'':34}{'CPU s':>8}{'clock s':>9}")
        print(f"{'opened (cold)':34}{editor.cpu_seconds() - cpu:8.2f}{time.monotonic() - clock:9.2f}")

        middle = next(i for i, line in enumerate(lines) if line.startswith(f"  agent A1_{buffers // 60} ")) + 4
        column = len(lines[middle])
        source = next(i for i, line in enumerate(lines) if line.startswith(f"source S{buffers // 7} "))
        path = lines[source].index("/srv/") + 5
        for label, line, at, typed in (
            ("a path of a source", source, path, "x"),
            ("a coupling, to a name that is not", middle, column, "x"),
            ("a syntax error in a coupling", middle, column, " <-"),
            ("a syntax error in a source", source, path + 1, '"'),
            ("a line more at the top", 1, 0, "\n"),
        ):
            taken = []
            for _ in range(edits):
                taken.append(await editor.edit(line, at, at, typed))
                if typed == "\n":
                    await editor.edit(line, 0, 0, "")
                    editor.version += 1
                    change = lsp.TextDocumentContentChangePartial(lsp.Range(lsp.Position(1, 0), lsp.Position(2, 0)), "")
                    editor.text_document_did_change(
                        lsp.DidChangeTextDocumentParams(
                            lsp.VersionedTextDocumentIdentifier(editor.version, editor.uri), [change]
                        )
                    )
                    await editor.diagnostics()
                else:
                    await editor.edit(line, at, at + len(typed), "")
            cpu, clock = (statistics.median(one[i] for one in taken) for i in (0, 1))
            print(f"{label:34}{cpu:8.2f}{clock:9.2f}   {taken[-1][2]} diagnostics")

        identifier = lsp.TextDocumentIdentifier(editor.uri)
        position = lsp.Position(middle, column)
        for label, ask in (
            ("hover", lambda: editor.text_document_hover_async(lsp.HoverParams(identifier, position))),
            ("completion", lambda: editor.text_document_completion_async(lsp.CompletionParams(identifier, position))),
            ("definition", lambda: editor.text_document_definition_async(lsp.DefinitionParams(identifier, position))),
            ("outline", lambda: editor.text_document_document_symbol_async(lsp.DocumentSymbolParams(identifier))),
        ):
            await ask()
            before, clock = editor.cpu_seconds(), time.monotonic()
            for _ in range(3):
                await ask()
            print(f"{label:34}{(editor.cpu_seconds() - before) / 3:8.2f}{(time.monotonic() - clock) / 3:9.2f}")
        memory = Path(f"/proc/{editor._server.pid}/status").read_text()  # type: ignore[union-attr]
        peak = next(line.split()[1] for line in memory.splitlines() if line.startswith("VmHWM"))
        print(f"{'peak memory':34}{int(peak) >> 10:5} MiB")
        await editor.shutdown_async(None)
        editor.exit(None)
        await editor.stop()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--buffers", type=int, default=10_000)
    parser.add_argument("--edits", type=int, default=12)
    given = parser.parse_args()
    asyncio.run(measure(given.buffers, given.edits))
    return 0


if __name__ == "__main__":
    sys.exit(main())
