# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options of the modules that connect to MongoDB."""

from __future__ import annotations


class ModuleDocFragment:
    """The counterpart of LOGIN in module_utils/login.py."""

    DOCUMENTATION = r"""
options:
  login_uri:
    description:
      - A C(mongodb://) or C(mongodb+srv://) connection string. Takes the place of O(login_host) and O(login_port).
      - Credentials given by the other options win over those in it.
    type: str
  login_host:
    description:
      - The host of any member of the replica set.
    type: str
    default: localhost
  login_port:
    description:
      - The port of that member.
    type: int
    default: 27017
  login_user:
    description:
      - The user to log in as. Needs the roles C(clusterMonitor) and C(read) on the database C(local).
    type: str
  login_password:
    description:
      - The password of that user.
    type: str
  login_database:
    description:
      - The database that holds the user.
    type: str
    default: admin
  auth_mechanism:
    description:
      - How to log in. The driver and the server agree on one where it is not given.
    type: str
    choices: [SCRAM-SHA-256, SCRAM-SHA-1, MONGODB-X509, GSSAPI, PLAIN]
  tls:
    description:
      - Whether to use TLS.
    type: bool
    default: false
    aliases: [ssl]
  tls_ca_file:
    description:
      - The certificates of the authorities that are trusted, on the host that the module runs on.
    type: path
    aliases: [ssl_ca_certs, tlsCAFile]
  tls_certificate_key_file:
    description:
      - The client's certificate and key in one file, on the host that the module runs on.
    type: path
    aliases: [ssl_certfile, tlsCertificateKeyFile]
  tls_certificate_key_file_password:
    description:
      - The password of the key in that file.
    type: str
    aliases: [ssl_pem_passphrase, tlsCertificateKeyFilePassword]
  tls_crl_file:
    description:
      - Certificates that were revoked, on the host that the module runs on.
    type: path
    aliases: [ssl_crlfile]
  ssl_cert_reqs:
    description:
      - With V(CERT_NONE) the certificates of the members are not checked, and anybody could pretend to be one of them.
      - V(CERT_OPTIONAL) is there for variables of community.mongodb, and is the same as V(CERT_REQUIRED).
    type: str
    choices: [CERT_NONE, CERT_OPTIONAL, CERT_REQUIRED]
    default: CERT_REQUIRED
  connection_options:
    description:
      - Further options of the driver, each as C(name=value) or as a mapping. They win over everything else.
      - They are shown in logs. A password belongs into the option that is made for it.
    type: list
    elements: raw
  connect_timeout_seconds:
    description:
      - How long to wait for each member.
    type: int
    default: 5
requirements:
  - pymongo >= 4.0
"""
