"""Keeps what Python compiles out of zip archives.

Ansible sends every module in an archive, with all that it imports, and a playbook of the tests sends a hundred: without this
each of them compiles the same hundred files again. `tests/integration/conftest.py` puts this on the path of all processes.
"""

from __future__ import annotations

import _imp
import contextlib
import marshal
import os
import sys
import zipimport
from types import CodeType
from typing import Any

_compile: Any = getattr(zipimport, "_compile_source", None)
_directory = os.environ.get("KEEP_COMPILED", "")


def _kept(path: str, source: bytes) -> CodeType:
    name = f"{_directory}/{_imp.source_hash(sys.hexversion, source).hex()}"
    with contextlib.suppress(OSError, EOFError, ValueError, TypeError), open(name, "rb") as file:
        kept: CodeType = marshal.load(file)
        return kept
    code: CodeType = _compile(path, source)
    partial = f"{name}.{os.getpid()}"
    with contextlib.suppress(OSError):
        with open(partial, "wb") as file:
            marshal.dump(code, file)
        os.replace(partial, name)
    return code


if _directory and _compile is not None:
    zipimport._compile_source = _kept  # type: ignore[attr-defined]
