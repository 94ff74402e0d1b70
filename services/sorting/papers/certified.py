"""重新检定证书: what a repair's last event and the scheme that it names say, and nothing that changes afterwards.

A re-verification that failed has no certificate. Nor is there one for whoever may not see the repair: it is as if the
number were nobody's.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from kernel.device import DEVICE_CLASSES
from kernel.documents.data import Coded, Label, Verification, When
from kernel.refusal import not_found
from ledger.port import Recorded
from services.sorting.documents.data import Certificate, ResultLine, StepResult
from services.sorting.evaluation import Measured
from services.sorting.inspection.state import Device
from services.sorting.inspection.steps import StepReport
from services.sorting.norms import Item, Scheme
from services.sorting.papers import measures
from services.sorting.repair import RepairBegun, ReVerified
from services.sorting.vocabulary import ENDED, INSPECTED, Words

NO_CERTIFICATE = not_found(
    "certificate.unknown",
    "没有编号为 {certificate} 的证书。重新检定不合格的不出具证书；编号见维修单。",
    "there is no certificate {certificate}; a re-verification that failed has none, and a repair says its number",
)


ON_RECORD: Final = "仅记录 on record only"
"""In place of a limit: the item counts on another occasion."""


class Issued(msgspec.Struct, frozen=True):
    """A certificate as the log has it: the device as its repair found it, and the event by which it was issued."""

    device: Device
    event: ReVerified
    recorded: Recorded


def issued(certificate: str, told: Sequence[tuple[Any, Recorded]]) -> Issued | None:
    """The certificate of this number in a repair's events; None where there is none."""
    device = next((event.device for event, _ in told if isinstance(event, RepairBegun)), None)
    for event, recorded in told:
        if device is not None and isinstance(event, ReVerified) and event.certificate == certificate:
            return Issued(device, event, recorded)
    return None


def certificate_of(one: Issued, scheme: Scheme, *, ledger_id: str) -> Certificate:
    """`scheme` is the version that the event names."""
    event, device = one.event, one.device
    zh, en = DEVICE_CLASSES[device.device_class]
    return Certificate(
        number=event.certificate,
        issued_on=event.day,
        valid_until=event.valid_until,
        asset_number=event.asset_no,
        device_class=Coded(code=device.device_class, zh=zh, en=en),
        site=Coded(code=event.site),
        repair=event.repair,
        verifier=event.verifier,
        verified=When(at=event.occurred_at, on=event.occurred_on),
        scheme=_label(scheme.name),
        scheme_group=event.scheme.group,
        scheme_version=event.scheme.version,
        scheme_sha256=event.scheme.sha256,
        steps=tuple(_steps(event, scheme, device.accuracy_class)),
        accuracy_class=device.accuracy_class or "",
        maker=device.maker or "",
        model=device.model or "",
        batch=device.batch or "",
        made_on=device.made_on,
        seals=event.seals,
        verification=Verification(
            ledger_id=ledger_id,
            position=one.recorded.position,
            instruction=f"GET /v1/certificates/{event.certificate} 所得应与此件一致 gives this very paper",
            qr=f"urn:meterloop:certificate:{event.certificate}",
            event_ids=(one.recorded.id.hex(),),
        ),
    )


def _steps(event: ReVerified, scheme: Scheme, accuracy_class: str | None) -> Iterable[StepResult]:
    for step, words in INSPECTED.items():
        report: StepReport = getattr(event, step)
        norm = scheme.norm(step)
        items = ((norm.item(one.item), one) for one in report.measured)
        yield StepResult(
            name=Label(*words),
            ended=Label(*ENDED[report.ended]),
            results=tuple(_result(item, one, accuracy_class) for item, one in items if item is not None),
        )


def _result(item: Item, one: Measured, accuracy_class: str | None) -> ResultLine:
    if item.unit is None or one.value is None:
        chosen = next((choice.name for choice in item.choices if choice.code == one.choice), None)
        return ResultLine(name=_label(item.name), value=_label(chosen) if chosen else Label(one.choice or ""))
    if not item.counts("re_verification"):
        value = Label(measures.value(one.value, item.unit))
        return ResultLine(name=_label(item.name), value=value, allowed=ON_RECORD)
    limit = item.limit(accuracy_class)
    return ResultLine(
        name=_label(item.name),
        value=Label(measures.value(one.value, item.unit)),
        allowed=measures.allowed(limit, item.unit),
        source=limit.source if limit else "",
    )


def _label(words: Words) -> Label:
    return Label(words.zh, words.en)
