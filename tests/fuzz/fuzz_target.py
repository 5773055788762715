"""What every text must stand: it is parsed, compiled, and told of in every format, in time, and harmlessly.

``examine`` raises AssertionError for what a plan may not do to its reader. ``tools/fuzz`` calls it for hours, the tests
here for the corpus and for some seconds.
"""

from __future__ import annotations

import importlib
import io
import json
import time
import xml.etree.ElementTree as ElementTree

from tapechain.cli.check import FORMATS
from tapechain.cli.formats.findings import Checked, Findings
from tapechain.cli.report import print_text
from tapechain.compiler.emit.dot import to_dot
from tapechain.compiler.emit.markdown import to_markdown
from tapechain.compiler.emit.mermaid import to_mermaid
from tapechain.compiler.forecast import forecast
from tapechain.compiler.program import compile_program
from tapechain.compiler.world import MemoryWorld
from tapechain.dsl.parser import parse
from tapechain.dsl.pieces import Memory
from tapechain.dsl.printer import print_file

#: Processor seconds for one text of a few kilobytes, all formats together; a hang is many times that.
SECONDS = 5.0
MOST_BYTES = 16 << 10
#: What a line of a report may not hold: controls move a terminal's cursor, the others turn its text around.
_HARMFUL = {chr(c) for c in (*range(0x20), *range(0x7F, 0xA0)) if chr(c) not in "\n\t"} | set(
    "\u202a\u202e\u2066\u2028"
)

_memory = Memory()


def examine(content: bytes) -> None:
    """Put *content* through everything that a plan goes through before it runs."""
    content = content[:MOST_BYTES]
    began = time.process_time()
    file, diagnostics = parse(content, "plan.tc")
    assert repr(parse(content, "plan.tc", _memory)) == repr((file, diagnostics)), "memory changes what is parsed"
    if not diagnostics:
        text = print_file(file)
        again, faults = parse(text, "plan.tc")
        assert not faults and again == file, "printing changes what is said"
    compilation = compile_program("plan.tc", MemoryWorld(files={"plan.tc": content}))
    checked = Checked("plan.tc", compilation.diagnostics, compilation.texts)
    for form, module in FORMATS.items():
        if not module:
            out = io.StringIO()
            print_text(compilation.diagnostics, compilation.texts, out)
            document = out.getvalue()
        else:
            document = importlib.import_module(f"tapechain.cli.formats.{module}").render(Findings((checked,)))
        _harmless(document, form)
        if form in {"json", "gitlab", "sarif"}:
            json.loads(document)
        elif form == "junit":
            ElementTree.fromstring(document)
    if compilation.plan is not None and len(compilation.plan.agents) < 50:
        _harmless(to_dot(compilation.plan), "dot")
        _harmless(to_mermaid(compilation.plan), "mermaid")
        found = forecast(compilation.graph, compilation.layout)
        _harmless(to_markdown(compilation.plan, found, compilation.diagnostics), "markdown")
    spent = time.process_time() - began
    assert spent < SECONDS, f"{spent:.1f} s"


def _harmless(document: str, form: str) -> None:
    found = _HARMFUL & set(document)
    assert not found, f"{form} holds {sorted(map(ascii, found))}"
