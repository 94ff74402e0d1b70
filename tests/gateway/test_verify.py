"""The page on which a visitor checks one device's history, in a real browser: on evidence that is true, and not."""

import base64
import json
import re
from contextlib import asynccontextmanager
from hashlib import sha256

import httpx
from fastapi import FastAPI, Request
from fastapi.responses import Response

from cli.reference import REFERENCE
from gateway.verifier import FILE, add_verifier
from kernel.principal import Role
from ledger.proof.proof_file import LogProof
from services.registry.meter.hold import PlaceHold
from services.registry.papers.life import _SAYING
from tests.gateway.behind import behind
from tests.gateway.browsing import browser, heard, needs_browser
from tests.gateway.evidence import (
    BEGAN_US,
    DEVICE,
    KEY_ONLY,
    POLICY,
    STREAM,
    Evidence,
    recorded,
    season,
    signer,
    zipped,
)
from tests.gateway.season import DAY, dismantled, sites, tell
from tests.gateway.serving import served

TRUE = Evidence()
WITHOUT_ED25519 = """
const whole = SubtleCrypto.prototype.importKey;
SubtleCrypto.prototype.importKey = function (format, data, algorithm, ...rest) {
  const name = algorithm?.name ?? algorithm;
  if (name === "Ed25519") return Promise.reject(new DOMException("Unrecognized name.", "NotSupportedError"));
  return whole.call(this, format, data, algorithm, ...rest);
};
"""


@asynccontextmanager
async def saved_page(script: str = "", **context):
    """The file opened from disk with the network off, as somebody who saved it has it; and what it complains of."""
    async with browser() as opened:
        visiting = await opened.new_context(offline=True, **context)
        if script:
            await visiting.add_init_script(script)
        page = await visiting.new_page()
        complaints = heard(page)
        await page.goto(FILE.as_uri())
        await page.wait_for_selector("html[data-ready]")
        yield page
        assert complaints == []


async def given(page, members, policy=POLICY):
    """The report on a ZIP of these, chosen by the file picker. `members` may be the bytes of a ZIP."""
    data = members if isinstance(members, bytes) else zipped(members)
    await page.fill("#trust", policy)
    await page.evaluate("document.getElementById('report').replaceChildren()")
    await page.set_input_files("#pick", {"name": "evidence.zip", "mimeType": "application/zip", "buffer": data})
    await page.wait_for_selector("#verdict")
    return Said(
        int(await page.get_attribute("#verdict", "data-status")),
        await page.inner_text("#report"),
        await page.eval_on_selector_all(".finding", "all => all.map((one) => one.dataset.kind)"),
    )


async def judged(page, members, policy=POLICY):
    """(status, kinds of fault) of the page's verdict on a ZIP of these, as `given`, but without drawing it."""
    status, kinds = await page.evaluate(
        """async ([zip, given]) => {
          const data = Uint8Array.from(atob(zip), (one) => one.charCodeAt(0));
          const report = await verifier.verify({ files: [["evidence.zip", data]], given });
          return [report.status, report.findings.map((one) => one.kind)];
        }""",
        [base64.b64encode(members if isinstance(members, bytes) else zipped(members)).decode(), policy],
    )
    return status, set(kinds)


class Said:
    def __init__(self, status, text, kinds):
        self.status, self.text, self.kinds = status, re.sub(r"\s+", " ", text), set(kinds)


async def test_the_page_is_the_file_whose_hash_is_published(tmp_path):
    async with behind(tmp_path) as platform:
        page = await platform.client.get("/verify")
        line = (await platform.client.get("/verify.sha256")).text
        assert line == f"{sha256(page.content).hexdigest()}  verify.html\n" == (REFERENCE / "verify.sha256").read_text()
        assert page.content == FILE.read_bytes()
        again = await platform.client.get("/verify", headers={"If-None-Match": page.headers["etag"]})
        assert again.status_code == 304
        assert 'href="/verify"' in (await platform.client.get("/")).text


