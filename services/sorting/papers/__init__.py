"""Sorting's papers as one may ask for them: from log and views to what a paper shows, and then to its bytes.

offered.py     the questions, who may ask them, and the queue of papers to be made
samples.py     a drawn sample as a list
certified.py   a re-verification as a certificate
measures.py    measured values and limits as they are printed

How a paper looks is the business of `documents`, which knows nothing of log and views.
"""
