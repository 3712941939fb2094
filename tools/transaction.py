"""Several files that are written together: all of them, or none."""

from __future__ import annotations

import os
import tempfile
from contextlib import ExitStack
from pathlib import Path

from tools.files import EditedError
from tools.folders import require_own, shown

# What can keep files from being written; what they hold isn't fit.
REFUSED = (LookupError, ValueError, SyntaxError, OSError)


def why(error: Exception) -> str:
    """What an error says, as one line says it."""
    return str(error.args[0] if isinstance(error, LookupError) else error)


class Transaction:
    """Texts that are to be written, and what the files held before.

    A file is read through this. Nothing is written before :meth:`write`.
    """

    def __init__(self) -> None:
        self._before: dict[Path, bytes | None] = {}
        self._read: dict[Path, str] = {}
        self._texts: dict[Path, str] = {}

    def text(self, file: Path) -> str:
        """What a file is to hold.

        Raises:
            OSError, UnicodeDecodeError: if it can't be read.
        """
        if file not in self._texts:
            self._before[file] = file.read_bytes()
            self._read[file] = self._texts[file] = file.read_text("utf-8")
        return self._texts[file]

    def change(self, file: Path, text: str) -> None:
        """Let a file that was read hold something else."""
        self.text(file)
        self._texts[file] = text

    def create(self, file: Path, text: str) -> None:
        """Let there be a new file.

        Raises:
            EditedError: if there is one.
        """
        if os.path.lexists(file):
            raise EditedError(
                f"{shown(file)} is there already: move it away, or take "
                "another name"
            )
        self._before[file], self._texts[file] = None, text

    def write(self) -> list[Path]:
        """Write the files; return those that are new or another.

        Raises:
            EditedError: if one isn't any more what was read.
            LookupError: if one is a link.
            OSError: if one can't be written. In each case, none is.
        """
        texts = {
            file: text.encode()
            for file, text in self._texts.items()
            if text != self._read.get(file)
        }
        with ExitStack() as stack:
            beside = {}
            for file, content in texts.items():
                require_own(file)
                folder = tempfile.TemporaryDirectory(dir=file.parent)
                beside[file] = Path(stack.enter_context(folder), file.name)
                beside[file].write_bytes(content)
            self._require_unchanged()
            done: list[Path] = []
            try:
                for file, new in beside.items():
                    done.append(file)
                    os.replace(new, file)
            except BaseException:
                for file in done:
                    self._restore(file)
                raise
        return list(texts)

    def _require_unchanged(self) -> None:
        for file, before in self._before.items():
            now = file.read_bytes() if os.path.lexists(file) else None
            if now != before:
                raise EditedError(
                    f"{shown(file)} was changed meanwhile: nothing is "
                    "written; save and close it, and try again"
                )

    def _restore(self, file: Path) -> None:
        before = self._before[file]
        if before is None:
            file.unlink(missing_ok=True)
        else:
            file.write_bytes(before)
