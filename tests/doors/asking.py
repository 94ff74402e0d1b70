"""What holds of every service that is asked who may do what; the tests of each call these with its own questions."""

from tests.doors.entrances import Entrances
from tests.doors.who_may import NEVER, OWN, Asked

ENTRANCES = ("rest", "grpc", "gateway")


def whole_and_in_its_own_form(asked: Asked) -> None:
    """The file says something of every action, once, in the form in which it is written."""
    own, outer = asked.expected()
    assert tuple(own) == tuple(outer) == asked.actions
    assert asked.written(own, outer) == asked.file.read_text("utf-8")
    assert set(asked.questions) == {name for name in asked.actions if name[:3] in {"Get", "Lis"}}


async def each_role_may_do_what_the_table_says(asked: Asked, entrances: Entrances, name: str) -> None:
    """And nothing is recorded by asking."""
    own, outer = asked.expected()
    head = await entrances.ledger.head()
    found = await asked.table(entrances, entrances.named(name))
    assert found == (outer if name == "gateway" else own)
    assert await entrances.ledger.head() == head


def everything_is_asked(asked: Asked, entrances: Entrances) -> None:
    """Every question and every command that there is."""
    assert set(asked.questions) == set(entrances.offered.questions)
    assert set(asked.offered) == set(entrances.offered.groups)


async def nobody_is_told_to_come_with_a_token(asked: Asked, entrances: Entrances, name: str) -> None:
    """Unless the question is public."""
    entrance, head = entrances.named(name), await entrances.ledger.head()
    for kind in asked.offered:
        command = next(iter(asked.about_each(kind).values()))
        assert (await entrance.give(command, None, version=NEVER)).code == "identity.missing_token", kind
    for question, asking in asked.questions.items():
        answer = await entrance.ask(question, dict(next(iter(asking.about.values()))), None)
        assert answer.code == (None if question in asked.public else "identity.missing_token"), question
    assert await entrances.ledger.head() == head


async def a_token_without_a_role_is_nobodys(asked: Asked, entrances: Entrances, name: str) -> None:
    """A public question refuses it too: who shows a token is asked for a good one."""
    entrance, token = entrances.named(name), entrances.token(units=(OWN,))
    for kind in asked.offered:
        command = next(iter(asked.about_each(kind).values()))
        assert (await entrance.give(command, token)).code == "identity.missing_claim", kind
    for question, asking in asked.questions.items():
        answer = await entrance.ask(question, dict(next(iter(asking.about.values()))), token)
        assert answer.code == "identity.missing_claim", question
