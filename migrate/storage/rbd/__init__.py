"""Ceph RBD: both sides use the cluster, and nothing is copied.

What the target needs is a client: `client_files.py` carries Ceph's configuration and the services'
keys, and `proof.py` asks the target's own client and the source's for the same, image by image.
"""
