"""The job's configuration: strict, with the defaults beside the fields. See docs/agent-cli.md for an example."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_core import ErrorDetails

from backup_agent.errors import AccessRefused, BadConfiguration

SOCKET_PATH_LIMIT = 107
"""Longest path of a Unix socket on Linux, in bytes (unix(7): sun_path holds 108 with the final zero)."""

SOCKET_NAME = "g000000.sock"


def has_credentials(location: str) -> bool:
    """Say whether the location of a repository carries a password, or by HTTP a user. Pure."""
    return bool(re.search(r"https?://.*@|//[^/]*:[^/]*@", location))


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Tls(_Strict):
    """TLS towards the source; the presence of this block switches it on."""

    ca_file: Path | None = None
    certificate_key_file: Path | None = None
    allow_invalid_hostnames: bool = False


class Source(_Strict):
    """The replica set that is backed up."""

    uri: str
    replica_set: str
    username: str | None = None
    password_file: Path | None = None
    auth_source: str = "admin"
    auth_mechanism: str | None = None
    tls: Tls | None = None
    plaintext: bool = False
    """Whether it is on purpose that there is no TLS on the way to another machine."""
    hosts: tuple[str, ...] = ()
    """Patterns of the hosts that the agent logs in at; none of them stand for whatever the set names."""
    prefer: tuple[str | dict[str, str], ...] = ()
    max_lag_seconds: int = Field(default=60, ge=1)
    connect_timeout_seconds: float = Field(default=5, gt=0, le=60)
    answer_timeout_seconds: float = Field(default=20, ge=1, le=120)

    @field_validator("uri")
    @classmethod
    def _no_secret_in_uri(cls, value: str) -> str:
        if not value.startswith(("mongodb://", "mongodb+srv://")):
            raise ValueError("expected a URI that starts with mongodb:// or mongodb+srv://")
        if "@" in value.partition("?")[0]:  # in a password that was not quoted there may be a slash
            raise ValueError("expected no credentials in the URI; name them with username and password_file")
        return value


class Head(_Strict):
    """The private mongod that holds the copy."""

    mongod: Path
    cache_mb: int = Field(default=256, ge=256)
    socket_directory: Path | None = None


class Repository(_Strict):
    """The restic repository that holds the snapshots."""

    location: str
    password_file: Path
    environment_file: Path | None = None
    """Keys of an object store, or the login at a rest-server: see repository/environment.py."""
    restic: str = "restic"

    @field_validator("location")
    @classmethod
    def _no_secret_in_location(cls, value: str) -> str:
        if has_credentials(value):
            raise ValueError(
                "expected no credentials in it; put RESTIC_REST_USERNAME and RESTIC_REST_PASSWORD, or the keys of the store, "
                "into a file of its own, and name that with environment_file"
            )
        return value


class Snapshots(_Strict):
    """When snapshots are taken and how many are kept."""

    interval_hours: float = Field(default=6, ge=0)
    keep_last: int = Field(default=8, ge=1)
    prove: bool = True


class Config(_Strict):
    """Everything about one job."""

    job: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")]
    directory: Path
    source: Source
    head: Head
    repository: Repository
    snapshots: Snapshots = Snapshots()
    copy_threads: int = Field(default=2, ge=1, le=16)
    slice_keep_hours: float = Field(default=24, ge=0)
    archive_interval_minutes: float = Field(default=15, ge=0)
    verify_interval_hours: float = Field(default=24, ge=0)
    verify_parts: int = Field(default=14, ge=1, le=256)  # restic knows no more
    history_days: int = Field(default=365, ge=1)
    lag_warning_seconds: int = Field(default=300, ge=1)
    lag_critical_seconds: int = Field(default=3600, ge=1)
    disk_reserve_mb: int = Field(default=512, ge=1)
    log_level: Literal["debug", "info", "warning"] = "info"

    @field_validator("directory")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        if not value.is_absolute():
            raise ValueError("expected an absolute path")
        return value

    @property
    def disk_reserve_bytes(self) -> int:
        """With less room than this on a disk, everything that writes to it waits."""
        return self.disk_reserve_mb * 1024 * 1024

    @property
    def socket_directory(self) -> Path:
        """Where the sockets of the heads are."""
        return self.head.socket_directory or self.directory / "run"

    @property
    def reports(self) -> Path:
        """Where the reports of the operations are written."""
        return self.directory / "reports"

    @property
    def scratch(self) -> Path:
        """Where snapshots are restored to be proven."""
        return self.directory / "scratch"

    @property
    def state_file(self) -> Path:
        """The SQLite file with the job's state."""
        return self.directory / "state.sqlite"

    @property
    def lock_file(self) -> Path:
        """Held by the daemon as long as it lives."""
        return self.directory / "agent.lock"

    def generation_directory(self, generation: int) -> Path:
        """Return where a generation keeps its head and its slices."""
        return self.directory / "generations" / f"{generation:06d}"

    def password(self) -> str | None:
        """Read the password of the database user, without the newline at its end. Raises AccessRefused."""
        path = self.source.password_file
        if path is None:
            return None
        if refused := why_not_private("source.password_file", path):
            raise AccessRefused("login", refused)
        try:
            return path.read_text(encoding="utf-8").rstrip("\r\n")
        except OSError as error:
            raise AccessRefused(
                "login", f"source.password_file: expected a readable file, found {path}: {error.strerror}"
            ) from error
        except UnicodeDecodeError as error:
            raise AccessRefused(
                "login", f"source.password_file: expected text in UTF-8 in {path}, found none"
            ) from error


