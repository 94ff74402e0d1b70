"""Filters of $all: by the event's type or its stream's name, by prefixes or by a regular expression.

Expressions are written for .NET and searched for anywhere in a name. One that does not come to an end is stopped, and
the call that brought it ends. Names come again and again, so verdicts are kept; only names not yet judged are matched,
in threads that let go of the interpreter while they match: the event loop never waits for one.
"""

import asyncio
import time
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Final, Protocol
from weakref import WeakValueDictionary

import grpc
import msgspec
import regex

from ledger.port import Recorded
from ledger.server.errors import Refused, invalid

QUICK_S_MAX: Final = 0.05
"""What an expression may take for the names of one page before it has to go on in the other lane: some ten times what a
harmless one takes.
"""

PAGE_S_MAX: Final = 1.0
"""What it may take there, before it is given up."""

EXPRESSION_CHARS_MAX: Final = 4_096
"""Making it ready takes time that grows with its length and cannot be stopped: a tenth of a second for one as long."""

_TOO_LONG: Final = (
    f"过滤器的正则表达式超过 {EXPRESSION_CHARS_MAX} 个字符。"
    f"The expression of the filter is longer than {EXPRESSION_CHARS_MAX} characters."
)

VERDICTS_MAX: Final = 16_384
"""Names whose verdict is kept for one expression."""

INDEX: Final = "$idx-"
"""As a stream's prefix it does not mean streams of such a name, but one of the indexes that KurrentDB has by itself."""


class Chosen(msgspec.Struct, frozen=True):
    """What a caller filters by: an expression, or prefixes where that is empty."""

    by_stream: bool
    expression: str
    prefixes: tuple[str, ...]


class Filter(Protocol):
    """Which events pass. If `stream_prefixes` is not empty, all events pass of streams that begin with any of them, and
    no others.
    """

    @property
    def stream_prefixes(self) -> tuple[str, ...]: ...

    async def passing(self, events: Sequence[Recorded]) -> Sequence[bool]:
        """Whether each passes. Raises Refused where that cannot be found out in time."""
        ...


class Filters:
    """Makes filters, and keeps the threads in which expressions are matched.

    There are two lanes of one thread each: expressions that do not come to an end queue up in the second one, where
    they delay only their like. In a third one expressions are made ready, so that long ones delay only new ones.
    """

    def __init__(self) -> None:
        self._quick: Final = ThreadPoolExecutor(1, thread_name_prefix="ledger-filter-quick")
        self._slow: Final = ThreadPoolExecutor(1, thread_name_prefix="ledger-filter-slow")
        self._making: Final = ThreadPoolExecutor(1, thread_name_prefix="ledger-filter-making")
        self._made: Final[WeakValueDictionary[tuple[str, bool], _Expression]] = WeakValueDictionary()

    async def of(self, chosen: Chosen) -> Filter:
        """Raises Refused where there is no such expression or index."""
        if chosen.expression:
            return await self._expression(chosen.expression, by_stream=chosen.by_stream)
        if chosen.by_stream and len(chosen.prefixes) == 1 and chosen.prefixes[0].startswith(INDEX):
            return _index(chosen.prefixes[0])
        return _Prefixes(chosen.prefixes, by_stream=chosen.by_stream)

    def close(self) -> None:
        """What is being matched comes to its end by itself."""
        for lane in (self._quick, self._slow, self._making):
            lane.shutdown(wait=False, cancel_futures=True)

    async def judge(self, pattern: "regex.Pattern[str]", names: Collection[str]) -> dict[str, bool]:
        loop = asyncio.get_running_loop()
        verdicts = await loop.run_in_executor(self._quick, _judge, pattern, names, QUICK_S_MAX)
        if len(verdicts) < len(names):
            left = [name for name in names if name not in verdicts]
            verdicts |= await loop.run_in_executor(self._slow, _judge, pattern, left, PAGE_S_MAX)
        if len(verdicts) < len(names):
            raise invalid("过滤器的正则表达式耗时过长。The expression of the filter takes too long.")
        return verdicts

    async def _expression(self, expression: str, *, by_stream: bool) -> "_Expression":
        made = self._made.get((expression, by_stream))
        if made is None:
            if len(expression) > EXPRESSION_CHARS_MAX:
                raise invalid(_TOO_LONG)
            pattern = await asyncio.get_running_loop().run_in_executor(self._making, _compiled, expression)
            made = self._made[expression, by_stream] = _Expression(self, pattern, by_stream=by_stream)
        return made


