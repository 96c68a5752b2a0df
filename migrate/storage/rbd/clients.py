"""The clients of the services that keep something on RBD, by their files on a source's host."""

from collections.abc import Iterator

from migrate.cloud import Context
from migrate.cloud.host import Host
from migrate.configuration import service_options
from migrate.services.backends import BackendConfig
from migrate.services.base import Recipe
from migrate.storage.rbd.client import Client, Names, of

NAMES = {
    "images": Names(
        conf="rbd_store_ceph_conf",
        user="rbd_store_user",
        pool="rbd_store_pool",
        usual_pool="images",
    ),
    "volumes": Names(
        conf="rbd_ceph_conf",
        user="rbd_user",
        pool="rbd_pool",
        usual_pool="rbd",
        cluster="rbd_cluster_name",
    ),
}
DRIVERS = {
    "images": ("rbd", "glance.store.rbd.Store"),
    "volumes": ("cinder.volume.drivers.rbd.RBDDriver",),
}


def on_rbd(keeps: str, config: BackendConfig) -> bool:
    """Whether *config* is one of RBD's."""
    return config.driver in DRIVERS[keeps]


def of_service(host: Host, recipe: Recipe) -> dict[str, Client]:
    """Those of *recipe* by the name of the back end, as *host* has them; {} where it has none."""
    storage = recipe.storage
    if storage is None:
        return {}
    given = service_options.read(host, recipe, storage.program)
    return {
        config.name: of(config, NAMES[storage.keeps])
        for config in storage.backends(given)
        if on_rbd(storage.keeps, config)
    }


def every(context: Context, host: Host) -> Iterator[tuple[Recipe, Client]]:
    """Those of all services, each once for a user, a file and a cluster."""
    for recipe in context.recipes:
        found = {(one.conf, one.user): one for one in of_service(host, recipe).values()}
        yield from ((recipe, one) for one in found.values())
