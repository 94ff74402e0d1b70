"""A device's evidence through every door: who may read its events has proofs of them, checked by the proofs alone."""

import base64
import hashlib
import io
import zipfile

import httpx
import msgspec
import pytest

from kernel.principal import Role
from ledger.proof.commitment import commitment, decode_envelope
from ledger.proof.keys import VerifierKey
from ledger.proof.policy import Policy
from ledger.proof.proof_file import LogProof, verify
from services.registry.asset_number import compose
from services.registry.meter.identity import Register
from tests.doors.entrances import bearer
from tests.doors.who_may import MAKER, OWN
from tests.gateway.behind import behind
from tests.gateway.season import tell
from tests.registry.doors.entrances import workshop
from tests.registry.doors.season import EVERY
from tests.registry.stories import NUMBER

YOUNG = compose(OWN, "01", f"{77:014d}")
"""A device of which more is still to come."""

PATH = f"/v1/meters/{NUMBER}/proofs"
DESCRIBED = [
    msgspec.structs.replace(one, description=msgspec.structs.replace(one.description, maker=MAKER))
    if isinstance(one, Register)
    else one
    for one in EVERY
]


@pytest.fixture
async def platform(tmp_path):
    async with behind(tmp_path, workshop()) as started:
        position = await tell(started.registry, DESCRIBED)
        await started.registry.ask(lambda _session: None, seen=position)
        rest = httpx.ASGITransport(started.rest)
        async with httpx.AsyncClient(transport=rest, base_url="http://registry") as registry:
            started.doors = {"gateway": started.client, "registry": registry}
            yield started


async def fetched(platform, role, door="gateway", number=NUMBER, **headers):
    token = platform.token(role, units=(OWN,), organisation=MAKER)
    return await platform.doors[door].get(f"/v1/meters/{number}/proofs", headers=bearer(token) | headers)


async def given(platform, name, **body):
    answer = await platform.client.post(
        f"/v1/meters/{YOUNG}/{name}", json=body, headers=platform.headers(Role.STOREKEEPER, Role.LEGAL, key=name)
    )
    assert answer.is_success, answer.text


def verified(content, number=NUMBER):
    """The envelopes in a ZIP by the version in each one's name, and the checkpoint's size: by what is in it alone."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}
        files = {name: archive.read(name) for name in archive.namelist()}
    policy = Policy.parse(files.pop("policy"))
    assert VerifierKey.parse(files.pop("log.vkey").decode().strip()) == policy.logs[0].key
    found, checkpoints = {}, set()
    for name, data in files.items():
        proof = LogProof.parse(data)
        verify(proof, commitment(proof.extra), policy)
        envelope = decode_envelope(proof.extra)
        assert name == f"{envelope.version:06d}.tlog-proof"
        assert envelope.stream == f"meter-{number}"
        found[envelope.version] = envelope
        checkpoints.add(proof.checkpoint)
    assert len(checkpoints) <= 1
    return found


async def life(platform, role):
    token = platform.token(role, units=(OWN,), organisation=MAKER)
    page = await platform.client.get(f"/v1/meters/{NUMBER}/life", params={"limit": 500}, headers=bearer(token))
    return {entry["version"]: entry for entry in page.json()["items"]}


async def test_everyone_has_proofs_of_what_they_may_read(platform):
    await platform.disclose()
    versions = {}
    for role in (Role.AUDITOR, Role.OPERATOR, Role.MANUFACTURER):
        shown = await life(platform, role)
        for door in platform.doors:
            answer = await fetched(platform, role, door)
            assert (answer.status_code, answer.headers["content-type"]) == (200, "application/zip"), answer.text
            assert answer.headers["meterloop-left-out"] == "0"
            found = verified(answer.content)
            assert found.keys() == shown.keys()
            for version, envelope in found.items():
                assert envelope.id.hex() == shown[version]["id"]
                assert msgspec.json.decode(envelope.data) == shown[version]["data"]
        versions[role] = set(shown)
    whole = versions[Role.AUDITOR]
    assert whole == set(range(len(whole)))
    assert versions[Role.MANUFACTURER] < versions[Role.OPERATOR] < whole


async def test_what_is_not_published_yet_is_left_out_and_counted(platform):
    await given(platform, "register", device_class="01", unit=OWN, occurred_on="2026-01-05")
    none = await fetched(platform, Role.AUDITOR, number=YOUNG)
    assert (none.status_code, none.json()["code"], none.headers["retry-after"]) == (503, "proof.no_checkpoint", "1")
    await platform.disclose()
    before = await fetched(platform, Role.AUDITOR, number=YOUNG)
    await given(platform, "place-hold", hold="H-9", kind="court", reference="case 9", occurred_on="2026-01-20")
    for door in platform.doors:
        after = await fetched(platform, Role.AUDITOR, door, number=YOUNG)
        assert after.headers["meterloop-left-out"] == "1"
        assert after.content == before.content
    await platform.disclose()
    last = await fetched(platform, Role.AUDITOR, number=YOUNG)
    assert last.headers["meterloop-left-out"] == "0"
    assert [list(verified(answer.content, YOUNG)) for answer in (before, last)] == [[0], [0, 1]]


async def test_it_is_a_file_as_any_other(platform):
    await platform.disclose()
    answer = await fetched(platform, Role.AUDITOR)
    digest = base64.b64encode(hashlib.sha256(answer.content).digest()).decode()
    assert answer.headers["repr-digest"] == f"sha-256=:{digest}:"
    assert NUMBER in answer.headers["content-disposition"]
    again = await fetched(platform, Role.AUDITOR, **{"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304


async def test_who_may_not_read_the_device_is_told_of_none(platform):
    await platform.disclose()
    for door in platform.doors.values():
        stranger = platform.token(Role.OPERATOR, units=("99001",))
        answer = await door.get(PATH, headers=bearer(stranger))
        assert (answer.status_code, answer.json()["code"]) == (404, "meter.unknown")
        assert (await door.get(PATH)).status_code == 401
