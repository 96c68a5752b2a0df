"""What stands for NFS on the lab's compute hosts, once servers may move between them.

Their share is a bind, which libvirt does not know, and which nova takes away for good with the
last server that uses it. So it gets another place, from which what stands for `mount.nfs` mounts
it again, as nova asks, which may not be known to a host yet that was just made anew. Such a host
has no `mount.nfs`, and one that has booted not the place.
"""

from __future__ import annotations

from pathlib import Path

from tests.lab.remote import script
from tests.lab.settings import Lab

GIVE = """set -e
mkdir -p /srv/volumes
mountpoint -q /srv/volumes || mount --bind {folder} /srv/volumes
install -m 755 /dev/stdin /usr/sbin/mount.nfs <<'EOF'
#!/bin/sh
exec mount --bind /srv/volumes "$2"
EOF
chmod 777 $(dirname {folder})
"""
TAKE = """set -e
rm -f /usr/sbin/mount.nfs
mountpoint -q /srv/volumes || exit 0
mkdir -p {folder}
mountpoint -q {folder} || mount --bind /srv/volumes {folder}
chmod 755 $(dirname {folder})
umount /srv/volumes
rmdir /srv/volumes
"""


def give(lab: Lab, name: str) -> None:
    """Let *name* mount the share as a host of a cloud would, from now on; safe to repeat."""
    _note(lab, name).parent.mkdir(exist_ok=True)
    _note(lab, name).touch()
    plug(lab, name)


def plug(lab: Lab, name: str) -> None:
    """Give it to *name* again, if it was given: it has booted, or was made anew."""
    if _note(lab, name).exists():
        script(lab, name, GIVE.format(folder=_folder(lab)))


def take(lab: Lab, name: str) -> None:
    """The share of *name* as the lab makes it; safe to repeat."""
    script(lab, name, TAKE.format(folder=_folder(lab)))
    _note(lab, name).unlink(missing_ok=True)


def _folder(lab: Lab) -> str:
    return f"/var/lib/nova/mnt/{lab.share_folder}"


def _note(lab: Lab, name: str) -> Path:
    return lab.home / "nfs" / name
