"""Verifies a log and replays what is disclosed of it, from published files alone.

finding.py      the seventeen faults, and where each was found
source.py       the files: a folder, or a platform's gateway
basis.py        whom to believe, and which sets may be read
checkpoints.py  whom to believe, the newest checkpoint, and those before it
span.py         65,536 entries at a time: hashes, disclosed events, metadata
tree.py         tiles against the root, older checkpoints against the tree
streams.py      what only a whole stream can tell
lives.py        what the events of a device make of it
balance.py      balances, reckoned anew
review.py       a review, derived again from the events of its devices
review_audit.py the audit of one
comparing.py    what the platform shows, against what its log says
audit.py        the run
remembering.py  what this auditor verified before
trouble.py      why something could not be read, and what to do
verdict.py      what it comes to: one sentence, one exit status

Reports of an audit, each step from the one before it:

report_gathering.py  what a report needs to know beside the findings
report_proof.py      the proof that is drawn, read from the log
report_words.py      what is said whatever was found
report_text.py       texts out of a log, made fit for a page
report_checks.py     what was checked, and what came of it
report_content.py    facts, findings and balances, in both languages
report_drawing.py    the proof as lines, shapes and labels
report_html.py       one HTML file
report_paper.py      the working paper, 审计工作底稿, as PDF

It stands on `ledger.proof` and on nothing else of the house, so that a mistake there is not made here again.
"""
