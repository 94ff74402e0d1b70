"""Each event in a device's life as a line for people: what happened, where or with whom it is from then on, under what.

Words of closed lists come from the vocabulary. Every event of a device is here: a test compares it with METER.events.
"""

from collections.abc import Callable
from typing import Any, Final, TypeAlias

import msgspec

from kernel.documents.data import Label
from services.registry.meter import (
    binding,
    custody,
    dismantling,
    end,
    hold,
    identity,
    missing,
    packing,
    release,
    unexpected,
)
from services.registry.vocabulary import (
    DISMANTLE_REASONS,
    HOLD_KINDS,
    LOSS_CAUSES,
    PRECONDITIONS,
    PURPOSES,
    SETTLEMENTS,
    SIGNATURES,
)

SiteName: TypeAlias = Callable[[str | None], str]
"""The name of a site by its id; the id where there is no name; nothing for None."""


class Said(msgspec.Struct, frozen=True):
    """A line of the timeline."""

    what: Label
    where: str = ""
    reference: str = ""


Saying: TypeAlias = Callable[[Any, SiteName], Said]


def said(event: Any, site: SiteName) -> Said:
    """The event in words."""
    return _SAYING[type(event)](event, site)


def unit(code: str) -> str:
    return f"管理单位 unit {code}"


def _of(zh: str, en: str, words: tuple[str, str] | None = None) -> Label:
    return Label(zh, en) if words is None else Label(f"{zh}：{words[0]}", f"{en}: {words[1]}")


def _registered(event: identity.Registered, _site: SiteName) -> Said:
    what = (
        _of("登记", "registered")
        if event.origin == "in_service"
        else _of("登记（厂家待交货）", "registered at maker's")
    )
    return Said(what, unit(event.unit))


def _adopted(event: binding.IdentityAdopted, site: SiteName) -> Said:
    what = _of("接续临时标识", "temporary identity taken over")
    return Said(what, site(event.site), event.temporary_id)


def _corrected(event: identity.RecordCorrected, _site: SiteName) -> Said:
    what = (
        _of("注明未发生", "said not to have happened") if event.did_not_happen else _of("更正记录", "record corrected")
    )
    return Said(what, reference=f"版本 version {event.corrects_version}")


def _dismantled(event: dismantling.Dismantled, site: SiteName) -> Said:
    what = _of("拆回", "dismantled", DISMANTLE_REASONS[event.reason])
    # A work order that comes after its device moves nothing.
    return Said(what, site(event.moved.to_site) or unit(event.unit), event.work_order)


def _reading(event: dismantling.FinalReadingRecorded, _site: SiteName) -> Said:
    signature = event.reading.customer_signature
    return Said(_of("记录底度", "final reading", None if signature is None else SIGNATURES[signature]))


def _resolved(event: dismantling.FinalReadingResolved, _site: SiteName) -> Said:
    ends = {"upheld": ("维持", "upheld"), "corrected": ("更正", "corrected")}
    return Said(_of("底度争议了结", "dispute resolved", ends[event.outcome]), reference=event.case)


def _dispatched(event: custody.Dispatched, site: SiteName) -> Said:
    return Said(_of("发出", "dispatched"), f"→ {site(event.to_site)}", event.shipment)


def _received(event: custody.Received, site: SiteName) -> Said:
    what = _of("接收（损坏）", "received, damaged") if event.damaged else _of("接收", "received")
    return Said(what, site(event.moved.to_site), event.shipment)


def _unexpected(event: unexpected.Unexpected, site: SiteName) -> Said:
    return Said(_of("计划外到货", "unexpected arrival"), site(event.moved.to_site), event.shipment or "")


def _missing(event: missing.Missing, site: SiteName) -> Said:
    return Said(_of("缺失", "missing"), f"原在 last at {site(event.last_site)}", event.shipment or "")


def _lost(event: missing.LossConfirmed, _site: SiteName) -> Said:
    what = _of("认定丢失", "loss confirmed", LOSS_CAUSES[event.cause])
    return Said(what, f"责任单位 liable unit {event.liable_unit}")


def _stored(event: custody.Stored, site: SiteName) -> Said:
    return Said(_of("入库", "stored"), f"{site(event.site)} {event.location}", event.container or "")


def _seal_removed(event: hold.SealRemoved, _site: SiteName) -> Said:
    what = _of("封印破损", "seal found broken") if event.found_broken else _of("拆封", "seal removed")
    return Said(what, reference=event.seal_no)


def _released(event: release.Released, site: SiteName) -> Said:
    what = _of("出库", "released", PURPOSES[event.purpose])
    return Said(what, f"{site(event.moved.from_site)} →", event.reference)


