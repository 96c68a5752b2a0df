"""What compute hosts need before servers move between them: an operator has it long before.

Nova goes from host to host over ssh with a key of its own. libvirt without authentication would do
in a lab; this is what stands in clouds.
"""

from __future__ import annotations

import time

from tests.lab import identity, nfs
from tests.lab.remote import script
from tests.lab.settings import Lab

FOLDER = "/var/lib/nova/.ssh"
KEY = f"{FOLDER}/id_ed25519"
SETTINGS = "/etc/nova/nova-compute.conf"
KEPT = "/var/lib/nova/before-migrations.conf"
HEARD_SECONDS = 240.0

# servers of the lab have a kernel of their own, which nova takes for a broken disk when it moves
# them; the host's name or its address is what is connected to
ADDED = """
[libvirt]
live_migration_uri = qemu+ssh://nova@%s/system?keyfile={key}
live_migration_inbound_addr = {address}
[workarounds]
disable_deep_image_inspection = true
"""
MAKE_KEY = f"""
install -d -o nova -g nova -m 700 {FOLDER}
nova="setpriv --reuid nova --regid nova --init-groups"
test -f {KEY} || $nova ssh-keygen -qt ed25519 -N '' -f {KEY}
cat {KEY}.pub
cut -d' ' -f1,2 /etc/ssh/ssh_host_ed25519_key.pub
"""
SHARE = """set -e
grep -q ^shared_filesystems /etc/libvirt/qemu.conf && exit 0
echo 'shared_filesystems = [ "/var/lib/nova/mnt" ]' >>/etc/libvirt/qemu.conf
# in this order: nova-compute closes its host where libvirt goes away beneath it
systemctl stop nova-compute
systemctl restart libvirtd
systemctl start nova-compute
"""
REMOVE = f"""
test -f {KEPT} || exit 0
cat {KEPT} >{SETTINGS}
sed -i '/^shared_filesystems/d' /etc/libvirt/qemu.conf
rm -rf {KEPT} {FOLDER} /etc/ssh/ssh_known_hosts
systemctl restart nova-compute
"""


def make(lab: Lab) -> None:
    """Let servers move between the compute hosts; safe to repeat."""
    made = {name: script(lab, name, MAKE_KEY).splitlines()[-2:] for name in lab.computes}
    keys = "\n".join(key for key, _ in made.values())
    known = "\n".join(f"{name},{lab.addresses[name]} {of}" for name, (_, of) in made.items())
    heard = _heard(lab)
    for name in lab.computes:
        added = ADDED.format(key=KEY, address=lab.addresses[name])
        script(
            lab,
            name,
            f"""set -e
cat >/etc/ssh/ssh_known_hosts <<'EOF'
{known}
EOF
install -o nova -g nova -m 600 /dev/stdin {FOLDER}/authorized_keys <<'EOF'
{keys}
EOF
test -f {KEPT} && exit 0
cp -p {SETTINGS} {KEPT}
cat >>{SETTINGS} <<'EOF'
{added}EOF
systemctl restart nova-compute
""",
        )
    _wait(lab, heard)
    heard = _heard(lab)
    for name in lab.computes:
        nfs.give(lab, name)
        script(lab, name, SHARE)
    _wait(lab, heard)


def remove(lab: Lab) -> None:
    """The compute hosts as they were before."""
    heard = _heard(lab)
    for name in lab.computes:
        nfs.take(lab, name)
        script(lab, name, REMOVE)
    _wait(lab, heard)


def _heard(lab: Lab) -> dict[str, str]:
    found = identity.connect(lab).compute.services(binary="nova-compute")
    return {one.host: one.updated_at for one in found if one.state == "up"}


def _wait(lab: Lab, before: dict[str, str]) -> None:
    """Until each compute host was heard since *before*."""
    deadline = time.monotonic() + HEARD_SECONDS
    while not all(_heard(lab).get(name, at) != at for name, at in before.items()):
        assert time.monotonic() < deadline, f"nova does not hear {', '.join(before)}"
        time.sleep(2)
