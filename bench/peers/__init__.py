"""Backup systems that Debian offers, as contenders: how each is set up, run, checked and taken away again."""
