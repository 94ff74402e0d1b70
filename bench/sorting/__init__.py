"""How fast a hall is served: whole inspections, verdicts, scans, and a sample derived again."""
