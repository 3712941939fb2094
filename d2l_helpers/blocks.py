"""Blocks: modules made of other modules."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ._sizes import check_sizes


class MLP(nn.Module):
    r"""A multilayer perceptron with one hidden layer.

    .. math::
        \mathrm{MLP}(X) = \max(0, X W_1^\top + b_1)\, W_2^\top + b_2

    Args:
        num_inputs (int): features of one input.
        num_hiddens (int): features of the hidden layer.
        num_outputs (int): features of one output.

    Shape:
        - Input: :math:`(*, \text{num\_inputs})`, where :math:`*` is any
          number of batch dimensions, also none.
        - Output: :math:`(*, \text{num\_outputs})`.

    Attributes:
        hidden (nn.Linear): :math:`W_1` of shape
            :math:`(\text{num\_hiddens}, \text{num\_inputs})` and :math:`b_1`.
        out (nn.Linear): :math:`W_2` of shape
            :math:`(\text{num\_outputs}, \text{num\_hiddens})` and
            :math:`b_2`.

    Raises:
        TypeError: if a size isn't an integer.
        ValueError: if a size is less than 1.

    Example::

        >>> net = MLP(num_inputs=20, num_hiddens=256, num_outputs=10)
        >>> net(torch.rand(2, 20)).shape
        torch.Size([2, 10])

    Source: *Dive into Deep Learning*, section 6.1.1 (Chinese edition: 5.1.1).
    """

    def __init__(
        self,
        num_inputs: int = 20,
        num_hiddens: int = 256,
        num_outputs: int = 10,
    ) -> None:
        super().__init__()
        check_sizes(
            num_inputs=num_inputs,
            num_hiddens=num_hiddens,
            num_outputs=num_outputs,
        )
        self.hidden = nn.Linear(num_inputs, num_hiddens)
        self.out = nn.Linear(num_hiddens, num_outputs)

    def forward(self, X: Tensor) -> Tensor:
        return self.out(F.relu(self.hidden(X)))


class MySequential(nn.Module):
    r"""A chain of blocks, each fed with what the one before it returns.

    .. math::
        \mathrm{MySequential}(X) = (f_n \circ \dots \circ f_2 \circ f_1)(X)

    A block that stands in the chain several times runs several times, with
    the same parameters. Without any block, the output is the input.

    Args:
        *blocks (nn.Module): the blocks in order, registered under "0", "1",
            and so on; or a single :class:`~collections.OrderedDict` from
            names to blocks, registered under their names.

    Shape:
        - Input: whatever the first block takes.
        - Output: whatever the last block returns.

    Raises:
        TypeError: if a block isn't an :class:`nn.Module` object, or a name
            isn't a string.
        KeyError: if a name is empty, holds a dot, or is an attribute
            already.

    Example::

        >>> net = MySequential(nn.Linear(20, 256), nn.ReLU(),
        ...                    nn.Linear(256, 10))
        >>> net(torch.rand(2, 20)).shape
        torch.Size([2, 10])
        >>> len(net), net[-1]
        (3, Linear(in_features=256, out_features=10, bias=True))
        >>> list(net[1:].state_dict())
        ['2.weight', '2.bias']

    Source: *Dive into Deep Learning*, section 6.1.2 (Chinese edition: 5.1.2).
    """

    def __init__(self, *blocks: nn.Module | OrderedDict[str, nn.Module]):
        super().__init__()
        if len(blocks) == 1 and isinstance(blocks[0], OrderedDict):
            named = blocks[0]
        else:
            named = {str(i): block for i, block in enumerate(blocks)}
        for name, block in named.items():
            # Torch takes None here and fails much later, in forward.
            if not isinstance(block, nn.Module):
                raise TypeError(
                    f"block {name!r} must be an nn.Module object, "
                    f"got {block!r}"
                )
            self.add_module(name, block)

    def forward(self, X: Tensor) -> Tensor:
        # Not self.children(): it leaves out a block that it has seen before.
        for block in self:
            X = block(X)
        return X

    def __iter__(self) -> Iterator[nn.Module]:
        return iter(self._modules.values())

    def __len__(self) -> int:
        return len(self._modules)

    def __getitem__(self, index: int | slice) -> nn.Module:
        if isinstance(index, slice):
            return type(self)(OrderedDict(list(self._modules.items())[index]))
        return list(self)[index]


class FixedHiddenMLP(nn.Module):
    r"""A network with a constant weight, a layer used twice and a loop.

    With one linear layer :math:`f` and a fixed matrix :math:`R`,

    .. math::
        H = f(\max(0, f(X) R + 1)), \qquad
        \mathrm{FixedHiddenMLP}(X) = 2^{-k} \sum_{ij} H_{ij},

    where :math:`k \ge 0` is the smallest integer for which
    :math:`2^{-k} \sum_{ij} |H_{ij}| \le 1`.

    How often the loop runs depends on the data, so no graph without a loop
    in it holds every run: ``torch.compile`` works by leaving the graph at
    the check and at the loop, and raises under ``fullgraph=True``;
    ``torch.vmap``, ``torch.export`` and ``torch.fx.symbolic_trace`` raise; on
    the meta device, which has no data, ``forward`` raises.

    A state dict of the book's class lacks ``rand_weight``. It loads with
    ``strict=False``, and then ``rand_weight`` stays as drawn here.

    Args:
        num_features (int): features of one input, and of each layer inside.

    Shape:
        - Input: :math:`(*, \text{num\_features})`.
        - Output: :math:`()`, a scalar for the whole batch.

    Attributes:
        rand_weight (Tensor): :math:`R`, a buffer of shape
            :math:`(\text{num\_features}, \text{num\_features})`, drawn once
            from the uniform distribution on :math:`[0, 1)`. It is saved and
            moved with the module, and never trained.
        linear (nn.Linear): :math:`f`.

    Raises:
        TypeError: if ``num_features`` isn't an integer.
        ValueError: if ``num_features`` is less than 1, or, in ``forward``,
            if :math:`H` holds an infinite or NaN value: halving would never
            bring it below 1.

    Example::

        >>> net = FixedHiddenMLP()
        >>> net(torch.rand(2, 20)).shape
        torch.Size([])
        >>> list(net.state_dict())
        ['rand_weight', 'linear.weight', 'linear.bias']

    Source: *Dive into Deep Learning*, section 6.1.3 (Chinese edition: 5.1.3).
    """

    def __init__(self, num_features: int = 20) -> None:
        super().__init__()
        check_sizes(num_features=num_features)
        self.register_buffer(
            "rand_weight", torch.rand(num_features, num_features)
        )
        self.linear = nn.Linear(num_features, num_features)

    def forward(self, X: Tensor) -> Tensor:
        X = F.relu(self.linear(X) @ self.rand_weight + 1)
        X = self.linear(X)
        if not X.isfinite().all():
            raise ValueError(
                "FixedHiddenMLP can't halve infinite or NaN values: check "
                "the inputs and parameters for values that overflow"
            )
        while X.abs().sum() > 1:
            X = X / 2
        return X.sum()


class NestMLP(nn.Module):
    r"""A block that holds a chain of layers and a layer after it.

    .. math::
        \mathrm{NestMLP}(X) = \mathrm{linear}(\mathrm{net}(X))

    Shape:
        - Input: :math:`(*, 20)`.
        - Output: :math:`(*, 16)`.

    Attributes:
        net (nn.Sequential): two linear layers, 20 to 64 and 64 to 32
            features, with a ReLU after each.
        linear (nn.Linear): 32 to 16 features.

    Example::

        >>> NestMLP()(torch.rand(2, 20)).shape
        torch.Size([2, 16])

    Source: *Dive into Deep Learning*, section 6.1.3 (Chinese edition: 5.1.3).
    """

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU()
        )
        self.linear = nn.Linear(32, 16)

    def forward(self, X: Tensor) -> Tensor:
        return self.linear(self.net(X))
