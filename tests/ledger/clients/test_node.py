"""The official Node client: its JavaScript part appends and subscribes, its native part reads."""

import os
import time
from functools import partial

import pytest

from tests.ledger.clients.installing import installed_client, seen


@pytest.fixture(scope="session")
def installed():
    return installed_client()


@pytest.fixture
def prefix():
    return os.urandom(6).hex()


@pytest.fixture
def node(installed, door, prefix):
    return partial(seen, installed, url=door.url(), prefix=prefix)


def wrong(told, stream, expected, actual):
    assert told["kind"] == "WrongExpectedVersionError", told
    assert told["type"] == "wrong-expected-version"
    assert (told["streamName"], told["expectedState"], told["actualState"]) == (stream, expected, actual)


def test_appends_at_every_expectation(node):
    saw = node("append")
    assert [result["success"] for result in saw["results"]] == [True] * 4
    assert [result["nextExpectedRevision"] for result in saw["results"]] == [1, 2, 4, 5]
    positions = [result["position"]["commit"] for result in saw["results"]]
    assert positions == sorted(set(positions))
    assert positions == [saw["read"][at]["position"]["commit"] for at in (1, 2, 4, 5)]
    assert saw["again"] == saw["results"][0], "the same ids again"
    assert [event["id"] for event in saw["read"][:2]] == saw["ids"]
    assert [event["revision"] for event in saw["read"]] == list(range(6))


def test_content_comes_back(node, prefix):
    saw = node("content")
    json_event, binary = saw["read"]
    assert json_event["id"] == "01234567-89ab-cdef-0123-456789abcdef"
    assert (json_event["type"], json_event["streamId"]) == ("测试.事件", f"{prefix}-流/ü?#")
    assert json_event["data"] == {"text": "ü 读数", "n": 1.5, "nested": [None, True]}
    assert json_event["metadata"] == {"$correlationId": "c", "n": 1}
    assert (json_event["isJson"], binary["isJson"]) == (True, False)
    assert (binary["data"], binary["metadata"]) == (list(range(256)), list(range(128, 256)))
    assert json_event["created"].endswith("Z")
    assert time.strftime("%Y", time.gmtime(saw["before"] / 1_000)) in json_event["created"]


def test_many_appends_over_one_call(node):
    saw = node("many")
    assert [result["nextExpectedRevision"] for result in saw["results"]] == [2] * 40
    assert saw["late"]["nextExpectedRevision"] == 3
    assert saw["wrong"] == ["WrongExpectedVersionError", None] * 20


def test_an_append_in_several_messages_is_one(node, prefix):
    saw = node("split")
    assert saw["result"]["nextExpectedRevision"] == 11
    assert saw["again"] == saw["result"]
    assert saw["small"]["nextExpectedRevision"] == 16
    wrong(saw["wrong"], f"{prefix}-x", 3, 16)
    assert saw["after"]["nextExpectedRevision"] == 17
    numbers = [*range(12), *range(5), 0]
    assert saw["read"] == [{"n": number, "revision": at} for at, number in enumerate(numbers)]


def test_conflicts_are_told_with_what_was_and_what_was_expected(node, prefix):
    saw = node("conflict")
    wrong(saw["ahead"], f"{prefix}-x", 0, 2)
    wrong(saw["noStream"], f"{prefix}-x", "no_stream", 2)
    wrong(saw["missing"], f"{prefix}-none", 5, "no_stream")
    wrong(saw["exists"], f"{prefix}-none", "stream_exists", "no_stream")
    assert saw["unthrown"]["success"] is False
    assert saw["tooLarge"]["kind"] == "MaxAppendSizeExceededError", saw["tooLarge"]
    assert saw["tooLarge"]["maxAppendSize"] == 1 << 20
    assert saw["left"] == 3


def test_reads_of_a_stream(node, prefix):
    saw = node("read")
    assert saw["all"] == [0, 1, 2, 3, 4]
    assert saw["from"] == [3, 4]
    assert saw["limited"] == [1, 2]
    assert saw["backwards"] == [4, 3, 2, 1, 0]
    assert saw["backwardsFrom"] == [2, 1]
    assert saw["beyond"] == []
    assert (saw["missing"]["kind"], saw["missing"]["type"]) == ("StreamNotFoundError", "stream-not-found")
    assert saw["missing"]["streamName"] == f"{prefix}-none"


