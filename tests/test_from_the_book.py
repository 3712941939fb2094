"""What chapters/from_the_book.md says of torch, and no chapter shows."""

import pytest
import torch
from torch import nn

from d2l_helpers import MLP, FixedHiddenMLP, MyLinear, MySequential, NestMLP


def test_add_module_makes_the_same_entry_and_refuses_what_is_no_module():
    ours, theirs = nn.Module(), nn.Module()
    block = nn.Linear(2, 2)
    ours.add_module("0", block)
    theirs._modules["0"] = block
    assert ours._modules == theirs._modules
    theirs._modules["1"] = [block]
    with pytest.raises(TypeError):
        ours.add_module("1", [block])


def test_parameters_have_the_names_of_the_book():
    chain = MySequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2))
    layers = {
        MLP(): ["hidden.", "out."],
        chain: ["0.", "2."],
        NestMLP(): ["net.0.", "net.2.", "linear."],
        MyLinear(2, 2): [""],
    }
    for net, names in layers.items():
        expected = [n + kind for n in names for kind in ("weight", "bias")]
        assert list(net.state_dict()) == expected


def test_constant_is_in_the_state_dict_of_our_class_alone():
    # The book's class keeps it in a plain attribute, under the same name.
    names = ["rand_weight", "linear.weight", "linear.bias"]
    assert list(FixedHiddenMLP().state_dict()) == names


def test_division_in_place_changes_what_a_hook_has_kept():
    def halve(X):
        return X / 2

    def halve_in_place(X):
        X /= 2
        return X

    changed = {}
    for function in (halve, halve_in_place):
        layer, kept = nn.Identity(), []
        layer.register_forward_hook(lambda *args, kept=kept: kept.append(args))
        assert function(layer(torch.ones(1))) == 0.5
        changed[function] = kept[0][-1].item() != 1
    assert changed == {halve: False, halve_in_place: True}
