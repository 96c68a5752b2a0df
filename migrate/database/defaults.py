"""What a service's options are where no file sets them: its release is asked, once it matters."""

from collections.abc import Iterable, Mapping
from functools import cache, partial

from migrate.cloud.host import Host
from migrate.cloud.installation import PACKAGES
from migrate.cloud.values import Defaults
from migrate.onhost import call
from migrate.services.base import Recipe

PACKAGED = PACKAGES.tools


def of(host: Host, recipe: Recipe, folder: str = PACKAGED) -> Defaults:
    """Those of *recipe* by the release whose programs stand in *folder* of *host*.

    A library's are left out: a service gives it others as it starts, which no generator sees.
    """
    own = tuple(one for one in recipe.namespaces if one.partition(".")[0] == recipe.project)
    return partial(_asked, host, folder, own)  # type: ignore[arg-type]


def by_folder(host: Host, recipes: Iterable[Recipe], folder: str) -> dict[str, Defaults]:
    """The same of all *recipes*, by the folder of their files."""
    return {str(recipe.folder): of(host, recipe, folder) for recipe in recipes}


@cache  # it takes seconds, and few files need it
def _asked(host: Host, folder: str, namespaces: tuple[str, ...]) -> Mapping[str, str]:
    found: dict[str, str] = call(
        host, "configured.defaults", f"{folder}/oslo-config-generator", namespaces, timeout=300
    )
    return found
