"""Layers: modules that compute with tensors of their own."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ._sizes import check_sizes


class CenteredLayer(nn.Module):
    r"""Subtract the mean of all elements.

    .. math::
        \mathrm{CenteredLayer}(X) = X - \frac{1}{n} \sum_{i=1}^{n} X_i

    The mean runs over the whole tensor, batch dimensions included, so that
    the output for one sample depends on the others of its batch.

    Shape:
        - Input: :math:`(*)`, any shape, floating point.
        - Output: the same shape.

    Example::

        >>> CenteredLayer()(torch.tensor([1.0, 2, 3, 4, 5]))
        tensor([-2., -1.,  0.,  1.,  2.])

    Source: *Dive into Deep Learning*, section 6.5.1 (Chinese edition: 5.4.1).
    """

    def forward(self, X: Tensor) -> Tensor:
        return X - X.mean()


class MyLinear(nn.Module):
    r"""A fully connected layer with a ReLU.

    .. math::
        \mathrm{MyLinear}(X) = \max(0, X W + b)

    Gradients reach :math:`W` and :math:`b` wherever the output is positive.
    :math:`W` has the transpose of the shape that :class:`nn.Linear` keeps.

    Args:
        in_units (int): features of one input.
        units (int): features of one output.

    Shape:
        - Input: :math:`(*, \text{in\_units})`.
        - Output: :math:`(*, \text{units})`.

    Attributes:
        weight (nn.Parameter): :math:`W` of shape
            :math:`(\text{in\_units}, \text{units})`, drawn from
            :math:`\mathcal{N}(0, 1)`.
        bias (nn.Parameter): :math:`b` of shape :math:`(\text{units},)`,
            drawn from :math:`\mathcal{N}(0, 1)`.

    Raises:
        TypeError: if a size isn't an integer.
        ValueError: if a size is less than 1.

    Example::

        >>> layer = MyLinear(5, 3)
        >>> layer
        MyLinear(in_units=5, units=3)
        >>> layer(torch.rand(2, 5)).shape
        torch.Size([2, 3])

    Source: *Dive into Deep Learning*, section 6.5.2 (Chinese edition: 5.4.2).
    """

    def __init__(self, in_units: int, units: int) -> None:
        super().__init__()
        check_sizes(in_units=in_units, units=units)
        self.weight = nn.Parameter(torch.randn(in_units, units))
        self.bias = nn.Parameter(torch.randn(units))

    def forward(self, X: Tensor) -> Tensor:
        # The parameters themselves, not .data, which autograd can't see.
        return F.relu(X @ self.weight + self.bias)

    def extra_repr(self) -> str:
        in_units, units = self.weight.shape
        return f"in_units={in_units}, units={units}"
