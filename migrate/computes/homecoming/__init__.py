"""Servers on the way back of the whole cloud: none runs on that the source would run again.

Users moved, made and connected servers on the target. The source's nova would start a server where
its database names it, beside the one that runs elsewhere, and open a disk twice; its neutron would
hand out addresses again, its cinder volumes that a guest has open. So one that was moved is brought
back while the target serves (`moved.py`), and before anything of the window
is undone such a server is stopped, or what it was given is detached, and that is proven on every
compute host.

A dead target is no reason to refuse: what runs is compared with the source's databases alone, and
stopped on its host. Refusing would leave a cloud that is closed on both sides; a server that is off
can be started again, a disk that was open twice cannot be mended.
"""
