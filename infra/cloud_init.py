"""User data of a new server: who may log in, its ssh host key, where the database's volume goes."""

from __future__ import annotations

import json


def user_data(
    *, name: str, user: str, authorised: str, host_key: tuple[str, str], volume: str
) -> str:
    """A cloud-config, plain text: gzip with base64 is not served by every metadata service.

    *host_key* is (private, public): made before the server, so that its first login is checked.
    The volume is known to the guest by the first 20 characters of its id; systemd makes a file
    system on it when it has none, and a rebuilt server finds its data again.
    """
    device = f"/dev/disk/by-id/virtio-{volume[:20]}"
    options = "defaults,nofail,x-systemd.makefs,x-systemd.device-timeout=180"
    account: dict[str, object] = {"name": user, "ssh_authorized_keys": [authorised]}
    if user != "root":
        account |= {"sudo": "ALL=(ALL) NOPASSWD:ALL", "shell": "/bin/bash", "lock_passwd": True}
    config = {
        "hostname": name,
        "preserve_hostname": False,
        "manage_etc_hosts": True,
        "disable_root": user != "root",
        "ssh_deletekeys": True,
        "ssh_keys": {"ed25519_private": host_key[0], "ed25519_public": host_key[1]},
        "users": [account],
        "write_files": [
            {
                "path": "/etc/fstab",
                "append": True,
                "content": f"{device} /var/lib/mysql ext4 {options} 0 2\n",
            }
        ],
        "runcmd": [["systemctl", "daemon-reload"], ["systemctl", "start", "local-fs.target"]],
    }
    return "#cloud-config\n" + json.dumps(config, indent=1)  # JSON is YAML
