"""The registry against raw SQLite and against its peer: see __main__."""
