"""A synthetic log with a device in it, and the evidence of that device as the platform hands it out."""

import io
import json
import zipfile
from dataclasses import dataclass, field
from hashlib import sha256

from ledger.port import Recorded
from ledger.proof.checkpoint import Checkpoint
from ledger.proof.commitment import entry_hashes, envelope_of
from ledger.proof.cosignature import cosign
from ledger.proof.keys import KeyType, SignerKey
from ledger.proof.merkle import inclusion_proof, root_of
from ledger.proof.proof_file import LogProof

ORIGIN = "log.example/synthetic"
DEVICE = "9940101000000000000013"
STREAM = f"meter-{DEVICE}"
BEGAN_US = 1_772_674_200_000_000
COSIGNED_S = BEGAN_US // 1_000_000 + 600


def signer(name: str, key_type: KeyType = KeyType.ED25519) -> SignerKey:
    return SignerKey(name, key_type, sha256(b"synthetic" + name.encode()).digest())


LOG = signer(ORIGIN)
W1, W2 = (signer(f"witness.example/w{number}", KeyType.COSIGNATURE) for number in (1, 2))
POLICY = f"log {LOG.verifier}\nwitness w1 {W1.verifier}\nwitness w2 {W2.verifier}\ngroup both all w1 w2\nquorum both\n"
KEY_ONLY = f"{LOG.verifier}\n"

DESCRIBED = {"maker": "SYN-MAKER-A", "model": "DDZY-合成"}
SHIPMENT = "YJ-99401-202603-0001"
LIFE = [
    ("Registered", {"unit": "99401", "device_class": "01", "description": DESCRIBED}),
    ("Dismantled", {"work_order": "WO-00000001", "reason": "rotation_at_term", "moved": {"to_site": "store-1"}}),
    ("FinalReadingRecorded", {"reading": {"total_wh": 9007199254740993, "peak_wh": 234560}}),
    ("Dispatched", {"shipment": SHIPMENT, "moved": {"from_site": "store-1", "to_site": "centre"}}),
    ("Received", {"shipment": SHIPMENT, "moved": {"to_site": "centre"}}),
    ("HoldPlaced", {"hold": "H-1", "kind": "court", "reference": "合成-2026-1"}),
]


def recorded(stream: str, version: int, number: int, event_type: str, data: bytes) -> Recorded:
    seed = sha256(f"{stream} {version}".encode()).digest()
    return Recorded(
        id=seed[:16], stream=stream, version=version, position=number + 1, type=event_type,
        content_type="application/json", data=data, metadata=b'{"actor":"synthetic"}',
        recorded_at_us=BEGAN_US + number * 1_000_000, salt=sha256(seed).digest(),
    )  # fmt: skip


def season() -> list[Recorded]:
    """The device's events among those of others, in the order of the log."""
    events: list[Recorded] = []
    for version, (event_type, said) in enumerate(LIFE):
        for other in range(7):
            events.append(recorded(f"meter-other-{other}", version, len(events), "registry.Registered", b"{}"))
        data = json.dumps({"asset_no": DEVICE, **said, "occurred_on": f"2026-03-{5 + version:02d}"}, ensure_ascii=False)
        events.append(recorded(STREAM, version, len(events), f"registry.{event_type}", data.encode()))
    return [*events, *(recorded("site-1", n, len(events) + n, "registry.SiteOpened", b"{}") for n in range(3))]


@dataclass
class Evidence:
    """One device's proofs against one checkpoint, and what lies beside them in the ZIP."""

    events: list[Recorded] = field(default_factory=season)
    origin: str = ORIGIN
    log: SignerKey = LOG
    witnesses: tuple[SignerKey, ...] = (W1, W2)
    cosigned_s: int = COSIGNED_S
    undisclosed: frozenset[int] = frozenset()

    def __post_init__(self) -> None:
        self.envelopes = [envelope_of(event) for event in self.events]
        self.leaves = entry_hashes(self.envelopes)
        note = Checkpoint(self.origin, len(self.leaves), root_of(self.leaves)).signed_by([self.log])
        cosignatures = [cosign(note.text, one, self.cosigned_s) for one in self.witnesses]
        self.checkpoint = note.signed_also(cosignatures).encoded()
        self.indexes = {event.version: at for at, event in enumerate(self.events) if event.stream == STREAM}

    def proof(self, version: int) -> LogProof:
        at = self.indexes[version]
        hashes = inclusion_proof(at, len(self.leaves), self._subtree)
        return LogProof(at, tuple(hashes), self.checkpoint, self.envelopes[at])

    def members(self) -> dict[str, bytes]:
        shown = [version for version in sorted(self.indexes) if version not in self.undisclosed]
        proofs = {f"{version:06d}.tlog-proof": self.proof(version).encoded() for version in shown}
        return {**proofs, "log.vkey": KEY_ONLY.encode(), "policy": POLICY.encode()}

    def _subtree(self, level: int, index: int) -> bytes:
        return root_of(self.leaves[index << level : (index + 1) << level])


def zipped(members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as file:
        for name, data in members.items():
            file.writestr(zipfile.ZipInfo(name, (2026, 3, 5, 8, 0, 0)), data, compression)
    return out.getvalue()
