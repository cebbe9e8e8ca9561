# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Giving a resync up: what has to be undone in each state."""

from __future__ import annotations

from ansible_collections.mongodb_ops.backup.plugins.module_utils.errors import AskOperator, sentence
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager import journal as journals
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager import steps
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager import view as views
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.job import Job
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.journal import Journal


def cancel(job: Job, journal: Journal, wishes: steps.Wishes) -> list[str]:
    """Undo what was done for a resync, and say what goes on in the product all the same."""
    if job.status == views.TERMINATING:
        raise _terminating("one that is being terminated")
    done = []
    halted = journal.method != journals.HAND_OFF and job.status in (views.STOPPED, views.INACTIVE)
    # A request that was accepted takes effect later: a backup that is still seen running may be about to stop.
    if halted or journal.phase == journals.STOPPING:
        if steps.set_status(job, steps.started(job, wishes)):
            done.append("the backup was started again; the product begins with an initial sync where it needs one")
        elif journal.phase == journals.TERMINATING:
            raise _terminating(f"one that is {job.status} and that the product does not start now")
    steps.put_back(job, journal)
    return done


def _terminating(found: str) -> AskOperator:
    remedy = "wait until it is INACTIVE and cancel again, which starts it"
    message = sentence(expected="a backup that can be started again", found=found, remedy=remedy)
    return AskOperator(message, code="terminating")
