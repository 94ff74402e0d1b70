import asyncio
import contextlib

import pytest

from kernel.documents.data import Verification
from kernel.documents.workshop import Limits
from kernel.door import CannotNow
from kernel.refusal import Refusal
from services.registry.documents.rendering import Format, render
from services.registry.documents.workshop import workshop
from tests.registry.documents import papers


async def test_a_process_makes_what_this_one_would():
    documents = [
        (papers.transfer_note(papers.devices(30, received=True)), Format.PDF),
        (papers.transfer_note(papers.devices(30, received=True)), Format.XLSX),
        (papers.recovery_ledger([papers.cohort(1, 2)]), Format.PDF),
        (papers.asset_page(), Format.PDF),
    ]
    queue = workshop(Limits(at_once_max=2))
    made = await asyncio.gather(*(queue.make(*document) for document in documents))
    assert list(made) == [render(*document) for document in documents]


async def test_a_refusal_comes_back_as_the_same_refusal():
    long = Verification(ledger_id="l", position=1, instruction="i", qr="x" * 301)
    with pytest.raises(Refusal) as refused:
        await workshop().make(papers.asset_page(verification=long), Format.PDF)
    with pytest.raises(Refusal) as here:
        render(papers.asset_page(verification=long), Format.PDF)
    assert str(refused.value) == str(here.value)
    assert type(refused.value) is type(here.value)


async def test_a_document_that_takes_too_long_is_given_up():
    note = papers.transfer_note(papers.devices(9_000, received=False))
    queue = workshop(Limits(seconds_max=1))
    with pytest.raises(Refusal) as refused:
        await queue.make(note, Format.PDF)
    assert refused.value.code == "document.too_slow"


async def test_a_document_that_takes_too_much_memory_harms_nobody():
    note = papers.transfer_note(papers.devices(2_000, received=False))
    with pytest.raises(Refusal) as refused:
        await workshop(Limits(address_space_bytes_max=400 * 2**20)).make(note, Format.PDF)
    assert refused.value.code == "document.ended_early"
    assert await workshop().make(papers.asset_page(), Format.PDF)


async def test_more_than_may_wait_are_sent_away():
    queue = workshop(Limits(at_once_max=1, waiting_max=2))
    with contextlib.ExitStack() as places:
        for _ in range(3):
            places.enter_context(queue.place())
        with pytest.raises(Refusal) as refused, queue.place():
            pass
        assert refused.value.code == "document.busy"
        assert isinstance(refused.value, CannotNow)
    with queue.place():
        assert await queue.make(papers.asset_page(), Format.PDF)
