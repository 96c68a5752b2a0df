"""Resources of our own: each a thin shell over `migrate`, stored in the state by reference."""
