#!/bin/bash
# enter.sh LAYER FOLDER CACHE SOURCE SPACE COMMAND: run COMMAND by bash as root of a bare Debian 12.
# Run in mount and process namespaces of its own: what it mounts and starts ends with it. What it
# wrote stays in FOLDER for the next call. CACHE is bound in, SOURCE at /source, read-only.
set -euo pipefail
layer=$1 folder=$2 cache=$3 source=$4 space=$5 command=$6
root=$folder/root
mkdir -p "$folder"/{upper,work,state,root}
mount -t overlay bare -o "lowerdir=$layer,upperdir=$folder/upper,workdir=$folder/work" "$root"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mkdir -p "$root/run/lock" "$root/source" "$root$cache" "$root/var/lib/sidestep"
mount --bind -o ro "$source" "$root/source"
mount --bind "$cache" "$root$cache"
mount --bind "$folder/state" "$root/var/lib/sidestep" # an overlay cannot stand on an overlay
# how this host reaches its package registries, and who it is, and nothing else of it
cp /etc/machine-id /etc/resolv.conf "$root/etc/"
[ ! -e /etc/pip.conf ] || cp /etc/pip.conf "$root/etc/"
cp -a /etc/ssl/certs/. "$root/etc/ssl/certs/"
cp -a /usr/local/share/ca-certificates "$root/usr/local/share/"
cp /etc/apt/apt.conf.d/99* "$root/etc/apt/apt.conf.d/" 2>/dev/null || true
for name in http_proxy https_proxy no_proxy GOPROXY GOSUMDB PIP_INDEX_URL UV_INDEX_URL SSL_CERT_FILE \
  SSL_CERT_DIR PIP_CERT CURL_CA_BUNDLE REQUESTS_CA_BUNDLE GIT_SSL_CAINFO; do
  [ -z "${!name:-}" ] || given+=("$name=${!name}")
done
inside='mount -t sysfs sysfs "$0/sys"; mount --rbind /run/groups "$0/sys/fs/cgroup"; exec chroot "$@"'
mkdir -p /run/groups && mount -t tmpfs tmpfs /run/groups
# control groups of its own: a machine in it and one of this host may bear the same name
mapfile -t mounted </proc/self/mounts
for line in "${mounted[@]}"; do
  read -r _ where kind options _ <<<"$line"
  [[ $kind == cgroup2 || $kind,$options == cgroup,*name=systemd* ]] || continue
  mkdir -p "$where/sidestep-bare" "/run/groups/${where#/sys/fs/cgroup}"
  mount --bind "$where/sidestep-bare" "/run/groups/${where#/sys/fs/cgroup}"
  echo $$ >"$where/sidestep-bare/cgroup.procs" # its name space begins where it stands
done
exec unshare --cgroup nsenter --net="/run/netns/$space" -- env -i HOME=/root TERM=dumb \
  PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
  UV_CACHE_DIR="$cache/uv" UV_LINK_MODE=copy SIDESTEP_CACHE="$cache" "${given[@]}" \
  bash -euc "$inside" "$root" "$root" bash -euc "$command"
