"""Names that strangers give to streams and types: what nobody can see in them, and for what they can be taken."""

import unicodedata
from collections.abc import Sequence
from typing import Final

_UNSEEN: Final = frozenset(
    (
        *(0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x3164, 0xFFA0),
        *range(0x180B, 0x1810),
        *range(0xFE00, 0xFE10),
        *range(0xE0100, 0xE01F0),
    )
)
"""Marks and fillers that take part in no other character's look, beside those that Unicode calls format characters."""

_LOOK: Final = str.maketrans(
    "\u0430\u0432\u0433\u0435\u0456\u0458\u043a\u043c\u043d\u043e\u0440\u0441\u0455\u0442\u0443\u0445\u0501\u04bb\u04cf\u0475"
    "\u03b1\u03b9\u03ba\u03bd\u03bf\u03c1\u03c4\u03c5\u03c7\u0131\u0261",
    "abreijkmhopcstyxdhlvaikvoptuxig",
)
"""Small letters of other scripts, as Latin ones for which they are taken: Cyrillic, Greek, and two of Latin itself."""


def is_seen(name: str) -> bool:
    """Whether nothing in a name is a control or format character, a line's end, or otherwise invisible."""
    return name.isprintable() and not any(ord(character) in _UNSEEN for character in name)


def looks_as_if_it_began(name: str, prefixes: Sequence[str]) -> bool:
    """Whether a reader may take the name's begin for one of these, which are small Latin letters and dots."""
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", name).casefold())
    bare = "".join(character for character in folded if not unicodedata.combining(character))
    return bare.translate(_LOOK).startswith(tuple(prefixes))
