"""What proves the record to somebody who does not trust its keeper: hashes, signatures and the forms they come in.

Pure functions from bytes to values. Nothing here reads a file, asks the time or draws a number, and nothing of the
house is imported, so that an auditor can stand on these modules alone. Formats are those of C2SP/C2SP@5ba5ee8; each
module names its specification.
"""
