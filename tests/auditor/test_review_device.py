"""What an auditor makes of a device's own events: in which stratum it is drawn."""

from datetime import date

import pytest

from auditor.review_device import Device, Said

JOINED = {"round": 1, "disposition": "hold", "maker": "M01", "review": "R1"}


def judged(*ends: str) -> Device:
    device = Device()
    device.take("InspectionOpened", Said(round=1, device={"maker": "M01"}))
    for name, ended in zip(("AppearanceInspected", "FunctionInspected", "AccuracyInspected"), ends, strict=True):
        device.take(name, Said(round=1, report={"ended": ended}))
    device.take("VerdictReached", Said(round=1, disposition="hold", occurred_on=date(2026, 5, 6)))
    return device


@pytest.mark.parametrize(
    ("ends", "waived", "skipped"),
    [
        (("performed", "performed", "performed"), False, False),
        (("performed", "performed", "not_applicable"), False, False),
        (("performed", "not_possible", "performed"), False, True),
        (("performed", "waived", "not_possible"), True, True),
        (("performed", "performed", "waived"), True, True),
    ],
)
def test_a_device_is_drawn_by_whether_an_inspection_was_skipped_and_in_older_logs_whether_one_was_waived(
    ends: tuple[str, ...], *, waived: bool, skipped: bool
) -> None:
    for said, drawn in ((Said(**JOINED, waived=waived), waived), (Said(**JOINED, skipped=skipped), skipped)):
        device = judged(*ends)
        assert device.as_joined(said) == (1, "hold", "M01", drawn)
        device.take("PopulationJoined", said)
        assert device.verdict == (1, "hold", "M01", drawn)
