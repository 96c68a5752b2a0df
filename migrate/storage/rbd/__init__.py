"""Ceph RBD: both sides use the cluster, and nothing is copied.

What the target needs is a client: `client_files.py` carries Ceph's configuration and the services'
keys, and `proof.py` asks the target's own client and the source's for the same, image by image.
"""

# why it is refused although the code is there; "" once a whole cloud on a real cluster was moved
UNSHOWN = "which was not shown on a real Ceph cluster yet"
# the same of compute hosts whose servers' disks are there: the modules come with the release's
# environment and lead to the host's own packages, which a reinstall brings
DISKS_UNSHOWN = "and no such host was shown to come over on a real Ceph cluster yet"
