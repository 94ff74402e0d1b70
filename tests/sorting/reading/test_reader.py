"""A whole reading over a real TCP connection and a real serial line, from meters with good and bad manners."""

import asyncio
import os
import socket
import time
from datetime import datetime

import pytest

from kernel.quantity import BUSINESS_ZONE
from kernel.refusal import Refusal
from services.sorting.defaults import default_scheme
from services.sorting.reading.exchange import Exchange, Patience
from services.sorting.reading.forms import load as load_forms
from services.sorting.reading.forms import measured
from services.sorting.reading.identifiers import Period, Phases, load
from services.sorting.reading.line import SerialLine, TcpLine
from services.sorting.reading.reader import read_meter
from tests.sorting.reading.peer import ADDRESS, OTHER, VALUES, HangUp, Meter, frame, listening, low_first, wired

IDENTIFIERS = load()
NOW = datetime(2026, 11, 2, 10, 15, 18, tzinfo=BUSINESS_ZONE)
NOW_US = round(NOW.timestamp()) * 1_000_000
PATIENT = Patience(answer_s=5.0, quiet_s=0.5, tries=2)
QUICK = Patience(answer_s=0.5, quiet_s=0.2, tries=2)
FILLS = load_forms()["function"]
FEW = {code: IDENTIFIERS[code] for code in ("comm_address", "energy_forward", "cover_opened")}


def reading_of(line, *, identifiers=IDENTIFIERS, address=None, patience=PATIENT, now_us=NOW_US):
    try:
        return read_meter(Exchange(line, address, patience), identifiers, lambda: now_us)
    finally:
        line.close()


async def over_tcp(meter, **how):
    async with listening(meter) as port:
        return await asyncio.to_thread(lambda: reading_of(TcpLine("127.0.0.1", port), **how))


def problems(reading):
    return {read.identifier.code: read.problem.code for read in reading.reads if read.problem}


async def test_a_meter_is_read_whole():
    reading = await over_tcp(Meter())
    assert reading.whole
    assert reading.address == ADDRESS
    assert problems(reading) == {}
    assert [read.identifier.code for read in reading.reads] == list(IDENTIFIERS)
    values = {read.identifier.code: read.value for read in reading.reads}
    assert values["comm_address"] == ADDRESS
    assert values["asset_no"] == "9940101000000000000175"
    assert values["active_class"] == "2.0"
    assert values["active_constant"] == 1200
    assert values["energy_forward"] == 1_234_560
    assert values["energy_reverse"] == 120
    assert values["clock_battery"] == 3_640
    assert values["internal_temperature"] == -105
    assert values["neutral_current"] == -250
    assert values["frequency"] == 49_980
    assert values["voltage_a"] == 220_300
    assert values["status_3"] == "8A1F"
    assert values["cover_opened"] == 2
    assert values["power_down"] == 123
    assert values["overcurrent"] == Phases((2, 1, 0), (30, 5, 0))
    assert values["overcurrent"].total == 3
    assert values["overload"] == Phases((0,), (0,))
    assert values["cover_opened_last"] == Period(
        datetime(2019, 7, 4, 23, 15, tzinfo=BUSINESS_ZONE), datetime(2019, 7, 4, 23, 17, 10, tzinfo=BUSINESS_ZONE)
    )
    assert values["overcurrent_last"].ended == datetime(2023, 8, 8, 19, 45, tzinfo=BUSINESS_ZONE)
    assert values["terminal_cover_opened_last"].ended is None
    assert values["cleared_last"] == Period(None)


async def test_the_clock_is_held_against_the_readers():
    reading = await over_tcp(Meter())
    assert reading.clock.at == datetime(2026, 11, 2, 10, 15, 30, tzinfo=BUSINESS_ZONE)
    assert reading.clock.offset_s == 12
    assert reading.read_at == NOW
    later = await over_tcp(Meter(), now_us=NOW_US + 400_000)
    assert later.clock.offset_s == 12
    behind = await over_tcp(Meter(), now_us=NOW_US + 3_600_600_000)
    assert behind.clock.offset_s == 12 - 3601


async def test_a_date_before_midnight_is_read_again_after_it():
    values = VALUES | {"04000102": low_first("000002")}
    meter = Meter(values)

    async def midnight(send, answer, _asked):
        if meter.answer(meter.asked[-1])[10:14] == bytes((b + 0x33) % 256 for b in low_first("04000102")):
            meter.values["04000101"] = low_first("26110300")
        await send(answer)

    meter.manner = midnight
    at = datetime(2026, 11, 3, 0, 0, 1, tzinfo=BUSINESS_ZONE)
    reading = await over_tcp(meter, now_us=round(at.timestamp()) * 1_000_000)
    assert reading.clock.offset_s == 1
    assert reading.value("clock_date") == "261103"


