"""The registry's papers as one may ask for them: from log and views to what a document shows, and then to its bytes.

offered.py   the questions, who may ask them, and the queue of documents to be made
note.py      a shipment as a transfer note
ledger.py    recovery rates as a ledger
page.py      a device's life as one page
refused.py   what a refusal's code means
life.py      each event of a life in words

How a document looks is the business of `documents`, which knows nothing of log and views.
"""
