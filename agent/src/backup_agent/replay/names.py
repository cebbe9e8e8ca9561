"""Which collection of a head has which UUID. It is read once, and then kept by what is done: nobody else writes there.

To read it after each command would take time for all collections of all databases.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable

from backup_agent.namespaces import listed, split, uuid_in
from backup_agent.values import Client


class Names:
    """Names and UUIDs of the collections of a head, and which of them are capped."""

    def __init__(self, client: Client) -> None:
        """Read all of them."""
        self._client = client
        self._names: dict[bytes, str] = {}
        self._holders: dict[str, bytes] = {}
        self._capped: set[bytes] = set()
        self._cases: defaultdict[bytes, Counter[str]] = defaultdict(Counter)
        """How many collections a database has, by its name without regard to case."""
        self._read(None)

    def _read(self, only: str | None) -> None:
        """Read the collections of one database, or of all."""
        gone = [ui for ui, name in self._names.items() if only in (None, split(name)[0])]
        for ui in gone:
            self.drop(ui)
        for database, info in listed(self._client, only=only):
            found = uuid_in(info)
            if found is not None:
                self._set(found, f"{database}.{info['name']}", bool(info["options"].get("capped")))

    def _set(self, ui: bytes, namespace: str, capped: bool) -> None:
        self.drop(ui)
        self._names[ui], self._holders[namespace] = namespace, ui
        database = split(namespace)[0]
        self._cases[_without_case(database)][database] += 1
        (self._capped.add if capped else self._capped.discard)(ui)

    def __getitem__(self, ui: bytes) -> str:
        """Return the namespace of a UUID. Raises KeyError."""
        return self._names[ui]

    def get(self, ui: bytes) -> str | None:
        """Return the namespace of a UUID, or None when the head does not have it."""
        return self._names.get(ui)

    def capped(self, ui: bytes) -> bool:
        """Say whether the collection of a UUID is capped."""
        return ui in self._capped

    def in_order(self) -> Iterable[bytes]:
        """Return the UUIDs in the order of their namespaces."""
        return sorted(self._names, key=self._names.__getitem__)

    def other_cases(self, database: str) -> list[str]:
        """Return the databases whose names differ from this one in case alone."""
        found = self._cases[_without_case(database)]
        return sorted(other for other, held in found.items() if held and other != database)

    def put(self, ui: bytes, namespace: str, capped: bool | None = None) -> None:
        """Note that a collection was created or renamed (`capped`: None says that this stayed).

        The server has moved another one that held the name out of the way, and named it itself.
        """
        if self._holders.get(namespace, ui) != ui:
            self._read(split(namespace)[0])
        else:
            self._set(ui, namespace, self.capped(ui) if capped is None else capped)

    def drop(self, ui: bytes) -> None:
        """Note that a collection was dropped."""
        name = self._names.pop(ui, None)
        if name is None:
            return
        database = split(name)[0]
        self._cases[_without_case(database)][database] -= 1
        if self._holders.get(name) == ui:
            del self._holders[name]

    def drop_database(self, database: str) -> None:
        """Note that a database was dropped."""
        for ui in [ui for ui, name in self._names.items() if split(name)[0] == database]:
            self.drop(ui)


def _without_case(database: str) -> bytes:
    """Return what is equal for names that differ in case alone, as the server compares them: by the letters of ASCII."""
    return database.encode(errors="surrogateescape").lower()
