"""`meterloop ledger serve` as it is met: what it says, whom it lets in over TLS, what it refuses, and how it stops."""

import os
import re
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from uuid import UUID

import grpc
import pytest
from cryptography import x509
from kurrentdbclient import KurrentDBClient, NewEvent, StreamState
from kurrentdbclient.exceptions import (
    AccessDeniedError,
    GrpcError,
    ServiceUnavailableError,
    SSLError,
    UnauthenticatedError,
)
from kurrentdbclient.protos.v1 import gossip_pb2

from cli.credentials import add_user
from kernel.principal import Role
from ledger.port import ANY, Append, Draft
from ledger.sqlite import SqliteLedger

pytestmark = pytest.mark.timeout(120)
PASSWORD = "correct-horse-staple"
NOW_US = 1_780_000_000_000_000
EVENTS = {
    "plan-1": ("registry.PlanSet", b'{"plan_id":"1"}'),
    "meter-1": ("registry.Registered", b'{"asset_no":"1"}'),
    "ext-1": ("acme.Seen", b'{"n":1}'),
}


class Started:
    """The command, what it said, and what it told to connect to."""

    def __init__(self, process, folder):
        self.process, self.folder = process, folder
        self.url = process.stdout.readline().strip()

    @property
    def said(self):
        return " ".join((self.folder / "told.txt").read_text("utf-8").split())

    def client(self, user="", root=None):
        uri = self.url.replace("kurrentdb://", f"kurrentdb://{user}:{PASSWORD}@" if user else "kurrentdb://")
        return KurrentDBClient(uri=uri if root is None else uri.partition("?")[0], root_certificates=root)

    def ended(self):
        return self.process.wait(60)


@contextmanager
def serving(folder, *words, **environ):
    with (folder / "told.txt").open("w+") as told:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "cli", "ledger", "serve", *words],
            cwd=folder, env={**os.environ, "METERLOOP_DATA_DIR": str(folder / "var"), "COLUMNS": "300", **environ},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=told, text=True,
        )  # fmt: skip
        try:
            yield Started(process, folder)
        finally:
            process.kill()
            process.wait()
            process.stdout.close()


@pytest.fixture
async def filled(tmp_path):
    """A data folder with a log of three events, and users of three kinds."""
    var = tmp_path / "var"
    var.mkdir()
    ledger = await SqliteLedger.open(var / "ledger.sqlite")
    for number, (stream, (kind, data)) in enumerate(EVENTS.items()):
        draft = Draft(UUID(int=number + 1).bytes, kind, data, b'{"actor":"a"}')
        await ledger.append([Append(stream, ANY, [draft])])
    await ledger.close()
    add_user(var / "keys", "reg", Role.SERVICE, "registry", PASSWORD, NOW_US)
    add_user(var / "keys", "watch", Role.AUDITOR, None, PASSWORD, NOW_US)
    add_user(var / "keys", "maker", Role.MANUFACTURER, None, PASSWORD, NOW_US)
    return tmp_path


def seen(client):
    return {event.stream_name: (event.type, event.data) for event in client.read_all()}


def test_each_sees_what_its_role_may_over_tls(filled):
    with serving(filled, "--listen", "127.0.0.1:0") as started:
        assert started.url.startswith("kurrentdb://127.0.0.1:")
        assert f"tlsCaFile={filled / 'var' / 'keys' / 'ledger-ca.pem'}" in started.url
        assert "CA 证书" in started.said
        assert "trust this CA certificate" in started.said
        with started.client("reg") as service:
            assert seen(service) == EVENTS
        with started.client("watch") as auditor:
            assert seen(auditor) == EVENTS
            assert [event.metadata for event in auditor.get_stream("plan-1")] == [b'{"actor":"a"}']
        with started.client("maker") as maker:
            assert seen(maker) == {"plan-1": EVENTS["plan-1"]}
            assert [event.metadata for event in maker.get_stream("plan-1")] == [b""]
        add_user(filled / "var" / "keys", "late", Role.REGULATOR, None, PASSWORD, NOW_US)
        with started.client("late") as late:
            assert seen(late) == EVENTS
        with started.client("nobody") as nobody, pytest.raises(UnauthenticatedError):
            seen(nobody)
        strange = (filled / "var" / "keys" / "ledger-ca.pem").read_bytes()
        assert strange
        with (
            KurrentDBClient(uri=started.url.partition("?")[0].replace("//", f"//reg:{PASSWORD}@")) as untrusting,
            pytest.raises((SSLError, GrpcError)),
        ):
            seen(untrusting)
        started.process.send_signal(signal.SIGTERM)
        assert started.ended() == 0
    assert PASSWORD not in started.said


