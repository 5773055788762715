"""What stands between a source's bytes and its records: zstd, then age; and the way back (docs/encryption.md)."""
