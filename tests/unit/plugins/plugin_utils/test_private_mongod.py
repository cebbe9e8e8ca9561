# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The commands that are printed after a restore. An integration test runs them."""

from __future__ import annotations

import pytest

from ansible_collections.mongodb_ops.backup.plugins.plugin_utils.private_mongod import private_mongod


class TestPrivateMongod:
    def test_nothing_but_a_socket_is_opened(self) -> None:
        """In a directory of its owner, beside the data."""
        found = private_mongod("/srv/restored/", "/usr/bin/mongod")
        assert [
            "install -d -m 0700 /srv/restored/.socket && \\",
            "/usr/bin/mongod --dbpath=/srv/restored/ \\",
            "--bind_ip=/srv/restored/.socket/mongod.sock --nounixsocket \\",
            "--setParameter=ttlMonitorEnabled=false",
        ] == found["start"]
        assert "mongosh mongodb://%2Fsrv%2Frestored%2F.socket%2Fmongod.sock/" == found["connect"][0]

    @pytest.mark.parametrize(("length", "short"), [(87, False), (88, True), (300, True)])
    def test_a_path_that_is_too_long_for_a_socket_is_not_used(self, length: int, short: bool) -> None:
        """107 bytes are the most that the kernel takes."""
        target = "/" + "a" * (length - 1)
        lines = private_mongod(target)["start"]
        socket = lines[2].split("=")[1].split()[0]
        assert len(socket) <= 107
        assert short == socket.startswith("/tmp/restored-")
        assert lines[0] == f"install -d -m 0700 {socket.rpartition('/')[0]} && \\"

    def test_two_directories_have_two_sockets(self) -> None:
        """Their data can be compared."""
        first, second = (private_mongod(f"/srv/{'a' * 100}/{name}")["connect"] for name in "ab")
        assert first != second

    def test_what_the_shell_would_take_for_more_is_quoted(self) -> None:
        """A path with a space, and one that is a command."""
        found = private_mongod("/srv/a b;$(id)")
        assert "--dbpath='/srv/a b;$(id)' " in found["start"][1]
        assert "$" not in found["connect"][0]
