# The key of a user, as libvirt hands it to QEMU. UUID, USER, KEY
set -euo pipefail
systemctl start libvirtd
made=$(mktemp -d)
cat >"$made/secret.xml" <<END
<secret ephemeral='no' private='no'>
  <uuid>$UUID</uuid>
  <usage type='ceph'><name>$USER</name></usage>
</secret>
END
virsh -q secret-define "$made/secret.xml"
printf %s "$KEY" >"$made/key"
virsh -q secret-set-value "$UUID" --file "$made/key"
rm -r "$made"
