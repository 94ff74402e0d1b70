"""Spreadsheets as people really keep them, turned into rows that commands can be made of, or into errors one can mend.

bytes -> tables/ (recognise; delimited, workbook, lines, parquet) -> heading -> plan (converters) -> batches
         child (the process that does this, without files or network once it has begun) <- process (its async owner)
         error_file (what was refused, handed back as CSV and XLSX)

mapping.py and mappings/*.yaml say which headers, units and code lists mean what; faults.py is every way to fail.
Nothing here knows a command: rows are plain values, and what they mean is decided where they are appended.
"""
