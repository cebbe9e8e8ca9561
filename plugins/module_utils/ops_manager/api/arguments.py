# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The option `ops_manager`: how to reach Ops Manager or Cloud Manager, and how to resync by it.

Plain values: arguments.py of this collection makes them part of the options of every module with a provider.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: How the API is called; all that `Connection.from_options` reads.
CONNECTION: Mapping[str, Mapping[str, Any]] = {
    "url": {"type": "str", "required": True},
    "public_key": {"type": "str", "required": True, "no_log": False},
    "private_key": {"type": "str", "required": True, "no_log": True},
    "validate_certs": {"type": "bool", "default": True},
    "ca_file": {"type": "path"},
    "client_certificate_file": {"type": "path"},
    "client_key_file": {"type": "path", "no_log": False},
    "proxy": {"type": "str"},
    "timeout_seconds": {"type": "float", "default": 30},
    "plaintext": {"type": "bool", "default": False},
}

#: Which cluster of which project. Required for a job, so what works on a job has to ask for them.
PLACE: Mapping[str, Mapping[str, Any]] = {
    "project": {"type": "str"},
    "cluster": {"type": "str"},
}

#: How a resync is done, and how often it is asked about.
RESYNC: Mapping[str, Mapping[str, Any]] = {
    "poll_seconds": {"type": "float", "default": 30},
    "patience_seconds": {"type": "float", "default": 40},
    "method": {"type": "str", "choices": ["hand_off", "restart", "terminate"], "default": "hand_off"},
    "confirm_snapshot_loss": {"type": "bool", "default": False},
    "sync_source": {"type": "str", "default": "SECONDARY"},
    "hand_off_minutes": {"type": "float", "default": 60},
    "mute_hours": {"type": "float", "default": 24},
    "mute": {"type": "list", "elements": "str", "default": ["BACKUP"]},
    "feature_compatibility_version": {"type": "str"},
    "allow_fcv_4_2": {"type": "bool", "default": False},
    "scratch_directory": {"type": "path"},
    "mongod": {"type": "path"},
}

#: The option itself.
OPTION: Mapping[str, Any] = {
    "type": "dict",
    "options": {**CONNECTION, **PLACE, **RESYNC},
    "required_by": {"client_key_file": ("client_certificate_file",)},
}
