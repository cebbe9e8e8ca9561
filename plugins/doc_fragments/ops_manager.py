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
      - How to speak to Ops Manager or Cloud Manager, which cluster is meant, and how it is resynced.
    type: dict
    suboptions:
      url:
        description:
          - Where it is, without the path of its API, for example V(https://cloud.mongodb.com).
          - A redirect is not followed.
        type: str
        required: true
      public_key:
        description:
          - The public half of an API key. Reading needs the role C(Project Read Only), changing backups C(Project Backup Admin),
            and maintenance windows C(Project Monitoring Admin).
          - For changes the address of the host that the module runs on has to be on the access list of the key.
        type: str
        required: true
      private_key:
        description:
          - The private half. It is never sent; the digest authentication of HTTP only proves that it is known.
        type: str
        required: true
      project:
        description:
          - The project, by its id of 24 hexadecimal digits or by its name. A job needs one.
        type: str
      cluster:
        description:
          - The cluster, by its id or its name. A job needs one.
          - The API starts and stops only whole clusters, so this is the sharded cluster and not one of its shards.
        type: str
      validate_certs:
        description:
          - Without it the certificate of the server is not checked, and anybody could pretend to be Ops Manager.
        type: bool
        default: true
      ca_file:
        description:
          - The certificates of the authorities that are trusted, on the host that the module runs on; by default its own.
        type: path
      client_certificate_file:
        description:
          - The client's certificate, on the host that the module runs on. It may hold the key as well.
        type: path
      client_key_file:
        description:
          - The key of O(ops_manager.client_certificate_file), on the host that the module runs on.
        type: path
      proxy:
        description:
          - The URL of an HTTP proxy, with its credentials where it needs some. It wins over the environment and C(no_proxy).
          - By default the environment decides.
        type: str
      timeout_seconds:
        description:
          - How long to wait for the answer to one request.
        type: float
        default: 30
      poll_seconds:
        description:
          - How often an operation is asked for while it is followed.
        type: float
        default: 30
      patience_seconds:
        description:
          - How long a module may spend on requests that fail, all together, before it says so. Whoever follows an operation asks
            again after that for as long as an outage is borne.
        type: float
        default: 40
      method:
        description:
          - How a resync is done, for which the API has no call.
          - V(hand_off) prepares it, says which button of the web page to press, and follows it.
          - V(restart) stops the backup and starts it again, which makes a new initial sync where the
            featureCompatibilityVersion is 4.0 or less. Snapshots are kept.
          - V(terminate) ends the backup in between, which B(deletes all snapshots of the cluster), and needs
            O(ops_manager.confirm_snapshot_loss=true).
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
          - Which member an initial sync reads from, V(SECONDARY), V(PRIMARY) or the name of a host.
        type: str
        default: SECONDARY
      hand_off_minutes:
        description:
          - How long to wait for somebody to press the button.
        type: float
        default: 60
      mute_hours:
        description:
          - How long the alerts of O(ops_manager.mute) are not sent at the longest.
        type: float
        default: 24
      mute:
        description:
          - The types of alerts that are not sent while a resync goes on.
        type: list
        elements: str
        default: [BACKUP]
      feature_compatibility_version:
        description:
          - The featureCompatibilityVersion of the cluster, as far as the operator knows it. The API does not tell.
        type: str
      allow_fcv_4_2:
        description:
          - Whether to go on although the featureCompatibilityVersion is 4.2 or later, where a resync is not needed.
        type: bool
        default: false
      scratch_directory:
        description:
          - Where a snapshot is restored to prove it. It needs room for the archive and for what is in it.
        type: path
      mongod:
        description:
          - The mongod that is started on a restored snapshot to prove it; of the same version as the deployment's.
        type: path
"""
