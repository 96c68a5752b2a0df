"""How an OpenStack release is installed on a host: where it is, and how its programs are reached.

The target's is an environment of its own, which `infra/controller/venv.py` makes; the source's may
be one too, or be in the system's packages. Another installer is another function here.
"""

from dataclasses import dataclass

from migrate.cloud.host import Host

SYSTEM = "Debian 13"  # what a controller runs, on either side
ROOT = "/opt/openstack"
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """One release on a host."""

    folder: str  # what is there when the release is
    python: str  # the interpreter that has the release's modules
    tools: str  # the folder of its programs
    path: str  # PATH for them, and for what they call
    # of one that we make:
    shipped: str = ""  # the folder of what it ships for /etc
    kept: str = ""  # a folder for what was worked out about it; it goes when the release goes
    sudoers: str = ""  # the file with the rights of its services

    def tool(self, name: str) -> str:
        """Where one of its programs is: `nova-manage`."""
        return f"{self.tools}/{name}"


def environment(release: str) -> Installation:
    """A virtual environment of the release's own."""
    folder = f"{ROOT}/{release}"
    return Installation(
        folder=folder,
        python=f"{folder}/bin/python",
        tools=f"{folder}/bin",
        path=f"{folder}/bin:{SYSTEM_PATH}",
        shipped=f"{folder}/etc",
        kept=f"{folder}/share/sidestep",
        sudoers="/etc/sudoers.d/sidestep",
    )


PACKAGES = Installation(
    folder="/usr", python="/usr/bin/python3", tools="/usr/bin", path=SYSTEM_PATH
)


def found(host: Host, release: str) -> Installation:
    """How *release* is installed on *host*: in its environment where that is, else in packages."""
    own = environment(release)
    return own if host.exists(own.python) else PACKAGES
