"""Nothing can be lost: the real program killed, cut off and misled, and what the machines are then.

`pytest -m rig tests/faults` is the fast set; `make faults` the whole one.
"""
