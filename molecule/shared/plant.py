"""The secrets and certificates of a scenario, made new for each run: python plant.py DIRECTORY NAME=ADDRESS...

Every secret is a word of its own that occurs nowhere else, so that a test can look for it in everything that the machines keep.
"""

from __future__ import annotations

import secrets
import subprocess
import sys
from pathlib import Path

from lab.certificates import Authority

WORDS = ("admin", "orders", "invoices", "orders-restic", "invoices-restic", "store", "keyfile")


def main(directory: Path, *servers: str) -> None:
    """Make the secrets and certificates that do not exist yet."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    for word in WORDS:
        path = directory / f"{word}.password"
        if not path.exists():
            path.write_text(f"planted{secrets.token_hex(12)}")
    if (directory / "ca.pem").exists():
        return
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(directory / "ssh")], check=True)
    authority = Authority("molecule")
    for server in servers:
        name, _, address = server.partition("=")
        authority.issue(directory / f"{name}.pem", name, address, host=name)
    authority.issue(directory / "agent.pem", "agent")
    authority.issue(directory / "admin.pem", "admin")
    (directory / "ca.pem").write_bytes(authority.pem)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