async def test_a_clock_that_shows_no_time_is_named():
    reading = await over_tcp(Meter(VALUES | {"04000101": low_first("26310200")}))
    assert reading.clock is None
    assert problems(reading) == {"clock_time": "meter_read.no_such_time"}
    assert reading.whole


async def byte_by_byte(send, answer, _asked):
    for byte in b"\xfe\xfe" + answer:
        await send(bytes([byte]))
        await asyncio.sleep(0)


async def behind_garbage(send, answer, _asked):
    await send(b"\x00\x68\x16\xff\x91\xfe\xfe" + answer)


async def behind_a_false_start(send, answer, _asked):
    await send(bytes.fromhex("68 000000000000 68 91 FF") + answer)


async def slowly(send, answer, _asked):
    await asyncio.sleep(0.05)
    for at in range(0, len(answer), 4):
        await send(answer[at : at + 4])
        await asyncio.sleep(0.02)


async def with_echo_and_stranger(send, answer, _asked):
    await send(bytes.fromhex("68 AA AA AA AA AA AA 68 13 00 DF 16"))
    await send(frame(OTHER, 0x91, b"\x00\x00\x01\x00\x11\x11\x11\x11"))
    await send(answer)


async def at_the_second_asking(send, answer, asked):
    if asked % 2 == 0:
        await send(answer)


async def once_damaged(send, answer, asked):
    await send(answer if asked % 2 == 0 else answer[:-2] + bytes([answer[-2] ^ 1, 0x16]))


@pytest.mark.parametrize(
    "manner",
    [
        byte_by_byte, behind_garbage, behind_a_false_start, slowly, with_echo_and_stranger, at_the_second_asking,
        once_damaged,
    ],
)  # fmt: skip
async def test_bad_manners_are_borne(manner):
    patience = QUICK if manner is at_the_second_asking else PATIENT
    reading = await over_tcp(Meter(manner=manner), identifiers=FEW, patience=patience)
    assert reading.whole, problems(reading)
    assert reading.value("energy_forward") == 1_234_560


async def test_a_bad_checksum_is_named():
    async def damaged(send, answer, _asked):
        await send(answer[:-2] + bytes([answer[-2] ^ 1, 0x16]))

    reading = await over_tcp(Meter(manner=damaged), identifiers=FEW, address=ADDRESS, patience=QUICK)
    assert set(problems(reading).values()) == {"meter_read.bad_checksum"}
    assert not reading.whole


async def test_another_meter_is_named_and_gives_no_value():
    async def foreign(send, answer, _asked):
        data = bytes((byte - 0x33) % 256 for byte in answer[10:-2])
        await send(frame(OTHER, answer[8], data))

    reading = await over_tcp(Meter(manner=foreign), identifiers=FEW, address=ADDRESS, patience=QUICK)
    assert set(problems(reading).values()) == {"meter_read.other_meter"}
    assert reading.value("energy_forward") is None
    assert not reading.whole


async def test_what_a_meter_does_not_hold_leaves_the_reading_whole():
    without = {di: data for di, data in VALUES.items() if di not in ("02800007", "03300E00")}
    without |= {"04000403": b"\xff" * 32, "03300D00": b"\xff" * 3}
    reading = await over_tcp(Meter(without, errors={"04800001": 0x01}))
    assert problems(reading) == {
        "internal_temperature": "meter_read.unsupported",
        "terminal_cover_opened": "meter_read.unsupported",
        "asset_no": "meter_read.blank",
        "cover_opened": "meter_read.blank",
        "software_version": "meter_read.error_reply",
    }
    assert reading.whole


async def test_values_of_a_wrong_shape_are_named_and_fill_nothing():
    odd = {
        "00010000": low_first("0012345A"),
        "02800008": low_first("000364"),
        "04000501": b"\x01",
        "030C0000": bytes(17),
    }
    reading = await over_tcp(Meter(VALUES | odd | {"03300D01": bytes(5), "04000404": b"\x01\x02\x03AAA"}))
    assert problems(reading) == {
        "energy_forward": "meter_read.not_decimal",
        "clock_battery": "meter_read.wrong_length",
        "status_1": "meter_read.wrong_length",
        "overcurrent": "meter_read.wrong_length",
        "cover_opened_last": "meter_read.wrong_length",
        "rated_voltage": "meter_read.not_decimal",
    }
    assert reading.whole
    filled = {one.item for one in measured(reading, default_scheme("single_phase").norm("function"), FILLS)}
    assert "cover_opened" in filled
    assert not filled & {"energy_forward", "clock_battery", "overcurrent"}


