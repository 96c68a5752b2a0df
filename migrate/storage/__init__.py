"""Images, volumes and backups: what holds data beside the databases."""
