"""The language server: documents, analyses and the protocol around ``cli.language``. Imports pygls."""
