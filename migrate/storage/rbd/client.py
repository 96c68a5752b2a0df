"""As whom a service speaks to which cluster, by its own options."""

from collections.abc import Iterator
from dataclasses import dataclass

from migrate.services.backends import BackendConfig, Refusal

CONF = "/etc/ceph/ceph.conf"


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """What a service calls its options of RBD, and what the pool is where none is named."""

    conf: str
    user: str
    pool: str
    usual_pool: str
    cluster: str = ""


@dataclass(frozen=True, slots=True)
class Client:
    """A user of Ceph's, "" for whichever librados takes."""

    conf: str
    user: str
    pool: str
    cluster: str

    @property
    def name(self) -> str:
        return f"client.{self.user or 'admin'}"


def of(config: BackendConfig, names: Names) -> Client:
    """The client that *config* describes."""
    return Client(
        config.get(names.conf) or CONF,
        config.get(names.user),
        config.get(names.pool) or names.usual_pool,
        (config.get(names.cluster) if names.cluster else "") or "ceph",
    )


def refusals(config: BackendConfig, names: Names) -> Iterator[Refusal]:
    """A client whose key should not go to another host."""
    if of(config, names).user in ("", "admin"):
        yield Refusal(
            message="it has no user of Ceph's of its own, and logs in as client.admin",
            remedy=f"Make one (ceph auth get-or-create), and set {names.user} in "
            f"[{config.section}] to it: the administrator's key is not carried",
        )
