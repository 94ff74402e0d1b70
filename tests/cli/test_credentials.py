"""Users of `meterloop ledger serve`: kept as hashes, checked slowly once and quickly after, changed while it runs."""

import asyncio
import base64
import statistics
import threading
import time

import pytest
from structlog.testing import capture_logs
from typer.testing import CliRunner

from cli.__main__ import app
from cli.basic import WAITING_OF_NAME_MAX, BasicCredentials, TooMany
from cli.credentials import FILE, add_user, new_password, read_credentials, remove_user
from kernel.principal import Role
from kernel.refusal import Refusal

NOW_US = 1_780_000_000_000_000
PASSWORD = "correct-horse-staple"


def header(name, password):
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


def folder_with(tmp_path, *names):
    for name in names:
        add_user(tmp_path, name, Role.AUDITOR, None, PASSWORD, NOW_US)
    return tmp_path


async def test_whoever_shows_the_password_is_known(tmp_path):
    add_user(tmp_path, "reg", Role.SERVICE, "registry", PASSWORD, NOW_US)
    basic = BasicCredentials(tmp_path, wrong_pause_s=0)
    found = await basic.of(header("reg", PASSWORD))
    assert (found.role, found.service) == (Role.SERVICE, "registry")
    assert await basic.of(header("reg", PASSWORD).replace("Basic", "bAsIc")) == found


@pytest.mark.parametrize(
    "shown",
    [
        None,
        "",
        "Bearer abc",
        "Basic",
        "Basic !!!",
        "Basic " + base64.b64encode(b"no-colon").decode(),
        "Basic " + base64.b64encode(b"\xff\xfe:x").decode(),
        header("one", PASSWORD + "x"),
        header("one", ""),
        header("One", PASSWORD),
        header("nobody", PASSWORD),
        header("one", PASSWORD + "x" * 2_000),
        header("one\0", PASSWORD),
    ],
)
async def test_whoever_does_not_is_nobody(tmp_path, shown):
    basic = BasicCredentials(folder_with(tmp_path, "one"), wrong_pause_s=0)
    assert await basic.of(shown) is None


async def test_name_and_password_are_not_taken_for_each_other(tmp_path):
    add_user(tmp_path, "a", Role.AUDITOR, None, "b:" + PASSWORD, NOW_US)
    basic = BasicCredentials(tmp_path, wrong_pause_s=0)
    assert await basic.of(header("a", "b:" + PASSWORD)) is not None
    assert await basic.of(header("a:b", PASSWORD)) is not None  # RFC 7617: a name has no colon
    assert await basic.of(header("b", PASSWORD)) is None


async def test_once_verified_it_costs_nothing_and_what_is_wrong_waits(tmp_path):
    basic = BasicCredentials(folder_with(tmp_path, "one"), wrong_pause_s=0.05)
    begun = time.perf_counter()
    await basic.of(header("one", PASSWORD))
    slow_s = time.perf_counter() - begun
    begun = time.perf_counter()
    for _ in range(100):
        assert await basic.of(header("one", PASSWORD))
    assert (time.perf_counter() - begun) / 100 < slow_s / 10
    await basic.of(header("one", "wrong"))
    begun = time.perf_counter()
    assert await basic.of(header("one", "wrong")) is None
    assert time.perf_counter() - begun >= 0.05


async def test_a_name_that_there_is_not_takes_as_long(tmp_path):
    basic = BasicCredentials(folder_with(tmp_path, "one"), wrong_pause_s=0)

    async def taken_s(name):
        times = []
        for number in range(7):
            begun = time.perf_counter()
            assert await basic.of(header(name, f"guess {number}")) is None
            times.append(time.perf_counter() - begun)
        return statistics.median(times)

    known, unknown = await taken_s("one"), await taken_s("nobody")
    assert 1 / 3 < known / unknown < 3


async def test_users_come_and_go_while_it_runs(tmp_path):
    basic = BasicCredentials(tmp_path, wrong_pause_s=0)
    assert await basic.of(header("one", PASSWORD)) is None
    folder_with(tmp_path, "one", "two")
    assert await basic.of(header("one", PASSWORD)) is not None
    remove_user(tmp_path, "one")
    assert await basic.of(header("one", PASSWORD)) is None
    assert await basic.of(header("two", PASSWORD)) is not None


