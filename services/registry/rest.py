"""The registry over REST: a POST for every command, a GET for every question."""

from collections.abc import Sequence

from kernel.commands import Commands
from kernel.http_server import HttpDoor
from kernel.http_uploads import add_upload_routes
from kernel.questions import Question
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
