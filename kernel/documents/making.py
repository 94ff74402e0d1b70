"""The process of workshop.py: one `Work` on standard input, `Made` or `Refused` on standard output."""

import os
import resource
import sys
from collections.abc import Callable
from typing import Any, Final

import msgspec

from kernel.documents.workshop import Made, Refused, Work
from kernel.refusal import Refusal

_NICENESS: Final = 10
"""Commands go first."""


def make_one(documents: Any, render: Callable[[Any, str], bytes]) -> None:
    """What a service's process does: the document is one of the type `documents`, and `render` knows its format."""
    work = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=Work)
    bound(resource.RLIMIT_AS, work.limits.address_space_bytes_max)
    # Ends a process whose service died before it could.
    bound(resource.RLIMIT_CPU, work.limits.seconds_max * (os.cpu_count() or 1))
    os.nice(_NICENESS)
    answer: Made | Refused
    try:
        answer = Made(render(msgspec.msgpack.decode(work.document, type=documents), work.form))
    except Refusal as refused:
        answer = Refused(refused.code, {name: str(value) for name, value in refused.details.items()})
    sys.stdout.buffer.write(msgspec.msgpack.encode(answer))


def bound(kind: int, most: int) -> None:
    """A limit that stands already is only made narrower."""
    _, hard = resource.getrlimit(kind)
    allowed = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(kind, (allowed, allowed))