async def test_a_crowd_of_guesses_is_turned_away_and_starves_nobody_who_is_known(tmp_path):
    basic = BasicCredentials(folder_with(tmp_path, "one"), wrong_pause_s=0)
    assert await basic.of(header("one", PASSWORD))
    guesses = [asyncio.create_task(basic.of(header("one", f"guess {number}"))) for number in range(10)]
    await asyncio.sleep(0)
    begun = time.perf_counter()
    assert await basic.of(header("one", PASSWORD))
    assert time.perf_counter() - begun < 1
    answers = await asyncio.gather(*guesses, return_exceptions=True)
    # One is being hashed while the others wait.
    assert sum(one is None for one in answers) == WAITING_OF_NAME_MAX + 1
    assert sum(isinstance(one, TooMany) for one in answers) == 10 - WAITING_OF_NAME_MAX - 1


def crowd(basic, *, peer, names, each):
    return [
        asyncio.create_task(basic.of(header(name, f"guess {number}"), peer)) for name in names for number in range(each)
    ]


@pytest.mark.parametrize(
    ("peer", "names"),
    [
        ("10.0.0.9", [f"stranger-{number}" for number in range(30)]),
        ("10.0.0.9", ["one"]),
        ("10.0.0.9", ["one", "two", "three", "four", "five"]),
        ("10.0.0.5", ["two"]),
        ("10.0.0.5", [f"stranger-{number}" for number in range(30)]),
    ],
)
async def test_who_shows_the_password_the_first_time_is_let_in_before_a_crowd(tmp_path, peer, names):
    basic = BasicCredentials(folder_with(tmp_path, "one", "two", "three", "four", "five"), wrong_pause_s=0)
    guesses = crowd(basic, peer=peer, names=names, each=30)
    await asyncio.sleep(0)
    assert await basic.of(header("one", PASSWORD), "10.0.0.5")
    # Whoever waited since before it had a turn at most; most of the crowd has been turned away or waits still.
    assert sum(guess.done() and guess.exception() is None for guess in guesses) <= len(names) + 1
    await asyncio.gather(*guesses, return_exceptions=True)


async def test_names_that_there_are_come_before_others(tmp_path):
    basic = BasicCredentials(folder_with(tmp_path, "one"), wrong_pause_s=0)
    strangers = crowd(basic, peer="10.0.0.9", names=["a", "b", "c", "d"], each=1)
    await asyncio.sleep(0)
    assert await basic.of(header("one", PASSWORD), "10.0.0.5")
    assert sum(one.done() for one in strangers) <= 1
    assert await asyncio.gather(*strangers) == [None] * 4


async def test_wrong_passwords_drive_out_no_right_one(tmp_path):
    basic = BasicCredentials(folder_with(tmp_path, "one"), wrong_pause_s=0, wrong_known_max=3)
    assert await basic.of(header("one", PASSWORD))
    for number in range(8):
        assert await basic.of(header("one", f"guess {number}")) is None
    waiting = crowd(basic, peer="10.0.0.9", names=["one"], each=4)
    await asyncio.sleep(0)
    begun = time.perf_counter()
    assert await basic.of(header("one", PASSWORD))
    assert time.perf_counter() - begun < 0.02
    await asyncio.gather(*waiting)


def hashing_threads():
    return sum(thread.name.startswith("asyncio_") for thread in threading.enumerate())


async def test_whoever_gives_up_has_not_several_hashed_at_once(tmp_path):
    basic = BasicCredentials(folder_with(tmp_path, "one"), wrong_pause_s=0)
    before = hashing_threads()
    for number in range(5):
        guess = asyncio.create_task(basic.of(header("one", f"guess {number}")))
        await asyncio.sleep(0.005)
        guess.cancel()
    assert await basic.of(header("one", PASSWORD), "10.0.0.5")
    assert hashing_threads() - before <= 2


async def test_all_who_show_the_same_wait_for_one_look(tmp_path):
    basic = BasicCredentials(folder_with(tmp_path, "one"), wrong_pause_s=0)
    found = await asyncio.gather(*(basic.of(header("one", PASSWORD)) for _ in range(200)))
    assert all(found)


