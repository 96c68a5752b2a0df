"""The Pulumi program, and what it needs to make machines of its own."""
