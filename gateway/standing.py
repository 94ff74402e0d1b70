"""How each part of the platform stands, in words for whoever looks at the status page: what it means, what to do."""

from typing import Final

import msgspec

from gateway.paths import Service


class Said(msgspec.Struct, frozen=True):
    """The same in both languages. What stands in backticks is typed as it is."""

    zh: str
    en: str


class Trouble(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong, for those who use the platform, and what to do next."""

    what: Said
    then: Said


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A part of the platform. `note` is told of it in any case; `away`: nothing can be asked of it."""

    name: Said
    note: Said | None = None
    away: bool = False
    troubles: tuple[Trouble, ...] = ()


CHECKS: Final = {
    "ledger": Trouble(
        what=Said("台账不应答：此时不能入账。", "The log does not answer: nothing can be recorded for now."),
        then=Said(
            "稍后用同一个键再次发送。运维：检查台账所在磁盘的空间，或 `LEDGER_URL` 所指之处。",
            "Send it again shortly under the same key. Operators: see whether the disk of the log is full, or where "
            "`LEDGER_URL` points to.",
        ),
    ),
    "views": Trouble(
        what=Said(
            "有视图停住、落后或正在建立：查询结果可能不是最新的。已入账的不受影响。",
            "A view has stopped, is behind or is being built: answers may not be the newest. What is recorded is safe.",
        ),
        then=Said(
            "稍后刷新。运维：该服务的 `/readyz?verbose` 写明是哪一个及原因；停住的，在换用能读该事件的版本后用 "
            "`meterloop rebuild` 重建。",
            "Look again shortly. Operators: `/readyz?verbose` of the service says which and why; build one that has "
            "stopped anew by `meterloop rebuild`, with a version that reads the event.",
        ),
    ),
    "policies": Trouble(
        what=Said(
            "有策略停住或在重试：由事件引出的后续步骤尚未进行。已入账的不受影响。",
            "A policy has stopped or is trying again: what should follow from events is not done yet. What is recorded "
            "is safe.",
        ),
        then=Said(
            "运维：`meterloop policy list` 给出停在何处及原因；原因排除后用 `meterloop policy retry`。",
            "Operators: `meterloop policy list` says where and why; `meterloop policy retry` lets it go on once the "
            "cause is mended.",
        ),
    ),
}
"""By the name of the check of the service's readiness."""

COUNTING: Final = Trouble(
    what=Said(
        "正在清点公开事件：数目尚不全，订阅者须等清点完毕。",
        "Public events are still being counted: there are more than shown, and followers wait until it is done.",
    ),
    then=Said(
        "稍后刷新。运维：数目久不增加时，看 `log/gateway.log` 的末尾。",
        "Look again shortly. Operators: where the number does not grow, read the end of `log/gateway.log`.",
    ),
)
FULL: Final = Trouble(
    what=Said("同时订阅的人数已满：新的订阅被拒绝。", "As many follow the events as can: others are turned away."),
    then=Said("稍后再试。运维：增加网关副本。", "Try again shortly. Operators: run another replica of the gateway."),
)


def of_service(service: Service, not_passed: frozenset[str] | None) -> Part:
    """A service by the checks that it does not pass; None where it does not answer."""
    name = Said(service.zh, service.name)
    if not_passed is None:
        return Part(name=name, away=True, troubles=(_away(service),))
    return Part(name=name, troubles=tuple(CHECKS.get(check) or _of_check(check) for check in sorted(not_passed)))


def of_live(count: int, *, complete: bool, full: bool) -> Part:
    """The gateway's own stream of public events."""
    troubles = ((COUNTING,) if not complete else ()) + ((FULL,) if full else ())
    note = Said(f"{count:,} 条", "event" if count == 1 else "events")
    return Part(name=Said("公开事件流", "public events"), note=note, troubles=troubles)


def _away(service: Service) -> Trouble:
    return Trouble(
        what=Said("无应答：此时不能入账，也不能查询。", "It does not answer: nothing can be recorded or asked now."),
        then=Said(
            f"稍后再试，它多半会自行恢复。运维：看数据目录中 `log/{service.name}.log` 的末尾。",
            "Try again shortly: most often it comes back by itself. Operators: read the end of "
            f"`log/{service.name}.log` in the data folder.",
        ),
    )


def _of_check(name: str) -> Trouble:
    return Trouble(
        what=Said(f"检查项 {name} 未通过。", f"The check {name} is not passed."),
        then=Said("运维：看该服务的 `/readyz?verbose`。", "Operators: see `/readyz?verbose` of the service."),
    )
