"""Text to syntax tree: spans, nodes, parser, units. Knows shapes, not backup meaning."""
