"""The reader's copy of the book: the workbook, and how far its reader is.

It has no part in the chapters and imports nothing that they need, so that it
is there at once: only to merge two versions of a page, it imports nbdime.
"""

from ._book import NoBookError
from ._notebook import UnreadableError
from ._progress import Progress, progress
from ._restore import Restored, restore
from ._stored import show_stored
from ._workbook import Update, open_at, start, update

__all__ = [
    "NoBookError",
    "Progress",
    "Restored",
    "UnreadableError",
    "Update",
    "open_at",
    "progress",
    "restore",
    "show_stored",
    "start",
    "update",
]
