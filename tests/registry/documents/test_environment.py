"""What a process that makes a document sees of the service that started it."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from kernel.documents.workshop import Limits
from services.registry.documents.workshop import workshop
from tests.registry.documents.papers import devices, transfer_note


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nobody tells a process's environment")
async def test_a_document_s_process_sees_no_address_and_no_secret(monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql://centre:a-password@127.0.0.1/registry")
    monkeypatch.setenv("METERLOOP_SOMETHING__SECRET", "a-password")
    making = asyncio.create_task(workshop(Limits()).make(transfer_note(devices(20, received=True)), "pdf"))
    seen = b""
    while not seen and not making.done():
        await asyncio.sleep(0.01)
        seen = b"".join(environment_of(child) for child in children())
    assert (await making).startswith(b"%PDF")
    assert b"RAYON_NUM_THREADS=1" in seen
    assert b"a-password" not in seen


def children():
    """Our own child processes that run the documents' module."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            if int(stat.read_text().rpartition(")")[2].split()[1]) == os.getpid():
                found.append(stat.parent)
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def environment_of(child):
    try:
        if b"services.registry.documents" not in (child / "cmdline").read_bytes():
            return b""
        return (child / "environ").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""