async def test_what_may_run_is_named_by_its_hash_and_reaches_no_other_place(tmp_path):
    async with behind(tmp_path) as platform:
        page = await platform.client.get("/verify")
    policy = dict(part.split(" ", 1) for part in page.headers["content-security-policy"].split("; "))
    for name, tag in (("script-src", "script"), ("style-src", "style")):
        (body,) = re.findall(rf"<{tag}[^>]*>(.*?)</{tag}>", page.text, re.DOTALL)
        assert policy[name] == f"'sha256-{base64.b64encode(sha256(body.encode()).digest()).decode()}'"
    assert (policy["default-src"], policy["connect-src"], policy["frame-ancestors"]) == ("'none'", "'self'", "'none'")
    assert not re.search(r"\bon[a-z]+=\"|\bstyle=\"|https?://(?!www\.w3\.org/2000/svg)", page.text)


def test_every_event_of_a_device_has_its_words():
    listed = re.search(r"const EVENTS = \{(.*?)\n\};", FILE.read_text("utf-8"), re.DOTALL)[1]
    assert set(re.findall(r'"(registry\.\w+)":', listed)) == {f"registry.{event.__name__}" for event in _SAYING}


@needs_browser
async def test_true_evidence_is_verified_under_the_visitor_s_policy_without_a_network():
    async with saved_page() as page:
        requests = []
        page.on("request", lambda request: requests.append(request.url))
        said = await given(page, TRUE.members())
        assert (said.status, said.kinds) == (0, set())
        assert "已验证，依据：所给策略，法定见证 both verified under the policy given, quorum both" in said.text
        assert "登记 registered" in said.text
        assert "9007199254740993" in said.text, "a number that a double cannot hold is shown as it is written"
        await page.click("[data-version='1'] summary")
        proof = TRUE.proof(1)
        for known in (TRUE.leaves[proof.index], *proof.hashes):
            await page.wait_for_function(
                "hex => document.querySelector(\"[data-version='1']\").innerText.includes(hex)", arg=known.hex()
            )
        assert await page.locator("[data-version='1'] svg .is-bad").count() == 0
        assert requests == []


@needs_browser
async def test_what_the_platform_hands_out_is_checked_where_it_is_served(tmp_path):
    async with behind(tmp_path) as platform:
        await tell(platform.registry, [*sites(), *dismantled([DEVICE])])
        await platform.disclose()
        hold = PlaceHold(asset_no=DEVICE, hold="H-1", kind="court", reference="case 1", occurred_on=DAY)
        position = await tell(platform.registry, [hold])
        await platform.registry.ask(lambda _session: None, seen=position)
        async with served(platform.gateway.app) as url, browser() as opened:
            page = await opened.new_page()
            complaints = heard(page)
            await page.goto(f"{url}/verify")
            await page.fill("[name=asset_no]", DEVICE)
            await page.fill("[name=token]", platform.token(Role.AUDITOR))
            await page.click("#ask button")
            await page.wait_for_selector("#verdict")
            assert await page.get_attribute("#verdict", "data-status") == "3"
            shown = await page.inner_text("#report")
            assert "1 more events are too new" in shown
            assert "not disclosed" not in shown
            assert await page.locator(".event.of-good").count() == 3
            assert "拆回 dismantled" in shown
            assert complaints == []


@needs_browser
async def test_files_are_dropped_one_by_one_or_with_the_keys_beside_them():
    members = TRUE.members()
    async with saved_page() as page:
        await dropped(page, {name: members[name] for name in ("000001.tlog-proof", "000000.tlog-proof")})
        await page.wait_for_selector("#verdict[data-status='3']")
        await dropped(page, {"000005 (1).tlog-proof": members["000005.tlog-proof"]})
        await page.wait_for_selector("[data-version='5']")
        assert "versions not disclosed: 2–4" in await page.inner_text("#verdict")
        await dropped(page, {"evidence.zip": zipped(members), "regulator.policy": POLICY.encode()})
        await page.wait_for_selector("#verdict[data-status='0']")
        assert "已验证，依据：regulator.policy" in await page.inner_text("#verdict")
        await page.click("#clear")
        assert await page.locator("#verdict").count() == 0


