"""A picture as one HTML page: light or dark as the reader's system has it, no script, nothing from the network."""

from __future__ import annotations

import html
import re
from typing import Final

#: What stands before ``<svg`` in a document of its own: the XML declaration, the document type, comments.
_PROLOGUE: Final = re.compile(r"\A.*?(?=<svg\b)", re.DOTALL)
_ID: Final = re.compile(r'(<[a-z]+ [^>]*?\bid=")')

_PAGE: Final = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>
body {{ margin: 0; background: {light_paper}; }}
svg {{ display: block; margin: auto; }}
.dark {{ display: none; }}
@media screen and (prefers-color-scheme: dark) {{
  body {{ background: {dark_paper}; }}
  .light {{ display: none; }}
  .dark {{ display: block; }}
}}
</style>
</head>
<body>
<div class="light">
{light}
</div>
<div class="dark">
{dark}
</div>
</body>
</html>
"""


def page(title: str, light: bytes, dark: bytes) -> bytes:
    """The page of two SVG documents, which show one picture in both themes. *title* is any text."""
    from ..compiler.emit.colours import DARK, LIGHT
    from ..compiler.emit.picture_text import visible

    return _PAGE.format(
        title=html.escape(visible(title)),
        light_paper=LIGHT.paper,
        dark_paper=DARK.paper,
        light=_inline(light, "light"),
        dark=_inline(dark, "dark"),
    ).encode("utf-8")


def _inline(svg: bytes, theme: str) -> str:
    """*svg* as it stands inside a page, its identifiers apart from those of the other theme."""
    text = _PROLOGUE.sub("", svg.decode("utf-8"), count=1)
    return _ID.sub(lambda found: f"{found[1]}{theme}-", text).rstrip()
