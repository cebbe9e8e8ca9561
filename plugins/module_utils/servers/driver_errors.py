# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What goes wrong with a connection, in our words: the driver's own can quote a URI or a command."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

try:
    from pymongo.errors import (
        ConfigurationError,
        ConnectionFailure,
        InvalidURI,
        OperationFailure,
        ProtocolError,
        PyMongoError,
        ServerSelectionTimeoutError,
    )
except ImportError:
    pass  # `connection.HAS_PYMONGO` says so

from ..errors import BackupError, FixInput, RetryLater, sentence
from .message_size import TOO_LARGE

UNAUTHORIZED, LOGIN_FAILED = 13, 18


@contextmanager
def described(address: str) -> Iterator[None]:
    """Turn what pymongo raises into our classes. Its own texts can quote a URI or a command, so they are not passed on."""
    try:
        yield
    except OperationFailure as error:
        raise _refused(address, error) from None
    except (ConfigurationError, InvalidURI, ValueError, OSError) as error:
        found, remedy = _unusable(error)
        message = sentence(expected=f"usable connection options for {address}", found=found, remedy=remedy)
        raise FixInput(message, code="bad_connection_options") from None
    except (ServerSelectionTimeoutError, ConnectionFailure, ProtocolError) as error:
        found, remedy = _cause(error)
        message = sentence(expected=f"an answer from {address}", found=found, remedy=remedy)
        raise RetryLater(message, code="unreachable") from None
    except PyMongoError as error:
        found = f"a driver error ({type(error).__name__})"
        message = sentence(expected=f"an answer from {address}", found=found, remedy="try again")
        raise RetryLater(message, code="driver_error") from None


_KEY = (
    "a key that cannot be read",
    "check tls_certificate_key_file, which holds a certificate and its key, and the password of the key",
)
_UNESCAPED = (
    "a user or a password with characters that mean something in a URI",
    "percent-encode them in login_uri, or give login_user and login_password instead",
)

#: Parts of the driver's texts about options, what each of them means, and what to do. Seen with pymongo 4.20.
_UNUSABLE = (
    ("PEM", *_KEY),
    ("rivate key", *_KEY),
    ("CERTIFICATE_OR_CRL", "a file without certificates", "correct tls_ca_file or tls_crl_file"),
    ("TLS has not been enabled", "TLS files while TLS is off", "set tls, or leave the files out"),
    ("URI scheme", "a URI that does not begin with mongodb:// or mongodb+srv://", "correct login_uri"),
    ("must be escaped", *_UNESCAPED),
    ("Bad database name", *_UNESCAPED),
    ("at least one host", "a URI without a host", "correct login_uri"),
    ("key=value pairs", "an option without a value behind the ?", "correct login_uri"),
    ("include a port number", "a port behind mongodb+srv://", "leave it out of login_uri: the name server tells it"),
    ("Port must be", "a port outside of 1 to 65535", "correct login_port or login_uri"),
    ("dnspython", "mongodb+srv:// and no dnspython", "install dnspython beside pymongo, or name the members"),
    ("DNS query name", "no SRV record of that name", "correct login_uri, or the name server of this host"),
    ("requires a username", "auth_mechanism without a user", "give login_user and login_password"),
    (
        "password is required",
        "a user without a password",
        "give login_password, or a certificate with auth_mechanism=MONGODB-X509",
    ),
    (
        "Passwords are not supported",
        "a password that the mechanism does not take",
        "leave out login_password or change auth_mechanism",
    ),
    ("erberos", "no Kerberos library", "install the one that the driver names for GSSAPI"),
)


def _told(error: Exception, table: Iterable[tuple[str, str, str]]) -> tuple[str, str] | None:
    """Return what the text of an error means and what to do, by the first of its parts that is in a table."""
    text = str(error)
    return next(((found, remedy) for part, found, remedy in table if part in text), None)


