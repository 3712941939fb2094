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
from .training import (
    another_rule_for_stopping,
    layers_of_your_own,
    lose_less,
    new_hands,
    resume_from_the_best,
    schedule,
    stop_button,
    two_runs_at_once,
    who_confuses_whom,
)

__all__ = [
    "Report",
    "another_rule_for_stopping",
    "better_start",
    "dropout",
    "half_spectrum",
    "layer_with_a_memory",
    "layers_of_your_own",
    "lose_less",
    "new_hands",
    "quadratic_layer",
    "repair",
    "resume_from_the_best",
    "schedule",
    "stop_button",
    "two_runs_at_once",
    "where_to_center",
    "who_confuses_whom",
]