def test_reads_of_the_log(node):
    saw = node("readAll")
    everything = ["0 s0", "1 s1", "2 s0", "3 s1"]
    assert saw["from"] == saw["noSystem"] == everything
    assert saw["limited"] == everything[:2]
    assert saw["backwards"] == everything[::-1]
    assert saw["types"] == ["0 s0", "2 s0", "3 s1"]
    assert saw["prefixes"] == ["1 s1", "2 s0"]
    assert saw["streams"] == ["1 s1", "3 s1"]
    assert saw["pattern"] == ["0 s0", "2 s0"]
    position, commit = saw["position"]
    assert position == {"commit": commit, "prepare": commit}


def test_a_long_stream_is_read_whole(node):
    assert node("readMuch") == {"inOrder": True, "count": 4_000}


def test_subscriptions_to_a_stream(node):
    start, after, end = node("subscribeStream")
    assert start["revisions"] == [0, 1, 2, 3, 4]
    assert after["revisions"] == [2, 3, 4]
    assert end["revisions"] == [3, 4]
    for heard in (start, after, end):
        assert "error" not in heard
        assert heard["caughtUp"]["revision"] == 2
        assert "date" in heard["caughtUp"]


def test_subscriptions_to_the_log(node, prefix):
    saw = node("subscribeAll")
    assert "error" not in saw
    assert saw["types"] == [f"{prefix}.Red"] * 3
    start, end = saw["start"]["commit"], saw["end"]["position"]["commit"]
    assert len(saw["checkpoints"]) >= 4
    assert saw["checkpoints"] == sorted(saw["checkpoints"])
    assert start <= saw["checkpoints"][0]
    assert saw["checkpoints"][-1] <= end
    assert start < saw["caughtUp"][0]["position"]["commit"] <= end


def test_pings_end_no_subscription(node):
    saw = node("keepalive")
    assert saw == {"count": 1}


def test_appends_to_several_streams(node, prefix):
    saw = node("severalStreams")
    responses = {one["streamName"].removeprefix(f"{prefix}-"): one["revision"] for one in saw["session"]["responses"]}
    assert responses == {"a": 1, "b": 1}
    assert saw["again"] == saw["session"]
    wrong(saw["wrong"], f"{prefix}-a", 0, 1)
    responses = {one["streamName"].removeprefix(f"{prefix}-"): one["revision"] for one in saw["appended"]["responses"]}
    assert responses == {"a": 3, "d": 0}
    assert saw["failed"]["kind"] == "AppendConsistencyViolationError", saw["failed"]
    assert saw["failed"]["violations"] == [
        {"checkIndex": 1, "streamName": f"{prefix}-b", "expectedState": "no_stream", "actualState": 1}
    ]
    assert saw["left"]["kind"] == "StreamNotFoundError"
    assert [event["revision"] for event in saw["read"]] == [0, 1, 2, 3]
    assert saw["read"][2]["metadata"]["actor"] == "x"
    assert saw["read"][3]["position"]["commit"] <= saw["appended"]["position"]


def test_metadata_of_streams(node, prefix):
    saw = node("metadata")
    assert saw["before"] == {"streamName": f"{prefix}-x"}
    assert saw["set"]["nextExpectedRevision"] == 0
    assert saw["after"]["metadata"] == {"owner": "a", "cacheControl": 60}
    wrong(saw["wrong"], f"$${prefix}-x", "no_stream", 0)
    assert [told["kind"] for told in saw["forgetful"]] == ["AccessDeniedError"] * 3


def test_what_is_not_done(node):
    saw = node("refusals")
    for what in ("deleted", "deletedAt", "tombstoned"):
        assert (saw[what]["kind"], saw[what]["type"]) == ("AccessDeniedError", "access-denied")
    assert [told["kind"] for told in saw["lists"]] == ["PersistentSubscriptionDoesNotExistError"] * 3
    for told in saw["persistent"]:
        assert told["kind"] == "UnknownError", told
        assert "UNIMPLEMENTED" in told["message"]
        assert "This server does not offer persistent subscriptions" in told["message"]
    assert saw["projection"]["kind"] == "UnknownError"
    assert "UNIMPLEMENTED" in saw["projection"]["message"]
    assert saw["left"] == 2


def test_the_server_is_discovered(installed, door, prefix):
    saw = seen(installed, "append", door.url(scheme="kurrentdb+discover"), prefix)
    assert saw["results"][0]["success"] is True
