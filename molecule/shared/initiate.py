"""Initiates a set with an administrator, by the localhost exception: python initiate.py SECRETS NAME PORT HOST...

To be run in the network namespace of the first host.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import pymongo
from pymongo.errors import OperationFailure, PyMongoError

SECONDS = 60


def main(directory: Path, name: str, port: int, hosts: list[str]) -> None:
    """Initiate the set and create the administrator, unless that has been done."""
    options: dict[str, Any] = {
        "tls": True,
        "tlsCAFile": str(directory / "ca.pem"),
        "tlsCertificateKeyFile": str(directory / "admin.pem"),
        "tlsAllowInvalidHostnames": True,
        "directConnection": True,
    }
    password = (directory / "admin.password").read_text()
    with pymongo.MongoClient("127.0.0.1", port, username="admin", password=password, **options) as known:
        try:
            known.admin.command("ping")
            return
        except OperationFailure:
            pass
    with pymongo.MongoClient("127.0.0.1", port, **options) as client:
        members = [{"_id": number, "host": f"{host}:{port}"} for number, host in enumerate(hosts)]
        # The first becomes the primary, where nothing else happens.
        members[0]["priority"] = 2
        client.admin.command("replSetInitiate", {"_id": name, "members": members})
        _until_primary(client)
        client.admin.command("createUser", "admin", pwd=password, roles=["root"])


def _until_primary(client: pymongo.MongoClient[dict[str, Any]]) -> None:
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        try:
            if client.admin.command("hello")["isWritablePrimary"]:
                return
        except PyMongoError:
            pass
        time.sleep(0.2)
    raise SystemExit(f"expected a primary within {SECONDS} s, found none")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4:])
