"""Debian packages are installed without starting anything: scripts for a host."""

SECONDS = 1800
OPTIONS = (
    "Dpkg::Use-Pty=0",
    "Dpkg::Options::=--force-confold",
    "DPkg::Lock::Timeout=120",
    "APT::Keep-Downloaded-Packages=false",
)
APT = " ".join(("apt-get -y -q", *(f"-o {option}" for option in OPTIONS)))

# of the packages that it is given; nothing may start before its own part has configured it:
# Debian's own switch for that
INSTALL = f"""
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
switch=/usr/sbin/policy-rc.d
[ ! -e "$switch" ] || mv "$switch" "$switch.before-sidestep"
restore() {{
  rm -f "$switch"
  [ ! -e "$switch.before-sidestep" ] || mv "$switch.before-sidestep" "$switch"
}}
trap restore EXIT
printf '#!/bin/sh\\nexit 101\\n' >"$switch"; chmod 755 "$switch"
{APT} update >&2 </dev/null
{APT} install --no-install-recommends "$@" >&2 </dev/null
systemctl daemon-reload
# a message bus that runs knows no user made since: polkit would not start, nor libvirt let nova in
! systemctl is-active -q dbus || systemctl reload dbus
"""
