# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Agents of a vendor: which of those that the product knows runs on a host, and which it has not heard of. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

#: What the product says of an agent: its `host`, its `state`, and when it was heard of last (`last_conf`).
Agent = Mapping[str, Any]

#: A name that no domain can be taken from: an address.
_ADDRESS = re.compile(r"[0-9.]+|.*:.*")


def agent_on(host: str, address: str, known: Iterable[Agent]) -> Agent | None:
    """Return the agent on a host, or None where the product knows none there.

    The product may know the host by its name in the inventory, by its address, or by one of these with another domain. A short
    name that fits several hosts says nothing. An agent that was installed again may be there twice: the newest counts.
    """
    names = {host.lower(), address.lower()}
    short = {_short(name) for name in names if not _ADDRESS.fullmatch(name)}
    named = [(str(agent["host"]).lower(), agent) for agent in known if agent.get("host")]
    exact = [agent for name, agent in named if name in names]
    alike = {name for name, _agent in named if _short(name) in short}
    found = exact or [agent for name, agent in named if alike == {name}]
    return max(found, key=lambda agent: agent.get("last_conf") or "", default=None)


def _short(name: str) -> str:
    return name.partition(".")[0]


def unheard(since: Mapping[str, str], addresses: Mapping[str, str], known: Sequence[Agent]) -> list[str]:
    """Return a sentence for each host whose agent the product has not heard of since the moment that `since` has for it.

    The moments are by the product's clock. `addresses` has the address of each host.
    """
    found = ((host, moment, agent_on(host, addresses[host], known)) for host, moment in since.items())
    return [text for host, moment, agent in found if (text := _silence(host, moment, agent, known))]


def _silence(host: str, since: str, agent: Agent | None, known: Sequence[Agent]) -> str:
    if agent is None:
        return f"no agent is known on {host}, but on {hosts_of(known)}"
    heard = agent.get("last_conf") or ""
    if heard > since:
        return ""
    return f"the agent on {host} was heard of at {heard or 'no time'}, not since {since}"


def hosts_of(known: Iterable[Agent]) -> str:
    """Return the hosts of all agents that the product knows, in words."""
    return ", ".join(str(agent["host"]) for agent in known) or "none"