@needs_browser
async def test_keys_that_came_with_the_evidence_are_the_operator_s_when_it_is_unpacked_too():
    members = TRUE.members()
    assert {"policy", "log.vkey"} <= members.keys()
    async with saved_page() as page:
        await dropped(page, members)
        await page.wait_for_selector("#verdict[data-status='3']")
        assert "经营者自己随证据给的，并非独立" in await page.inner_text("#report")
        assert await page.input_value("#trust") == ""
        await dropped(page, {"policy": members["policy"]})
        await page.wait_for_selector("#verdict[data-status='3']")
        assert await page.locator(".event").count() == len(TRUE.indexes)


async def dropped(page, files):
    coded = [[name, base64.b64encode(data).decode()] for name, data in files.items()]
    await page.evaluate(
        """(files) => {
          const dataTransfer = new DataTransfer();
          for (const [name, data] of files)
            dataTransfer.items.add(new File([Uint8Array.from(atob(data), (one) => one.charCodeAt(0))], name));
          document.body.dispatchEvent(new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true }));
        }""",
        coded,
    )


@needs_browser
async def test_on_a_phone_nothing_is_cut_off_and_on_paper_every_step_is_shown():
    async with saved_page(viewport={"width": 360, "height": 740}) as page:
        await given(page, TRUE.members())
        await page.evaluate("dispatchEvent(new Event('beforeprint'))")
        assert await page.locator(".event details[open] svg").count() == len(TRUE.indexes)
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        await page.evaluate("dispatchEvent(new Event('afterprint'))")
        assert await page.locator("#report details[open]").count() == 0


@needs_browser
async def test_whose_keys_they_are_decides_what_is_said():
    async with saved_page() as page:
        for policy, words in [
            ("", "经营者自己随证据给的，并非独立"),
            (KEY_ONLY, "What was given names no witnesses"),
            (f"log {KEY_ONLY}quorum none\n", "What was given names no witnesses"),
        ]:
            said = await given(page, TRUE.members(), policy)
            assert said.status == 3
            assert "consistent with itself; rollback and split view not ruled out" in said.text
            assert words in said.text
        bare = {name: data for name, data in TRUE.members().items() if name.endswith(".tlog-proof")}
        said = await given(page, bare, "")
        assert said.status == 3
        assert "No keys" in said.text
        said = await given(page, TRUE.members(), "quorum nobody\n")
        assert said.status == 2
        stranger = signer("other.example/log")
        said = await given(page, TRUE.members(), POLICY.replace(KEY_ONLY.strip(), str(stranger.verifier)))
        assert (said.status, said.kinds) == (1, {"UnknownSigner"})
        third = signer("witness.example/w3", 4)
        said = await given(
            page, TRUE.members(), POLICY.replace(str(Evidence().witnesses[0].verifier), str(third.verifier))
        )
        assert (said.status, said.kinds) == (1, {"NoQuorum"})


@needs_browser
async def test_versions_that_are_not_disclosed_are_named():
    async with saved_page() as page:
        said = await given(page, Evidence(undisclosed=frozenset({0, 2, 3})).members())
        assert said.status == 0
        assert "未披露的版本：0、2–3 versions not disclosed: 0, 2–3" in said.text
        assert await page.locator(".gap").count() == 2
        assert "版本 2–3 未披露给你" in said.text


