"""A new server on a compute host, of the first model that nova's scheduler takes there.

One that boots from a volume gets a new one of ours first, which goes after it.
"""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import islice

from migrate.cloud import Context
from migrate.cloud.api import Api
from migrate.verify import boot, volume
from migrate.verify.boot import Booted
from migrate.verify.model import Model, NoPlaceError, best

TRIED = 3  # flavors


def tried(context: Context, api: Api, compute: str) -> Booted | None:
    """Boot on *compute*, wait for ACTIVE and for an answer to ping, delete. Raises StepError.

    None, and nothing is tried, where *compute* has no room for one; see `booted`.
    """
    boot.sweep(context, api)
    with booted(context, api, compute, best(api, compute)) as one:
        return one


@contextmanager
def booted(
    context: Context, api: Api, compute: str, models: Iterable[Model]
) -> Iterator[Booted | None]:
    """One like the first of *models* that *compute* takes, see `boot.like`; None where there are
    none. NoPlaceError where it takes none of them, NoServerError where none gets its volume.
    """
    with ExitStack() as stack:
        yield _first(context, api, compute, models, stack)


def _first(
    context: Context, api: Api, compute: str, models: Iterable[Model], stack: ExitStack
) -> Booted | None:
    refused = ""
    for model in islice(models, TRIED):
        try:
            return stack.enter_context(_of(context, api, compute, model))
        except NoPlaceError as error:
            refused = str(error)
    if refused:
        raise NoPlaceError(refused)
    return None


@contextmanager
def _of(context: Context, api: Api, compute: str, model: Model) -> Iterator[Booted]:
    # in this order: a volume can be deleted when its server is gone
    with ExitStack() as stack:
        whole = stack.enter_context(volume.root(context, api, compute, model))
        yield stack.enter_context(boot.like(context, api, compute, whole))
