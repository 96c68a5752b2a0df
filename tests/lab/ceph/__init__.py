"""A small Ceph cluster of the source's release, and a bare machine of the new one beside it.

    python -m tests.lab.ceph up|down|status

A monitor, manager and gateway, two OSD hosts and a client, all Debian 12 with Ceph 16.2, in
10.78.14.0/24.
"""
