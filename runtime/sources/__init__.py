"""What a run reads: GNU tar over files, a stream, a command."""
