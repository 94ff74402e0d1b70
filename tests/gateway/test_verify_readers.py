"""The page's readers against those of `ledger.proof`: the same bytes are read as the same, or refused by both."""

import base64
import io
import zipfile
from contextlib import asynccontextmanager

from gateway.verifier import FILE
from ledger.proof.checkpoint import Checkpoint
from ledger.proof.commitment import decode_envelope
from ledger.proof.cosignature import cosign
from ledger.proof.errors import Malformed, ProofFault
from ledger.proof.keys import KeyType, VerifierKey
from ledger.proof.merkle import root_from_inclusion
from ledger.proof.note import Note
from ledger.proof.policy import Policy, satisfied
from ledger.proof.proof_file import EXTRA_BYTES_MAX, HASHES_MAX, LogProof
from tests.gateway.browsing import browser, heard, needs_browser
from tests.gateway.evidence import KEY_ONLY, LOG, POLICY, W1, W2, Evidence, signer, zipped
from tests.ledger.proof import test_checkpoint, test_commitment, test_note, test_policy, test_proof_file
from tests.ledger.proof.signing import every_changed_byte

TRUE = Evidence()
PROOF = TRUE.proof(2)
CHECKPOINT = Note.parse(TRUE.checkpoint)
SPACES = [chr(code) for code in range(0x110000) if chr(code).isspace()] + ["\ufeff", "\u200b", "\u180e", "\x7f"]

READERS = """
const hex = verifier.hex, latinHex = (text) => hex(Uint8Array.from(text, (one) => one.charCodeAt(0)));
const bytes = (text) => Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
const key = (one) => one.text;
const readers = {
  note: async (data) => { const note = verifier.parseNote(data);
    return [hex(note.text), note.signatures.map((one) => [one.name, one.id, hex(one.blob)])]; },
  key: async (data) => key(await verifier.parseKey(new TextDecoder("utf-8", { ignoreBOM: true }).decode(data))),
  checkpoint: async (data) => { const one = verifier.parseCheckpoint(data);
    return [one.origin, `${one.size}`, hex(one.root), one.extensions]; },
  policy: async (data) => { const one = await verifier.parsePolicy(data);
    return [one.logs.map(key), [...one.witnesses].map(([name, each]) => [latinHex(name), key(each)]),
      [...one.groups].map(([name, group]) => [latinHex(name), group.threshold, group.members.map(latinHex)]),
      latinHex(one.quorum)]; },
  proof: async (data) => { const one = verifier.parseProof(data);
    return [`${one.index}`, one.hashes.map(hex), hex(one.checkpoint), one.extra && hex(one.extra)]; },
  envelope: async (data) => { const one = verifier.decodeEnvelope(data);
    return [one.stream, `${one.version}`, hex(one.id), one.type, one.contentType, `${one.recordedAtUs}`, hex(one.data),
      hex(one.salt), hex(one.metadataHash)]; },
  standing: async (data, policy) => {
    const judged = await verifier.judgeCheckpoint(data, await verifier.parsePolicy(policy), true);
    if (judged.findings.length) return { refused: judged.findings[0].kind };
    return [...judged.cosigned].map(([name, timeS]) => [latinHex(name), `${timeS}`]); },
  climb: async (data) => { const [leaf, index, size, ...hashes] = new TextDecoder().decode(data).split(" ");
    const raw = (text) => Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));
    return hex((await verifier.climb(raw(leaf), BigInt(index), BigInt(size), hashes.map(raw))).root); },
  zip: async (data) => [...verifier.readZip(data)].map(([name, content]) => [name, hex(content)]),
};
async function read([name, inputs, more]) {
  const out = [];
  for (const input of inputs) {
    try { out.push(await readers[name](bytes(input), more === null ? null : bytes(more))); }
    catch (fault) { out.push(fault.kind ? { refused: fault.kind } : { failed: String(fault) }); }
  }
  return out;
}
"""


@asynccontextmanager
async def readers():
    """Calls a reader of the page with many inputs."""
    async with browser() as opened:
        page = await opened.new_page()
        complaints = heard(page)
        await page.goto(FILE.as_uri())
        await page.wait_for_selector("html[data-ready]")

        async def read(name, inputs, more=None):
            coded = [base64.b64encode(one).decode() for one in inputs]
            also = None if more is None else base64.b64encode(more).decode()
            return await page.evaluate(f"(asked) => {{ {READERS}; return read(asked); }}", [name, coded, also])

        yield read
        assert complaints == []


def by_python(read, data):
    try:
        return read(data)
    except ProofFault as fault:
        return {"refused": type(fault).__name__}


