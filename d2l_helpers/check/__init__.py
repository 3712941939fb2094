"""Checks that answer a reader's solutions, one for each exercise.

Each takes what its starter cell in the chapter defines, and returns a
:class:`Report`: true if the answer is right, and readable in a notebook and
in a terminal. None raises, and none changes what it is given.
"""

from ._report import Report
from .devices import (
    fewer_places,
    parameters_across_devices,
    readers_in_disguise,
    small_and_large,
    thousand_norms,
    two_at_once,
    what_stays_behind,
)
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
    "fewer_places",
    "half_spectrum",
    "layer_with_a_memory",
    "parameters_across_devices",
    "quadratic_layer",
    "readers_in_disguise",
    "repair",
    "small_and_large",
    "thousand_norms",
    "two_at_once",
    "what_stays_behind",
    "where_to_center",
]
