"""The reports that `meterloop audit` leaves: a page, and a working paper.

Where they go is looked at before the audit, which may take long; what stands there is replaced as a whole, and said so.
"""

import errno
import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Final

import msgspec
from rich.text import Text

from auditor.verdict import Report
from cli.connection import console, warn
from kernel.clock import system_clock_us
from kernel.door import CannotNow, Faulty
from kernel.refusal import Reason, against_rules, not_found

FOLDER_MISSING: Final = not_found(
    "audit.report_folder_missing",
    "没有目录 {folder}，报告无处可写。请先建立该目录，或另选一处。",
    "there is no folder {folder} to write the report into; make it first, or choose another place",
)
NO_PLAIN_FILE: Final = against_rules(
    "audit.report_is_no_file",
    "{file} 是目录或设备，不是普通文件。请另写一个文件名。",
    "{file} is a folder or a device and no plain file; name another",
)
SAME_FILE: Final = against_rules(
    "audit.reports_in_one_file",
    "--html 与 --paper 是同一个文件 {file}。请各给一个。",
    "--html and --paper are the same file, {file}; give each its own",
)
NOT_WRITABLE: Final = Reason(
    CannotNow,
    "audit.report_not_writable",
    "无法写入 {file}（{why}）。审计结论不受影响；请腾出空间、更改权限或另选一处，再审计一次。",
    "{file} cannot be written ({why}), which changes nothing of the verdict; make room, change its permissions or"
    " choose another place, and audit again",
)
NOT_MADE: Final = Reason(
    Faulty,
    "audit.paper_not_made",
    "工作底稿未能排版（{why}）。审计结论不受影响；请改用 --html，并报告此问题。",
    "the working paper could not be typeset ({why}), which changes nothing of the verdict; use --html, and report this",
)


class Reports(msgspec.Struct, frozen=True):
    """Where the page and the paper go, None where one is not wanted."""

    html: Path | None
    paper: Path | None

    def __bool__(self) -> bool:
        return self.html is not None or self.paper is not None

    def must_be_possible(self) -> None:
        """Refuses what can be seen not to work before anything is audited: no such folder, no font."""
        if self.html is not None and self.paper is not None and self.html.resolve() == self.paper.resolve():
            raise SAME_FILE(file=self.html)
        for file in (self.html, self.paper):
            if file is not None:
                _must_be_writable(file)
        if self.paper is not None:
            from kernel.documents.font import installed_font  # noqa: PLC0415  slow to load, seldom needed

            installed_font()

    def write(self, report: Report) -> None:
        """Make and write them, each as a whole. Refuses where that fails."""
        at_us = system_clock_us()
        for file, make in ((self.html, _page), (self.paper, _paper)):
            if file is not None:
                _put(file, partial(make, report, at_us))


def _page(report: Report, at_us: int) -> bytes:
    from auditor.report_content import Made  # noqa: PLC0415  only who asks for a report waits for it
    from auditor.report_html import html_of  # noqa: PLC0415  as above

    return html_of(report, Made(at_us=at_us, version=version("meterloop")))


def _paper(report: Report, at_us: int) -> bytes:
    from auditor.report_content import Made  # noqa: PLC0415  only who asks for a report waits for it
    from auditor.report_paper import NotTypeset, Typeface, paper_of  # noqa: PLC0415  as above
    from kernel.documents.font import FAMILY, covered, installed_font  # noqa: PLC0415  as above

    font = installed_font()
    face = Typeface(folder=font.parent, family=FAMILY, glyphs=covered(font))
    try:
        return paper_of(report, Made(at_us=at_us, version=version("meterloop")), face)
    except NotTypeset as error:
        raise NOT_MADE(why=error) from error


def _must_be_writable(file: Path) -> None:
    try:
        if file.exists() and not file.is_file():
            raise NO_PLAIN_FILE(file=file)
        if not file.parent.is_dir():
            raise FOLDER_MISSING(folder=file.parent)
    except OSError as error:
        raise NOT_WRITABLE(file=file, why=error.strerror) from error
    if not os.access(file.parent, os.W_OK | os.X_OK):
        raise NOT_WRITABLE(file=file, why=os.strerror(errno.EACCES))


def _put(file: Path, make: Callable[[], bytes]) -> None:
    content = make()
    # Through a link to what it names, which stays a link.
    place = file.resolve()
    beside = place.with_name(f".meterloop-{secrets.token_hex(8)}.part")
    try:
        replaces = place.exists()
        beside.write_bytes(content)
        beside.replace(place)
    except OSError as error:
        raise NOT_WRITABLE(file=file, why=error.strerror) from error
    finally:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
    if replaces:
        warn(f"已替换原有的 {file}。", f"{file} was there and has been replaced")
    console.print(Text.assemble(("✓ ", "green"), str(file), (f"  {len(content):,} B", "dim")), soft_wrap=True)
