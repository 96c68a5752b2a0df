"""Which file here moves what a service keeps its data on, and what is told where none does."""

from collections.abc import Iterator, Mapping, Sequence

from migrate.engine.finding import Finding, error, warning
from migrate.services.backends import BackendConfig, Options, Storage
from migrate.storage.contract import Backend
from migrate.storage.images.stores import STORES
from migrate.storage.volumes.drivers import DRIVERS

KINDS: Mapping[str, Sequence[Backend]] = {"images": STORES, "volumes": DRIVERS}


def supporting(keeps: str, config: BackendConfig) -> Backend | None:
    """The one that moves what *config* describes, or None."""
    return next((one for one in KINDS[keeps] if one.supports(config)), None)


def judged(storage: Storage, given: Options) -> Iterator[Finding]:
    """What is told of every back end that *given* names, of all at once."""
    for config in storage.backends(given):
        title = storage.title.format(name=config.name, driver=config.driver)
        remedy = storage.remedy.format(name=config.name, driver=config.driver)
        backend = supporting(storage.keeps, config)
        if backend is None:
            yield error(f"{title} ({config.where}), which no code here moves", remedy)
            continue
        for one in backend.findings(config):
            yield (warning if one.warning else error)(f"{title}: {one.message}", one.remedy)
