"""The registry over REST: a POST for every command, a GET for every question; names of people at this door alone."""

from collections.abc import Sequence

from kernel.commands import Commands
from kernel.http_people import KEEP_PEOPLE, add_people_routes
from kernel.http_server import HttpDoor
from kernel.http_uploads import add_upload_routes
from kernel.people import People
from kernel.questions import Question
from services.registry.access import Access
from services.registry.imports.asked import NewImport
from services.registry.imports.jobs import Import
from services.registry.imports.offered import LocalUploads


def open_rest(
    door: HttpDoor, commands: Sequence[Commands], questions: Sequence[Question], uploads: LocalUploads
) -> None:
    """Add the registry's routes to a door."""
    for one in commands:
        door.commands(one)
    for question in questions:
        door.question(question)
    add_upload_routes(door.app, door.schemas, door.limits, "/v1/imports", uploads, NewImport, Import)


def open_people(door: HttpDoor, people: People, access: Access) -> None:
    """Add the routes of people, for those who may keep their names."""
    add_people_routes(door, people, lambda caller: access.may(caller, KEEP_PEOPLE))
