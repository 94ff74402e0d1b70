"""What proto/ promises, a line a promise, committed as docs/reference/proto.lock.

`make docs` adds what is new and refuses to take anything away: other systems were built on what was promised.
"""

import importlib
import sys
from collections.abc import Iterable, Iterator, Mapping
from types import ModuleType

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from cli.reference import REFERENCE, ROOT

LOCK = REFERENCE / "proto.lock"
KINDS = {
    getattr(FieldDescriptor, name): name.removeprefix("TYPE_").lower()
    for name in dir(FieldDescriptor)
    if name.startswith("TYPE_")
}


def service_files() -> dict[str, ModuleType]:
    """The generated module of every service's proto, by service."""
    names = {path.parts[-3]: path for path in sorted((ROOT / "proto").glob("*/v1/*.proto"))}
    return {service: importlib.import_module(f"kernel.wire.{service}.v1.{service}_pb2") for service in names}


def lines(files: Mapping[str, ModuleType]) -> list[str]:
    """Every promise: fields with number, type and presence, methods with what they take and give."""
    return sorted(line for module in files.values() for line in _of(module))


def compared(locked: Iterable[str], now: Iterable[str]) -> tuple[list[str], list[str]]:
    """What was promised and is no more, and what is promised for the first time."""
    before, after = set(locked), set(now)
    return sorted(before - after), sorted(after - before)


def _of(module: ModuleType) -> Iterator[str]:
    for message in module.DESCRIPTOR.message_types_by_name.values():
        yield from _fields(message)
    for enum in module.DESCRIPTOR.enum_types_by_name.values():
        yield from (f"{enum.full_name}.{value.name} {value.number}" for value in enum.values)
    for service in module.DESCRIPTOR.services_by_name.values():
        for method in service.methods:
            streams = "stream " if method.server_streaming else ""
            yield f"{method.full_name} {method.input_type.full_name} -> {streams}{method.output_type.full_name}"


def _fields(message: Descriptor) -> Iterator[str]:
    for field in message.fields:
        kind = field.message_type.full_name if field.message_type else KINDS[field.type]
        many = "repeated " if field.is_repeated else "optional " if field.has_presence else ""
        yield f"{field.full_name} {field.number} {many}{kind}"
    for nested in message.nested_types:
        yield from _fields(nested)


def main() -> None:
    """Add what is new."""
    now = lines(service_files())
    lost, _ = compared(LOCK.read_text("utf-8").splitlines() if LOCK.exists() else [], now)
    if lost:
        sys.exit("已承诺的 proto 不得删改 / proto takes back what it promised:\n" + "\n".join(lost))
    LOCK.write_text("".join(f"{line}\n" for line in now), "utf-8")


if __name__ == "__main__":
    main()