def test_who_listens_everywhere_is_found_by_the_name_of_the_machine(filled):
    with serving(filled, "--listen", "0.0.0.0:0", "--name", "ledger.example, other.example") as started:
        assert started.url.startswith("kurrentdb://localhost:")
        with started.client("reg") as service:
            assert seen(service) == EVENTS
    [server, *_] = x509.load_pem_x509_certificates((filled / "var" / "keys" / "ledger-server.key").read_bytes())
    names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    expected = {"localhost", "ledger.example", "other.example", socket.gethostname()}
    assert set(names.get_values_for_type(x509.DNSName)) == expected


def gossiped(started):
    """The host that clients are told who discover."""
    port = started.url.partition("?")[0].rpartition(":")[2]
    authority = grpc.ssl_channel_credentials((started.folder / "var" / "keys" / "ledger-ca.pem").read_bytes())
    with grpc.secure_channel(f"localhost:{port}", authority) as channel:
        answer = channel.unary_unary("/event_store.client.gossip.Gossip/Read")(b"", timeout=20)
    [member] = gossip_pb2.ClusterInfo.FromString(answer).members
    return member.http_end_point.address


@pytest.mark.parametrize(
    ("host", "names", "told"),
    [
        ("0.0.0.0", "ledger.example, other.example", "ledger.example"),
        ("0.0.0.0", "", socket.gethostname()),
        ("127.0.0.1", "ledger.example", "ledger.example"),
        ("127.0.0.1", "", "127.0.0.1"),
    ],
)
def test_who_discovers_is_told_a_name_that_the_certificate_holds(filled, host, names, told):
    with serving(filled, "--listen", f"{host}:0", *(["--name", names] if names else [])) as started:
        assert gossiped(started) == told
    [server, *_] = x509.load_pem_x509_certificates((filled / "var" / "keys" / "ledger-server.key").read_bytes())
    held = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    names_held = held.get_values_for_type(x509.DNSName) + list(map(str, held.get_values_for_type(x509.IPAddress)))
    assert told in names_held


def test_told_to_stop_it_ends_subscriptions_and_what_was_acknowledged_stays(filled):
    with serving(filled, "--listen", "127.0.0.1:0") as started, started.client("reg") as service:
        draft = NewEvent(type="registry.PlanSet", data=b"{}")
        service.append_to_stream("plan-2", events=[draft], current_version=StreamState.NO_STREAM)
        subscription = service.subscribe_to_all()
        assert [next(subscription).stream_name for _ in range(4)] == [*EVENTS, "plan-2"]
        started.process.send_signal(signal.SIGTERM)
        with pytest.raises(ServiceUnavailableError):
            next(subscription)
        assert started.ended() == 0
    with serving(filled, "--listen", "127.0.0.1:0") as started, started.client("reg") as service:
        assert set(seen(service)) == {*EVENTS, "plan-2"}


