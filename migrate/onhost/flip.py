"""The instant of going live on this source controller: its watch and its front, under one lock."""

from migrate.onhost import front, record, reopen_timer

LEAST = 1.0  # seconds that must be left: the watch looks each second


def flip() -> bool:
    """Let calls through to the target, and let nothing reopen the source; whether a front does.

    Too late, when the source reopens itself or is about to, RuntimeError and nothing has changed.
    Safe to repeat.
    """
    with record.locked():
        if record.load(front.RECORD) is None:
            return False
        timer = reopen_timer.state()
        late = timer["state"] == "armed" and timer["left"] < LEAST
        if not front.flipped() and (late or timer["state"] in ("reopening", "reopened")):
            raise RuntimeError("the source reopens itself: it is too late to go live")
        front.lead_to_target()
        return True
