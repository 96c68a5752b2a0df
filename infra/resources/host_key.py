"""`HostKey`: a server's ssh host key, made before the server so that its first login is checked."""

from __future__ import annotations

import fcntl
from pathlib import Path

import pulumi
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pulumi import dynamic

from infra.resources.guarded import Guarded, Props
from migrate.cloud import settings
from migrate.errors import SettingsError


class HostKeyProvider(Guarded):
    """Keeps the public half in the stack's known hosts file."""

    def what(self, props: Props) -> str:
        return f"the host key of {props['address']}"

    def diff(self, _id: str, olds: Props, news: Props) -> dynamic.DiffResult:
        moved = olds["address"] != news["address"]
        return dynamic.DiffResult(changes=moved, replaces=["address"] if moved else [])

    def make(self, props: Props) -> dynamic.CreateResult:
        key = Ed25519PrivateKey.generate()
        private = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.OpenSSH,
            serialization.NoEncryption(),
        ).decode()
        public = (
            key.public_key()
            .public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
            .decode()
        )
        _know(props, public)
        outs = {**props, "private": private, "public": public}
        return dynamic.CreateResult(props["address"], outs)

    def remove(self, props: Props) -> None:
        _know(props, None)


def _know(props: Props, public: str | None) -> None:
    """Put *public* in the place of whatever key was known for the address."""
    path = settings.load(props["stack"]).ssh.known_hosts
    if path is None:
        raise SettingsError(
            "sidestep:ssh.knownHosts: name a file; the host keys of new servers go into it"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    with Path(f"{path}.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        lines = path.read_text().splitlines() if path.exists() else []
        kept = [line for line in lines if line.split(" ")[0] != props["address"]]
        if public:
            kept.append(f"{props['address']} {public}")
        path.write_text("".join(f"{line}\n" for line in kept))


class HostKey(dynamic.Resource, module="infra", name="HostKey"):
    """Properties: `public`, and `private`, which the state holds encrypted."""

    private: pulumi.Output[str]
    public: pulumi.Output[str]

    def __init__(self, name: str, address: str, opts: pulumi.ResourceOptions | None = None) -> None:
        props = {
            "stack": pulumi.get_stack(),
            "address": address,
            "private": None,
            "public": None,
        }
        hidden = pulumi.ResourceOptions(additional_secret_outputs=["private"])
        super().__init__(HostKeyProvider(), name, props, pulumi.ResourceOptions.merge(opts, hidden))
