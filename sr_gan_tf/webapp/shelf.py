"""Files that the page may ask for, each by a random name: no path of the machine appears in an address or is read."""

import dataclasses
import secrets
import threading
from pathlib import Path
from urllib.parse import quote


@dataclasses.dataclass(frozen=True)
class Item:
    """A file on the shelf.

    Attributes:
        path: where it lies.
        name: what it is called when it is downloaded.
    """

    path: Path
    name: str


class Shelf:
    """Random names of files; one that was taken away is gone for the page."""

    def __init__(self) -> None:
        self._items: dict[str, Item] = {}
        self._lock = threading.Lock()

    def put(self, path: str | Path, name: str | None = None) -> str:
        """Puts a file on the shelf; returns its random name."""
        token = secrets.token_urlsafe(16)
        with self._lock:
            self._items[token] = Item(Path(path), name or Path(path).name)
        return token

    def get(self, token: str) -> Item | None:
        """The file of that name, or None."""
        return self._items.get(token)

    def take(self, tokens: list[str]) -> None:
        """Takes files off the shelf; the files themselves stay."""
        with self._lock:
            for token in tokens:
                self._items.pop(token, None)

    def __len__(self) -> int:
        return len(self._items)


def picture_address(token: str) -> str:
    """Where the page finds a picture of the shelf."""
    return f"/shelf/{token}"


def download_address(token: str, name: str) -> str:
    """The same as a download; `name` makes the address readable."""
    return f"/shelf/{token}/{quote(name)}"
