#!/bin/sh
# launch.sh NAME ROOT BRIDGE MAC0 MAC1 "GROUP..." [NSPAWN OPTION...]
# Boots the machine again and again until it powers off. Network and control group are made anew
# for each boot, as hardware would: no address or packet filter survives a reboot.
name=$1 root=$2 bridge=$3 mac0=$4 mac1=$5 groups=$6
shift 6
space=sidestep-$name

card() { # OUTSIDE INSIDE MAC
  ip link del "$1" 2>/dev/null
  ip link add "$1" type veth peer name "$2" netns "$space" address "$3" &&
    ip link set "$1" master "$bridge" up
}

while :; do
  for group in $groups; do
    mkdir -p "$group" && echo $$ >"$group/cgroup.procs"
  done
  ip netns del "$space" 2>/dev/null
  ip netns add "$space" &&
    card "h-$name" host0 "$mac0" &&
    card "p-$name" phy0 "$mac1" &&
    ip -n "$space" link set phy0 up &&
    ip netns exec "$space" ethtool -K phy0 tx off >/dev/null || exit 1
  UNIFIED_CGROUP_HIERARCHY=1 SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 \
    SYSTEMD_NSPAWN_API_VFS_WRITABLE=network systemd-nspawn \
    --quiet --boot --register=no --keep-unit --machine="$name" --directory="$root" \
    --network-namespace-path="/run/netns/$space" --capability=all \
    --link-journal=no --resolv-conf=off --timezone=off "$@"
  [ $? -eq 133 ] || break # 133: rebooted from inside
done
ip netns del "$space"
