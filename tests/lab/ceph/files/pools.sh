# Pools as OpenStack has them, and a user for each service.
set -euo pipefail
pools="images volumes vms backups"
for pool in $pools; do ceph osd pool create $pool 8; done
for pool in $pools; do rbd pool init $pool & jobs="${jobs:-} $!"; done
for job in $jobs; do wait "$job"; done
user() { # NAME CAPS-OF-OSD CAPS-OF-MGR
  ceph auth get-or-create "client.$1" mon 'profile rbd' osd "$2" mgr "$3" \
    -o "/etc/ceph/ceph.client.$1.keyring"
}
uses='profile rbd pool=volumes, profile rbd pool=vms'
user glance 'profile rbd pool=images' 'profile rbd pool=images'
user cinder "$uses, profile rbd-read-only pool=images" "$uses"
user nova "$uses, profile rbd-read-only pool=images" "$uses"
user cinder-backup 'profile rbd pool=backups' 'profile rbd pool=backups'
