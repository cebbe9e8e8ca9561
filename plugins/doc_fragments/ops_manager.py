# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The option that says how to speak to Ops Manager."""

from __future__ import annotations


class ModuleDocFragment:
    """The counterpart of OPTION in module_utils/ops_manager/arguments.py."""

    DOCUMENTATION = r"""
options:
  ops_manager:
    description:
      - How to reach Ops Manager or Cloud Manager, which cluster is meant, and how it is resynced.
    type: dict
    suboptions:
      url:
        description:
          - The URL of the product, without the path of its API, for example V(https://cloud.mongodb.com).
          - A redirect is not followed.
        type: str
        required: true
      public_key:
        description:
          - The public half of an API key. Reading needs the role C(Project Read Only), changing backups C(Project Backup Admin),
            and maintenance windows C(Project Monitoring Admin).
          - For changes, the address of the host that the module runs on has to be on the access list of the key.
        type: str
        required: true
      private_key:
        description:
          - The private half of the key. It is never sent. The digest authentication of HTTP only proves that the
            client knows it.
        type: str
        required: true
      project:
        description:
          - The project, by its id of 24 hexadecimal digits or by its name. A job needs one.
        type: str
      cluster:
        description:
          - The cluster, by its id or its name. A job needs one.
          - The API starts and stops only whole clusters. So give the sharded cluster and not one of its shards.
        type: str
      validate_certs:
        description:
          - Whether to check the certificate of the server. With V(false) anybody could pretend to be Ops Manager.
        type: bool
        default: true
      ca_file:
        description:
          - A file with the certificates of the trusted authorities, on the host that the module runs on. By default
            the authorities of that host.
        type: path
      client_certificate_file:
        description:
          - A file with the client's certificate, on the host that the module runs on. It may hold the key as well.
        type: path
      client_key_file:
        description:
          - A file with the key of O(ops_manager.client_certificate_file), on the host that the module runs on.
        type: path
      proxy:
        description:
          - The URL of an HTTP proxy, with credentials if it needs some. It overrides the environment and C(no_proxy).
          - By default the environment decides.
        type: str
      timeout_seconds:
        description:
          - How long to wait for the answer to one request.
        type: float
        default: 30
      plaintext:
        description:
          - Whether O(ops_manager.url), and the address of an archive, may be C(http://) on another machine. Whoever is on the way
            can then read and change what is said.
        type: bool
        default: false
      poll_seconds:
        description:
          - How long to wait between two requests while an operation is followed.
        type: float
        default: 30
      patience_seconds:
        description:
          - How long a module may spend on failing requests, all together, before it fails. While an operation is
            followed, the module is called again until the outage has lasted too long.
        type: float
        default: 40
      method:
        description:
          - How a resync is done. The API has no call for it.
          - V(hand_off) prepares the resync, says which button of the web page to press, and follows the resync.
          - V(restart) stops the backup and starts it again. With a featureCompatibilityVersion of 4.0 or less this
            makes a new initial sync. Snapshots are kept.
          - V(terminate) stops, terminates and starts the backup. This B(deletes all snapshots of the cluster), and
            needs O(ops_manager.confirm_snapshot_loss=true).
        type: str
        choices: [hand_off, restart, terminate]
        default: hand_off
      confirm_snapshot_loss:
        description:
          - Whether all snapshots of the cluster may be lost.
        type: bool
        default: false
      sync_source:
        description:
          - The member that an initial sync reads from, which is V(SECONDARY), V(PRIMARY) or the name of a host.
        type: str
        default: SECONDARY
      hand_off_minutes:
        description:
          - How long to wait for somebody to press the button.
        type: float
        default: 60
      mute_hours:
        description:
          - The longest time for which the alerts of O(ops_manager.mute) are muted.
        type: float
        default: 24
      mute:
        description:
          - The types of alerts that are muted during a resync.
        type: list
        elements: str
        default: [BACKUP]
      feature_compatibility_version:
        description:
          - The featureCompatibilityVersion of the cluster, if the operator knows it. The API does not show it.
        type: str
      allow_fcv_4_2:
        description:
          - Whether to go on although the featureCompatibilityVersion is 4.2 or later, where a resync is not needed.
        type: bool
        default: false
      scratch_directory:
        description:
          - The directory where a snapshot is restored to prove it. It needs room for the archive and for the unpacked
            files.
        type: path
      mongod:
        description:
          - The mongod that is started on a restored snapshot to prove it. It has to be of the deployment's version.
        type: path
"""
