"""A package that is not the one that was meant, in a wheelhouse: somebody has changed it on its way to the machine."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.site import ROOT, flat


@pytest.fixture(scope="module")
def wheelhouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the wheels for this Python, as an operator makes them."""
    directory = tmp_path_factory.mktemp("wheelhouse")
    mine = f"{sys.version_info[0]}.{sys.version_info[1]}"
    environment = {**os.environ, "PYTHON": sys.executable}
    subprocess.run([ROOT / "bin/wheelhouse", directory, mine], check=True, capture_output=True, env=environment)
    return directory


def provision(tmp_path: Path, wheelhouse: Path) -> tuple[int, str]:
    """Set up a machine from a wheelhouse; return the exit code and what was printed."""
    machine: dict[str, Any] = {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "backup_agent_manage_user": False,
        "backup_agent_manage_packages": False,
        "backup_agent_service_manager": "supervisor",
        "backup_agent_python_candidates": [sys.executable],
        "backup_agent_wheelhouse": str(wheelhouse),
        **{f"backup_agent_{name}_directory": f"{tmp_path}/{name}" for name in ("config", "state")},
        "backup_agent_directory": f"{tmp_path}/a",
    }
    inventory = tmp_path / "inventory.yml"
    inventory.write_text(yaml.safe_dump({"backup_agent_hosts": {"hosts": {"here": machine}}}))
    command = [
        "ansible-playbook",
        "-i",
        str(inventory),
        "mongodb_ops.backup.provision",
        "--tags",
        "backup_agent_install",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    return done.returncode, flat(done.stdout + done.stderr)


def test_altered_wheel(wheelhouse: Path, tmp_path: Path) -> None:
    """One byte of one file of one package is another: the package is named, and nothing is in use."""
    (wheel,) = wheelhouse.glob("click-*.whl")
    aside = wheel.rename(tmp_path / wheel.name)
    with zipfile.ZipFile(aside) as old, zipfile.ZipFile(wheel, "w") as new:
        for item in old.infolist():
            content = old.read(item)
            new.writestr(
                item, content.replace(b"import os", b"import os\n", 1) if item.filename == "click/core.py" else content
            )

    code, printed = provision(tmp_path, wheelhouse)

    assert code == 2
    assert re.search("DO NOT MATCH THE HASHES.* click==", printed), printed
    assert not (tmp_path / "a/venv").exists()
