"""Whatever is changed in the files of a true log is found: six hundred changes drawn at random, not one accepted.

The name of a test has its seed. `log/keys` and `log/policy` are left alone: who audits brings a policy of their own and
believes neither.
"""

import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from auditor.verdict import FAULT, VERIFIED
from tests.auditor.auditing import audited
from tests.auditor.logs import log_of, season

LOG = log_of(season().events[:300])
SEEDS = range(12)
MUTATIONS_A_SEED = 50
UNBELIEVED = {"log/keys", "log/policy"}

Change = Callable[[Random, bytes], bytes | None]


def flipped(drawn: Random, data: bytes) -> bytes:
    """Another byte in the place of one."""
    at = drawn.randrange(len(data))
    return data[:at] + bytes([data[at] ^ drawn.randint(1, 255)]) + data[at + 1 :]


def cut_out(drawn: Random, data: bytes) -> bytes:
    begin = drawn.randrange(len(data))
    return data[:begin] + data[begin + drawn.choice((1, 1, 2, 32, 34)) :]


def put_in(drawn: Random, data: bytes) -> bytes:
    at = drawn.randrange(len(data) + 1)
    return data[:at] + drawn.randbytes(drawn.choice((1, 1, 2, 32))) + data[at:]


def cut_short(drawn: Random, data: bytes) -> bytes:
    return data[: drawn.randrange(len(data))]


def made_longer(drawn: Random, data: bytes) -> bytes:
    return data + drawn.choice((b"\n", b"\0", b"\r\n", data, data[-34:], drawn.randbytes(3)))


def exchanged(drawn: Random, data: bytes) -> bytes:
    """Two stretches, each in the place of the other."""
    length = min(drawn.choice((1, 2, 32, 34)), len(data) // 2)
    one = drawn.randrange(len(data) - 2 * length + 1)
    other = drawn.randrange(one + length, len(data) - length + 1)
    between = data[one + length : other]
    return data[:one] + data[other : other + length] + between + data[one : one + length] + data[other + length :]


def with_other_line_ends(_: Random, data: bytes) -> bytes:
    return data.replace(b"\n", b"\r\n", 1)


def removed(_drawn: Random, _data: bytes) -> None:
    return None


CHANGES: tuple[Change, ...] = (
    *(flipped,) * 5,
    cut_out,
    put_in,
    cut_short,
    made_longer,
    exchanged,
    with_other_line_ends,
    removed,
)


@pytest.mark.parametrize("seed", SEEDS)
def test_no_change_of_a_file_is_accepted(tmp_path, seed):
    drawn = Random(seed)
    LOG.write(tmp_path)
    if seed % 4 == 3:
        shutil.rmtree(tmp_path / "supervisor")
    assert audited(tmp_path).verdict.status == VERIFIED
    files = [file for file in sorted(tmp_path.rglob("*")) if file.is_file() and _name(file, tmp_path) not in UNBELIEVED]
    kinds: dict[str, list[Path]] = {}
    for file in files:
        kinds.setdefault(file.parent.relative_to(tmp_path).as_posix(), []).append(file)
    done = 0
    while done < MUTATIONS_A_SEED:
        file = drawn.choice(kinds[drawn.choice(sorted(kinds))])
        true = file.read_bytes()
        change = drawn.choice(CHANGES)
        untrue = change(drawn, true)
        # Without its head the supervisors' set is one that this reader may not read.
        if untrue == true or (untrue is None and _name(file, tmp_path) == "supervisor/disclosed/head"):
            continue
        if untrue is None:
            file.unlink()
        else:
            file.write_bytes(untrue)
        report = audited(tmp_path)
        assert report.verdict.status == FAULT, (seed, done, change.__name__, _name(file, tmp_path), report)
        file.write_bytes(true)
        done += 1
    assert audited(tmp_path).verdict.status == VERIFIED


def _name(file: Path, folder: Path) -> str:
    return file.relative_to(folder).as_posix()
