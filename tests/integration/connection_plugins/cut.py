# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The local connection, which is cut as long as a file exists: an agent host that does not answer for a while."""

from __future__ import annotations

DOCUMENTATION = """
name: cut
short_description: The local connection, with a switch
description:
  - Fails as an unreachable host does while the file named in the environment variable CUT_FILE exists.
author: The mongodb_ops.backup contributors
extends_documentation_fragment:
  - connection_pipelining
"""

import os
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.connection.local import Connection as Local


class Connection(Local):
    """What Ansible loads."""

    transport = "cut"

    def _require_network(self) -> None:
        if Path(os.environ["CUT_FILE"]).exists():
            raise AnsibleConnectionFailure("the network to this host is cut")

    def exec_command(self, *args: Any, **kwargs: Any) -> Any:
        self._require_network()
        return super().exec_command(*args, **kwargs)

    def put_file(self, *args: Any, **kwargs: Any) -> Any:
        self._require_network()
        return super().put_file(*args, **kwargs)
