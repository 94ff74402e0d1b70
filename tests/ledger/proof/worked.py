"""The worked examples of docs/formats.md, as the code makes them. All keys and events are synthetic."""

from collections.abc import Iterator
from hashlib import sha256

from ledger.port import Recorded
from ledger.proof.checkpoint import Checkpoint
from ledger.proof.commitment import commitment, decode_envelope, envelope_of
from ledger.proof.cosignature import cosign, message
from ledger.proof.disclosure import encode_event, metadata_record
from ledger.proof.draw import Member, Population, allotted, picks, seed_of, stratum_cbor
from ledger.proof.draw import leaf as leaf_of
from ledger.proof.keys import KeyType, SignerKey
from ledger.proof.merkle import inclusion_proof, leaf_hash, node_hash, root_of
from ledger.proof.policy import Policy, satisfied
from ledger.proof.proof_file import LogProof, verify
from ledger.proof.tiles import bundles_of, encode_bundle, tiles_of

ORIGIN = "meterloop.example/synthetic"
TIME_S = 1_790_000_060
SIZE, INDEX = 3, 1


def _signer(name: str, key_type: KeyType) -> SignerKey:
    return SignerKey(name, key_type, sha256(f"formats {name}".encode()).digest())


LOG = _signer(ORIGIN, KeyType.ED25519)
WITNESS = _signer("witness.example/w1", KeyType.COSIGNATURE)


def _event(version: int) -> Recorded:
    return Recorded(
        id=bytes(range(version, version + 16)),
        stream="meter-9940101000000000000013",
        version=version,
        position=version + 1,
        type="registry.Registered" if not version else "registry.Dismantled",
        content_type="application/json",
        data=b'{"asset_no":"9940101000000000000013","occurred_on":"2026-03-05"}',
        metadata=b'{"actor":"u-1"}',
        recorded_at_us=1_790_000_000_000_000 + version,
        salt=bytes(range(0x40, 0x60)),
    )


EVENTS = [_event(version) for version in range(SIZE)]
ENVELOPES = [envelope_of(event) for event in EVENTS]
ENTRIES = [commitment(envelope) for envelope in ENVELOPES]
LEAVES = [leaf_hash(entry) for entry in ENTRIES]
NOTE = Checkpoint(ORIGIN, SIZE, root_of(LEAVES)).signed_by([LOG])
COSIGNED = NOTE.signed_also([cosign(NOTE.text, WITNESS, TIME_S)])
POLICY = f"log {LOG.verifier}\nwitness w1 {WITNESS.verifier}\nquorum w1\n"


def _proof() -> LogProof:
    hashes = inclusion_proof(INDEX, SIZE, lambda level, index: root_of(LEAVES[index << level : (index + 1) << level]))
    proof = LogProof(INDEX, tuple(hashes), COSIGNED.encoded(), ENVELOPES[INDEX])
    verify(proof, ENTRIES[INDEX], Policy.parse(POLICY.encode()))
    return proof


def _annotated() -> Iterator[str]:
    """The envelope of one event, a line an item: the bytes, then what they are."""
    data, at = ENVELOPES[INDEX], 0
    envelope = decode_envelope(data)
    lengths = [
        ("array of 9", 1, 0),
        (f"text, {len(envelope.stream)} bytes: stream", 2, len(envelope.stream)),
        ("unsigned 1: version", 1, 0),
        ("bytes, 16: id", 1, 16),
        (f"text, {len(envelope.type)} bytes: type", 1, len(envelope.type)),
        (f"text, {len(envelope.content_type)} bytes: content type", 1, len(envelope.content_type)),
        (f"unsigned {envelope.recorded_at_us}: recorded at, microseconds", 9, 0),
        (f"bytes, {len(envelope.data)}: data", 2, len(envelope.data)),
        ("bytes, 16: first half of the salt", 1, 16),
        ("bytes, 32: SHA-256(second half of the salt || metadata)", 2, 32),
    ]
    for what, head, body in lengths:
        yield f"{data[at : at + head].hex():<18}  {what}"
        at += head
        for begin in range(0, body, 32):
            yield f"  {data[at + begin : at + min(begin + 32, body)].hex()}"
        at += body
    assert at == len(data)


