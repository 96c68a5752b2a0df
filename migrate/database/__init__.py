"""Databases: named, fingerprinted, copied, compared, brought to the target's release."""
