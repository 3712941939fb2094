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
from .blocks import (
    activation_by_name,
    chain_over_a_list,
    count_the_rounds,
    factory,
    hook_that_measures,
    read_a_tree,
    two_nets_side_by_side,
)
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
from .parameters import (
    all_but_the_last,
    another_distribution,
    count_bytes,
    every_way_to_a_bias,
    inputs_of_any_width,
    only_one_width_is_given,
    other_starts,
    tie_that_breaks,
    watch_a_shared_layer_learn,
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
    "activation_by_name",
    "after_a_failed_load",
    "all_but_the_last",
    "another_distribution",
    "another_rule_for_stopping",
    "better_start",
    "chain_over_a_list",
    "count_bytes",
    "count_the_rounds",
    "dropout",
    "every_way_to_a_bias",
    "factory",
    "find_the_corrupt_file",
    "function_of_your_own",
    "half_spectrum",
    "hook_that_measures",
    "inputs_of_any_width",
    "jacobian_by_products",
    "keep_the_last_three",
    "larger_graph_by_hand",
    "layer_with_a_memory",
    "layers_of_your_own",
    "leaf_that_got_lost",
    "log_that_grows",
    "lose_less",
    "new_hands",
    "only_one_width_is_given",
    "other_starts",
    "quadratic_layer",
    "read_a_tree",
    "repair",
    "resume_from_the_best",
    "resume_with_more_state",
    "reuse_two_layers",
    "save_the_architecture_too",
    "schedule",
    "slopes_without_a_formula",
    "stop_button",
    "tie_that_breaks",
    "two_nets_side_by_side",
    "two_runs_at_once",
    "vector_through_control_flow",
    "watch_a_shared_layer_learn",
    "what_second_derivatives_cost",
    "where_to_center",
    "who_confuses_whom",
]
