"""Certificates for tests, of an authority that nobody knows but by its file."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

PEM, PLAIN = serialization.Encoding.PEM, serialization.NoEncryption()
SIGNS = dict.fromkeys(
    (
        *("content_commitment", "key_encipherment", "data_encipherment", "key_agreement"),
        *("crl_sign", "encipher_only", "decipher_only", "digital_signature"),
    ),
    False,
)


class Authority:
    """One that signs for a day; `pem` is what its clients are given."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name("an authority of the tests")
        own = self._certificate(self._name, self._key.public_key(), signs=True)
        self.pem = own.sign(self._key, hashes.SHA256()).public_bytes(PEM).decode()

    def signed(self, name: str) -> str:
        """A certificate for the host *name*, or its address, and the key of that."""
        key = ec.generate_private_key(ec.SECP256R1())
        made = self._certificate(_name(name), key.public_key(), signs=False)
        names = x509.SubjectAlternativeName([_general(name)])
        certificate = made.add_extension(names, critical=False).sign(self._key, hashes.SHA256())
        private = key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, PLAIN)
        return (certificate.public_bytes(PEM) + private).decode()

    def _certificate(
        self, subject: x509.Name, key: ec.EllipticCurvePublicKey, *, signs: bool
    ) -> x509.CertificateBuilder:
        now, ours = datetime.now(UTC), self._key.public_key()
        made = x509.CertificateBuilder(self._name, subject, key, x509.random_serial_number())
        made = made.not_valid_before(now - timedelta(days=1))
        made = made.not_valid_after(now + timedelta(days=1))
        made = made.add_extension(x509.BasicConstraints(ca=signs, path_length=None), critical=True)
        made = made.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(ours), critical=False
        )
        if not signs:
            return made
        made = made.add_extension(x509.SubjectKeyIdentifier.from_public_key(ours), critical=False)
        return made.add_extension(x509.KeyUsage(key_cert_sign=True, **SIGNS), critical=True)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)
