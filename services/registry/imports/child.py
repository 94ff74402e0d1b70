"""The process that reads a file, so that whatever the file does to it, the service lives on.

`python -m services.registry.imports.child` takes one request on standard input and answers on standard output in
frames: four bytes of length, then MessagePack. Once the file is open it can open nothing more, neither files nor
sockets: the limit of open descriptors is set to none, which on Linux no later code can take back.
"""

import codecs
import os
import resource
import signal
import struct
import sys
from contextlib import suppress
from typing import BinaryIO, Final, TypeAlias

import msgspec

from kernel.refusal import Refusal
from kernel.spreadsheet.recognise import Format, recognise
from services.registry.imports.asked import ROW_IS_COMMAND, NewImport
from services.registry.imports.faults import CHILD_MEMORY
from services.registry.imports.mapping import Mapping
from services.registry.imports.planning import as_commands
from services.registry.imports.reading import Options, read
from services.registry.imports.rows import Batch, Heading

HEAD: Final = struct.Struct(">I")
NICENESS: Final = 5
"""Those who wait for an answer go first."""

MEMORY_BYTES: Final[dict[Format, int]] = {
    "delimited": 384 << 20,
    "json_lines": 384 << 20,
    "workbook": 1536 << 20,
    "parquet": 3 << 30,
}
"""Address space by format. CSV and NDJSON stream; a workbook's sheet and a Parquet row group are in memory as a whole,
and pyarrow reserves more than it uses.
"""


CPU_S: Final = 120
CPU_S_PER_MIB: Final = 1


def cpu_s_max(file_bytes: int) -> int:
    """Processor time that reading a file of this size may take: five times what CSV takes that is well, and two minutes
    for what is small and expands. So a file made to keep the child busy is over in minutes, and 2 GB of rows pass.
    """
    return CPU_S + CPU_S_PER_MIB * (file_bytes >> 20)


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What to read, and how."""

    path: str
    ask: NewImport
    mapping: Mapping
    options: Options
    cpu_s_max: int
    memory_bytes_max: int | None = None


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """The reading ends here, for this reason."""

    code: str
    zh: str
    en: str


class Done(msgspec.Struct, frozen=True, tag="done"):
    """The reading has come to the end. `rss_bytes_max` is the most memory it took, `cpu_us` the processor time."""

    rss_bytes_max: int
    cpu_us: int


Frame: TypeAlias = Heading | Batch | Done | Failed


def main() -> None:
    # Frames own standard output: whatever a library prints goes to standard error.
    with os.fdopen(os.dup(sys.stdout.fileno()), "wb") as output:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        request = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=Request)
        _answer(request, output)


def _answer(request: Request, output: BinaryIO) -> None:
    encode = msgspec.msgpack.Encoder().encode

    def send(frame: Frame) -> None:
        content = encode(frame)
        output.write(HEAD.pack(len(content)))
        output.write(content)
        output.flush()

    try:
        with open(request.path, "rb") as file, _status() as status:  # noqa: PTH123  the descriptor is what matters
            _confine(recognise(file), request)
            parts = read(file, request.ask.kind, request.mapping, request.options)
            if request.ask.kind in ROW_IS_COMMAND:
                parts = as_commands(parts, request.ask, request.options.today)
            for part in parts:
                send(part)
            peak_bytes = _peak_bytes(status)
    except Refusal as refusal:
        send(Failed(refusal.code, refusal.zh, refusal.en))
    except MemoryError:
        send(Failed(CHILD_MEMORY.code, CHILD_MEMORY.zh, CHILD_MEMORY.en))
    else:
        used = resource.getrusage(resource.RUSAGE_SELF)
        send(Done(peak_bytes, round((used.ru_utime + used.ru_stime) * 1e6)))


def _status() -> BinaryIO:
    """What the kernel tells of this process, where it does, opened while files can still be."""
    return open("/proc/self/status" if sys.platform == "linux" else os.devnull, "rb")  # noqa: PTH123  read later


def _peak_bytes(status: BinaryIO) -> int:
    """The most memory this process took. On Linux ru_maxrss would not do: it begins with what the process that started
    this one took, and that lasts through exec.
    """
    for line in status:
        if line.startswith(b"VmHWM:"):
            return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _confine(found: Format, request: Request) -> None:
    """Give up what reading does not need. What is yet to be imported or looked up is fetched before."""
    for encoding in ("gb18030", "cp437", "utf-16-le"):
        codecs.lookup(encoding)
    if found == "parquet":
        import pyarrow as pa  # noqa: PLC0415  only for those who need it

        import services.registry.imports.tables.parquet  # noqa: F401, PLC0415  while files can still be opened

        pa.set_cpu_count(1)
        pa.set_memory_pool(pa.system_memory_pool())
    if found == "workbook":
        import kernel.spreadsheet.workbook  # noqa: F401, PLC0415  while files can still be opened
    memory = request.memory_bytes_max or MEMORY_BYTES[found]
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # The first of the two ends the process by a signal that says why; the second would end it without a word.
    resource.setrlimit(resource.RLIMIT_CPU, (request.cpu_s_max, request.cpu_s_max + 1))
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))
    with suppress(OSError):
        os.nice(NICENESS)


if __name__ == "__main__":
    main()
