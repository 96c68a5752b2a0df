"""`migrate` as it will be once Ceph was shown: whoever shows it has to get past the refusal.

    python -m tests.on_ceph.shown check --stack test

All of it is the command line's own code but the three words.
"""

from __future__ import annotations

from migrate.storage import ceph, rbd

# before anybody takes them over
rbd.UNSHOWN = rbd.DISKS_UNSHOWN = ceph.UNSHOWN = ""

from migrate.cli import commands  # noqa: E402

if __name__ == "__main__":
    commands.main()
