# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The directory that is restored into: what it says about itself, at every stage."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.mongodb_ops.backup.plugins.module_utils.errors import AskOperator
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.restore.target import Target

PLAN = {"project": "p", "cluster": "c", "snapshot": "s"}
RECORD = {**PLAN, "restored_at": "2026-01-31T05:14:09Z"}


def filled(path: Path) -> dict[str, Any]:
    """Restore into a directory, and return the record."""
    target = Target(str(path))
    with target.locked():
        target.clear()
        (Path(target.data) / "WiredTiger.turtle").write_text("1")
        return target.move_into_place(RECORD, [""])


def refusal(path: Path) -> AskOperator:
    """Return what a directory is refused with."""
    with pytest.raises(AskOperator) as refused:
        Target(str(path)).check()
    return refused.value


def test_only_this_restore_is_done(tmp_path: Path) -> None:
    """Another snapshot is not; the record that is shown has no checksums of ours."""
    target = Target(str(tmp_path / "t"))
    target.check()
    assert None is target.done(PLAN)
    assert RECORD == filled(tmp_path / "t") == target.done(PLAN)
    assert None is target.done({**PLAN, "snapshot": "other"})
    assert "snapshot s that was made" in refusal(tmp_path / "t").message


def test_without_the_file_of_checkpoints_nobody_knows_whether_it_was_used(tmp_path: Path) -> None:
    """It is never taken for fresh."""
    filled(tmp_path / "t")
    (tmp_path / "t" / "WiredTiger.turtle").unlink()
    assert None is Target(str(tmp_path / "t")).done(PLAN)


def test_a_mark_with_anything_in_it_is_unfinished(tmp_path: Path) -> None:
    """An empty one beside a record only lost the last step of its removal."""
    filled(tmp_path / "t")
    target = Target(str(tmp_path / "t"))
    mark = tmp_path / "t" / ".download"
    mark.mkdir()
    assert RECORD == target.done(PLAN)
    (mark / "names.json").write_text(json.dumps(["WiredTiger.turtle", ".restored.json"]))
    assert None is target.done(PLAN)
    target.check()
    target.clear()
    assert [".download"] == [path.name for path in (tmp_path / "t").iterdir()]


def test_names_that_lead_elsewhere_remove_nothing(tmp_path: Path) -> None:
    """Only what lies in the directory by that name is what was moved there."""
    (tmp_path / "t" / ".download").mkdir(parents=True)
    (tmp_path / "precious").touch()
    (tmp_path / "t" / ".download" / "names.json").write_text(json.dumps(["../precious", "", ".", ".."]))
    Target(str(tmp_path / "t")).clear()
    Target(str(tmp_path / "t")).abandon()
    assert (tmp_path / "precious").exists()
    assert [] == list((tmp_path / "t").iterdir())


def test_a_directory_of_others_is_not_restored_into(tmp_path: Path) -> None:
    """Somebody was first, with an empty directory that all may write to: files and links could be put there."""
    (tmp_path / "t").mkdir()
    (tmp_path / "t").chmod(0o777)
    assert "only the account that restores can change" in refusal(tmp_path / "t").message
    (tmp_path / "t").chmod(0o700)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "t" / ".download").symlink_to(tmp_path / "elsewhere")
    assert "which is a link or a file" in refusal(tmp_path / "t").message


def test_a_record_that_is_a_link_is_replaced(tmp_path: Path) -> None:
    """What it points to stays as it is, also where the link came while the snapshot was downloaded."""
    victim = tmp_path / "victim"
    victim.write_text("precious")
    target = Target(str(tmp_path / "t"))
    with target.locked():
        target.clear()
        (tmp_path / "t" / ".restored.json").symlink_to(victim)
        target.move_into_place(RECORD, [""])
    assert "precious" == victim.read_text()
    assert not (tmp_path / "t" / ".restored.json").is_symlink()


def test_a_record_is_not_read_through_a_link(tmp_path: Path) -> None:
    """Root would show what another account may not read."""
    (tmp_path / "t").mkdir()
    (tmp_path / "elsewhere").write_text(json.dumps({**RECORD, "checkpoints": {"": "x"}}))
    (tmp_path / "t" / ".restored.json").symlink_to(tmp_path / "elsewhere")
    assert None is Target(str(tmp_path / "t")).record()
    assert "1 files that this restore did not make" in refusal(tmp_path / "t").message
