"""The rule book: one file a rule, named for what it finds."""
