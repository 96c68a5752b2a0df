"""`migrate backup`: what the source is, stored elsewhere, and proven by restoring what was stored.

Below the URL: `<stack>/<time>/` with `databases.sql.gz`, `accounts.json`, `etc/<host>.tar.gz`,
`packages/<host>.txt`, `fingerprint.json` and, written last, `manifest.json`, which has size and
SHA-256 of every file as it is stored; `<stack>/latest` names the newest. Bytes stream through this
process with constant memory. They cross the network inside ssh and, where a passphrase is given
(see `seal`), are encrypted before they are stored; without one nothing goes to an `s3://` URL.
"""

from migrate.storage.backup.proof import restore_proof
from migrate.storage.backup.take import back_up, manifest

__all__ = ["back_up", "manifest", "restore_proof"]
