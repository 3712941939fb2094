"""Checks that answer a reader's solutions, one for each exercise.

Each takes what its starter cell in the chapter defines, and returns a
:class:`Report`: true if the answer is right, and readable in a notebook and
in a terminal. None raises, and none changes what it is given.
"""

from ._report import Report
from .autograd import (
    function_of_your_own,
    jacobian_by_products,
    larger_graph_by_hand,
    leaf_that_got_lost,
    log_that_grows,
    slopes_without_a_formula,
    vector_through_control_flow,
    what_second_derivatives_cost,
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
    "function_of_your_own",
    "half_spectrum",
    "jacobian_by_products",
    "larger_graph_by_hand",
    "layer_with_a_memory",
    "leaf_that_got_lost",
    "log_that_grows",
    "quadratic_layer",
    "repair",
    "slopes_without_a_formula",
    "vector_through_control_flow",
    "what_second_derivatives_cost",
    "where_to_center",
]
