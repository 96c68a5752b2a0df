"""A compute host is closed to the scheduler before it is renewed, and how it is then is kept."""

from migrate.cloud import Context, login
from migrate.cloud.host import Host
from migrate.computes import installers, proof, service


def closed(context: Context, host: Host) -> bool:
    """Whether it is, or has been: what is renewed already is on its way to be opened."""
    ours = proof.noted(context, host)
    if ours and service.is_closed(service.of(login.api(context), host.name)):
        return True  # nova is asked first: a host that is being made anew answers nobody
    return installers.of(context, host.name).renewed(context, host)


def close(context: Context, host: Host) -> None:
    """Keep how it is, then close it; whoever has closed it before us keeps it closed."""
    api = login.api(context)
    proof.note(context, api, host)
    service.close(api, host.name)


def forget(context: Context, host: Host) -> None:
    """Forget how it was. It stays closed: the way back of the whole leaves the target's records.

    `reopen` is for the way back of one host.
    """
    proof.forget(context, host)


def midway(context: Context, host: Host) -> bool:
    """Whether it is closed by us, or was, and has not been proven since.

    How it was is kept at the desk that has closed it. Another desk goes by nova's word alone, which
    names nobody where the operator had closed it before.
    """
    row = service.of(login.api(context), host.name)
    return proof.noted(context, host) or service.is_ours(row)


def reopen(context: Context, host: Host) -> None:
    """Let servers come to it again, if we closed it."""
    service.reopen(login.api(context), host.name)
