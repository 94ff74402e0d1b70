"""The reference pages of docs/reference, made from the code: `make docs` writes them, a test compares them with it.

events.md       every type of event: its members, and who may read it
commands.md     every command: its members
refusals.md     every code with which something is refused
settings.md     every setting of a service
vocabulary.md   the named types and lists of codes that events and commands use
verify.sha256   the hash of the page that checks a device's history, as the gateway serves it
schemas/        JSON Schemas of the schemes and tables that people edit
"""

import asyncio
from collections.abc import Iterable, Iterator
from datetime import date, datetime
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin, get_type_hints

import msgspec

from cli.client_types import client_types
from cli.disclosing import DiscloserSettings
from cli.inventory import DeclaredType, deciders, instruments, reasons, types
from cli.openapi import documents, written
from cli.sequencing import SequencerSettings
from cli.serving import ServingSettings
from cli.settings import CliSettings
from cli.witnessing import WitnessSettings
from gateway.assembly import GatewaySettings
from gateway.verifier import hash_line
from kernel.disclosure import Disclosure, Label, load
from kernel.settings import Settings, settings_table
from services.registry.assembly import RegistrySettings
from services.sorting.assembly import SortingSettings
from services.sorting.decision import VerdictTable
from services.sorting.defaults import Cases
from services.sorting.norms import Scheme
from services.sorting.prices import Prices
from services.sorting.sampling import SamplingPlans

ROOT: Final = Path(__file__).parent.parent
REFERENCE: Final = ROOT / "docs" / "reference"
OPENAPI: Final = REFERENCE / "openapi"
CLIENT_TYPES: Final = ROOT / "client" / "types.py"
DISCLOSURE: Final = ROOT / "docs" / "disclosure.yaml"
MADE: Final = "<!-- Made by `make docs` from the code. Change the code, not this page. -->\n\n"

EDITED: Final[dict[str, type[msgspec.Struct]]] = {
    "scheme": Scheme,
    "verdict_table": VerdictTable,
    "prices": Prices,
    "verdict_cases": Cases,
    "sampling": SamplingPlans,
}
"""What people write as YAML, and what an editor checks it by."""

_PLAIN: Final = {bool: "yes or no", int: "integer", str: "text", date: "date", datetime: "instant"}
_AUDIENCES: Final = {"public": "anyone", "supervisor": "the supervisor"}
_VOCABULARY: Final = "vocabulary.md"
_WHEN: Final = ("occurred_at", "occurred_on")

_EVENTS: Final = """\
台账中的全部事件，按服务和对象排列。事件类型在台账中写作 `<service>.<Event>`，永不更名；数据为 JSON，
取缺省值的成员省略。每个事件带 `occurred_at`（含时区的时刻）或 `occurred_on`（Asia/Shanghai 的日期），恰好其一。
谁可阅读整个事件，见 [disclosure.yaml](../disclosure.yaml)；类型与代码见 [vocabulary.md](vocabulary.md)。

Everything the log can hold, by service and noun. An event's type in the log is `<service>.<Event>` and never changes;
its data is JSON, members at their default left out. Every event carries `occurred_at` (an instant with its zone) or
`occurred_on` (a day in Asia/Shanghai), exactly one of the two. Who may read an event whole is declared in
[disclosure.yaml](../disclosure.yaml); types and codes are explained in [vocabulary.md](vocabulary.md).
"""
_COMMANDS: Final = """\
可向各服务提出的命令，按对象排列。每个命令带 `occurred_at` 或 `occurred_on`，恰好其一。
可能的拒绝见 [refusals.md](refusals.md)。

What one may ask of a service, by noun. Every command carries `occurred_at` or `occurred_on`, exactly one of the two.
What may be refused is in [refusals.md](refusals.md).
"""
_REFUSALS: Final = """\
每一种拒绝的代码。代码永不更改；花括号中为填入的内容。种类决定各入口返回的状态，见 `kernel/door.py`。

Every code with which something is refused. Codes never change; words in braces are filled in. The kind decides the
status at each door: see `kernel/door.py`.

| code | kind | 中文 | English | declared in |
| --- | --- | --- | --- | --- |
"""
_SETTINGS: Final = f"""\
# 设置 Settings

{MADE}设置只来自环境变量。`METERLOOP_REST_PORT` 对所有服务有效；`METERLOOP_REGISTRY__REST_PORT`（两个下划线）
只对 registry 有效，并且优先。写错名字的变量会被拒绝，服务不启动。

Settings come from the environment alone. `METERLOOP_REST_PORT` holds for every service;
`METERLOOP_REGISTRY__REST_PORT`, with two underscores, for the registry alone, and goes before. A variable that names no
setting is refused and the service does not start. OpenTelemetry's own `OTEL_*` variables keep their meaning.

"""
_REGISTRY_SETTINGS: Final = """
## 登记服务 Registry

"""
_SORTING_SETTINGS: Final = """
## 分拣服务 Sorting

"""
_GATEWAY_SETTINGS: Final = """
## 网关 Gateway

"""
_SEQUENCER_SETTINGS: Final = """
## 定序 Sequencer

"""
_DISCLOSER_SETTINGS: Final = """
## 披露 Discloser

"""
_SERVING_SETTINGS: Final = """
## 提供台账 Log served by KurrentDB's protocol

"""
_WITNESS_SETTINGS: Final = """
## 见证人 Witness

"""
_CLI_SETTINGS: Final = """
## 命令行 Command line

"""
_METRICS: Final = """\
`/metrics` 上的指标，按 OpenTelemetry 的名称列出；在 Prometheus 中以下划线代替点，并加上单位。网关不对外提供此地址。

The metrics at `/metrics`, by their names in OpenTelemetry; Prometheus has underscores for dots, and the unit appended.
They are never routed outside.

| metric | kind | unit | meaning | declared in |
| --- | --- | --- | --- | --- |
"""
_VOCABULARY_INTRO: Final = """\
事件和命令所用的类型与代码表。

The named types that events and commands use, and the lists of codes with their words.
"""