async def agree(read, name, inputs, python, more=None):
    """How many of the inputs were taken by both. Whatever one of them takes the other takes for the same."""
    inputs = list(dict.fromkeys(inputs))
    found = await read(name, inputs, more)
    expected = [by_python(python, data) for data in inputs]
    differing = [
        (data[:200], ours, theirs) for data, ours, theirs in zip(inputs, found, expected, strict=True) if ours != theirs
    ]
    assert differing[:3] == []
    return sum(not isinstance(one, dict) for one in expected)


def parameters(test):
    """The inputs with which a test of the Python readers is run."""
    found = [one if isinstance(one, str | bytes) else one.values[0] for one in test.pytestmark[0].args[1]]
    return [one.encode("utf-8") if isinstance(one, str) else one for one in found]


def note(data):
    one = Note.parse(data)
    return [one.text.hex(), [[each.name, each.key_id.hex(), each.blob.hex()] for each in one.signatures]]


def checkpoint(data):
    one = Checkpoint.parse(data)
    return [one.origin, str(one.size), one.root.hex(), list(one.extensions)]


def policy(data):
    def named(name):
        return name.encode("utf-8", "surrogateescape").hex()

    one = Policy.parse(data)
    witnesses = [[named(name), str(each.key)] for name, each in one.witnesses.items()]
    groups = [[named(name), each.threshold, [*map(named, each.members)]] for name, each in one.groups.items()]
    return [[str(log.key) for log in one.logs], witnesses, groups, named(one.quorum)]


def proof(data):
    one = LogProof.parse(data)
    return [str(one.index), [each.hex() for each in one.hashes], one.checkpoint.hex(), one.extra and one.extra.hex()]


def envelope(data):
    one = decode_envelope(data)
    return [
        one.stream, str(one.version), one.id.hex(), one.type, one.content_type, str(one.recorded_at_us),
        one.data.hex(), one.salt.hex(), one.metadata_hash.hex(),
    ]  # fmt: skip


def standing(data):
    found = satisfied(Policy.parse(POLICY.encode()), data)
    return [[name.encode().hex(), str(time_s)] for name, time_s in found.cosigned_at_s.items()]


@needs_browser
async def test_notes_and_keys():
    spaced = [f"text\n\n\u2014 a{one}b AAAAAAA=\n".encode() for one in SPACES]
    inputs = [*parameters(test_note.test_what_is_not_a_note), TRUE.checkpoint, test_note.SALVATORE, *spaced]
    mixed = [one for good in (test_note.SIGNED, test_note.SALVATORE) for one in every_changed_byte(good)]
    keys = [
        *parameters(test_note.test_what_is_not_a_verifier_key),
        *map(str.encode, map(str, (LOG.verifier, W1.verifier))),
    ]
    keys += every_changed_byte(test_note.NEUMANN_VKEY.encode())
    async with readers() as read:
        assert await agree(read, "note", [*inputs, *mixed], note) > 100
        legible = [one for one in keys if one.isascii()]
        assert await agree(read, "key", legible, lambda data: str(VerifierKey.parse(data.decode()))) == 2


@needs_browser
async def test_checkpoints_and_who_signed_them():
    texts = [*parameters(test_checkpoint.test_what_is_not_a_checkpoint), *every_changed_byte(CHECKPOINT.text)]
    later = CHECKPOINT.signed_also([cosign(CHECKPOINT.text, W1, 9), cosign(CHECKPOINT.text, W2, (1 << 63) - 1)])
    beyond = W1.signature((1 << 63).to_bytes(8, "big") + bytes(64))
    notes = [
        TRUE.checkpoint,
        later.encoded(),
        CHECKPOINT.signed_also([beyond]).encoded(),
        *every_changed_byte(TRUE.checkpoint),
    ]
    async with readers() as read:
        assert await agree(read, "checkpoint", texts, checkpoint) > 10
        assert await agree(read, "standing", notes, standing, POLICY.encode()) >= 2


