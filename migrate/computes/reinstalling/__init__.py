"""A compute host is made anew by whoever makes machines, and is the same host after it.

What is its own (`kept.py`, data) stands on a controller of the target meanwhile (`keeping.py`),
with how far all of it is: a desk that has lost its papers finds it there. `anew.py` has the
operator's command make the system and asks the host whether it did; `own.py` puts back what was
kept.
"""