def test_each_writes_where_its_role_may(filled):
    def append(client, stream, kind):
        draft = NewEvent(type=kind, data=b"{}")
        return client.append_to_stream(stream, events=[draft], current_version=StreamState.ANY)

    with serving(filled, "--listen", "127.0.0.1:0") as started:
        with started.client("reg") as service:
            append(service, "site-1", "registry.SiteOpened")
            for stream in ("ext-2", "elsewhere-1", "$$site-1"):
                with pytest.raises(AccessDeniedError):
                    append(service, stream, "registry.SiteOpened")
        for name in ("watch", "maker"):
            with started.client(name) as outsider:
                append(outsider, "ext-2", "acme.Seen")
                for stream, kind in (("site-1", "acme.Seen"), ("ext-2", "registry.SiteOpened"), ("$$ext-2", "x")):
                    with pytest.raises(AccessDeniedError):
                        append(outsider, stream, kind)


def test_everybody_is_one_role_where_it_was_said_and_loudly(filled):
    with serving(filled, "--insecure-as", "manufacturer", "--listen", "localhost:0") as started:
        assert re.fullmatch(r"kurrentdb://localhost:\d+\?tls=false", started.url)
        assert "不安全" in started.said
        assert "INSECURE" in started.said
        with started.client() as anyone:
            assert seen(anyone) == {"plan-1": EVENTS["plan-1"]}
    with serving(filled, "--insecure-as", "service", "--listen", "[::1]:0") as started, started.client() as anyone:
        assert seen(anyone) == EVENTS
    assert not (filled / "var" / "keys" / "ledger-ca.pem").exists()


def test_a_scratch_log_is_empty_open_and_leaves_nothing(tmp_path):
    with serving(tmp_path, "--scratch", "--position-stride", "7", "--listen", "127.0.0.1:0") as started:
        assert re.fullmatch(r"kurrentdb://127\.0\.0\.1:\d+\?tls=false", started.url)
        assert "临时台账" in started.said
        with started.client() as anyone:
            assert seen(anyone) == {}
        started.process.send_signal(signal.SIGINT)
        assert started.ended() == 0
    assert not (tmp_path / "var").exists()


def test_who_has_no_users_is_told(tmp_path):
    with serving(tmp_path, "--listen", "127.0.0.1:0") as started:
        assert started.url
        assert "还没有用户" in started.said
        assert "meterloop ledger user add" in started.said
        with serving(tmp_path, "--listen", started.url.partition("//")[2].partition("?")[0]) as second:
            assert (second.ended(), second.url) == (1, "")
            assert "--listen" in second.said


@pytest.mark.parametrize(
    ("words", "status", "code"),
    [
        (("--listen", "0.0.0.0:0", "--insecure-as", "auditor"), 1, "ledger_serve.not_loopback"),
        (("--listen", "192.0.2.1:0", "--scratch"), 1, "ledger_serve.not_loopback"),
        (("--ledger", "memory:"), 1, "ledger_serve.not_embedded"),
        (("--ledger", "kurrentdb://user:hidden@192.0.2.1:2113"), 1, "ledger_serve.not_embedded"),
        (("--scratch", "--insecure-as", "auditor"), 1, "ledger_serve.scratch_alone"),
        (("--scratch", "--ledger", "sqlite:///x"), 1, "ledger_serve.scratch_alone"),
        (("--position-stride", "7"), 1, "ledger_serve.scratch_alone"),
        (("--listen", "2113"), 1, "ledger_serve.listen"),
        (("--listen", "::1:2113"), 1, "ledger_serve.listen"),
        (("--listen", "127.0.0.1:70000"), 1, "ledger_serve.listen"),
        (("--insecure-as", "king"), 2, "--insecure-as"),
    ],
)
def test_what_cannot_be_is_refused_in_both_languages(tmp_path, words, status, code):
    with serving(tmp_path, *words) as started:
        assert (started.ended(), started.url) == (status, "")
        assert code in started.said
        assert "hidden" not in started.said
    assert not (tmp_path / "var").exists()


def test_a_url_of_the_environment_is_refused_like_one_that_is_said(tmp_path):
    with serving(tmp_path, LEDGER_URL="kurrentdb://192.0.2.1:2113") as started:
        assert started.ended() == 1
        assert "ledger_serve.not_embedded" in started.said
