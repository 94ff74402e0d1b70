"""`meterloop backup` and `meterloop restore`: the platform of one machine, copied while it runs and put back.

Views, records and policies are copied before the log: where they stand, the log of the backup goes at least as far, and
a restored platform catches up on the rest as after any start.
"""

import asyncio
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn
from rich.text import Text

from cli.backup_proof import copy_proof, renew_key
from cli.backup_set import (
    DAMAGED,
    FORMAT,
    LEDGER,
    ONE_FILE,
    OWNERS_FOLDER,
    Manifest,
    Told,
    entries,
    opened,
    packed,
    seal,
    synchronise,
    unfinished,
)
from cli.connection import INTERRUPTED, CannotGoOn, console, explained, note
from cli.disclosing import DiscloserSettings
from cli.platform import interruptible
from cli.sequencing import SequencerSettings
from cli.settings import cli_settings
from cli.upkeep import VIEWS_OF
from gateway.assembly import GatewaySettings
from kernel.clock import system_clock_us
from kernel.database import Database
from kernel.database_copy import check_sqlite, copy_database, sqlite_file
from kernel.quantity import instant_of_us
from kernel.redaction import redacted
from kernel.refusal import against_rules, not_found
from kernel.settings import PREFIX, STANDARD, Settings, read_settings
from ledger.open import embedded_file, open_ledger
from ledger.port import LedgerError
from ledger.sqlite_file import back_up, examine
from services.registry.assembly import RegistrySettings
from services.registry.imports.restored import end_unfinished
from services.sorting.assembly import SortingSettings

SERVICES: Final = tuple(VIEWS_OF)
OWNER_ONLY: Final = 0o077
_KINDS: Final[Mapping[str, type[Settings]]] = {
    "registry": RegistrySettings,
    "sorting": SortingSettings,
    "sequencer": SequencerSettings,
    "discloser": DiscloserSettings,
    "gateway": GatewaySettings,
}
_UNDER_WAY: Final = {
    "views": "视图与记录 views and records",
    "log": "台账 the log",
    "digest": "校验 digests",
    "pack": "打包 packing",
    "restore": "恢复 restoring",
}

THERE = against_rules(
    "backup.exists",
    "{place} 已存在，备份不覆盖任何文件。请另选名称。",
    "{place} exists, and a backup replaces nothing; choose another name",
)
NOTHING = not_found(
    "backup.nothing",
    "数据目录 {place} 中没有台账。请用 METERLOOP_DATA_DIR 指明平台的数据目录。",
    "there is no log in the data folder {place}; name the platform's by METERLOOP_DATA_DIR",
)
ELSEWHERE = against_rules(
    "backup.elsewhere",
    "{what} 不在本机的 SQLite 文件中。`meterloop backup` 与 `meterloop restore` 只用于数据全在数据目录的单机平台，"
    "其余请见 docs/operating.md。",
    "{what} is not in an SQLite file of the data folder; `meterloop backup` and `meterloop restore` are for the"
    " platform of one machine that has all its data there, for others see docs/operating.md",
)
PROOF_ELSEWHERE = against_rules(
    "restore.proof_elsewhere",
    "METERLOOP_PROOF_DIR 指向 {place}，而存证日志恢复到数据目录的 proof 中。请先去掉该设置，恢复后再移动该目录。",
    "METERLOOP_PROOF_DIR names {place}, and the proof log is restored into proof of the data folder; leave the setting"
    " out, and move the folder after the restore",
)
NOT_EMPTY = against_rules(
    "restore.not_empty",
    "数据目录 {place} 不是空的，恢复不覆盖任何数据。请先将其移走，或用 METERLOOP_DATA_DIR 另选一处。",
    "the data folder {place} is not empty, and restoring replaces nothing; move it away first, or choose another by"
    " METERLOOP_DATA_DIR",
)