def _unusable(error: Exception) -> tuple[str, str]:
    if isinstance(error, OSError) and error.filename:
        return f"no readable file {error.filename}", "correct the option that names it"
    told = _told(error, _UNUSABLE)
    if told is not None:
        return told
    option = _OPTION.match(str(error))
    if option:
        name = next(filter(None, option.groups()))
        ours = _OURS.get(name.lower())
        found = f"a name or a value that the driver does not take: {ours or name}"
        return found, f"correct {ours}" if ours else "correct it in connection_options or login_uri"
    return (
        f"options that the driver refuses ({type(error).__name__})",
        "correct login_uri, auth_mechanism, connection_options and the tls options",
    )


#: How the driver names an option with which something is wrong. Never its value.
_OPTION = re.compile(r"(?:Unknown option:? ([A-Za-z]{2,40})\b|(?:The value of )?([A-Za-z]{2,40}) must be )")

#: The options of ours that the driver has other names for.
_OURS = {
    "connecttimeoutms": "connect_timeout_seconds",
    "serverselectiontimeoutms": "connect_timeout_seconds",
    "sockettimeoutms": "connect_timeout_seconds",
    "authmechanism": "auth_mechanism",
}


#: Parts of the driver's texts, what each of them means, and what to do. Only these words go on, never the text.
_CAUSES = (
    (TOO_LARGE, "a server that announces larger messages than MongoDB has", "see who answers at that address"),
    ("codec can't decode", "one that is not UTF-8", "correct the tags of that member: rs.conf() shows them"),
    ("Message length", "a message larger than MongoDB has", "see who answers at that address"),
    ("mismatch, certificate is not valid", "a certificate that is for another name", "connect by the name in it"),
    (
        "certificate has expired",
        "a certificate that has expired",
        "renew the certificate of the mongod or of its authority, or correct the clock of this host",
    ),
    (
        "certificate is not yet valid",
        "a certificate that is not valid yet",
        "correct the clock of this host, or wait",
    ),
    ("certificate revoked", "a certificate that tls_crl_file revokes", "give that mongod another one"),
    ("unable to get certificate CRL", "a tls_crl_file without the list of that authority", "correct tls_crl_file"),
    ("CERTIFICATE_VERIFY_FAILED", "a certificate that tls_ca_file does not vouch for", "correct tls_ca_file"),
    ("[SSL:", "no TLS that both sides can speak", "check tls and the tls options of that mongod"),
    (
        "connection closed",
        "a connection that was closed at once, as by a server that wants TLS or a client certificate that it knows",
        "check tls, tls_ca_file and tls_certificate_key_file, and the log of that mongod",
    ),
    ("refused", "no server that listens there", "check that mongod runs there, and on which port"),
    ("not known", "no address of that name", "correct the name, or the name server of this host"),
    ("No address", "no address of that name", "correct the name, or the name server of this host"),
    ("timed out", "none in time", "check that it is up and that no firewall drops packets on the way"),
)


def _cause(error: Exception) -> tuple[str, str]:
    """Return what a connection failed of, and what to do."""
    told = _told(error, _CAUSES)
    if told is not None:
        return told
    remedy = "check that mongod runs there, that the address resolves from this host, and the tls options"
    return f"no connection ({type(error).__name__})", remedy


def _refused(address: str, error: OperationFailure) -> BackupError:
    found = f"a refusal (code {error.code})"
    if error.code == UNAUTHORIZED:
        remedy = "give the user the roles clusterMonitor and read on the database local"
        expected = f"permission to read the replica set and its oplog on {address}"
        return FixInput(sentence(expected=expected, found=found, remedy=remedy), code="unauthorized")
    if error.code == LOGIN_FAILED:
        remedy = "check login_user, login_password, login_database and auth_mechanism"
        return FixInput(sentence(expected=f"a login on {address}", found=found, remedy=remedy), code="login_failed")
    message = sentence(
        expected=f"an answer from {address}", found=found, remedy="see the log of that mongod for the reason"
    )
    return RetryLater(message, code="server_error")
