"""Files that the page may request under random names, so that no path of the machine appears in an address."""

import dataclasses
import secrets
import threading
from pathlib import Path
from urllib.parse import quote


@dataclasses.dataclass(frozen=True)
class Item:
    """A file on the shelf.

    Attributes:
        path: location of the file.
        name: file name for downloads.
    """

    path: Path
    name: str


class Shelf:
    """Maps random names to files; a file that was removed can't be requested any more."""

    def __init__(self) -> None:
        self._items: dict[str, Item] = {}
        self._lock = threading.Lock()

    def put(self, path: str | Path, name: str | None = None) -> str:
        """Adds a file and returns its random name."""
        token = secrets.token_urlsafe(16)
        with self._lock:
            self._items[token] = Item(Path(path), name or Path(path).name)
        return token

    def get(self, token: str) -> Item | None:
        """Returns the file with that name, or None."""
        return self._items.get(token)

    def take(self, tokens: list[str]) -> None:
        """Removes files from the shelf; the files themselves stay."""
        with self._lock:
            for token in tokens:
                self._items.pop(token, None)

    def __len__(self) -> int:
        return len(self._items)


def picture_address(token: str) -> str:
    """Returns the address of a picture on the shelf."""
    return f"/shelf/{token}"


def download_address(token: str, name: str) -> str:
    """Returns the address of a download; `name` makes it readable."""
    return f"/shelf/{token}/{quote(name)}"