def backup(
    place: Annotated[Path, typer.Argument(help="备份目录，或 .zip 文件 a folder to make, or a .zip file")],
    keys: Annotated[  # noqa: FBT002  Typer's way
        bool, typer.Option("--keys", help="连同密钥 with the keys, which let whoever has them in")
    ] = False,
) -> None:
    """备份本机平台，平台可继续运行 Back up the platform of this machine, which may go on running."""
    os.umask(OWNER_ONLY)
    with _shown() as told:
        manifest = _backed_up(cli_settings(), place, told, keys=keys)
    size = sum(entry.bytes for entry in manifest.files.values())
    console.print(
        Text.assemble(("✓ ", "green"), f"已备份 backed up: {place}", (f"  {size:,} B", "dim")), soft_wrap=True
    )
    console.print(f"  台账 ledger {manifest.ledger_id}，至位置 up to position {manifest.position:,}", soft_wrap=True)
    if not keys:
        note(
            "不含密钥：恢复后 `meterloop up` 会生成新的，旧令牌随之失效。",
            "without the keys: after a restore `meterloop up` makes new ones, and old tokens end",
        )


def restore(
    place: Annotated[Path, typer.Argument(help="`meterloop backup` 所作的备份 what `meterloop backup` made")],
) -> None:
    """从备份恢复到空的数据目录 Put a backup into an empty data folder."""
    os.umask(OWNER_ONLY)
    with _shown() as told:
        manifest, ended, renewed = _restored(cli_settings(), place, told)
    console.print(
        Text.assemble(("✓ ", "green"), f"已恢复 restored: {cli_settings().data_dir}，{manifest.taken_at.isoformat()}"),
        soft_wrap=True,
    )
    console.print(f"  台账 ledger {manifest.ledger_id}，至位置 up to position {manifest.position:,}", soft_wrap=True)
    if ended:
        note(
            f"{ended} 个未完成的导入已中止，请重新导入各自的文件。",
            f"{ended} unfinished imports were ended; import their files again",
        )
    if renewed:
        note(
            "备份不含密钥：存证日志改用新密钥签名，请把 proof/log/keys 的最后一行交给核验者与见证人。",
            "the backup has no keys: a new one signs the proof log from now on; once it runs, hand the last line of"
            " proof/log/keys to those who verify and to the witnesses",
        )
    if manifest.has_proof:
        note(
            "若此备份之后还发布过检查点，恢复后的日志会与之矛盾：启动前请移走 proof/，另设 METERLOOP_LOG_ORIGIN，"
            "开始新的日志。",
            "if checkpoints were published after this backup, the restored log would contradict them: move proof/ away"
            " before you start it, and begin a new log under another METERLOOP_LOG_ORIGIN",
        )
    note(
        "请核对 settings/settings.env 中的环境变量，然后 `meterloop up`。",
        "compare the variables in settings/settings.env with your own, then `meterloop up`",
    )


def _backed_up(settings: Settings, place: Path, told: Told, *, keys: bool) -> Manifest:
    if place.exists() or place.is_symlink():
        raise THERE(place=place)
    log, databases = _sources(settings)
    if not log.exists():
        raise NOTHING(place=settings.data_dir)
    place = place.absolute()
    place.parent.mkdir(parents=True, exist_ok=True)
    with unfinished(place) as work:
        folder = work / "set"
        folder.mkdir(OWNERS_FOLDER)
        for service, source in databases.items():
            if source.exists():
                target = folder / f"{service}.sqlite"
                copy_database(source, target, lambda here, whole: told("views", here, whole))
                if (wrong := check_sqlite(target)) is not None:
                    raise LedgerError(f"{source} is damaged: {wrong}")
        copy_proof(settings.proof, folder)
        # At this point whatever the views, policies, imports and the proof log have taken is in the log already.
        asyncio.run(_require_ledger(settings.ledger))
        back_up(log, folder / LEDGER, lambda here, whole: told("log", here, whole))
        ledger_id, position = examine(folder / LEDGER)
        _note_settings(folder / "settings", os.environ)
        if keys and settings.keys_dir.is_dir():
            shutil.copytree(settings.keys_dir, folder / "keys", ignore=shutil.ignore_patterns(".*"))
        manifest = Manifest(
            format=FORMAT,
            version=version("meterloop"),
            ledger_id=ledger_id,
            position=position,
            taken_at=instant_of_us(system_clock_us()),
            files=entries(folder, told),
        )
        seal(folder, manifest)
        _named(folder if place.suffix != ONE_FILE else _as_one_file(folder, told), place)
    return manifest


