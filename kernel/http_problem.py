"""Refusals as RFC 9457 problems. Every answer of status 400 and above has this one form."""

from http import HTTPStatus
from typing import Final

import msgspec
from fastapi import Request
from fastapi.responses import Response

from kernel.door import RETRY_AFTER_S, STATUS_OF_KIND, CannotNow, Unidentified, status_of
from kernel.intake import FieldError, errors_of
from kernel.refusal import Refusal

PROBLEM_JSON: Final = "application/problem+json"


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """An RFC 9457 problem. `code` is stable and for programs, `zh` and `en` are for people and always both there;
    `title` and `detail` give them in the order of Accept-Language. `errors` names each fault and its field.
    """

    type: str
    title: str
    status: int
    detail: str
    code: str
    instance: str
    zh: str
    en: str
    errors: tuple[FieldError, ...] = ()


def problem_of(refusal: Refusal, instance: str, *, english_first: bool = False) -> Problem:
    status = status_of(refusal)
    return Problem(
        type=f"urn:meterloop:problem:{refusal.code}",
        title=_both(status.zh, status.en, english_first=english_first),
        status=status.http,
        detail=_both(refusal.zh, refusal.en, english_first=english_first),
        code=refusal.code,
        instance=instance,
        zh=refusal.zh,
        en=refusal.en,
        errors=errors_of(refusal),
    )


def problem_response(request: Request, refusal: Refusal) -> Response:
    """A refusal as the answer to this request."""
    english_first = prefers_english(request.headers.get("accept-language", ""))
    problem = problem_of(refusal, request.url.path, english_first=english_first)
    headers = {"Cache-Control": "no-store", "Content-Language": "en, zh-CN" if english_first else "zh-CN, en"}
    if problem.status == HTTPStatus.UNAUTHORIZED and isinstance(refusal, Unidentified):
        headers["WWW-Authenticate"] = challenge_of(refusal)
    if problem.status == STATUS_OF_KIND[CannotNow].http:
        headers["Retry-After"] = str(RETRY_AFTER_S)
    if allow := refusal.details.get("allow"):
        headers["Allow"] = str(allow)
    return Response(msgspec.json.encode(problem), problem.status, headers, PROBLEM_JSON)


def challenge_of(refusal: Refusal) -> str:
    """RFC 6750 section 3: no error where there was no token at all."""
    if refusal.code == "identity.missing_token":
        return 'Bearer realm="meterloop"'
    return f'Bearer realm="meterloop", error="invalid_token", error_description="{refusal.code}"'


def prefers_english(accept_language: str) -> bool:
    """Whether English is asked for more than Chinese. Chinese comes first where neither is."""
    weights = {"zh": 0.0, "en": 0.0}
    for part in accept_language.split(",")[:20]:
        tag, _, parameter = part.strip().partition(";")
        language = tag.split("-")[0].lower()
        if language in weights:
            weights[language] = max(weights[language], _quality(parameter))
    return weights["en"] > weights["zh"]


def _quality(parameter: str) -> float:
    name, _, value = parameter.strip().partition("=")
    if name != "q":
        return 1.0
    try:
        return min(max(float(value), 0.0), 1.0)
    except ValueError:
        return 0.0


def _both(zh: str, en: str, *, english_first: bool) -> str:
    return f"{en} / {zh}" if english_first else f"{zh} / {en}"
