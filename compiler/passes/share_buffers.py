"""Buffer sharing: all buffers on one host that descend from one feed become one ring (system.md, "Buffer memories").

Requires a sound graph (no cycle, one feed a buffer). Ensures that every buffer lies in exactly one ring, that buffers
of one ring have one root and one host, and that no ring is shallower than any of its buffers states. Idempotent.

The patent: "in case backup media agents run on the same server a buffer memory can be shared between two backup media
agents in order to prevent unnecessary copying".
"""

from __future__ import annotations

from ..model import Node
from .layout import Layout, RingDraft


def share_buffers(layout: Layout) -> Layout:
    """Join the rings of each root and host into one, as deep as the deepest of them, buffers in their order."""
    joined: dict[tuple[Node, str | None], list[RingDraft]] = {}
    for draft in layout:
        joined.setdefault((draft.root, draft.host), []).append(draft)
    return tuple(
        RingDraft(root, host, max(d.depth for d in drafts), tuple(buffer for d in drafts for buffer in d.buffers))
        for (root, host), drafts in joined.items()
    )
