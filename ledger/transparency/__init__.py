"""The proof log's input and output: what follows a ledger, writes files for everyone, and never contradicts itself.

layout.py     the names of the files, and what they hold
storage.py    the port to where the files lie, and the directory
store.py      what the sequencer knows of itself, compared and swapped
tree.py       growth of the tree: which files a run of commitments makes, and that they say what was meant
keys.py       the log's signing keys and their change
lock.py       one writer a log
reading.py    from the ledger to entries
sequencer.py  the single writer: ledger -> tiles -> checkpoint
publishing.py how a signed checkpoint becomes a published one
disclosed.py  the files of what is disclosed, and their heads
discloser.py  ledger and log -> the public set, the supervisors' set, metadata
cosigning.py  asks the witnesses of a policy
witness.py, witness_store.py, witness_door.py  a witness of logs, its memory and its HTTP door
moving.py     lets a log follow its ledger to where that was moved
fsck.py       the whole log held against the ledger
evidence.py   proofs of single events, for those whom they concern
faults.py     what makes it stop, in both languages
"""
