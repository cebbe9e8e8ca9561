"""What restic is given besides the password: the keys of an object store, or the login at a rest-server.

They come from a file that only its owner reads, each time that restic is started, so that new ones count at once. They are given
to restic and to nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

import yaml

from backup_agent.config import why_not_private
from backup_agent.errors import BadConfiguration

USER, PASSWORD = "RESTIC_REST_USERNAME", "RESTIC_REST_PASSWORD"

KNOWN = re.compile(r"(AWS|AZURE|B2|GOOGLE|OS|RESTIC_REST|ST)_[A-Z0-9_]+")
ELSEWHERE = ("_FILE", "_PROFILE", "_EXECUTABLES")
"""What names other files, which could name programs: root runs restic with these variables, and the agent writes the file."""


def read(path: Path | None) -> dict[str, str]:
    """Return the variables of a file, a mapping in YAML or JSON; nothing without a file. Raises BadConfiguration.

    No error quotes what is in it.
    """
    if path is None:
        return {}
    where = "repository.environment_file"
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadConfiguration(f"{where}: expected a readable file, found {path}: {error.strerror}") from error
    except (UnicodeDecodeError, yaml.YAMLError):
        raise BadConfiguration(f"{where}: expected YAML or JSON in {path}, found something else") from None
    if refused := why_not_private(where, path):
        raise BadConfiguration(refused)
    if not isinstance(found, dict) or not all(isinstance(value, str | int) for value in found.values()):
        raise BadConfiguration(f"{where}: expected names with their values in {path}, found something else")
    unknown = sorted(str(name) for name in found if not _allowed(str(name)))
    if unknown:
        raise BadConfiguration(
            f"{where}: expected variables of a store that restic knows, such as AWS_ACCESS_KEY_ID or {USER}, found "
            f"{', '.join(unknown)} in {path}; remove them"
        )
    return {str(name): str(value) for name, value in found.items()}


def _allowed(name: str) -> bool:
    return KNOWN.fullmatch(name) is not None and not name.endswith(ELSEWHERE)


def located(location: str, variables: Mapping[str, str]) -> str:
    """Return the location as restic takes it from its environment: restic before 0.16.1 knows a login only in the URL. Pure."""
    user = variables.get(USER)
    if not user or not location.startswith(("rest:http://", "rest:https://")):
        return location
    scheme, _, rest = location.partition("//")
    return f"{scheme}//{quote(user, safe='')}:{quote(variables.get(PASSWORD, ''), safe='')}@{rest}"
