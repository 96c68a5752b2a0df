"""Sessions that all see a server in use as it was at one instant, and the instant's place in time.

Commits wait for the moment in which they are begun (BACKUP STAGE, as MariaDB's own backup does);
nothing else waits, nothing is written.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from queue import SimpleQueue

from migrate.cloud.host import Host
from migrate.database import connection
from migrate.database.fingerprint import Opener

PATIENCE = 60  # seconds; so long commits wait at most for who is dead without a word
BEGIN = (
    "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ",
    "START TRANSACTION WITH CONSISTENT SNAPSHOT",
)


@contextmanager
def sessions(
    host: Host, number: int, meanwhile: Callable[[ExitStack], None] = lambda _: None
) -> Iterator[list[connection.Session]]:
    """So many of them, for as long as the block.

    *meanwhile* is done while commits wait: what it begins sees the same instant, and what it gives
    to the stack is undone with the block.
    """
    with ExitStack() as stack:
        gate = stack.enter_context(connection.session(host))
        links = [stack.enter_context(connection.session(host)) for _ in range(number)]
        # another backup holds the stage for as long as it runs
        connection.rows(
            gate, f"SET SESSION lock_wait_timeout = {PATIENCE}, SESSION wait_timeout = {PATIENCE}"
        )
        connection.several(gate, ("BACKUP STAGE START", "BACKUP STAGE BLOCK_COMMIT"))
        try:
            for link in links:
                stack.callback(connection.rows, link, "ROLLBACK")
                connection.several(link, BEGIN)
            meanwhile(stack)
        finally:
            connection.several(gate, ("BACKUP STAGE END", "SET SESSION wait_timeout = DEFAULT"))
        yield links


def shared(links: list[connection.Session]) -> Opener:
    """What gives *links* out, one at a time each."""
    idle: SimpleQueue[connection.Session] = SimpleQueue()
    for link in links:
        idle.put(link)

    @contextmanager
    def one() -> Iterator[connection.Session]:
        link = idle.get()
        try:
            yield link
        finally:
            idle.put(link)

    return one
