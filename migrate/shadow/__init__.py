"""The release's own APIs on an upgraded clone, which must answer what the source answers."""