def _restored(settings: Settings, place: Path, told: Told) -> tuple[Manifest, int, bool]:
    """The backup's manifest, how many imports were ended, and whether the proof log got a new key."""
    # The folder itself, where its name is a link to it.
    data_dir = settings.data_dir.resolve()
    if data_dir.exists() and (not data_dir.is_dir() or any(data_dir.iterdir())):
        raise NOT_EMPTY(place=settings.data_dir)
    for service, kind in _KINDS.items():
        told_of: Settings = read_settings(kind, service, os.environ)
        for what, url in (("LEDGER_URL", told_of.ledger_url), ("DATABASE_URL", told_of.database_url)):
            if url:
                raise ELSEWHERE(what=what)
        if told_of.proof_dir is not None:
            raise PROOF_ELSEWHERE(place=told_of.proof_dir)
    data_dir.parent.mkdir(parents=True, exist_ok=True)
    with opened(place) as found, unfinished(data_dir) as work:
        folder = work / "set"
        folder.mkdir(OWNERS_FOLDER)
        found.copy(folder, told)
        manifest = found.manifest
        try:
            stands = examine(folder / LEDGER)
        except LedgerError as error:
            raise DAMAGED(file=LEDGER, why=(str(error), str(error))) from error
        if stands != (manifest.ledger_id, manifest.position):
            raise DAMAGED(file=LEDGER, why=("与清单不符", "is not the ledger of the manifest"))
        records = folder / "registry.sqlite"
        ended = asyncio.run(_ended(records)) if records.exists() else 0
        renewed = not (folder / "keys").exists() and renew_key(folder, system_clock_us)
        for path in [*folder.rglob("*"), folder]:
            synchronise(path)
        # At this point everything is durable. An empty folder gives way to it, and anything else would refuse.
        folder.replace(data_dir)
        synchronise(data_dir.parent)
    return manifest, ended, renewed


def _sources(settings: Settings) -> tuple[Path, dict[str, Path]]:
    """Where the log is, and the database of each service. Raises ELSEWHERE."""
    log = embedded_file(settings.ledger)
    if log is None:
        raise ELSEWHERE(what="LEDGER_URL")
    databases: dict[str, Path] = {}
    for service in SERVICES:
        found = sqlite_file(read_settings(_KINDS[service], service, os.environ).database(service))
        if found is None:
            raise ELSEWHERE(what="DATABASE_URL")
        databases[service] = found
    return log, databases


def _note_settings(folder: Path, environ: Mapping[str, str]) -> None:
    """What the environment says, without secrets, and the files that it names."""
    folder.mkdir(OWNERS_FOLDER)
    ours = {name: value for name, value in environ.items() if name.startswith(PREFIX) or name in STANDARD.values()}
    lines = [f"{name}={value}\n" for name, value in sorted(redacted(ours).items())]
    (folder / "settings.env").write_text("".join(lines), "utf-8")
    for service, kind in _KINDS.items():
        settings: Any = read_settings(kind, service, environ)
        for field in kind.__struct_fields__:
            named = getattr(settings, field)
            if isinstance(named, Path) and named.is_file():
                shutil.copyfile(named, folder / f"{service}-{field}{named.suffix}")


def _as_one_file(folder: Path, told: Told) -> Path:
    packing = folder.with_name("set.zip")
    with packing.open("xb") as file:
        packed(folder, file, told)
    synchronise(packing)
    return packing


def _named(made: Path, place: Path) -> None:
    """Give it its name. What has come there meanwhile stays."""
    if place.exists():
        raise THERE(place=place)
    made.rename(place)
    synchronise(place.parent)


async def _require_ledger(url: str) -> None:
    """Raises WrongLedger, Unavailable."""
    await (await open_ledger(url)).close()


async def _ended(file: Path) -> int:
    database = Database(f"sqlite:///{file}")
    try:
        return await end_unfinished(database)
    finally:
        await database.close()


@contextmanager
def _shown() -> Iterator[Told]:
    """A bar for each thing under way, for as long as the block lasts; broken off by Ctrl-C it leaves nothing."""
    columns = TextColumn("{task.description}"), BarColumn(), TaskProgressColumn()
    with (
        explained(),
        interruptible(),
        Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars,
    ):
        tasks: dict[str, TaskID] = {}

        def told(what: str, here: int, whole: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(_UNDER_WAY[what], total=whole)
            bars.update(tasks[what], completed=here, total=whole)

        try:
            yield told
        except KeyboardInterrupt:
            raise CannotGoOn("已中断，没有留下任何文件。", "broken off; nothing is left of it", INTERRUPTED) from None
