"""The demonstration: a season of a province that does not exist, told in spreadsheets, and what must come of it."""
