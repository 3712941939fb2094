"""Checks that answer a reader's solutions, one for each exercise.

Each takes what its starter cell in the chapter defines, and returns a
:class:`Report`: true if the answer is right, and readable in a notebook and
in a terminal. None raises, and none changes what it is given.
"""

from ._report import Report
from .layers import (
    better_start,
    dropout,
    half_spectrum,
    layer_with_a_memory,
    quadratic_layer,
    repair,
    where_to_center,
)

__all__ = [
    "Report",
    "better_start",
    "dropout",
    "half_spectrum",
    "layer_with_a_memory",
    "quadratic_layer",
    "repair",
    "where_to_center",
]
