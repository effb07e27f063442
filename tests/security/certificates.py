"""Certificates for the tests of TLS, made by openssl: a CA, servers and clients that it signs."""

import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Authority:
    """A CA of its own in a folder, and the certificate of a server at 127.0.0.1."""

    folder: Path
    ca: Path
    server_bundle: Path
    """Key and certificate in one file."""

    @classmethod
    def make(cls, folder: Path) -> "Authority":
        """A new CA, and a server's certificate."""
        folder.mkdir(parents=True)
        _openssl(
            *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
            *("-keyout", folder / "ca.key", "-out", folder / "ca.pem", "-days", "30"),
            *("-subj", "/CN=the tests' authority"),
        )
        authority = cls(folder, folder / "ca.pem", folder / "server.bundle.pem")
        certificate, key = authority.sign("server", days=30)
        authority.server_bundle.write_text(key.read_text() + certificate.read_text())
        return authority

    def sign(self, name: str, *, days: int) -> tuple[Path, Path]:
        """(certificate, key) of `name` at 127.0.0.1; it ended already with negative days."""
        certificate, key = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        request, extensions = self.folder / f"{name}.csr", self.folder / f"{name}.ext"
        extensions.write_text("subjectAltName=IP:127.0.0.1\n")
        _openssl(
            *("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
            *("-keyout", key, "-out", request, "-subj", f"/CN={name}"),
        )
        _openssl(
            *("x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", self.folder / "ca.key"),
            *("-out", certificate, "-extfile", extensions),
            *("-days", days),
        )
        return certificate, key


def _openssl(*arguments: object) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, timeout=120)
