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
      - A C(mongodb://) or C(mongodb+srv://) connection string. Replaces O(login_host) and O(login_port).
      - Credentials in the other options override those in the string.
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
      - The authentication mechanism. By default V(SCRAM-SHA-256), unless the connection string names one.
      - A user that was made before MongoDB 4.0 and never got a new password needs V(SCRAM-SHA-1).
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
      - A file with the certificates of the trusted authorities, on the host that the module runs on.
    type: path
    aliases: [ssl_ca_certs, tlsCAFile]
  tls_certificate_key_file:
    description:
      - A file with the client's certificate and key, on the host that the module runs on.
    type: path
    aliases: [ssl_certfile, tlsCertificateKeyFile]
  tls_certificate_key_file_password:
    description:
      - The password of the key in that file.
    type: str
    aliases: [ssl_pem_passphrase, tlsCertificateKeyFilePassword]
  tls_crl_file:
    description:
      - A file with revoked certificates, on the host that the module runs on.
    type: path
    aliases: [ssl_crlfile]
  ssl_cert_reqs:
    description:
      - With V(CERT_NONE) the certificates of the members are not checked, and anybody could pretend to be a member.
      - V(CERT_OPTIONAL) is the same as V(CERT_REQUIRED). It exists so that variables for community.mongodb can be
        used.
    type: str
    choices: [CERT_NONE, CERT_OPTIONAL, CERT_REQUIRED]
    default: CERT_REQUIRED
  connection_options:
    description:
      - More options of the driver, each as C(name=value) or as a mapping. They override everything else.
      - They are shown in logs. Put passwords into the options for passwords.
    type: list
    elements: raw
  connect_timeout_seconds:
    description:
      - How long to wait for each member.
    type: int
    default: 5
  plaintext:
    description:
      - Whether to log in without TLS on another machine. Whoever is on the way can then read and change what is said.
      - Without TLS, no member is asked that is neither on loopback nor behind a socket.
    type: bool
    default: false
  hosts:
    description:
      - Patterns, such as V(*.db.example.com), of the hosts to log in at. Other members are not asked, whoever names them.
      - Without any, each member that the replica set names is asked.
    type: list
    elements: str
    default: []
requirements:
  - pymongo >= 4.0
"""
