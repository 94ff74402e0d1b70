"""`python -m bench.registry [--json]`: the registry against raw SQLite and against its peer."""
