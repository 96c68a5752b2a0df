"""The image that servers of the lab boot: Debian's cloud kernel and busybox, up in seconds."""

from __future__ import annotations

import lzma
import shutil
import subprocess
from pathlib import Path

from infra.nspawn import layers
from tests.lab import initramfs

FILES = Path(__file__).with_name("files") / "guest"
MODULES = ("failover", "net_failover", "virtio_net", "virtio_blk", "virtio-rng")
APPLETS = (
    "sh mount insmod ip udhcpc httpd nc wget cat ls sleep hostname ping route poweroff dmesg dd"
)
UNPACK = """
cd /tmp
newest='s/.*Depends: \\(linux-image-[0-9].*\\)/\\1/p'
kernel=$(apt-cache depends linux-image-cloud-amd64 | sed -n "$newest")
apt-get -qq download $kernel busybox-static
mkdir -p /guest/kernel /guest/busybox
dpkg-deb -x linux-image*.deb /guest/kernel
dpkg-deb -x busybox*.deb /guest/busybox
rm -f *.deb
"""


def image() -> Path:
    """A folder with `vmlinuz`, `initrd.gz` and `root.raw`."""
    unpacked = layers.packaged("kernel", [], layers.bare(), finish=UNPACK)
    texts = [path.read_bytes() for path in (*sorted(FILES.iterdir()), Path(__file__))]
    key = layers.digest(unpacked.name, *texts)
    return layers.cached("guest", key, lambda target: _build(unpacked / "guest", target))


def _build(unpacked: Path, target: Path) -> None:
    root = target / "root"
    for folder in ("bin", "proc", "sys", "dev", "tmp", "etc", "m", "www", "usr/share/udhcpc"):
        (root / folder).mkdir(parents=True)
    shutil.copy(next(unpacked.rglob("bin/busybox")), root / "bin/busybox")
    for applet in APPLETS.split():
        (root / "bin" / applet).symlink_to("busybox")
    for name in MODULES:
        for packed in unpacked.rglob(f"{name}.ko*"):
            _unpack(packed, root / "m" / f"{name}.ko")
    for name, place in (("init", "init"), ("lease", "usr/share/udhcpc/lease")):
        shutil.copy(FILES / name, root / place)
        (root / place).chmod(0o755)
    shutil.copy(next(unpacked.rglob("vmlinuz-*")), target / "vmlinuz")
    initramfs.write(root, target / "initrd.gz")
    with (target / "root.raw").open("wb") as disk:
        disk.truncate(16 << 20)
    shutil.rmtree(root)


def _unpack(packed: Path, target: Path) -> None:
    if packed.suffix == ".xz":
        target.write_bytes(lzma.decompress(packed.read_bytes()))
    elif packed.suffix == ".zst":
        target.write_bytes(subprocess.check_output(["zstd", "-dc", str(packed)]))
    else:
        shutil.copy(packed, target)
