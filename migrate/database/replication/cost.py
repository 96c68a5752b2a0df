"""What it costs not to follow: the logical copy, inside the window."""

ROWS, ROW_BYTES, SECONDS = 300_000, 255, 4.17


def seconds(data: int) -> float:
    """How long a window with *data* bytes in its tables compares and copies them, by estimate.

    From one measurement: 300,000 rows of one table, one in a hundred changed, took 4.17 s from
    fingerprint to proof. The table is brought whole, so this is the price where every table has
    changed since the first pass. A row is taken for one of `tests/bench/databases.py`: 255 bytes
    with its header, counted by the definition there, not measured.
    """
    return data * SECONDS / (ROWS * ROW_BYTES)


def told(data: int) -> str:
    """The same for people: a clause that stands by itself."""
    return (
        f"{data / 1e9:.1f} GB would be compared, and what changed of it copied, inside the window: "
        f"up to about {seconds(data):.0f} s, by estimate"
    )
