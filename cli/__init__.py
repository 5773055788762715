"""The command line: one file a command, loaded when called; the only place that reads argv and prints."""
