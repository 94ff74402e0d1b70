"""Synthetic events, and strategies of them."""

from hypothesis import strategies as st

from ledger.port import Recorded
from ledger.proof.cbor import UINT_MAX
from ledger.proof.commitment import Envelope

UINTS = st.integers(0, 30) | st.integers(0, UINT_MAX) | st.sampled_from([23, 24, 255, 256, 65535, 65536, 1 << 32])
NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)
DATA = st.binary(max_size=300) | st.integers(0, 70_000).map(bytes)
ENVELOPES = st.builds(
    Envelope,
    stream=NAMES,
    version=UINTS,
    id=st.binary(min_size=16, max_size=16),
    type=NAMES,
    content_type=NAMES,
    recorded_at_us=UINTS,
    data=DATA,
    salt=st.binary(min_size=16, max_size=16),
    metadata_hash=st.binary(min_size=32, max_size=32),
)


def event(number: int = 0, metadata: bytes = b'{"who":"synthetic"}') -> Recorded:
    return Recorded(
        id=number.to_bytes(16, "big"),
        stream=f"meter-{number}",
        version=number % 5,
        position=number + 1,
        type="synthetic.MeterSeen.v1",
        content_type="application/json",
        data=b'{"seen":%d}' % number,
        metadata=metadata,
        recorded_at_us=1_790_000_000_000_000 + number,
        salt=bytes(range(32)),
    )
