"""The way back: restore and verify, from any surviving copy."""