@needs_browser
async def test_policies():
    rests = [one.decode() for one in parameters(test_policy.test_what_is_not_a_policy)]
    begun = (
        f"log {test_policy.LOG.verifier}\nwitness w1 {test_policy.W1.verifier}\nwitness w2 {test_policy.W2.verifier}\n"
    )
    inputs = [(begun + rest).encode() for rest in rests]
    stranger = signer("w", KeyType.COSIGNATURE).verifier
    inputs += [f"witness a{one}b {stranger}\nquorum none\n".encode() for one in SPACES]
    inputs += [f"log {LOG.verifier}{one}\nquorum{one}none\n".encode() for one in SPACES]
    inputs += [
        f"witness K {W1.verifier}\nwitness \u212a {W2.verifier}\ngroup \u0130 1 K \u212a\nquorum \u0130\n".encode()
    ]
    inputs += [b"witness \xff " + str(W1.verifier).encode() + b"\nquorum \xff\n", b"log \xff\nquorum none\n", b""]
    inputs += [test_policy.lines_of(*counts) for counts in [(32, 32, 32), (33, 1, 1), (1, 33, 1), (1, 33, 33)]]
    async with readers() as read:
        assert await agree(read, "policy", [*inputs, *every_changed_byte(POLICY.encode())], policy) > 40


@needs_browser
async def test_proof_files_and_envelopes():
    small = LogProof(3, PROOF.hashes[:2], b"verbatim\n", b"extra").encoded()
    files = [*parameters(test_proof_file.test_what_is_not_a_proof), PROOF.encoded(), *every_changed_byte(small)]
    longest = LogProof(3, (bytes(32),) * HASHES_MAX, b"x\n", bytes(EXTRA_BYTES_MAX)).encoded()
    files += [longest, longest.replace(b"\nextra ", b"\nextra AAAA")]
    letters = parameters(test_commitment.test_what_is_not_in_the_only_form)
    letters += [test_commitment.ENVELOPE, *TRUE.envelopes, *every_changed_byte(test_commitment.ENVELOPE)]
    letters.append(test_commitment.ENVELOPE.replace(b"\x67meter-7", b"\x6a\xef\xbb\xbfmeter-7"))
    async with readers() as read:
        assert await agree(read, "proof", files, proof) > 10
        assert await agree(read, "envelope", letters, envelope) > 100


@needs_browser
async def test_ways_to_the_root():
    leaves, asked = TRUE.leaves, []
    for size in (1, 2, 3, 7, 8, 13, 51):
        for index in range(0, size + 1, 1 if size < 20 else 7):
            way = [leaves[at] for at in range(6)]
            asked += [(leaves[0], index, size, way[:length]) for length in range(7)]
    asked.append((leaves[0], (1 << 63) - 2, (1 << 63) - 1, leaves[:50] + leaves[:12]))

    def python(data):
        leaf, index, size, *way = data.decode().split()
        return root_from_inclusion(bytes.fromhex(leaf), int(index), int(size), [*map(bytes.fromhex, way)]).hex()

    inputs = [
        " ".join([leaf.hex(), str(at), str(size), *(one.hex() for one in way)]).encode()
        for leaf, at, size, way in asked
    ]
    async with readers() as read:
        assert await agree(read, "climb", inputs, python) > 20


class Unseekable(io.RawIOBase):
    """As a ZIP is written into a stream: lengths and checksums follow each member."""

    def __init__(self):
        self.data = b""

    def writable(self):
        return True

    def write(self, data):
        self.data += bytes(data)
        return len(data)


@needs_browser
async def test_zips():
    members = {"000000.tlog-proof": b"one", "000001.tlog-proof": b"", "log.vkey": KEY_ONLY.encode(), "policy": b"two"}
    good = zipped(members)
    streamed = Unseekable()
    with zipfile.ZipFile(streamed, "w") as file:
        for name, data in members.items():
            file.writestr(name, data)
    twice = good.replace(b"000001.tlog-proof", b"000000.tlog-proof")
    commented = io.BytesIO(good)
    with zipfile.ZipFile(commented, "a") as file:
        file.comment = b"x"
    bad = [
        zipped(members, zipfile.ZIP_DEFLATED), twice, commented.getvalue(), b"x" + good, good + b"x", b"PK",
        zipped({"../000000.tlog-proof": b"x"}), zipped({"0.tlog-proof": b"x"}), zipped({"readme": b"x"}),
        good.replace(b"one", b"two", 1), good[:3], good[22:],
    ]  # fmt: skip
    timed = {at for at, byte in enumerate(good) if byte}
    async with readers() as read:
        expected = [[name, data.hex()] for name, data in members.items()]
        assert await read("zip", [good, streamed.data]) == [expected, expected]
        assert await read("zip", bad) == [{"refused": Malformed.__name__}] * len(bad)
        changed = [good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :] for at in sorted(timed)]
        found = await read("zip", changed)
        other = [one for one in found if one not in (expected, {"refused": "Malformed"})]
        assert other == [], "a changed byte is refused, or is one that says nothing of the members, as their dates"
        assert found.count(expected) < 80
