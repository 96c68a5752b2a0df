# What users of a cloud leave in its pools: an image, clones of it, a volume with a snapshot.
set -euo pipefail
data=$(mktemp)
head -c 16M /dev/urandom >"$data"
glance="rbd --id glance" cinder="rbd --id cinder" nova="rbd --id nova"
$glance import --no-progress "$data" images/base
$glance snap create images/base@snap
$glance snap protect images/base@snap
$cinder clone images/base@snap volumes/clone
$nova clone images/base@snap vms/server_disk
for image in volumes/clone vms/server_disk; do
  $cinder bench --io-type write --io-size 64K --io-total 2M --io-pattern rand $image
done
head -c 16M /dev/urandom >"$data"
$cinder import --no-progress "$data" volumes/plain
$cinder snap create volumes/plain@before
$cinder bench --io-type write --io-size 64K --io-total 1M volumes/plain
rbd --id cinder-backup import --no-progress "$data" backups/backup
rm "$data"
