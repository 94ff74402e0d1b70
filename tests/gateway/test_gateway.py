"""The gateway passes on commands, questions and refusals unchanged, and adds what one service cannot say."""

import msgspec
import pytest

from client import types
from kernel.principal import Role
from services.registry.asset_number import compose
from tests.gateway.behind import behind
from tests.gateway.season import sites, tell

NUMBER = compose("99401", "01", f"{7:014d}")
REGISTER = {"occurred_on": "2026-01-05", "device_class": "01", "unit": "99401"}


@pytest.fixture
async def platform(tmp_path):
    async with behind(tmp_path) as started:
        yield started


async def registered(platform):
    answer = await platform.client.post(
        f"/v1/meters/{NUMBER}/register",
        json=REGISTER,
        headers=platform.headers(Role.OPERATOR, units=("99401",), key="k1"),
    )
    assert answer.status_code == 201, answer.text
    return answer.json()


async def test_what_began_is_201_and_says_where_it_is_shown(platform):
    began = await platform.client.post(
        f"/v1/meters/{NUMBER}/register",
        json=REGISTER,
        headers=platform.headers(Role.STOREKEEPER, key="k1"),
    )
    assert (began.status_code, began.headers["location"]) == (201, f"/v1/meters/{NUMBER}/card")
    position = began.json()["position"]
    shown = await platform.client.get(
        began.headers["location"], params={"seen": position}, headers=platform.headers(Role.AUDITOR)
    )
    assert shown.json()["asset_no"] == NUMBER
    went_on = await platform.client.post(
        f"/v1/meters/{NUMBER}/place-hold",
        json={"occurred_on": "2026-01-06", "hold": "H-1", "kind": "court", "reference": "case 7"},
        headers=platform.headers(Role.LEGAL, key="k2"),
    )
    assert (went_on.status_code, "location" in went_on.headers) == (200, False), went_on.text


async def test_a_command_goes_through_and_its_repetition_adds_nothing(platform):
    first = await registered(platform)
    again = await registered(platform)
    assert (first["version"], first["repeated"], again["repeated"]) == (0, False, True)
    assert again["position"] == first["position"]
    assert first["events"][0]["type"] == "registry.Registered"
    assert first["events"][0]["data"]["asset_no"] == NUMBER


async def test_the_timeline_is_the_card_and_the_whole_life(platform):
    accepted = await registered(platform)
    answer = await platform.client.get(
        f"/v1/meters/{NUMBER}", params={"seen": accepted["position"]}, headers=platform.headers(Role.AUDITOR)
    )
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["device"]["phase"] == "in_service"
    assert [entry["type"] for entry in body["timeline"]] == ["registry.Registered"]
    assert body["timeline"][0]["data"]["unit"] == "99401"
    # Several streams are in it, so that its tag is of what it says and of no version.
    headers = platform.headers(Role.AUDITOR) | {"If-None-Match": answer.headers["etag"]}
    assert (await platform.client.get(f"/v1/meters/{NUMBER}", headers=headers)).status_code == 304


async def test_the_timeline_tells_what_every_service_recorded_to_those_who_may_read_it(platform):
    await registered(platform)
    load = {
        "first_on": "2026-01-01", "last_on": "2026-01-31", "points_expected": 2976, "points_read": 2300,
        "longest_gap_min": 60, "zero_days": 0, "days_read": 30,
    }  # fmt: skip
    headers = platform.headers(Role.METROLOGIST, key="k-load")
    body = {"occurred_on": "2026-02-01", "load": load}
    recorded = await platform.client.post(f"/v1/inspections/{NUMBER}/record-load", json=body, headers=headers)
    assert recorded.status_code == 201, recorded.text
    auditor = await platform.client.get(f"/v1/meters/{NUMBER}", headers=platform.headers(Role.AUDITOR))
    assert [one["type"] for one in auditor.json()["timeline"]] == ["registry.Registered", "sorting.LoadRecorded"]
    # How a customer lives is not the unit's business.
    unit = platform.headers(Role.OPERATOR, units=("99401",))
    shown = await platform.client.get(f"/v1/meters/{NUMBER}", headers=unit)
    assert [one["type"] for one in shown.json()["timeline"]] == ["registry.Registered"]
    before = await platform.client.get(
        f"/v1/meters/{NUMBER}", params={"as_of_day": "2026-01-31"}, headers=platform.headers(Role.AUDITOR)
    )
    assert [one["type"] for one in before.json()["timeline"]] == ["registry.Registered"]


