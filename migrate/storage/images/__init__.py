"""Glance's file store: pulled while the cloud serves, brought up to date and proven in the window.

What counts is the database: the source's while it serves, the target's copy of it in the window.
Every file on the target is hashed there and compared with what glance recorded when the image was
made (`os_hash_value`, older images: `checksum`), sizes too. A hash made in `follow` is believed in
the window only while the file's identity, ctime included, is unchanged (migrate/onhost/hashes.py);
`wrong(context, fresh=True)` reads every byte again.

    findings(context)          images that are neither copied nor proven
    wrong(context, fresh=...)  every file that is not what glance recorded
"""

from migrate.storage.images.catalog import findings
from migrate.storage.images.image_passes import wrong

__all__ = ["findings", "wrong"]
