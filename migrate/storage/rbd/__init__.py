"""Ceph RBD: both sides use the cluster, and nothing is copied.

What the target needs is a client: `client_files.py` carries Ceph's configuration and the services'
keys, and `proof.py` asks the target's own client and the source's for the same, image by image.
"""

# why it is refused although the code is there; "" once a whole cloud on a real cluster was moved
UNSHOWN = "which was not shown on a real Ceph cluster yet"
# the same of compute hosts whose servers' disks are there: their own environment of the release
# needs the modules too, and nobody links them yet
DISKS_UNSHOWN = "and no way in which a host comes over makes it a client of Ceph's yet"
