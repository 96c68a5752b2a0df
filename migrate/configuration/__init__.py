"""Configuration: the source's files, translated for the target's release."""
