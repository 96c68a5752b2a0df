"""The target's databases follow the source's, until the window."""
