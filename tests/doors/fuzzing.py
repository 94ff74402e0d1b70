"""schemathesis against a service's own REST door and the gateway before it: nothing undocumented, no 5xx."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import schemathesis
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import load_all_checks, not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    missing_required_header,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)

from tests.doors.standing import ANSWER_S_MAX, Standing

load_all_checks()
ALWAYS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    missing_required_header,
]
CIVIL_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
A_DAY = "2026-03-05"
LINES = 2

BAD_CURSOR = "request.bad_cursor"
BEYOND_SCHEMA = frozenset({BAD_CURSOR, "input.nul_character"})
"""What JSON Schema has no word for."""


class Fuzzed(msgspec.Struct, frozen=True):
    """What is asked: `known` keys of what is on record, by the name that they have in paths; `slow` ends of the paths
    that are asked less; `beyond_schema` the codes of what JSON Schema has no word for.
    """

    known: Mapping[str, Sequence[str]]
    slow: tuple[str, ...] = ()
    beyond_schema: frozenset[str] = BEYOND_SCHEMA


def every_operation_keeps_its_promises(platform: Standing, fuzzed: Fuzzed, mode: GenerationMode, token: str) -> None:
    """At both doors alike."""
    entrances = platform.entrances
    schema = schemathesis.openapi.from_asgi("/openapi.json", platform.app(entrances.app))
    schema.config.output.sanitization.update(enabled=False)
    _few_lines(schema.raw_schema)
    outer = platform.app(entrances.platform.gateway.app)
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) > 2 * len(entrances.offered.groups)
    met: Counter[int] = Counter()
    for operation in operations:
        if mode is GenerationMode.NEGATIVE and not [*operation.iter_parameters(), *operation.body]:
            continue  # there is nothing to get wrong
        _hold(fuzzed, operation, mode, outer, token, met)
    assert met[200 if mode is GenerationMode.POSITIVE else 400] > len(operations), met


def _hold(fuzzed: Fuzzed, operation: Any, mode: GenerationMode, outer: Any, token: str, met: Counter[int]) -> None:
    slow = operation.path.endswith(fuzzed.slow)
    keys = [name for name in fuzzed.known if f"{{{name}}}" in operation.path]
    positive = mode is GenerationMode.POSITIVE
    # A bulk call answers line by line: what is wrong in one of them is no fault of the whole.
    refusing = [] if "bulk" in operation.path else [negative_data_rejection]
    checks = [*ALWAYS, _understood(fuzzed)] if positive else [*ALWAYS, *refusing]
    headers = {"Authorization": f"Bearer {token}"}

    @settings(
        max_examples=2 if slow else 4 if positive else 3,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode), data=st.data())
    def holds(case: Any, data: st.DataObject) -> None:
        # That key is refused as any other wrong one is, by reaching another operation.
        assume("bulk" not in (case.path_parameters or {}).values())
        if str((case.query or {}).get("seen", "")).isdigit() and int(case.query["seen"]) <= 2**53:
            case.query["seen"] = 1  # what the views are behind of is waited for, five seconds each time
        if positive:
            case.body = _in_our_days(case.body)
            for name in () if slow else keys:
                case.path_parameters[name] = data.draw(
                    st.sampled_from([*fuzzed.known[name], case.path_parameters[name]])
                )
        # A paper is made by a process of its own, which takes its time where the machine is busy.
        patiently = {"headers": headers, "timeout": ANSWER_S_MAX}
        answers = [case.call(**patiently), case.call(**patiently, app=outer)]
        for answer in answers:
            case.validate_response(answer, checks=checks, headers=headers)
            met[answer.status_code] += 1
        if "/imports" not in operation.path:
            # What the first call did, the second finds done; a piece of a file is taken only once.
            own, passed_on = (_told(answer) for answer in answers)
            assert own == passed_on, f"{case.as_curl_command()}: {own} here, {passed_on} through the gateway"

    holds()


def _few_lines(document: dict[str, Any]) -> None:
    """Have bulk calls of few lines made: each line is judged by itself, and to make a dozen takes long."""
    for path, item in document["paths"].items():
        if "bulk" in path:
            item["post"]["requestBody"]["content"]["application/json"]["schema"]["maxItems"] = LINES


def _told(answer: Any) -> tuple[int, str]:
    """The status, and the code where something was refused. Of several faults in one request the gateway may name
    another first: bounds that proto cannot say are left to who is behind it, and a cursor it reads before it asks.
    """
    code = answer.json()["code"] if answer.status_code >= 400 else ""
    unreadable = code.startswith("input.") or code == BAD_CURSOR
    return (400, "input") if unreadable else (answer.status_code, code)


def _in_our_days(plain: Any) -> Any:
    """The same with every day in a year that a door takes: few of the days that JSON Schema knows are."""
    match plain:
        case list():
            return [_in_our_days(one) for one in plain]
        case dict():
            days = {name: _in_our_days(one) for name, one in plain.items()}
            if days.keys() & {"occurred_at", "occurred_on"}:
                days = {name: one for name, one in days.items() if name != "occurred_at"} | {"occurred_on": A_DAY}
            return days
        case str() if CIVIL_DAY.fullmatch(plain):
            return A_DAY
        case _:
            return plain


def _understood(fuzzed: Fuzzed) -> Any:
    """What the document allows is never called unreadable, whatever the rules say to it."""

    def understood(_: Any, response: Any, case: Any) -> None:
        if response.status_code in {400, 415, 422}:
            told = response.json()
            # JSON Schema calls 5.0 an integer. The door does not: what it lets in must read the same in any language.
            faults = [one["code"] for one in told["errors"] or [told] if "it is a number" not in one["en"]]
            unread = {code for code in faults if code.startswith(("input.", "request.", "upload."))}
            assert unread <= fuzzed.beyond_schema, f"{case.formatted_path}: {response.text}"

    return understood
