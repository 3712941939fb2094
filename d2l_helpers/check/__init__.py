"""Checks that answer a reader's solutions, one for each exercise.

Each takes what its starter cell in the chapter defines, and returns a
:class:`Report`: true if the answer is right, and readable in a notebook and
in a terminal. None raises, and none changes what it is given.
"""

from ._report import Report
from .blocks import (
    activation_by_name,
    chain_over_a_list,
    count_the_rounds,
    factory,
    hook_that_measures,
    read_a_tree,
    two_nets_side_by_side,
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
    "activation_by_name",
    "better_start",
    "chain_over_a_list",
    "count_the_rounds",
    "dropout",
    "factory",
    "half_spectrum",
    "hook_that_measures",
    "layer_with_a_memory",
    "quadratic_layer",
    "read_a_tree",
    "repair",
    "two_nets_side_by_side",
    "where_to_center",
]
