"""A source whose databases stand on several hosts."""
