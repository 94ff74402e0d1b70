"""People are known by their subject ids, and can be forgotten."""

import pytest

from kernel.database import Database
from kernel.people import SUBJECTS_MAX, People, Person

LI = Person(subject="u-17", name="李四（示例）", contact="0000-0000000")
WANG = Person(subject="u-18", name="王五（示例）")


@pytest.fixture
async def database(database_url):
    database = Database(database_url)
    yield database
    await database.close()


@pytest.fixture
async def people(database):
    people = People(database, "registry", clock=lambda: 1_700_000_000_000_000)
    await people.open()
    return people


async def test_a_person_is_known_by_the_latest_name(people):
    await people.remember(LI)
    await people.remember(WANG)
    renamed = Person(subject="u-17", name="李四四（示例）")
    await people.remember(renamed)
    assert await people.named(["u-17", "u-18", "u-19"]) == {"u-17": renamed, "u-18": WANG}
    assert await people.named([]) == {}
    assert (await people.known_since("u-17")).year == 2023


async def test_a_person_who_is_forgotten_is_gone(people):
    await people.remember(LI)
    assert await people.forget("u-17")
    assert not await people.forget("u-17")
    assert await people.named(["u-17"]) == {}
    assert await people.known_since("u-17") is None


async def test_services_in_one_database_know_their_own_people(people, database):
    await people.remember(LI)
    others = People(database, "sorting")
    await others.open()
    assert await others.named(["u-17"]) == {}
    await others.forget("u-17")
    assert await people.named(["u-17"])


async def test_what_is_forgotten_is_not_in_the_files_either(tmp_path):
    path = tmp_path / "records.sqlite"
    database = Database(f"sqlite:///{path}")
    people = People(database, "registry")
    await people.open()
    for number in range(200):
        await people.remember(Person(subject=f"u-{number}", name=f"person-{number:04}"))
    await people.forget("u-77")
    kept = b"".join(file.read_bytes() for file in tmp_path.iterdir() if not file.name.endswith("-shm"))
    assert b"person-0078" in kept
    assert b"person-0077" not in kept
    await people.remember(Person(subject="u-78", name="another name"))
    kept = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert b"person-0078" not in kept
    await database.close()


async def test_too_many_at_once_are_refused(people):
    with pytest.raises(ValueError, match="at most"):
        await people.named([f"u-{number}" for number in range(SUBJECTS_MAX + 1)])
