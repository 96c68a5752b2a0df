"""What the terminal may send while a run is at work.

Ctrl-C or SIGTERM once: what runs ends, nothing more begins. Twice: what runs is ended on the hosts
too. SIGHUP is not heeded: a lost ssh session must not end the window.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from queue import SimpleQueue

from migrate.phases import control
from migrate.phases.session import Session
from migrate.takeover import going_live

STOPPED = "stopped by the operator"


@contextmanager
def heard(session: Session) -> Iterator[None]:
    """Turn signals into requests to the runner; nothing is raised in the middle of anything."""
    sent: SimpleQueue[bool] = SimpleQueue()
    thread = threading.Thread(target=_heed, args=(session, sent), name="signals", daemon=True)
    thread.start()
    # a handler runs between any two steps of the main thread, which may hold any lock of ours
    before = {
        number: signal.signal(number, lambda *_: sent.put(True))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    before[signal.SIGHUP] = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        sent.put(False)
        thread.join()


def _heed(session: Session, sent: SimpleQueue[bool]) -> None:
    interrupted = False
    while sent.get():
        again = session.cancellation.requested
        if not session.cancellation.request(STOPPED, unless=going_live.POINT if again else ""):
            session.tell("not now: the virtual IP moves, or the way back is walked; it ends soon")
        elif not again:
            session.tell(f"{control.STOPPING}; once more interrupts it")
        elif not interrupted:
            interrupted = True
            session.tell(control.INTERRUPTING)
            control.interrupt(session)
