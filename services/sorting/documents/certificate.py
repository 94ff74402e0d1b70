"""重新检定证书: that a device may be installed again, by what was measured of it. It follows from events alone, so that
whoever asks for it, whenever, gets the same bytes.
"""

from pathlib import Path
from typing import Final

from kernel.documents import sheet as parts
from kernel.documents.data import Label, Signature
from kernel.documents.figures import NOTHING, grouped
from kernel.documents.font import Script
from kernel.documents.sheet import Fact, Pair
from kernel.documents.typesetting import Typesetter, qr_svg
from services.sorting.documents.data import Certificate, StepResult

TEMPLATE: Final = Path(__file__).parent / "templates" / "certificate.typ"
TITLE: Final[Pair] = ("重新检定证书", "Certificate of re-verification")
PASSED: Final[Pair] = (
    "本器具按下列方案重新检定，合格，有效期内可重新安装使用。",
    "Verified anew by the scheme below, and passed. It may be installed again until the certificate runs out.",
)
COLUMNS: Final[tuple[Pair, ...]] = (
    ("项目", "item"),
    ("结果", "result"),
    ("允许范围", "allowed"),
    ("依据", "source"),
)
APPROVED: Final = Label("批准", "approved")
VERIFIED: Final = Label("检定", "verified")


def pdf(certificate: Certificate, setter: Typesetter) -> bytes:
    """A4."""
    return setter.pdf(TEMPLATE, sheet_of(certificate, setter.script), certificate.issued_on)


def sheet_of(certificate: Certificate, script: Script) -> dict[str, object]:
    """The certificate as its template takes it."""
    running = f"{certificate.number}　{certificate.asset_number}"
    signed = Signature(
        role=VERIFIED,
        party="",
        signed=certificate.verified,
        signer=certificate.verifier,
        event_id=certificate.verification.event_ids[0],
    )
    return {
        **parts.head(TITLE, certificate.number, running, certificate.verification, script),
        "qr": qr_svg(certificate.verification.qr),
        "asset": [script.legible(group) for group in grouped(certificate.asset_number)],
        "valid_until": certificate.valid_until.isoformat(),
        "passed": PASSED,
        "facts": parts.fact_rows(facts(certificate), script),
        "by": {
            "title": ("检定依据", "by which it was verified"),
            "facts": parts.fact_rows(_basis(certificate), script),
        },
        "columns": COLUMNS,
        "steps": [_step(step, script) for step in certificate.steps],
        "signatures": parts.signature_boxes((signed, Signature(role=APPROVED, party="")), script),
    }


def facts(certificate: Certificate) -> list[Fact]:
    made_on = certificate.made_on.isoformat() if certificate.made_on else ""
    device_class = certificate.device_class
    return [
        Fact(("类别", "class"), " ".join(filter(None, (device_class.zh, device_class.en)))),
        Fact(("准确度等级", "accuracy class"), certificate.accuracy_class),
        Fact(("生产厂家", "maker"), certificate.maker),
        Fact(("型号", "model"), certificate.model),
        Fact(("批次", "batch"), certificate.batch),
        Fact(("出厂日期", "made on"), made_on),
        Fact(("检定日期", "verified on"), certificate.issued_on.isoformat()),
        Fact(("检定地点", "verified at"), parts.party(certificate.site)),
        Fact(("新封印", "new seals"), "、".join(certificate.seals), wide=True),
    ]


def _basis(certificate: Certificate) -> list[Fact]:
    return [
        Fact(("方案", "scheme"), f"{certificate.scheme.zh}　{certificate.scheme.en}", wide=True),
        Fact(("方案编号", "scheme id"), certificate.scheme_group),
        Fact(("版本", "version"), str(certificate.scheme_version)),
        Fact(("方案哈希", "scheme SHA-256"), certificate.scheme_sha256, wide=True, is_hash=True),
        Fact(("维修单", "repair"), certificate.repair, wide=True),
    ]


def _step(step: StepResult, script: Script) -> dict[str, object]:
    return {
        "name": parts.word(step.name, script),
        "ended": parts.word(step.ended, script),
        "rows": [
            (
                parts.word(line.name, script),
                parts.word(line.value, script),
                script.legible(line.allowed) or NOTHING,
                script.legible(line.source) or NOTHING,
            )
            for line in step.results
        ],
    }
