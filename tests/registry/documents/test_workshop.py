import asyncio
import contextlib

import pytest

from kernel.door import CannotNow
from kernel.refusal import Refusal
from services.registry.documents.data import Verification
from services.registry.documents.rendering import Format, render
from services.registry.documents.workshop import Limits, Workshop
from tests.registry.documents import papers


async def test_a_process_makes_what_this_one_would():
    documents = [
        (papers.transfer_note(papers.devices(30, received=True)), Format.PDF),
        (papers.transfer_note(papers.devices(30, received=True)), Format.XLSX),
        (papers.recovery_ledger([papers.cohort(1, 2)]), Format.PDF),
        (papers.asset_page(), Format.PDF),
    ]
    workshop = Workshop(Limits(at_once_max=2))
    made = await asyncio.gather(*(workshop.make(*document) for document in documents))
    assert list(made) == [render(*document) for document in documents]


async def test_a_refusal_comes_back_as_the_same_refusal():
    long = Verification(ledger_id="l", position=1, instruction="i", qr="x" * 301)
    with pytest.raises(Refusal) as refused:
        await Workshop().make(papers.asset_page(verification=long), Format.PDF)
    with pytest.raises(Refusal) as here:
        render(papers.asset_page(verification=long), Format.PDF)
    assert str(refused.value) == str(here.value)
    assert type(refused.value) is type(here.value)


async def test_a_document_that_takes_too_long_is_given_up():
    note = papers.transfer_note(papers.devices(9_000, received=False))
    workshop = Workshop(Limits(seconds_max=1))
    with pytest.raises(Refusal) as refused:
        await workshop.make(note, Format.PDF)
    assert refused.value.code == "document.too_slow"


async def test_a_document_that_takes_too_much_memory_harms_nobody():
    note = papers.transfer_note(papers.devices(2_000, received=False))
    with pytest.raises(Refusal) as refused:
        await Workshop(Limits(address_space_bytes_max=400 * 2**20)).make(note, Format.PDF)
    assert refused.value.code == "document.ended_early"
    assert await Workshop().make(papers.asset_page(), Format.PDF)


async def test_more_than_may_wait_are_sent_away():
    workshop = Workshop(Limits(at_once_max=1, waiting_max=2))
    with contextlib.ExitStack() as places:
        for _ in range(3):
            places.enter_context(workshop.place())
        with pytest.raises(Refusal) as refused, workshop.place():
            pass
        assert refused.value.code == "document.busy"
        assert isinstance(refused.value, CannotNow)
    with workshop.place():
        assert await workshop.make(papers.asset_page(), Format.PDF)
