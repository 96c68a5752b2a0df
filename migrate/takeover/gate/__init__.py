"""The source's APIs, closed: reopen timer, to users, drain, to all; then left to the target."""

from migrate.cloud import Context
from migrate.takeover.gate import close, proof


def close_to_users(context: Context) -> None:
    """Close the source to users; its own hosts pass. Proven by calls."""
    close.close(context, "users")
    proof.prove(context, "users")


def close_to_all(context: Context) -> None:
    """Close the source to everybody. `prove_closed` goes on beside what follows: calls wait."""
    close.close(context, "all")


def prove_closed(context: Context) -> None:
    """Prove by calls that it is."""
    proof.prove(context, "all")


def closed_to_users(context: Context) -> bool:
    """Whether it is proven now."""
    return proof.holds(context, "users")


def closed_to_all(context: Context) -> bool:
    """Whether it is."""
    return close.closed(context, "all")


def proven_closed(context: Context) -> bool:
    """Whether it is proven now."""
    return proof.holds(context, "all")


def back_to_users(context: Context) -> None:
    """As before `close_to_all`: the source's own hosts pass."""
    if close.closed(context, "all"):
        close.close(context, "users")