def pages() -> dict[str, str]:
    """Every page of the reference by its file name."""
    return {
        "events.md": _events(load(DISCLOSURE)),
        "commands.md": _commands(),
        "refusals.md": _refusals(),
        "settings.md": _SETTINGS
        + settings_table(Settings)
        + _REGISTRY_SETTINGS
        + settings_table(RegistrySettings, "registry")
        + _SORTING_SETTINGS
        + settings_table(SortingSettings, "sorting")
        + _GATEWAY_SETTINGS
        + settings_table(GatewaySettings, "gateway")
        + _SEQUENCER_SETTINGS
        + settings_table(SequencerSettings, "sequencer")
        + _DISCLOSER_SETTINGS
        + settings_table(DiscloserSettings, "discloser")
        + _SERVING_SETTINGS
        + settings_table(ServingSettings, "ledger")
        + _WITNESS_SETTINGS
        + settings_table(WitnessSettings, "witness")
        + _CLI_SETTINGS
        + settings_table(CliSettings, "cli"),
        "metrics.md": _metrics(),
        "vocabulary.md": _vocabulary(),
        "verify.sha256": hash_line(),
        **{f"schemas/{name}.json": _schema(kind) for name, kind in EDITED.items()},
    }


async def made_from_doors() -> dict[Path, str]:
    """The files that are made from the doors' own descriptions, by their place from the root."""
    found = await documents()
    texts = {OPENAPI / f"{door}.json": written(document) for door, document in found.items()}
    return {**texts, CLIENT_TYPES: client_types(found["gateway"])}


def main() -> None:
    """Write the pages."""
    texts = {REFERENCE / name: text for name, text in pages().items()} | asyncio.run(made_from_doors())
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")


def _schema(kind: type[msgspec.Struct]) -> str:
    """A JSON Schema, for whoever edits such a document."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **msgspec.json.schema(kind)}
    return msgspec.json.format(msgspec.json.encode(schema), indent=2).decode() + "\n"


def _events(disclosure: Disclosure) -> str:
    said = ["# 事件 Events\n\n", MADE, _EVENTS]
    for service, nouns in deciders().items():
        for noun in nouns:
            said.append(f"\n## {service}: {noun.category}\n")
            for event in noun.events:
                name = f"{service}.{event.__name__}"
                label = _label(disclosure, disclosure.events.get(name))
                said.append(f"\n### {name}\n\n{_doc(event)}\n\n{label}\n{_members(event)}")
        said += _shapes(event for noun in nouns for event in noun.events)
    return "".join(said)


def _commands() -> str:
    said = ["# 命令 Commands\n\n", MADE, _COMMANDS]
    for service, nouns in deciders().items():
        for noun in nouns:
            said.append(f"\n## {service}: {noun.category}\n")
            for command in noun.commands:
                begins = " *Begins a stream.*" if command in noun.begins else ""
                said.append(f"\n### {command.__name__}\n\n{_doc(command)}{begins}\n{_members(command)}")
        said += _shapes(command for noun in nouns for command in noun.commands)
    return "".join(said)


def _refusals() -> str:
    said = ["# 拒绝代码 Refusals\n\n", MADE, _REFUSALS]
    for declared in reasons():
        reason = declared.reason
        kind, zh, en = reason.kind.__name__, _cell(reason.zh), _cell(reason.en)
        said.append(f"| `{reason.code}` | {kind} | {zh} | {en} | `{declared.module}` |\n")
    return "".join(said)


def _metrics() -> str:
    rows = [
        f"| `{one.name}` | {one.kind} | {one.unit} | {_cell(one.description)} | `{one.module}` |\n"
        for one in instruments()
    ]
    return "".join(["# 指标 Metrics\n\n", MADE, _METRICS, *rows])


def _vocabulary() -> str:
    messages = {
        struct
        for nouns in deciders().values()
        for noun in nouns
        for message in (*noun.events, *noun.commands)
        for struct in (message, *_within(message))
    }
    used = [part for struct in messages for hint in _hints(struct).values() for part in _parts(hint)]
    said = ["# 词汇 Vocabulary\n\n", MADE, _VOCABULARY_INTRO]
    for declared in sorted(types(), key=lambda one: one.name):
        if declared.hint not in used:
            continue
        said.append(f"\n## {declared.name}\n\n")
        if declared.words:
            said.append("| code | 中文 | English |\n| --- | --- | --- |\n")
            said += [f"| `{code}` | {zh} | {en} |\n" for code, (zh, en) in declared.words.items()]
        elif get_origin(declared.hint) is Literal:
            said.append(", ".join(f"`{code}`" for code in get_args(declared.hint)) + "\n")
        else:
            said.append(f"{_limits(declared.hint)}\n")
    return "".join(said)


def _members(struct: type[msgspec.Struct]) -> str:
    """The table of a struct's members."""
    rows = []
    hints = _hints(struct)
    for field in msgspec.structs.fields(struct):
        if field.name not in _WHEN:
            shown, meaning = _type(_present(hints[field.name]))
            rows.append(f"| `{field.name}` | {shown} | {_presence(field)} | {meaning} |\n")
    if not rows:
        return ""
    return "\n| member | type | given | meaning |\n| --- | --- | --- | --- |\n" + "".join(rows)


