# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which directories root gives to somebody."""

from __future__ import annotations

import pytest

from ansible_collections.mongodb_ops.backup.plugins.plugin_utils.places import refused_places


class TestRefusedPlaces:
    @pytest.mark.parametrize(
        "path", ["/var/lib/backup-agent/orders", "/srv/backups/orders/", "/home/me/state", "/mnt/a", "/etcetera"]
    )
    def test_a_directory_of_its_own_is_fine(self, path: str) -> None:
        """Wherever it is."""
        assert [] == refused_places([path])

    @pytest.mark.parametrize(
        ("path", "why"),
        [
            ("/", "a directory of the system"),
            ("/etc", "a directory of the system"),
            ("/etc/", "a directory of the system"),
            ("/usr/local/backup", "a directory of the system"),
            ("/var/lib", "a directory of the system"),
            ("/srv/../etc", "not its plain form, /etc"),
            ("/srv//etc", "not its plain form, /srv/etc"),
            ("//etc", "not its plain form, /etc"),
            ("/srv/./a", "not its plain form, /srv/a"),
            ("srv/a", "no absolute path"),
            ("", "no absolute path"),
        ],
    )
    def test_others_are_named_with_the_reason(self, path: str, why: str) -> None:
        """Also where a path only leads there."""
        assert [f"{path} ({why})"] == refused_places([path, "/srv/a"])
