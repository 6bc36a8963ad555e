"""`certs`: an authority of a laboratory, and the TLS pairs that it signs."""

import ipaddress
from datetime import UTC, datetime, timedelta
from inspect import signature
from pathlib import Path
from typing import Annotated

import typer
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from conf.runtime.exit_codes import ExitCode
from conf.runtime.status_files import write_bytes
from conf.settings import settings
from lakehouse.identity.devices import is_device_id
from scripts.console import console, fail, new_app

app = new_app(None)
AUTHORITY_LIFE = timedelta(days=3650)
PAIR_LIFE = timedelta(days=397)
LOOPBACK_NAMES = ("localhost", "127.0.0.1")
KEY_USAGES = tuple(signature(x509.KeyUsage).parameters)  # digital_signature, key_cert_sign, crl_sign, …


@app.command()
def certs(
    host: Annotated[
        list[str] | None, typer.Option(help="further name or address of this machine; can be repeated")
    ] = None,
    device: Annotated[
        list[str] | None,
        typer.Option(help="id of a device that connects with a certificate; can be repeated"),
    ] = None,
) -> None:
    """Make TLS certificates for a laboratory: an authority once, a new pair for MQTT, and for each device."""
    if wrong := [name for name in device or [] if not is_device_id(name)]:
        fail(f"{wrong[0]} is not the id of a device: 3 to 64 of A-Z, 0-9 and -", ExitCode.USAGE)
    folder = settings().home / "tls"
    folder.mkdir(parents=True, exist_ok=True)
    authority = Authority(folder)
    names = (*LOOPBACK_NAMES, *(host or []))
    authority.issue("server", "lumbung", names, ExtendedKeyUsageOID.SERVER_AUTH)
    for device_id in device or []:
        authority.issue(device_id, device_id, (), ExtendedKeyUsageOID.CLIENT_AUTH)
    console.print(f"certificates are in {folder}; start the gateway with", markup=False)
    print(f"export MQTT_TLS_CERT={folder / 'server.pem'}")
    print(f"export MQTT_TLS_KEY={folder / 'server-key.pem'}")
    print(f"export MQTT_TLS_CA={authority.file}")


class Authority:
    """The authority of a folder, made when there is none; its key never leaves the folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.file = folder / "ca.pem"
        key_file = folder / "ca-key.pem"
        if self.file.exists() and key_file.exists():
            self._certificate = x509.load_pem_x509_certificate(self.file.read_bytes())
            key = serialization.load_pem_private_key(key_file.read_bytes(), password=None)
            assert isinstance(key, ec.EllipticCurvePrivateKey)
            self._key = key
            return
        self._key = ec.generate_private_key(ec.SECP256R1())
        name = _name("Lumbung laboratory")
        self._certificate = (
            _builder(name, name, self._key.public_key(), AUTHORITY_LIFE)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage("key_cert_sign", "crl_sign"), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        _write_key(key_file, self._key)
        write_bytes(self.file, _pem(self._certificate), is_private=True)

    def issue(
        self, file_name: str, common_name: str, names: tuple[str, ...], usage: x509.ObjectIdentifier
    ) -> None:
        """Write `<file_name>.pem`, the certificate and that of the authority, and `<file_name>-key.pem`."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = (
            _builder(_name(common_name), self._certificate.subject, key.public_key(), PAIR_LIFE)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage("digital_signature"), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False
            )
        )
        if names:
            alternatives = x509.SubjectAlternativeName([_general_name(name) for name in names])
            builder = builder.add_extension(alternatives, critical=False)
        certificate = builder.sign(self._key, hashes.SHA256())
        _write_key(self._folder / f"{file_name}-key.pem", key)
        write_bytes(
            self._folder / f"{file_name}.pem", _pem(certificate) + _pem(self._certificate), is_private=True
        )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, life: timedelta
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))  # clocks of devices may be behind
        .not_valid_after(now + life)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _key_usage(*allowed: str) -> x509.KeyUsage:
    return x509.KeyUsage(**{name: name in allowed for name in KEY_USAGES})


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _write_key(file: Path, key: ec.EllipticCurvePrivateKey) -> None:
    pem = serialization.Encoding.PEM
    pkcs8 = serialization.PrivateFormat.PKCS8
    write_bytes(file, key.private_bytes(pem, pkcs8, serialization.NoEncryption()), is_private=True)


if __name__ == "__main__":
    app(prog_name="./run.sh certs")