_SAYING: Final[dict[type[msgspec.Struct], Saying]] = {
    identity.Registered: _registered,
    identity.TemporaryIdentityAssigned: lambda e, site: Said(
        _of("赋予临时标识", "temporary identity"), site(e.moved.to_site)
    ),
    binding.IdentityClaimed: lambda e, _: Said(_of("认定为编号", "said to be a number"), reference=e.bound_to),
    binding.TemporaryIdentityKept: lambda e, _: Said(
        _of("保留临时标识", "kept its own identity"), reference=e.bound_to
    ),
    binding.AdoptionRefused: lambda e, site: Said(
        _of("重号（警报）", "a second device, an alarm"), site(e.site), e.temporary_id
    ),
    binding.IdentityBound: lambda e, _: Said(_of("绑定编号", "bound to its number"), reference=e.bound_to),
    binding.IdentityAdopted: _adopted,
    identity.RecordCorrected: _corrected,
    dismantling.Dismantled: _dismantled,
    dismantling.FinalReadingRecorded: _reading,
    dismantling.FinalReadingDisputed: lambda e, _: Said(_of("底度争议", "final reading disputed"), reference=e.case),
    dismantling.FinalReadingResolved: _resolved,
    custody.Dispatched: _dispatched,
    custody.Received: _received,
    unexpected.Unexpected: _unexpected,
    unexpected.UnexpectedAccepted: lambda e, site: Said(_of("认领", "accepted into stock"), site(e.site), e.reference),
    unexpected.CustomerConsented: lambda e, _: Said(_of("用户同意", "customer consented"), reference=e.reference),
    missing.Missing: _missing,
    missing.Found: lambda e, site: Said(_of("找回", "found"), site(e.moved.to_site), e.reference or ""),
    missing.LossConfirmed: _lost,
    missing.WrittenOff: lambda e, _: Said(_of("盘亏核销", "written off"), reference=e.approval),
    custody.Stored: _stored,
    packing.PlacedInContainer: lambda e, site: Said(_of("装箱", "put in a container"), site(e.site), e.container),
    packing.TakenOutOfContainer: lambda e, site: Said(
        _of("出箱", "taken out of a container"), site(e.site), e.container
    ),
    unexpected.Reappeared: lambda e, site: Said(
        _of("再现（警报）", "reappeared, an alarm"), site(e.site), e.last_holder
    ),
    hold.HoldPlaced: lambda e, _: Said(_of("设置留存", "hold placed", HOLD_KINDS[e.kind]), reference=e.reference),
    hold.HoldLifted: lambda e, _: Said(_of("解除留存", "hold lifted", HOLD_KINDS[e.kind]), reference=e.reference),
    hold.SealApplied: lambda e, _: Said(_of("加封", "seal applied"), reference=e.seal_no),
    hold.SealRemoved: _seal_removed,
    release.PreconditionRecorded: lambda e, _: Said(
        _of(
            *(("撤销前提", "ground withdrawn") if e.withdrawn else ("记录前提", "ground recorded")),
            PRECONDITIONS[e.kind],
        ),
        reference=e.reference,
    ),
    release.Released: _released,
    release.SampleReturned: lambda e, site: Said(_of("退回", "back from", PURPOSES[e.purpose]), site(e.moved.to_site)),
    release.ReceivedFromMaker: lambda e, site: Said(
        _of("厂家来货", "received from maker"), site(e.moved.to_site), e.replaces or ""
    ),
    release.Replaced: lambda e, _: Said(_of("已换货", "replaced"), reference=e.replaced_by),
    release.Reinstalled: lambda e, _: Said(_of("利旧装用", "reinstalled"), unit(e.unit), e.work_order),
    release.ReturnedToMaker: lambda e, _: Said(_of("返厂", "returned to maker"), e.maker, e.reference),
    release.ReturnedToCustomer: lambda e, _: Said(_of("退还用户", "returned to customer"), reference=e.reference),
    end.DataCleared: lambda e, _: Said(_of("清除数据", "data cleared"), reference=e.method),
    end.ChipDestroyed: lambda _e, _: Said(_of("销毁安全芯片", "security chip destroyed")),
    end.BatteryRemoved: lambda _e, _: Said(_of("拆除电池", "battery removed")),
    end.Defaced: lambda _e, _: Said(_of("打孔毁形", "defaced")),
    end.HandedToRecycler: lambda e, _: Said(
        _of("交回收商", "handed to recycler"), f"{e.recycler} 批次 lot {e.lot}", e.contract
    ),
    end.Destroyed: lambda e, _: Said(_of("销毁", "destroyed"), e.recycler, e.certificate),
    end.DestroyedInTest: lambda e, _: Said(_of("试验损毁", "destroyed in a test"), e.holder, e.report),
    end.KeptByMaker: lambda e, _: Said(
        _of("留归厂家", "kept by its maker", SETTLEMENTS[e.settlement]), e.maker, e.reference
    ),
}
