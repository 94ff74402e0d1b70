"""Closed lists have words for every code. Every refusal and every event of the nouns has its story."""

import ast
import inspect
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from kernel import device
from kernel.decider import Decider
from kernel.device import AssetNo
from kernel.refusal import Reason, reasons_in
from services.registry import container, plan, shipment, site, vocabulary
from services.registry.container import CONTAINER
from services.registry.meter import (
    METER,
    custody,
    dismantling,
    end,
    hold,
    identity,
    missing,
    release,
    state,
    unexpected,
)
from services.registry.plan import PLAN
from services.registry.shipment import SHIPMENT
from services.registry.site import SITE, STOCKTAKES
from services.registry.vocabulary import class_in_number

DECIDERS: tuple[Decider[Any], ...] = (METER, SHIPMENT, CONTAINER, SITE, STOCKTAKES, PLAN)
NOUNS = (
    container,
    plan,
    shipment,
    site,
    custody,
    dismantling,
    end,
    hold,
    identity,
    missing,
    release,
    state,
    unexpected,
)
STORIES = sorted(path.stem for path in Path(__file__).parent.glob("test_*.py"))


@pytest.mark.parametrize(
    ("codes", "words"),
    [
        (device.DeviceClass, device.DEVICE_CLASSES),
        (vocabulary.Owner, vocabulary.OWNERS),
        (vocabulary.Origin, vocabulary.ORIGINS),
        (vocabulary.DismantleReason, vocabulary.DISMANTLE_REASONS),
        (vocabulary.HoldKind, vocabulary.HOLD_KINDS),
        (vocabulary.Purpose, vocabulary.PURPOSES),
        (vocabulary.PreconditionKind, vocabulary.PRECONDITIONS),
        (vocabulary.LossCause, vocabulary.LOSS_CAUSES),
        (vocabulary.Signature, vocabulary.SIGNATURES),
        (state.EndKind, state.ENDS),
        (shipment.Party, shipment.PARTIES),
        (shipment.Phase, shipment.PHASES),
        (site.SiteKind, site.SITE_KINDS),
    ],
    ids=lambda value: "" if isinstance(value, dict) else str(get_args(value)[0]),
)
def test_every_code_has_words_in_both_languages_and_no_word_is_left_over(codes, words):
    assert tuple(words) == get_args(codes)
    for zh, en in words.values():
        assert not zh.isascii()
        assert en.isascii()
    assert len({zh for zh, _ in words.values()}) == len({en for _, en in words.values()}) == len(words)


@for_all(st.from_regex(r"[0-9]{22}", fullmatch=True))
def test_the_type_digits_name_a_class_or_none(number):
    assert class_in_number(number) == (number[5:7] if number[5:7] in vocabulary.DEVICE_CLASSES else None)


@pytest.mark.parametrize("text", ["T99401AB12", "T99401" + "Z" * 20, "9" * 22])
def test_what_names_a_device(text):
    assert msgspec.convert(text, AssetNo) == text


@pytest.mark.parametrize(
    "text", ["", "T99401AB1", "T9940AB12", "t99401AB12", "T99401ab12", "T99401" + "Z" * 21, "9" * 21, "9" * 22 + "\n"]
)
def test_what_does_not(text):
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(text, AssetNo)


def asserted(method: str) -> Iterator[tuple[ModuleType, ast.Call]]:
    """The calls `.method(...)` in the stories, and the module whose names they use."""
    for name in STORIES:
        module = import_module(f"tests.registry.{name}")
        for node in ast.walk(ast.parse(inspect.getsource(module))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == method:
                yield module, node


def named(module: ModuleType, node: ast.AST) -> Iterator[Any]:
    """What the names within a piece of a story stand for, and those within the story's own builders."""
    for part in ast.walk(node):
        value = getattr(module, part.id, None) if isinstance(part, ast.Name) else None
        if isinstance(value, FunctionType) and value.__module__ == module.__name__:
            yield from named(module, ast.parse(inspect.getsource(value)).body[0].body[-1])
        elif value is not None:
            yield value


@pytest.mark.parametrize("noun", NOUNS, ids=lambda noun: noun.__name__.rpartition(".")[2])
def test_every_refusal_is_provoked_in_a_story(noun):
    provoked = {
        value.code
        for module, call in asserted("refused")
        for value in named(module, call.args[0])
        if isinstance(value, Reason)
    }
    assert {reason.code for reason in reasons_in(noun)} - provoked == set()


def test_every_event_comes_of_a_story():
    told = {
        type(value) if isinstance(value, msgspec.Struct) else value
        for module, call in asserted("then")
        for value in named(module, call)
        if isinstance(value, type | msgspec.Struct)
    }
    assert {event for decider in DECIDERS for event in decider.events} - told == set()
