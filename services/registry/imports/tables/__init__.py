"""What is a table beside those of kernel.spreadsheet: NDJSON and Parquet, in the same blocks."""
