"""What the chapters say of torch, and no cell shows."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F


class MeanOfMany(nn.Module):
    def forward(self, X):
        return X.mean(dim=0) if X.shape[0] > 1 else X[0]


class SignOfSum(nn.Module):
    def forward(self, X):
        return X if X.sum() > 0 else -X


def test_export_takes_the_branch_of_the_example():
    many, one = torch.ones(3, 2), torch.ones(1, 2)
    of_many = torch.export.export(MeanOfMany(), (many,))
    of_one = torch.export.export(MeanOfMany(), (one,))
    assert "mean" in str(of_many.graph)
    assert "mean" not in str(of_one.graph)
    with pytest.raises((AssertionError, RuntimeError)):
        of_many.module()(one)
    with pytest.raises((AssertionError, RuntimeError)):
        of_many.module()(torch.ones(4, 2))


def test_export_refuses_a_branch_on_values():
    with pytest.raises(Exception, match=r"(?i)data.dependent"):
        torch.export.export(SignOfSum(), (torch.ones(3, 2),))


# On "meta", with an argument on the CPU. On CUDA all but the last raise.
MIXED = {
    "add": lambda there, here: there + here,
    "compare": lambda there, here: there < here,
    "cat": lambda there, here: torch.cat([there, here]),
    "stack": lambda there, here: torch.stack([there, here]),
    "mse_loss": F.mse_loss,
    "linear with a bias": lambda there, here: F.linear(there, here, here[0]),
    "layer_norm": lambda there, here: F.layer_norm(there, (3,), here[0]),
    "@": lambda there, here: there @ here,
    "linear": F.linear,
    "conv2d": lambda there, here: F.conv2d(there[None], here[None, None]),
    "embedding": lambda there, here: F.embedding(there.long(), here),
    "bmm": lambda there, here: there[None].bmm(here[None]),
    "einsum": lambda there, here: torch.einsum("ij,jk->ik", there, here),
    "index": lambda there, here: there[here[0].long()],
}


def test_meta_misses_a_mixture_of_places_where_there_are_weights():
    there, here = torch.ones(3, 3, device="meta"), torch.ones(3, 3)
    missed = []
    for name, operation in MIXED.items():
        try:
            operation(there, here)
        except RuntimeError:
            continue
        missed.append(name)
    assert missed == list(MIXED)[7:]


def test_default_device_is_where_tensors_are_created():
    torch.set_default_device("meta")
    try:
        assert torch.ones(2).is_meta
        assert nn.Linear(2, 2).weight.is_meta
    finally:
        torch.set_default_device(None)
    assert torch.ones(2).device.type == "cpu"


@pytest.mark.skipif(
    not hasattr(torch.backends.cudnn, "conv"), reason="since PyTorch 2.9"
)
def test_old_switch_of_convolutions_cannot_be_read_after_the_new_one():
    cudnn = torch.backends.cudnn
    before = cudnn.conv.fp32_precision
    assert cudnn.allow_tf32
    cudnn.conv.fp32_precision = "ieee"
    try:
        with pytest.raises(RuntimeError, match="mix of the legacy and new"):
            _ = cudnn.allow_tf32
    finally:
        cudnn.conv.fp32_precision = before
    assert cudnn.allow_tf32
