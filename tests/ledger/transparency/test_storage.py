"""The directory as a store: whole files, never other content, ends that are cut to where they are known."""

import pytest

from ledger.transparency.faults import LogFault
from ledger.transparency.storage import DirectoryStorage, Disk


def files_of(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and "staging" not in path.parts
    }


@pytest.fixture
def storage(tmp_path):
    return DirectoryStorage(tmp_path)


def test_files_are_put_in_place_of_others(storage, tmp_path):
    storage.put({"a/b/c": b"1", "d": b"2"})
    storage.put({"a/b/c": b"3"})
    assert files_of(tmp_path) == {"a/b/c": b"3", "d": b"2"}
    assert (storage.read("a/b/c"), storage.read("nothing"), storage.length("d")) == (b"3", None, 1)
    assert (storage.names("a"), storage.names("nothing"), storage.length("nothing")) == (["b"], [], 0)


def test_what_is_put_once_stays(storage, tmp_path):
    storage.put_once({"a": b"1"})
    storage.put_once({"a": b"1", "b": b"2"})
    with pytest.raises(LogFault, match=r"^log\.file_differs: a "):
        storage.put_once({"c": b"3", "a": b"other"})
    assert files_of(tmp_path) == {"a": b"1", "b": b"2"}


def test_a_file_grows_from_where_it_is_known(storage):
    storage.extend("x/day", 0, b"one")
    storage.extend("x/day", 3, b"two and a torn end")
    storage.extend("x/day", 6, b"three")
    assert storage.read("x/day") == b"onetwothree"
    with pytest.raises(LogFault, match=r"^log\.file_short"):
        storage.extend("x/day", 12, b"!")
    assert storage.read("x/day") == b"onetwothree"


def test_folders_are_dropped_with_what_is_in_them(storage, tmp_path):
    storage.put({"t/0.p/1": b"1", "t/0.p/2": b"2", "t/1.p/1": b"3"})
    storage.drop(["t/0.p", "t/7.p"])
    assert files_of(tmp_path) == {"t/1.p/1": b"3"}
    storage.put({"t/0.p/1": b"again"})
    assert storage.read("t/0.p/1") == b"again"


@pytest.mark.parametrize("failing", [1, 100, 300])
def test_where_one_of_many_cannot_be_made_durable_none_has_its_name(tmp_path, failing):
    class Full(Disk):
        created = 0

        def create(self, path, data):
            self.created += 1
            descriptor = super().create(path, data)
            if self.created == failing:
                self.full = descriptor
            return descriptor

        def synchronise(self, descriptor):
            if descriptor == getattr(self, "full", None):
                raise OSError("no space")
            super().synchronise(descriptor)

    files = {f"tile/{number}": b"%d" % number for number in range(300)}
    with pytest.raises(OSError, match="no space"):
        DirectoryStorage(tmp_path, Full()).put_once(files)
    assert files_of(tmp_path) == {}
    DirectoryStorage(tmp_path).put_once(files)
    assert files_of(tmp_path) == files
