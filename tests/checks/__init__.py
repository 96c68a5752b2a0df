"""Each check against real machines of which the one thing is broken that it is there to find."""