async def test_the_timeline_of_a_day_or_position_tells_what_had_happened_by_then(platform):
    headers = platform.headers(Role.OPERATOR, units=("99401",), key="k")
    registered = await platform.client.post(f"/v1/meters/{NUMBER}/register", json=REGISTER, headers=headers)
    hold = {"hold": "H-1", "kind": "court", "reference": "case 7", "occurred_on": "2026-01-20"}
    accepted = await platform.client.post(f"/v1/meters/{NUMBER}/place-hold", json=hold, headers=headers)
    assert (registered.status_code, accepted.status_code) == (201, 200)
    for day, told in (("2026-01-19", ["Registered"]), ("2026-01-20", ["Registered", "HoldPlaced"])):
        answer = await platform.client.get(
            f"/v1/meters/{NUMBER}", params={"as_of_day": day}, headers=platform.headers(Role.AUDITOR)
        )
        assert [entry["type"] for entry in answer.json()["timeline"]] == [f"registry.{name}" for name in told]
    first = registered.json()["position"]
    answer = await platform.client.get(
        f"/v1/meters/{NUMBER}", params={"as_of_position": first}, headers=platform.headers(Role.AUDITOR)
    )
    assert answer.status_code == 200, answer.text
    assert [entry["type"] for entry in answer.json()["timeline"]] == ["registry.Registered"]


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        (REGISTER | {"colour": "red"}, "input.unknown_field", "colour"),
        (REGISTER | {"unit": 99401}, "input.wrong_type", "unit"),
        (REGISTER | {"unit": "994"}, "input.wrong_format", "unit"),
        ({**REGISTER, "occurred_on": None, "occurred_at": "2026-01-05T08:00:00"}, "input.no_zone", "occurred_at"),
        ({"device_class": "01"}, "input.missing_field", "unit"),
        (REGISTER | {"asset_no": NUMBER}, "input.unknown_field", "asset_no"),
    ],
)
async def test_bad_input_is_refused_with_its_field_as_behind(platform, body, code, field):
    answer = await platform.client.post(
        f"/v1/meters/{NUMBER}/register", json=body, headers=platform.headers(Role.OPERATOR, units=("99401",), key="k")
    )
    assert answer.status_code == 422, answer.text
    problem = answer.json()
    assert problem["code"] == code
    assert problem["errors"][0]["field"] == field
    assert await platform.ledger.head() == 0


async def test_refusals_behind_come_back_with_their_code_and_words(platform):
    headers = platform.headers(Role.OPERATOR, units=("99401",), key="k")
    unknown = await platform.client.post(
        f"/v1/meters/{NUMBER}/record-final-reading",
        json={"occurred_on": "2026-01-05", "reading": {"total_wh": 1}},
        headers=headers,
    )
    assert (unknown.status_code, unknown.json()["code"]) == (404, "meter.unknown")
    assert "登记" in unknown.json()["zh"]


async def test_the_role_is_decided_here_and_the_row_behind(platform):
    public = await platform.client.post(
        f"/v1/meters/{NUMBER}/register", json=REGISTER, headers=platform.headers(Role.PUBLIC, key="k")
    )
    assert (public.status_code, public.json()["code"]) == (403, "access.denied")
    stranger = await platform.client.post(
        f"/v1/meters/{NUMBER}/register",
        json=REGISTER,
        headers=platform.headers(Role.OPERATOR, units=("99402",), key="k"),
    )
    assert (stranger.status_code, stranger.json()["code"]) == (403, "access.denied")
    nobody = await platform.client.get(f"/v1/meters/{NUMBER}")
    assert (nobody.status_code, nobody.json()["code"]) == (401, "identity.missing_token")


async def test_totals_are_for_everybody(platform):
    answer = await platform.client.get("/v1/burnt")
    assert (answer.status_code, answer.json()["items"]) == (200, [])


async def test_lists_page_through_the_gateway(platform):
    headers = platform.headers(Role.OPERATOR, units=("99401",))
    position = 0
    for serial in range(5):
        number = compose("99401", "01", f"{serial:014d}")
        done = await platform.client.post(
            f"/v1/meters/{number}/register", json=REGISTER, headers=headers | {"Idempotency-Key": "k"}
        )
        position = done.json()["position"]
    await platform.client.get(f"/v1/meters/{number}/card", params={"seen": position}, headers=headers)
    found, cursor = [], None
    for _ in range(3):
        page = await platform.client.get(
            "/v1/meters", params={"limit": 2} | ({"cursor": cursor} if cursor else {}), headers=headers
        )
        assert page.status_code == 200, page.text
        found += [row["asset_no"] for row in page.json()["items"]]
        cursor = page.json().get("next")
    assert (len(found), cursor) == (5, None)


