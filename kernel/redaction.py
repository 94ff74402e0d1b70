"""What looks like a secret is cut out of whatever is shown."""

import re
from collections.abc import Mapping
from typing import Any, Final

REDACTED: Final = "[redacted]"

_SECRET_NAME: Final = re.compile(
    r"authori[sz]ation|token|passw|secret|cookie|api.?key|private|credential|signature|^dsn$|database_url|ledger_url",
    re.IGNORECASE,
)
_SUSPECT: Final = re.compile(r"eyJ|bearer|basic|://|passw|secret|token|-----BEGIN", re.IGNORECASE)
"""What every pattern below needs to match at all: most texts are done with after one look."""

_SECRET_TEXT: Final = (
    # A JWT, with or without its signature.
    (re.compile(r"\beyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]{5,}(?:\.[A-Za-z0-9_-]*)?"), REDACTED),
    (re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}"), rf"\1 {REDACTED}"),
    # The password in a URL; the user name stays, to tell connections apart.
    (re.compile(r"(://[^/\s:@]*):[^/\s@]+@"), rf"\1:{REDACTED}@"),
    (re.compile(r"(?i)\b(password|passwd|secret|token)(\s*[=:]\s*)[^\s,;&'\"]+"), rf"\1\2{REDACTED}"),
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)"), REDACTED),
)


def redacted(value: Any) -> Any:
    """The same value without what looks like a secret."""
    match value:
        case str():
            if _SUSPECT.search(value) is None:
                return value
            for pattern, instead in _SECRET_TEXT:
                value = pattern.sub(instead, value)
            return value
        case Mapping():
            return {name: REDACTED if _SECRET_NAME.search(str(name)) else redacted(one) for name, one in value.items()}
        case list() | tuple() | set() | frozenset():
            return [redacted(one) for one in value]
        case bytes():
            return redacted(value.decode("utf-8", "replace"))
        case int() | float() | bool() | None:
            return value
        case _:
            return redacted(repr(value))