class _Expression:
    """Calls that bring the same expression at the same time share what it said."""

    def __init__(self, filters: Filters, pattern: "regex.Pattern[str]", *, by_stream: bool) -> None:
        self._filters, self._pattern, self._by_stream = filters, pattern, by_stream
        self._verdicts: Final[dict[str, bool]] = {}
        self.stream_prefixes: Final[tuple[str, ...]] = ()

    async def passing(self, events: Sequence[Recorded]) -> Sequence[bool]:
        names = [event.stream for event in events] if self._by_stream else [event.type for event in events]
        known = self._verdicts
        with suppress(KeyError):
            return [known[name] for name in names]
        found = {name: known[name] for name in names if name in known}
        if unknown := {name for name in names if name not in found}:
            judged = await self._filters.judge(self._pattern, unknown)
            if len(known) + len(judged) > VERDICTS_MAX:
                known.clear()
            known |= judged
            found |= judged
        return [found[name] for name in names]


class _Prefixes:
    def __init__(self, prefixes: tuple[str, ...], *, by_stream: bool) -> None:
        self._prefixes, self._by_stream = prefixes, by_stream
        self.stream_prefixes: Final = prefixes if by_stream else ()

    async def passing(self, events: Sequence[Recorded]) -> Sequence[bool]:
        if self._by_stream:
            return [event.stream.startswith(self._prefixes) for event in events]
        return [event.type.startswith(self._prefixes) for event in events]


class _OfType:
    stream_prefixes = ()

    def __init__(self, event_type: str) -> None:
        self._type = event_type

    async def passing(self, events: Sequence[Recorded]) -> Sequence[bool]:
        return [event.type == self._type for event in events]


def _index(name: str) -> Filter:
    """All events of a type or of a category, which is what stands in a stream's name before its first hyphen."""
    if event_type := _after(name, INDEX + "et-"):
        return _OfType(event_type)
    category = _after(name, INDEX + "ce-")
    if category and "-" not in category:
        return _Prefixes((category + "-",), by_stream=True)
    raise Refused(
        grpc.StatusCode.NOT_FOUND, f"没有索引 {name}。Index '{name}' not found.", (("exception", "index-not-found"),)
    )


def _after(name: str, prefix: str) -> str:
    return name.removeprefix(prefix) if name.startswith(prefix) else ""


def _compiled(expression: str) -> "regex.Pattern[str]":
    if foreign := _foreign(expression):
        raise invalid(foreign)
    try:
        return regex.compile(expression)
    except (regex.error, RecursionError, OverflowError, ValueError) as error:
        raise invalid(f"过滤器的正则表达式无效：{error}。The expression of the filter is not valid: {error}") from error


def _foreign(expression: str) -> str:
    """What would silently mean something else here than to .NET, or what exists only here and takes any memory."""
    for token in _TOKEN.finditer(expression):
        name = token.lastgroup
        if name == "class":
            plain = _ESCAPED.sub("", token[0])
            name = "subtraction" if "-[" in plain else "posix" if _POSIX.search(plain, 1) else None
        if name is not None:
            return _FOREIGN[name]
    return ""


_FOREIGN: Final = {
    "subtraction": "过滤器的正则表达式不支持字符类相减。The expression of the filter subtracts a class: not supported.",
    "posix": "过滤器的正则表达式不支持 POSIX 字符类。The expression of the filter has a POSIX class: not supported.",
    "flags": (
        "过滤器的正则表达式只可用 i、m、s 标志。"
        "The expression of the filter sets a flag other than i, m and s: not supported."
    ),
    "recursion": "过滤器的正则表达式不支持递归。The expression of the filter is recursive: not supported.",
    "brace": "过滤器的正则表达式中有未转义的花括号。The expression of the filter has a brace that is not escaped.",
}

_ESCAPED: Final = regex.compile(r"\\.", regex.DOTALL)

_POSIX: Final = regex.compile(r"\[:[^:\]]*:\]$")

_TOKEN: Final = regex.compile(
    r"""\\[pPxu]\{[^}]*\} | \\.                            # escaped, a property or not
    | \(\?\#[^)]*\)                                      # a comment, whatever it looks like
    | \(\?[ims]*(?:-[ims]*)?[:)]
    | (?P<recursion>\(\?(?:R|[+-]?[0-9]|&|P>))
    | (?P<flags>\(\?[a-zA-Z0-9-]+[:)])
    | (?P<class>\[\^?\]?(?:\\.|[^\]\\])*\])
    | \{[0-9]+(?:,[0-9]*)?\}
    | (?P<brace>\{)""",
    regex.VERBOSE | regex.DOTALL,
)


def _judge(pattern: "regex.Pattern[str]", names: Collection[str], s_max: float) -> dict[str, bool]:
    """Of as many names as time allows, whether the pattern is found in them."""
    until_s = time.monotonic() + s_max
    verdicts: dict[str, bool] = {}
    for name in names:
        left_s = until_s - time.monotonic()
        if left_s <= 0:
            break
        try:
            verdicts[name] = pattern.search(name, concurrent=True, timeout=left_s) is not None
        except TimeoutError:
            break
        except MemoryError as error:
            raise invalid(
                "过滤器的正则表达式占用内存过多。The expression of the filter takes too much memory."
            ) from error
    return verdicts