def _hashes() -> Iterator[str]:
    left = node_hash(LEAVES[0], LEAVES[1])
    yield f"root of 0 entries   {root_of([]).hex()}"
    for at, leaf in enumerate(LEAVES):
        yield f"entry {at}             {ENTRIES[at].hex()}"
        yield f"leaf {at}              {leaf.hex()}"
    yield f"node over 0 and 1   {left.hex()}"
    yield f"root of 3 entries   {node_hash(left, LEAVES[2]).hex()}"
    assert node_hash(left, LEAVES[2]) == root_of(LEAVES)


def _commitment() -> Iterator[str]:
    prefix = b"meterloop/v1/commitment\x00"
    assert sha256(prefix + ENVELOPES[INDEX]).digest() == ENTRIES[INDEX]
    yield f"prefix      {prefix.hex()}"
    yield f"envelope    {len(ENVELOPES[INDEX])} bytes, as above"
    yield f"commitment  {ENTRIES[INDEX].hex()}"


def _paths() -> Iterator[str]:
    for size in (3, 256, 70_000):
        paths = [tile.path for tile in [*tiles_of(size), *bundles_of(size)]]
        shown = [path for path in paths if ".p/" in path] + [paths[-1]] * (".p/" not in paths[-1])
        full = sum(".p/" not in path for path in paths)
        yield f"{size:>6}  {full} full; " + " ".join(dict.fromkeys(shown))


def _records() -> Iterator[str]:
    record, metadata = encode_event(INDEX, ENVELOPES[INDEX]), metadata_record(INDEX, EVENTS[INDEX])
    head = len(record) - len(ENVELOPES[INDEX])
    yield f"event     {record[:head].hex()} and the envelope"
    yield f"metadata  {metadata.hex()}"


def _keys() -> Iterator[str]:
    for who, one in (("log", LOG), ("witness", WITNESS)):
        key = one.verifier
        yield f"{who:<8} type     {key.type:02x}"
        yield f"         public   {key.public.hex()}"
        yield f"         key ID   {key.key_id.hex()}"
        yield f"         vkey     {key}"


MEMBERS: list[Member] = [
    ("9940101000000000000013", 1, ("scrap", "M-07", False)),
    ("9940101000000000000020", 2, ("reuse", "M-07", False)),
    ("9940101000000000000037", 1, ("scrap", None, True)),
    ("9940101000000000000044", 1, ("scrap", "M-07", False)),
    ("9940101000000000000051", 1, ("scrap", "M-07", False)),
]
NONCE = sha256(b"formats nonce").digest()


def _draw() -> Iterator[str]:
    population = Population(reversed(MEMBERS))
    for at, member in enumerate(MEMBERS):
        yield f"leaf {at}           {leaf_of(member).hex()}"
    assert population.root == root_of(map(leaf_hash, map(leaf_of, MEMBERS)))
    yield f"population root  {population.root.hex()}"
    yield f"nonce            {NONCE.hex()}"
    yield f"its SHA-256      {sha256(NONCE).hexdigest()}"
    yield f"checkpoint root  {root_of(LEAVES).hex()}"
    seed = seed_of(population.root, NONCE, root_of(LEAVES))
    yield f"seed             {seed.hex()}"
    sizes = allotted(population.counts, 2, 500_000)
    for drawn in population.drawn(seed, sizes):
        count, words = population.counts[drawn.stratum], stratum_cbor(drawn.stratum).hex()
        yield f"stratum          {words}"
        size = sizes[drawn.stratum]
        places = " ".join(map(str, picks(seed, drawn.stratum, count, size.sample + size.spares)))
        yield f"  of {count}           places {places}"
        yield f"  sample         {' '.join(drawn.sample)}"
        yield f"  spares         {' '.join(drawn.spares) or '-'}"


def _bundle() -> str:
    return "\n".join(encode_bundle([entry]).hex() for entry in ENTRIES)


def examples() -> dict[str, str]:
    """The text of each example by its name in the document."""
    assert satisfied(Policy.parse(POLICY.encode()), COSIGNED.encoded()).quorum_met
    return {
        "hashes": "\n".join(_hashes()),
        "paths": "\n".join(_paths()),
        "bundle": _bundle(),
        "envelope": "\n".join(_annotated()),
        "commitment": "\n".join(_commitment()),
        "records": "\n".join(_records()),
        "keys": "\n".join(_keys()),
        "checkpoint": COSIGNED.encoded().decode().removesuffix("\n"),
        "cosigned": message(NOTE.text, TIME_S).decode().removesuffix("\n"),
        "policy": POLICY.removesuffix("\n"),
        "draw": "\n".join(_draw()),
        "proof": _proof().encoded().decode().removesuffix("\n"),
    }
