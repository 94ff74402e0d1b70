"""What each document shows. Whoever asks for a document fills one of these from the views; nothing else is read.

Dates that decide how a document looks come in as well: the same value always makes the same document.
Texts are shown as they are. None of them is ever read as markup or as a formula.
"""

from enum import Enum
from typing import TypeAlias

import msgspec

from kernel.documents.data import Coded, Label, Signature, Verification, When
from kernel.quantity import CivilDate, Count, DemandW, RatioMicro, ReadingVarh, ReadingWh, Sha256
from kernel.refusal import Contradiction


class Outcome(Enum):
    """What became of a device when its shipment was received."""

    RECEIVED = "received"
    MISSING = "missing"
    UNEXPECTED = "unexpected"


class Container(msgspec.Struct, frozen=True, kw_only=True):
    """周转箱 or 栈板."""

    number: str
    kind: Label
    seals: tuple[str, ...] = ()


class NoteDevice(msgspec.Struct, frozen=True, kw_only=True):
    """One device of a shipment. `container` is the number of one of the note's containers, or None for a loose one."""

    asset_number: str
    device_class: Coded
    maker: str = ""
    reason: Label | None = None
    model: str = ""
    final_reading_wh: ReadingWh | None = None
    reading_disputed: bool = False
    container: str | None = None
    outcome: Outcome | None = None
    """None until the shipment is received."""
    damaged: bool = False
    exceptions: tuple[Coded, ...] = ()
    """The refusals that kept it from following the shipment."""


class TransferNote(msgspec.Struct, frozen=True, kw_only=True, tag="transfer_note", tag_field="document"):
    """拆回计量资产移交单: unit to centre, two signatures."""

    number: str
    issued_on: CivilDate
    status: Label
    unit: Coded
    sender: Coded
    receiver: Coded
    manifest_hash: Sha256
    devices: tuple[NoteDevice, ...]
    verification: Verification
    signatures: tuple[Signature, ...]
    containers: tuple[Container, ...] = ()
    prepared: When | None = None
    dispatched: When | None = None
    received: When | None = None
    transport: str | None = None
    """A waybill or a vehicle, never a person."""
    remark: str | None = None


class Cohort(msgspec.Struct, frozen=True, kw_only=True):
    """The devices one unit dismantled under work orders of one month, and what became of them. Those at the centre are
    `received` by the cut-off or `late`, the others `owed`, `missing`, `lost`, `returned` (to customers, or disposed of
    without having come to the centre), or `apart`: they came in unannounced and are held apart. Together they are all
    that were dismantled.
    """

    unit: Coded
    month: CivilDate
    """Its first day."""
    dismantled: Count
    received: Count
    late: Count = 0
    owed: Count = 0
    missing: Count = 0
    lost: Count = 0
    apart: Count = 0
    returned: Count = 0
    plan: "CohortPlan | None" = None
    """Without one there is no cut-off, and every receipt counts as in time."""

    def __post_init__(self) -> None:
        if self.month.day != 1:
            raise Contradiction(
                f"批次以其月份的首日命名，不是 {self.month}",
                f"a cohort is named by the first day of its month, not {self.month}",
            )
        parts = (self.received, self.late, self.owed, self.missing, self.lost, self.apart, self.returned)
        if sum(parts) != self.dismantled:
            raise Contradiction(
                f"该批次拆回 {self.dismantled} 只，而各项合计 {parts} 只",
                f"of a cohort {self.dismantled} were dismantled, and {parts} are accounted for",
            )


class CohortPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What was planned for a cohort: how many devices, which share of them received by which day."""

    expected: Count
    target_ppm: Count
    cut_off: CivilDate


class UnexpectedCount(msgspec.Struct, frozen=True, kw_only=True):
    """Devices held apart that were never dismantled under a work order. They are in no cohort and in no rate."""

    unit: Coded
    count: Count


class RecoveryLedger(msgspec.Struct, frozen=True, kw_only=True, tag="recovery_ledger", tag_field="document"):
    """回收统计台账 with rates by unit and cohort month. Units appear in the order of their first cohort."""

    number: str
    issued_on: CivilDate
    scope: Coded
    """The centre, or the unit whose subunits are shown."""
    cohorts: tuple[Cohort, ...]
    verification: Verification
    unexpected: tuple[UnexpectedCount, ...] = ()
    rows_sha256: Sha256 | None = None
    """Of the rows that it was made from."""
    signatures: tuple[Signature, ...] = ()
    remark: str | None = None


class Fact(msgspec.Struct, frozen=True):
    """A named value of a device that only some classes have, such as a ratio or a wiring mode."""

    name: Label
    value: str


class TimelineEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One event in the life of a device."""

    when: When
    what: Label
    event_id: str
    position: Count
    where: str = ""
    """Site, unit or party who holds it from then on."""
    reference: str = ""
    """Work order, shipment, approval: what it happened under."""


class ReadingLine(msgspec.Struct, frozen=True, kw_only=True):
    """The registers as read at one moment; None where the device has no such register."""

    when: When
    occasion: Label
    total_wh: ReadingWh | None = None
    sharp_wh: ReadingWh | None = None
    peak_wh: ReadingWh | None = None
    flat_wh: ReadingWh | None = None
    valley_wh: ReadingWh | None = None
    reverse_wh: ReadingWh | None = None
    reactive_varh: ReadingVarh | None = None
    demand_w: DemandW | None = None
    ratio_micro: RatioMicro | None = None
    disputed: bool = False


class HoldLine(msgspec.Struct, frozen=True, kw_only=True):
    """留存. `until` is the day it ends by itself, `lifted` when it was ended."""

    kind: Label
    placed: When
    until: CivilDate | None = None
    lifted: When | None = None
    reference: str = ""


class SealLine(msgspec.Struct, frozen=True, kw_only=True):
    """封印."""

    number: str
    applied: When | None = None
    removed: When | None = None
    condition: Label | None = None
    """How it was found when it was removed."""


class DocumentLine(msgspec.Struct, frozen=True, kw_only=True):
    """A paper or file about the device, by its own number and the hash of its content."""

    kind: Label
    number: str
    dated: CivilDate | None = None
    content_hash: Sha256 | None = None


class AssetPage(msgspec.Struct, frozen=True, kw_only=True, tag="asset_page", tag_field="document"):
    """一表一档: everything that is recorded about one device."""

    asset_number: str
    issued_on: CivilDate
    """The day up to which the record is shown."""
    device_class: Coded
    owner: Label
    unit: Coded
    status: Label
    custodian: str
    verification: Verification
    maker: str = ""
    model: str = ""
    temporary_identity: str | None = None
    facts: tuple[Fact, ...] = ()
    timeline: tuple[TimelineEntry, ...] = ()
    readings: tuple[ReadingLine, ...] = ()
    holds: tuple[HoldLine, ...] = ()
    seals: tuple[SealLine, ...] = ()
    documents: tuple[DocumentLine, ...] = ()


Document: TypeAlias = TransferNote | RecoveryLedger | AssetPage
