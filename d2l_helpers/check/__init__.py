"""Checks that answer a reader's solutions, one for each exercise.

Each takes what its starter cell in the chapter defines, and returns a
:class:`Report`: true if the answer is right, and readable in a notebook and
in a terminal. None raises, and none changes what it is given.
"""

from ._report import Report
from .files import (
    after_a_failed_load,
    find_the_corrupt_file,
    keep_the_last_three,
    resume_with_more_state,
    reuse_two_layers,
    save_the_architecture_too,
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
    "after_a_failed_load",
    "better_start",
    "dropout",
    "find_the_corrupt_file",
    "half_spectrum",
    "keep_the_last_three",
    "layer_with_a_memory",
    "quadratic_layer",
    "repair",
    "resume_with_more_state",
    "reuse_two_layers",
    "save_the_architecture_too",
    "where_to_center",
]
