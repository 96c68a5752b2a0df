"""The cluster beneath images, volumes and servers: what it is, and how its daemons are renewed."""

# why it is refused although the code is there; "" once it was shown beneath a whole cloud
UNSHOWN = "the steps of which were shown on a cluster alone, and not yet beneath a whole cloud"
