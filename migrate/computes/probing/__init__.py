"""Which hosts live-migrate servers to each other: what decides it, and what was tried of it.

No API tells whether a server can go from one host to another, and back. So it is tried by servers
made for it (`verify/probe.py`), once for each combination in use of what decides it.
"""
