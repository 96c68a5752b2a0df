"""The README's first commands on a bare Debian 12, in a root and a network of its own."""
