"""A source whose database stands on a host of its own."""