async def test_log_ins_that_are_refused_are_logged_a_few_of_them_and_without_the_password(tmp_path):
    basic = BasicCredentials(folder_with(tmp_path, "one"), wrong_pause_s=0)
    with capture_logs() as logged:
        await basic.of(header("one", "guess-1"), "10.0.0.9")
        await basic.of(header("my-secret-in-the-wrong-place", "guess-2"), "10.0.0.9")
        for _ in range(50):
            await basic.of(header("one", "guess-1"), "10.0.0.9")
    assert [one["event"] for one in logged] == ["log-in refused"] * 10
    assert [(one["user"], one["peer"]) for one in logged[:2]] == [("one", "10.0.0.9"), (None, "10.0.0.9")]
    assert "guess" not in str(logged)
    assert "secret" not in str(logged)


def test_the_file_has_no_password_and_is_its_owners(tmp_path):
    folder_with(tmp_path, "one", "two")
    content = (tmp_path / FILE).read_bytes()
    assert PASSWORD.encode() not in content
    one, two = read_credentials(tmp_path).users.values()
    assert one.password.salt != two.password.salt
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600
    (tmp_path / FILE).chmod(0o640)
    with pytest.raises(PermissionError, match="chmod 600"):
        read_credentials(tmp_path)
    (tmp_path / FILE).chmod(0o600)
    (tmp_path / FILE).write_bytes(content[:-9])
    with pytest.raises(ValueError, match=FILE):
        read_credentials(tmp_path)


@pytest.mark.parametrize(
    ("name", "password", "code"),
    [
        ("One", PASSWORD, "ledger_user.name"),
        ("a:b", PASSWORD, "ledger_user.name"),
        ("a\n", PASSWORD, "ledger_user.name"),
        ("", PASSWORD, "ledger_user.name"),
        ("one", "too short", "ledger_user.password"),
        ("one", "x" * 2_000, "ledger_user.password"),
    ],
)
def test_names_and_passwords_that_are_none(tmp_path, name, password, code):
    with pytest.raises(Refusal) as refused:
        add_user(tmp_path, name, Role.AUDITOR, None, password, NOW_US)
    assert refused.value.code == code
    assert not read_credentials(tmp_path).users


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setenv("METERLOOP_DATA_DIR", str(tmp_path / "var"))
    monkeypatch.setenv("COLUMNS", "200")

    def run(*words, told=None):
        done = CliRunner().invoke(app, ["ledger", "user", *words], input=told)
        refused = str(done.exception) if isinstance(done.exception, Refusal) else ""
        return done.exit_code, done.stdout, " ".join(done.stderr.split()) + refused

    return run


async def test_users_are_added_shown_and_removed_by_command(run, tmp_path):
    status, password, said = run("add", "reg", "--role", "service", "--service", "registry")
    assert status == 0, said
    assert "只显示这一次" in said
    assert "shown this once" in said
    assert len(password.strip()) >= 32
    assert password.strip() not in said
    basic = BasicCredentials(tmp_path / "var" / "keys", wrong_pause_s=0)
    assert (await basic.of(header("reg", password.strip()))).service == "registry"
    assert run("add", "watch", "--role", "auditor", "--prompt", told=PASSWORD + "\n")[0] == 0
    assert (await basic.of(header("watch", PASSWORD))).role is Role.AUDITOR
    status, shown, _ = run("list")
    assert [line.split()[:2] for line in shown.splitlines()[1:]] == [["reg", "service"], ["watch", "auditor"]]
    assert password.strip() not in shown
    status, _, said = run("add", "reg", "--role", "auditor")
    assert (status, "ledger_user.exists" in said, "已存在" in said) == (1, True, True)
    assert run("remove", "reg")[0] == 0
    status, _, said = run("remove", "reg")
    assert (status, "ledger_user.unknown" in said) == (1, True)


@pytest.mark.parametrize(
    "words",
    [
        ("--role", "service"),
        ("--role", "service", "--service", "gateway"),
        ("--role", "auditor", "--service", "registry"),
    ],
)
def test_role_service_says_which_one_and_no_other_does(run, words):
    status, _, said = run("add", "one", *words)
    assert (status, "ledger_user.service" in said) == (1, True)


def test_a_password_made_here_can_stand_in_a_url():
    made = {new_password() for _ in range(50)}
    assert len(made) == 50
    assert all(set(one) <= set("-_") | {chr(c) for c in range(128) if chr(c).isalnum()} for one in made)