async def test_what_lies_on_the_line_from_before_is_no_answer():
    async def with_a_stray_refusal(send, answer, asked):
        await send(answer)
        if asked == 1:
            await asyncio.sleep(0.05)
            await send(frame(ADDRESS, 0xD1, b"\x02"))

    def ask_twice(port):
        line = TcpLine("127.0.0.1", port)
        exchange = Exchange(line, ADDRESS, PATIENT)
        first = exchange.read(0x00010000)
        time.sleep(0.5)
        second = exchange.read(0x00020000)
        line.close()
        return first, second

    async with listening(Meter(manner=with_a_stray_refusal)) as port:
        answers = await asyncio.to_thread(ask_twice, port)
    assert answers == (VALUES["00010000"], VALUES["00020000"])


async def test_silence_from_the_beginning():
    meter = Meter(address=OTHER)
    reading = await over_tcp(meter, address=ADDRESS, patience=QUICK)
    assert set(problems(reading).values()) == {"meter_read.no_answer"}
    assert reading.ended_by.code == "meter_read.given_up"
    assert len(meter.asked) == 2 * QUICK.tries


async def test_nobody_answers_a_call_to_anybody():
    async def dumb(_send, _answer, _asked):
        pass

    reading = await over_tcp(Meter(manner=dumb), patience=QUICK)
    assert reading.reads == ()
    assert reading.ended_by.code == "meter_read.no_answer"
    assert not reading.whole


async def test_a_meter_that_falls_silent_leaves_a_partial_reading():
    async def tired(send, answer, asked):
        if asked <= 10:
            await send(answer)

    reading = await over_tcp(Meter(manner=tired), patience=QUICK)
    assert len([read for read in reading.reads if read.value is not None]) == 9
    assert reading.ended_by.code == "meter_read.given_up"
    assert not reading.whole


async def test_a_line_that_breaks_in_mid_frame_leaves_a_partial_reading():
    async def breaking(send, answer, asked):
        if asked == 5:
            await send(answer[:9])
            raise HangUp
        await send(answer)

    reading = await over_tcp(Meter(manner=breaking))
    assert [read.identifier.code for read in reading.reads] == list(IDENTIFIERS)[:3]
    assert reading.ended_by.code == "meter_read.line_lost"
    assert not reading.whole


async def test_a_frame_cut_off_is_named():
    async def cut(send, answer, _asked):
        await send(answer[:-4])

    reading = await over_tcp(Meter(manner=cut), identifiers=FEW, address=ADDRESS, patience=QUICK)
    assert set(problems(reading).values()) == {"meter_read.partial_frame"}


async def test_noise_without_end_ends():
    async def endless(send, _answer, _asked):
        for _ in range(40):
            await send(b"\x55" * 512)

    reading = await over_tcp(Meter(manner=endless), identifiers=FEW, address=ADDRESS, patience=QUICK)
    assert set(problems(reading).values()) <= {"meter_read.noise", "meter_read.no_answer"}
    assert not reading.whole


def test_a_port_where_nobody_listens():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(Refusal) as refused:
            TcpLine(*taken.getsockname())
    assert refused.value.code == "meter_read.no_line"


def test_over_a_serial_line():
    with wired(Meter(manner=byte_by_byte)) as device:
        reading = reading_of(SerialLine(device), identifiers=FEW)
    assert reading.whole, problems(reading)
    assert reading.address == ADDRESS


def test_an_adapter_that_is_pulled_out():
    near, far = os.openpty()
    line = SerialLine(os.ttyname(far))
    os.close(near)
    for use in (lambda: line.receive(1.0), lambda: line.send(b"\x68")):
        with pytest.raises(Refusal) as refused:
            use()
        assert refused.value.code == "meter_read.line_lost"
    line.close()
    os.close(far)


def test_silence_on_a_serial_line():
    with wired(Meter(address=OTHER)) as device:
        reading = reading_of(SerialLine(device), identifiers=FEW, address=ADDRESS, patience=QUICK)
    assert reading.ended_by.code == "meter_read.given_up"


def test_a_serial_port_that_is_not_there(tmp_path):
    with pytest.raises(Refusal) as refused:
        SerialLine(str(tmp_path / "no-port"))
    assert refused.value.code == "meter_read.no_line"
    assert "no-port" in refused.value.en


def test_a_serial_port_is_for_one_process():
    with wired(Meter()) as device:
        line = SerialLine(device)
        with pytest.raises(Refusal) as refused:
            SerialLine(device)
        line.close()
    assert refused.value.code == "meter_read.no_line"
