"""The whole log held against the ledger from within: every commitment, tile, bundle, mark and published checkpoint.

It reads and changes nothing, needs little memory however long the log is, and may run beside the sequencer, whose
newest published checkpoint at the start is where it ends.
"""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from ledger.port import Ledger
from ledger.proof.checkpoint import Checkpoint, opened
from ledger.proof.errors import ProofFault
from ledger.proof.keys import VerifierKey
from ledger.proof.merkle import Range
from ledger.proof.note import Note
from ledger.proof.tiles import FULL_WIDTH, LEVEL_BITS, ENTRIES, Edge, Tile, tile_root
from ledger.transparency.layout import CHECKPOINT, CHECKPOINTS, KEYS, LOG, MARK_BYTES, MARKS, STORE, notes_in
from ledger.transparency.reading import At, read_run
from ledger.transparency.storage import DirectoryStorage, Storage
from ledger.transparency.store import SequencerStore
from ledger.transparency.tree import Tree

RUN_ENTRIES: Final = 16_384
FINDINGS_MAX: Final = 100
"""More than these say nothing new."""