async def test_one_document_describes_every_path_that_is_passed_on(platform):
    await platform.gateway.describe()
    document = (await platform.client.get("/openapi.json")).json()
    assert "/v1/meters/{asset_no}/dismantle" in document["paths"]
    assert "/v1/balances" in document["paths"]
    assert "/v1/meters/bulk/register" in document["paths"]
    open_to_all = [path for path, item in document["paths"].items() if item.get("get", {}).get("security") == []]
    assert {path for path in open_to_all if not path.startswith("/log/")} == {
        "/v1/burnt",
        "/v1/events",
        "/v1/schemes/{group}",
        "/v1/tables/{name}",
    }
    assert {path.split("/")[1] for path in document["paths"]} == {"v1", "log", "supervisor"}


async def test_a_device_that_nobody_announced_is_a_gap_until_it_is_accepted(platform):
    await tell(platform.registry, sites())
    headers = platform.headers(Role.STOREKEEPER)
    seen = None
    for name, body in (
        ("receive-unexpected", {"occurred_on": "2026-01-05", "site": "centre", "device_class": "01"}),
        ("accept-unexpected", {"occurred_on": "2026-01-07", "reference": "R-1"}),
    ):
        done = await platform.client.post(
            f"/v1/meters/{NUMBER}/{name}", json=body, headers=headers | {"Idempotency-Key": name}
        )
        assert done.status_code in {200, 201}, done.text
        await platform.client.get(
            f"/v1/meters/{NUMBER}/card", params={"seen": done.json()["position"]}, headers=headers
        )
        gaps = await platform.client.get("/v1/custody-gaps", params={"before": "2026-02-01"}, headers=headers)
        seen, before = [(gap["asset_no"], gap["phase"]) for gap in gaps.json()["items"]], seen
    assert (before, seen) == ([(NUMBER, "unexpected")], [])


async def test_many_at_once_are_answered_line_by_line(platform):
    numbers = [compose("99401", "01", f"{serial:014d}") for serial in range(3)]
    lines = [{**REGISTER, "asset_no": number} for number in numbers]
    lines[1]["unit"] = "9"
    headers = platform.headers(Role.OPERATOR, units=("99401",), key="k")
    first = await platform.client.post("/v1/meters/bulk/register", json=lines, headers=headers)
    assert first.status_code == 200, first.text
    assert [line["outcome"] for line in first.json()["lines"]] == ["accepted", "refused", "accepted"]
    assert first.json()["lines"][1]["code"] == "input.wrong_format"
    again = await platform.client.post("/v1/meters/bulk/register", json=lines, headers=headers)
    assert (again.json()["repeated"], again.json()["accepted"]) == (2, 0)
    wrong = await platform.client.post("/v1/meters/bulk/register", json={"no": "list"}, headers=headers)
    assert (wrong.status_code, wrong.json()["code"]) == (422, "input.wrong_type")


async def test_whoever_names_a_unit_of_their_own_does_not_get_at_a_device_of_another(platform):
    position = (await registered(platform))["position"]
    stranger = platform.headers(Role.OPERATOR, units=("99402",), key="k")
    await platform.client.get(
        f"/v1/meters/{NUMBER}/card", params={"seen": position}, headers=platform.headers(Role.AUDITOR)
    )
    answer = await platform.client.post(
        f"/v1/meters/{NUMBER}/dismantle",
        json={"occurred_on": "2026-02-01", "work_order": "W1", "unit": "99402", "site": "s", "reason": "fault"},
        headers=stranger,
    )
    assert (answer.status_code, answer.json()["code"]) == (403, "access.denied")


async def test_every_path_is_described_and_the_timeline_as_it_is_answered(platform):
    await platform.gateway.describe()
    document = (await platform.client.get("/openapi.json")).json()
    routed = {route.path for route in platform.gateway.app.routes if getattr(route, "path", "").startswith("/v1/")}
    assert {path for path in document["paths"] if path.startswith("/v1/")} == routed
    assert {"/v1/events", "/v1/meters/{asset_no}"} <= routed
    await registered(platform)
    position = await platform.ledger.head()
    shown = await platform.client.get(
        f"/v1/meters/{NUMBER}", params={"seen": position}, headers=platform.headers(Role.AUDITOR)
    )
    timeline = msgspec.convert(shown.json(), types.GetTimeline.ANSWER, strict=False)
    assert timeline.device.asset_no == timeline.timeline[0].data["asset_no"] == NUMBER
