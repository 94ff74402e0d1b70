"""Frames against the oracles of the standard, and against whatever bytes there are."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kernel.refusal import Refusal
from services.sorting.reading import faults
from services.sorting.reading.frames import ANYBODY, Inbox, Question, address_of
from tests.sorting.reading.peer import ADDRESS, OTHER, frame

FORWARD = 0x00010000

addresses = st.from_regex(r"[0-9]{12}", fullmatch=True)
identifiers = st.integers(min_value=0, max_value=0xFFFFFFFF)


@pytest.mark.parametrize(
    ("question", "on_the_line"),
    [
        (Question(ANYBODY), "68 AA AA AA AA AA AA 68 13 00 DF 16"),
        (Question("123456789012", FORWARD), "68 12 90 78 56 34 12 68 11 04 33 33 34 33 68 16"),
    ],
)
def test_requests_are_those_of_the_standard(question, on_the_line):
    assert question.frame == b"\xfe" * 4 + bytes.fromhex(on_the_line)


@given(addresses, identifiers, st.binary(max_size=200), st.integers(0, 4), st.data())
def test_an_answer_is_found_however_it_is_cut(address, identifier, data, fes, how):
    whole = b"\xfe" * fes + frame(address, 0x91, identifier.to_bytes(4, "little") + data)
    cuts = sorted(how.draw(st.lists(st.integers(0, len(whole)), max_size=6)))
    inbox = Inbox(Question(address, identifier))
    answers = [
        answer
        for begin, end in zip([0, *cuts], [*cuts, len(whole)], strict=True)
        if (answer := inbox.take(whole[begin:end])) is not None
    ]
    assert [(answer.address, answer.data) for answer in answers] == [(address, data)]


@given(addresses, st.binary(max_size=300))
def test_random_bytes_give_no_answer_and_a_reason(address, noise):
    inbox = Inbox(Question(address, FORWARD))
    assert inbox.take(noise) is None
    assert inbox.take_hidden() is None
    assert inbox.fault(1).code in {
        "meter_read.no_answer", "meter_read.noise", "meter_read.partial_frame", "meter_read.bad_checksum",
    }  # fmt: skip


@given(st.binary(max_size=60))
@example(bytes.fromhex("68 000000000000 68 91 FF"))
def test_an_answer_behind_noise_is_found_once_the_line_is_silent(noise):
    inbox = Inbox(Question(ADDRESS, FORWARD))
    answer = inbox.take(noise + frame(ADDRESS, 0x91, bytes.fromhex("0000010056341200")))
    answer = answer or inbox.take_hidden()
    assert answer is not None
    assert answer.data == bytes.fromhex("56341200")


@given(st.integers(0, 23), st.integers(1, 255))
def test_a_changed_byte_is_never_taken_for_an_answer(at, change):
    whole = bytearray(frame(ADDRESS, 0x91, bytes.fromhex("0000010056341200")))
    if at >= len(whole):
        at = len(whole) - 1
    whole[at] ^= change
    inbox = Inbox(Question(ADDRESS, FORWARD))
    assert inbox.take(bytes(whole)) is None
    assert inbox.take_hidden() is None


def test_the_echo_of_the_request_is_no_answer():
    inbox = Inbox(Question(ANYBODY))
    assert inbox.take(Question(ANYBODY).frame) is None
    answer = inbox.take(frame(ADDRESS, 0x93, bytes.fromhex(ADDRESS)[::-1]))
    assert answer is not None
    assert answer.address == ADDRESS


def test_a_late_answer_to_another_question_is_passed_over():
    inbox = Inbox(Question(ADDRESS, FORWARD))
    assert inbox.take(frame(ADDRESS, 0x91, bytes.fromhex("0000020011111111"))) is None
    assert inbox.take(frame(ADDRESS, 0x91, bytes.fromhex("0000010022222222"))).data == bytes.fromhex("22222222")


def test_another_meters_answer_is_named():
    inbox = Inbox(Question(ADDRESS, FORWARD))
    assert inbox.take(frame(OTHER, 0x91, bytes.fromhex("0000010056341200"))) is None
    refusal = inbox.fault(1)
    assert refusal.code == "meter_read.other_meter"
    assert OTHER in refusal.zh
    assert OTHER in refusal.en


@pytest.mark.parametrize(
    ("received", "code"),
    [
        (b"", "meter_read.no_answer"),
        (b"\xfe\xfe\x00\x55", "meter_read.noise"),
        (frame(ADDRESS, 0x91, b"\x00" * 8)[:-3], "meter_read.partial_frame"),
        (frame(ADDRESS, 0x91, b"\x00" * 8)[:-2] + b"\x00\x16", "meter_read.bad_checksum"),
        (frame(ADDRESS, 0x91, b"\x00" * 8)[:-1] + b"\x00", "meter_read.bad_checksum"),
    ],
)
def test_what_was_wrong_is_named(received, code):
    inbox = Inbox(Question(ADDRESS, FORWARD))
    assert inbox.take(received) is None
    assert inbox.fault(3).code == code


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (0x02, "meter_read.unsupported", ""),
        (0x04, "meter_read.error_reply", "未授权"),
        (0x80, "meter_read.error_reply", "80"),
    ],
)
def test_an_error_reply_is_an_answer(error, code, words):
    with pytest.raises(Refusal) as refused:
        Inbox(Question(ADDRESS, FORWARD)).take(frame(ADDRESS, 0xD1, bytes([error])))
    assert refused.value.code == code
    assert words in refused.value.zh


@pytest.mark.parametrize(
    ("sent_by", "told", "answered"),
    [(ADDRESS, ADDRESS, ADDRESS), (ANYBODY, ADDRESS, ADDRESS), (ADDRESS, OTHER, None), (ANYBODY, ANYBODY, None)],
)
def test_an_address_is_what_the_meter_says_and_answers_under(sent_by, told, answered):
    got = Inbox(Question(ANYBODY)).take(frame(sent_by, 0x93, bytes.fromhex(told)[::-1]))
    assert (got and got.address) == answered


def test_an_address_is_up_to_twelve_digits():
    assert address_of(" 17 ") == "000000000017"
    for wrong in ("", "12345678901X", "1234567890123", "１２"):
        with pytest.raises(Refusal, match=faults.BAD_ADDRESS.code):
            address_of(wrong)