def changed(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def other_base64(data: bytes, at: int) -> bytes:
    """The data with the base64 digit at this place another one."""
    return data[:at] + (b"B" if data[at : at + 1] != b"B" else b"C") + data[at + 1 :]


def faulty():
    """(what, the members with it, the kinds of which one at least must be named)."""
    name = "000002.tlog-proof"
    good = TRUE.proof(2)

    def with_proof(index=good.index, hashes=good.hashes, checkpoint=good.checkpoint, extra=good.extra):
        return TRUE.members() | {name: LogProof(index, tuple(hashes), checkpoint, extra).encoded()}

    yield "envelope, data", with_proof(extra=good.extra.replace(b"234560", b"234561")), {"Mismatch"}
    for at in range(0, len(good.extra), 7):
        yield f"envelope, byte {at}", with_proof(extra=changed(good.extra, at)), {"Mismatch", "Malformed"}
    yield "envelope of another", with_proof(extra=TRUE.proof(3).extra), {"Mismatch"}
    yield "no envelope", with_proof(extra=None), {"Malformed"}
    for at in range(len(good.hashes)):
        hashes = list(good.hashes)
        hashes[at] = changed(hashes[at], 5)
        yield f"sibling {at}", with_proof(hashes=hashes), {"Mismatch"}
    yield "sibling left out", with_proof(hashes=good.hashes[:-1]), {"Malformed"}
    yield "sibling too many", with_proof(hashes=(*good.hashes, bytes(32))), {"Malformed"}
    yield "index", with_proof(index=good.index + 1), {"Mismatch"}
    yield "index beyond", with_proof(index=5_000), {"OutOfRange"}
    lines = good.checkpoint.split(b"\n")
    for at, what, kinds in [
        (0, "origin", {"BadSignature"}),
        (2, "root", {"BadSignature", "Mismatch"}),
        (4, "signature", {"BadSignature", "UnknownSigner"}),
        (5, "cosignature", {"BadSignature", "NoQuorum"}),
        (6, "cosignature", {"BadSignature", "NoQuorum"}),
    ]:
        for place in (len(lines[at]) - 9, len(lines[at]) // 2 + 20 if at > 3 else 6):
            note = b"\n".join([*lines[:at], other_base64(lines[at], place), *lines[at + 1 :]])
            yield f"checkpoint, {what}, {place}", with_proof(checkpoint=note), kinds
    yield "size", with_proof(checkpoint=good.checkpoint.replace(b"\n51\n", b"\n52\n")), {"BadSignature"}
    yield "cosignature left out", with_proof(checkpoint=b"\n".join([*lines[:6], b""])), {"NoQuorum"}
    yield "renamed", {**TRUE.members(), "000007.tlog-proof": good.encoded()}, {"StreamBroken"}
    swapped = TRUE.members()
    swapped["000002.tlog-proof"], swapped["000003.tlog-proof"] = (
        swapped["000003.tlog-proof"],
        swapped["000002.tlog-proof"],
    )
    yield "swapped", swapped, {"StreamBroken"}
    early = season()
    early[23] = recorded(STREAM, 2, 3, "registry.FinalReadingRecorded", b"{}")
    yield "set back", Evidence(early).members(), {"Backdated"}
    yield "recorded after", Evidence(cosigned_s=BEGAN_US // 1_000_000 - 4_000).members(), {"Backdated"}
    twice = season()
    twice[23] = recorded(STREAM, 2, 23, "registry.FinalReadingRecorded", b'{"a":1,"a":2}')
    yield "member twice", Evidence(twice).members(), {"Malformed"}
    other = Evidence([*season()[:-1], recorded("site-1", 9, 50, "registry.SiteClosed", b"{}")])
    yield "two views", TRUE.members() | {name: other.proof(2).encoded()}, {"SplitView"}


@needs_browser
async def test_whatever_is_changed_is_refused_and_named():
    async with saved_page() as page:
        for what, members, kinds in faulty():
            status, named = await judged(page, members)
            assert status == 1, what
            assert named & kinds, f"{what}: {named}"
        assert await judged(page, TRUE.members()) == (0, set())
        said = await given(page, members)
        assert (said.status, said.kinds) == (1, named)


@needs_browser
async def test_the_hash_that_is_wrong_is_pointed_at_where_other_proofs_know_it():
    async with saved_page() as page:
        good = TRUE.proof(2)
        hashes = [*good.hashes[:-1], bytes(32)]
        members = TRUE.members() | {
            "000002.tlog-proof": LogProof(good.index, tuple(hashes), good.checkpoint, good.extra).encoded()
        }
        said = await given(page, members)
        assert f"sibling {len(hashes)} is not that of the log" in said.text
        await page.click("[data-version='2'] summary")
        # It is drawn when it is opened, which the page is told of in its own time.
        await page.wait_for_selector("[data-version='2'] svg .sibling.is-bad", state="attached")
        assert await page.locator("[data-version='2'] svg .sibling.is-bad").count() == 1


@needs_browser
async def test_a_browser_without_ed25519_says_so_and_still_checks_hashes():
    async with saved_page(WITHOUT_ED25519) as page:
        assert await page.is_visible("#no-signatures")
        said = await given(page, TRUE.members())
        assert said.status == 2
        assert "此浏览器不支持 Ed25519，签名未核对" in said.text
        assert "this browser lacks Ed25519 and the signatures were not checked" in said.text
        assert await page.locator("[data-state='unchecked']").count() == 3
        assert "hashes lead to the checkpoint's root" in said.text
        good = TRUE.proof(2)
        forged = LogProof(good.index, good.hashes, good.checkpoint, good.extra.replace(b"234560", b"234561"))
        said = await given(page, TRUE.members() | {"000002.tlog-proof": forged.encoded()})
        assert (said.status, said.kinds) == (1, {"Mismatch"})


@needs_browser
async def test_what_stands_in_an_event_is_shown_and_never_run():
    events = season()
    hostile = {"asset_no": DEVICE, "remark": "<img src=x onerror=alert(1)><script>alert(1)</script>", "__proto__": "p"}
    events[23] = recorded(STREAM, 2, 23, "constructor", json.dumps(hostile).encode())
    async with saved_page() as page:
        said = await given(page, Evidence(events).members())
        assert said.status == 0
        assert "<img src=x onerror=alert(1)>" in said.text
        assert await page.locator("#report img, #report script").count() == 0


@needs_browser
async def test_served_it_fetches_the_evidence_with_the_visitor_s_token():
    app = FastAPI()
    add_verifier(app)
    asked = []

    @app.get("/v1/meters/{asset_no}/proofs")
    async def proofs(asset_no: str, request: Request) -> Response:
        asked.append((asset_no, request.headers.get("authorization")))
        if request.headers.get("authorization") != "Bearer t-1":
            return Response('{"detail": "令牌 a token is needed"}', 401, media_type="application/problem+json")
        return Response(zipped(TRUE.members()), media_type="application/zip")

    async with served(app) as url, browser() as opened:
        page = await opened.new_page()
        complaints = heard(page)
        await page.goto(f"{url}/verify")
        await page.wait_for_selector("html[data-ready]")
        await page.fill("[name=asset_no]", DEVICE)
        await page.click("#ask button")
        await page.wait_for_selector("#asking.bad")
        assert "the gateway answered 401: 令牌 a token is needed" in await page.inner_text("#asking")
        await page.fill("[name=token]", "t-1")
        await page.click("#ask button")
        await page.wait_for_selector("#verdict")
        assert await page.get_attribute("#verdict", "data-status") == "3"
        assert asked == [(DEVICE, None), (DEVICE, "Bearer t-1")]
        await page.fill("[name=asset_no]", DEVICE[:-1] + "4")
        await page.click("#ask button")
        await page.wait_for_selector("#verdict[data-status='1']")
        assert f"not of meter-{DEVICE[:-1]}4" in await page.inner_text("#findings")
        async with page.expect_download() as saving:
            await page.click("#online a[download] >> nth=0")
        saved = await (await saving.value).path()
        assert saved.read_bytes() == FILE.read_bytes()
        async with httpx.AsyncClient() as client:
            assert (await client.get(f"{url}/verify.sha256")).text.split()[0] == sha256(FILE.read_bytes()).hexdigest()
        assert [one for one in complaints if "401" not in one] == []
