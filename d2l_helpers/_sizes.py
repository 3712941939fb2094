"""Argument checks for the cases in which torch is silent or obscure."""

import operator


def check_sizes(**sizes: int) -> None:
    """Raise unless every size is a positive integer.

    Torch accepts 0, and its error for a float is about ``empty()`` and names
    no argument of the caller's.

    Args:
        **sizes (int): numbers of features, by the names of the arguments.

    Raises:
        TypeError: if a size isn't an integer.
        ValueError: if a size is less than 1.

    Example::

        >>> check_sizes(num_inputs=20)
        >>> check_sizes(num_inputs=0)
        Traceback (most recent call last):
        ValueError: num_inputs must be at least 1, got 0
    """
    for name, size in sizes.items():
        try:
            number = operator.index(size)
        except TypeError:
            number = None
        if number is None or isinstance(size, bool):
            raise TypeError(f"{name} must be an integer, got {size!r}")
        if number < 1:
            raise ValueError(f"{name} must be at least 1, got {size!r}")