def _presence(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return "always"
    if field.default in (None, ()) or isinstance(field.default, msgspec.Struct):
        return "where known"
    return f"or else `{msgspec.json.encode(field.default).decode()}`"


def _present(hint: Any) -> Any:
    """The hint without the None that says a member may be absent."""
    if get_origin(hint) in (Union, UnionType):
        (one,) = (each for each in get_args(hint) if each is not NoneType)
        return one
    return hint


def _type(hint: Any) -> tuple[str, str]:
    """How a member's type is shown, and what it means."""
    for declared in types():
        if declared.hint == hint:
            return _link(declared), _meaning(hint)
    if get_origin(hint) is Annotated:
        bounds = ", ".join((_type(hint.__origin__)[0], *_bounds(hint)))
        return bounds, _meaning(hint)
    if get_origin(hint) is tuple:
        shown, meaning = _type(get_args(hint)[0])
        return f"list of {shown}", meaning
    if get_origin(hint) is Literal:
        return " or ".join(f"`{code}`" for code in get_args(hint)), ""
    if issubclass(hint, msgspec.Struct):
        return f"[{hint.__name__}](#{hint.__name__.lower()})", ""
    return _PLAIN[hint], ""


def _limits(hint: Any) -> str:
    """A bounded type in words: what it is, its range or pattern, its meaning."""
    return ", ".join((_PLAIN[hint.__origin__], *_bounds(hint))) + f". {_meaning(hint)}"


def _bounds(hint: Any) -> Iterator[str]:
    for meta in hint.__metadata__:
        for word, value in (
            ("at least", meta.ge),
            ("at most", meta.le),
            ("length at least", meta.min_length),
            ("length at most", meta.max_length),
        ):
            if value is not None:
                yield f"{word} {value:,}"
        if meta.pattern:
            yield f"pattern `{meta.pattern}`"


def _meaning(hint: Any) -> str:
    if get_origin(hint) is not Annotated:
        return ""
    return _cell(" ".join(meta.description for meta in hint.__metadata__ if meta.description))


def _shapes(messages: Iterable[type[msgspec.Struct]]) -> Iterator[str]:
    """The structs within these messages' members, each once."""
    inner = {shape.__name__: shape for message in messages for shape in _within(message)}
    for name in sorted(inner):
        yield f"\n### {name}\n\n{_doc(inner[name])}\n{_members(inner[name])}"


def _within(struct: type[msgspec.Struct]) -> Iterator[type[msgspec.Struct]]:
    for hint in _hints(struct).values():
        for part in _parts(hint):
            if isinstance(part, type) and issubclass(part, msgspec.Struct):
                yield part
                yield from _within(part)


def _hints(struct: type[msgspec.Struct]) -> dict[str, Any]:
    return get_type_hints(struct, include_extras=True)


def _parts(hint: Any) -> Iterator[Any]:
    yield hint
    for part in get_args(hint):
        yield from _parts(part)


def _label(disclosure: Disclosure, label: Label | None) -> str:
    if label is None:
        return "*No label in disclosure.yaml.*"
    to = _AUDIENCES.get(label.audience) or ", ".join(disclosure.parties[party].en for party in label.parties)
    return f"*{label.kind}, {label.right}; read by {to}.* {label.zh} {label.en}"


def _doc(struct: type[msgspec.Struct]) -> str:
    return " ".join((struct.__doc__ or "").split())


def _link(declared: DeclaredType) -> str:
    return f"[{declared.name}]({_VOCABULARY}#{declared.name.lower()})"


def _cell(text: str) -> str:
    """The text within a table's cell."""
    return text.replace("|", "\\|").replace("\n", " ")


if __name__ == "__main__":
    main()