def why_not_private(option: str, path: Path) -> str | None:
    """Return what is wrong with a file that holds a secret, or None: others must not read it. One that is not there is no fault.

    What systemd hands over as a credential, a pipe, and a file without a name belong to this process alone, whatever their mode.
    """
    try:
        found = path.stat()
    except OSError:
        return None
    handed_over = os.environ.get("CREDENTIALS_DIRECTORY")
    if not stat.S_ISREG(found.st_mode) or found.st_nlink == 0 or (handed_over and path.is_relative_to(handed_over)):
        return None
    mode = stat.S_IMODE(found.st_mode)
    return f"{option}: expected mode 0600, found {mode:04o}; run chmod 0600 {path}" if mode & 0o077 else None


def _explain(error: ValidationError) -> str:
    return "; ".join(map(_explain_one, error.errors()))


def _explain_one(item: ErrorDetails) -> str:
    where = ".".join(str(part) for part in item["loc"]) or "the file"
    if item["type"] == "extra_forbidden":
        return f"{where}: unknown key; remove it or correct its spelling"
    if item["type"] == "missing":
        return f"{where}: missing; add it"
    return f"{where}: {item['msg']}{_found(item['loc'], item['input'])}"


def _found(where: tuple[int | str, ...], value: object) -> str:
    """Return what was found as the end of a sentence. What may hold a password is not quoted."""
    if where[-1:] in [("uri",), ("location",)]:
        return ""
    if value is not None and not isinstance(value, str | int | float):
        return f", found {type(value).__name__}"
    return ", found text with an @" if "@" in str(value) else f", found {value!r}"


@dataclass(frozen=True)
class Written:
    """A configuration file as it was when it was opened, and whose it is."""

    text: bytes
    status: os.stat_result


def read(path: Path) -> Written:
    """Read the file once: who owns what was read is known for sure. Raises BadConfiguration."""
    try:
        with open(path, "rb") as file:
            return Written(file.read(), os.fstat(file.fileno()))
    except OSError as error:
        raise BadConfiguration(
            f"expected a readable configuration file, found {path}: {error.strerror}; name it with --config"
        ) from error


def load(path: Path) -> Config:
    """Read and check the configuration. Root takes none of somebody else, who would name the files that root reads.

    Raises BadConfiguration with every wrong value, its place and the remedy.
    """
    written = read(path)
    if os.geteuid() == 0 != written.status.st_uid:
        raise BadConfiguration(
            f"expected a configuration of root, found {path} of user {written.status.st_uid}; run this as that user"
        )
    return parse(path, written.text)


def parse(path: Path, text: bytes) -> Config:
    """Check what was read from a configuration file. Raises BadConfiguration, see `load`."""
    try:
        data = yaml.safe_load(text.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise BadConfiguration(f"{path}: expected text in UTF-8, found other bytes; save the file as UTF-8") from error
    except yaml.YAMLError as error:
        raise BadConfiguration(f"{path}: expected YAML, found {str(error).splitlines()[0]}") from error
    if not isinstance(data, dict):
        raise BadConfiguration(f"{path}: expected a mapping of options, found {type(data).__name__}")
    try:
        config = Config.model_validate(data)
    except ValidationError as error:
        raise BadConfiguration(f"{path}: {_explain(error)}") from error
    longest = str(config.socket_directory / SOCKET_NAME)
    if len(longest.encode()) > SOCKET_PATH_LIMIT:
        raise BadConfiguration(
            f"{path}: a socket's path may have {SOCKET_PATH_LIMIT} bytes, {longest} has {len(longest.encode())}; "
            "set head.socket_directory to a shorter one"
        )
    return config


def fingerprint(text: bytes) -> str:
    """Return the SHA-256 of a configuration file, to show which one a daemon runs with."""
    return hashlib.sha256(text).hexdigest()
