"""Unfinished uploads hold so much and no more: of one caller, of all, and of the disk."""

import shutil

import pytest

from kernel.door import TooLarge, status_of
from kernel.refusal import Refusal
from services.registry.assembly import RegistrySettings
from services.registry.imports.spool import DEFAULT, SpoolLimits
from tests.registry.imports.importing import KEEPER, OPERATOR, devices_csv, importing, number

CONTENT = devices_csv([number(serial) for serial in range(5)])
SIZE = len(CONTENT)


async def refused(work):
    with pytest.raises(Refusal) as caught:
        await work
    assert isinstance(caught.value, TooLarge)
    assert status_of(caught.value).http == 413
    assert caught.value.zh
    assert caught.value.en
    return caught.value.code


async def test_a_caller_announces_so_much_and_more_when_something_is_over(tmp_path):
    async with importing(tmp_path, running=False, limits=SpoolLimits(bytes_max_each=2 * SIZE)) as idle:
        first = await idle.announced("devices", CONTENT)
        await idle.uploaded("devices", CONTENT)
        assert await refused(idle.announced("devices", b"x")) == "import.your_uploads_full"
        await idle.announced("devices", CONTENT, OPERATOR)
        await idle.jobs.cancel(KEEPER, first.import_id)
        await idle.announced("devices", CONTENT)


async def test_all_together_hold_so_much_and_an_upload_goes_on_when_there_is_room(tmp_path):
    async with importing(tmp_path, running=False, limits=SpoolLimits(bytes_max=SIZE + 100)) as idle:
        late = await idle.announced("devices", CONTENT, OPERATOR)
        await idle.jobs.append(OPERATOR, late.import_id, 0, CONTENT[:100])
        held = await idle.uploaded("devices", CONTENT)
        assert await refused(idle.announced("devices", CONTENT, OPERATOR)) == "import.uploads_full"
        rest = idle.jobs.append(OPERATOR, late.import_id, 100, CONTENT[100:])
        assert await refused(rest) == "import.uploads_full"
        stands = await idle.jobs.get(OPERATOR, late.import_id)
        assert (stands.state, stands.bytes_received) == ("uploading", 100)
        assert idle.jobs.file_path(late.import_id).stat().st_size == 100
        await idle.jobs.cancel(KEEPER, held.import_id)
        stands = await idle.jobs.append(OPERATOR, late.import_id, 100, CONTENT[100:])
        assert stands.state == "waiting"
        assert idle.jobs.file_path(late.import_id).read_bytes() == CONTENT


async def test_the_disk_keeps_something_free(tmp_path):
    async with importing(tmp_path, running=False) as idle:
        begun = await idle.announced("devices", CONTENT)
    # More than the disk can have whatever else is written to it meanwhile.
    nothing_left = SpoolLimits(free_bytes_min=shutil.disk_usage(tmp_path).total)
    async with importing(tmp_path, running=False, limits=nothing_left) as idle:
        assert await refused(idle.announced("devices", CONTENT)) == "import.disk_low"
        assert await refused(idle.jobs.append(KEEPER, begun.import_id, 0, CONTENT)) == "import.disk_low"
        # How it stands can be asked all the same.
        assert (await idle.jobs.append(KEEPER, begun.import_id, 0, b"")).bytes_received == 0
    async with importing(tmp_path, running=False) as idle:
        assert (await idle.jobs.append(KEEPER, begun.import_id, 0, CONTENT)).state == "waiting"


def test_an_operator_sets_them():
    assert RegistrySettings().spool == DEFAULT
    given = RegistrySettings(spool_bytes_max=3, spool_bytes_max_each=2, spool_free_bytes_min=1)
    assert given.spool == SpoolLimits(bytes_max=3, bytes_max_each=2, free_bytes_min=1)
