"""`python -m tests.ledger.clients.writing URL STREAM FROM TO`: appends of known ids, each announced before it is made.

Which ids, in how many events and by which of the protocol's three ways of appending follows from an append's number
alone, so that whoever comes after a killed writer makes the very same appends.
"""

import sys
from uuid import NAMESPACE_URL, UUID, uuid5

from kurrentdbclient import KurrentDBClient, NewEvent, NewEvents, StreamState

SIZES = ((1, 2_000), (30, 40_000), (7, 100))
"""Events of an append and bytes of each: one event by Append, a list by BatchAppend, a session by AppendSession."""


def events_of(stream: str, number: int) -> list[NewEvent]:
    count, size = SIZES[number % 3]
    ids: list[UUID] = [uuid5(NAMESPACE_URL, f"{stream}/{number}/{at}") for at in range(count)]
    return [NewEvent(type="test.Written", data=bytes([number % 256]) * size, id=id_) for id_ in ids]


def version_before(number: int) -> int:
    """Where the stream stands before append `number`."""
    return sum(SIZES[earlier % 3][0] for earlier in range(number)) - 1


def append(client: KurrentDBClient, stream: str, number: int) -> None:
    events = events_of(stream, number)
    expected = version_before(number) if number else StreamState.NO_STREAM
    match number % 3:
        case 0:
            client.append_to_stream(stream, events=events[0], current_version=expected)
        case 1:
            client.append_to_stream(stream, events=events, current_version=expected)
        case _:
            client.multi_append_to_stream([NewEvents(stream, events, expected)])


def main(url: str, stream: str, first: int, end: int) -> None:
    with KurrentDBClient(url) as client:
        for number in range(first, end):
            sys.stdout.write(f"{number}\n")
            sys.stdout.flush()
            append(client, stream, number)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
