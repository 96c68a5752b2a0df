"""The cluster beneath images, volumes and servers: what it is, and how its daemons are renewed."""
