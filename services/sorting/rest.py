"""Sorting over REST: a POST for every command, a GET for every question."""

from collections.abc import Sequence

from kernel.commands import Commands
from kernel.http_server import HttpDoor
from kernel.questions import Question


def open_rest(door: HttpDoor, commands: Sequence[Commands], questions: Sequence[Question]) -> None:
    """Add sorting's routes to a door."""
    for one in commands:
        door.commands(one)
    for question in questions:
        door.question(question)
