"""The checks of chapter 04, Save and load tensors and models."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import pickle
import re
import sys
from collections import OrderedDict
from collections.abc import Callable, Iterable
from contextlib import suppress
from copy import deepcopy
from pathlib import Path
from unittest.mock import patch

import safetensors.torch
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..blocks import MLP, MySequential
from ._compare import Wrong, call, case, equal, holds, predicted, raises, same
from ._exercise import exercise
from ._hints import Hint
from ._phrase import Phrase
from ._report import show
from ._time_limit import is_of_reader


def _attempt(function: Callable, *arguments: object) -> object:
    """What a call returns, or None where it raises an error."""
    with suppress(Exception):
        return function(*arguments)
    return None


# 4.1: what to say to a wrong answer.
NOT_FROM_PATH = (
    "The argument `path` wasn't read. Load the file that it names, not one of "
    "your own."
)
LOAD_ERRORS = {
    "FileNotFoundError": NOT_FROM_PATH,
    "size mismatch": (
        "An entry of the file has another shape than the net's of that name.",
        "No argument forgives a wrong shape. Give `load_state_dict` only the "
        "entries of the first two linear layers.",
    ),
    "key(s) in state_dict": (
        "The load is strict, and the names in the net aren't those in what is "
        "loaded.",
        "`load_state_dict` has an argument that forgives keys which are "
        "missing or too many, and it returns both lists.",
    ),
}
OTHER_TYPE = "The net isn't in float32, as the file and the inputs are."
AT_RANDOM = (
    "Something in the net draws at random, such as dropout, which isn't asked "
    "for."
)
BOTH = "Return both, the net first."
ONLY_READS = "`reuse` only reads the file."
EARLIER_CALL = (
    "What is loaded depends on an earlier call. Read the file in each call."
)
NOT_ALL_FILLED = (
    "Not all of the four tensors of the file are in the net.",
    "Compare the names in the net's `state_dict()` with those in what you "
    "load.",
)
# By the entries of the file that are in the net.
FILLED = {
    frozenset(): (
        "Not one tensor of the file is in the net.",
        "Either the names differ, and a load that isn't strict forgave all of "
        "them, or nothing was loaded, or the values were changed.",
    ),
    frozenset({"0.weight", "0.bias"}): (
        "Only the first linear layer is the file's.",
        "The chain counts its ReLUs too: what is the second linear layer "
        "called?",
    ),
    frozenset({"0.weight", "2.weight"}): "Only the weights are the file's. A "
    "bias belongs to its layer.",
}
OTHER_LAYERS = (
    "Besides the two layers of the file, the net is to have two linear "
    "layers.",
    "One takes 64 features to 16, the other 16 to 3; each has a weight and a "
    "bias.",
)
OTHER_OUTPUT = (
    "With the same parameters, the net that is asked for has another output.",
    "The order is: linear (20, 64), ReLU, linear (64, 64), ReLU, linear "
    "(64, 16), ReLU, linear (16, 3).",
)
NO_NAMES = "The missing keys are names of parameters, in a list."
TWO_LISTS = (
    "`load_state_dict` returns two lists in one object. One of them is asked "
    "for."
)
NOT_MISSING = (
    "These aren't the names that the file doesn't fill.",
    "Missing keys are in the net and not in what you load: the parameters of "
    "your own two layers.",
)
TWICE_LISTED = "A name is in the list more than once."


@exercise(
    "4.1 Reuse two layers",
    "the weights and biases of the first two linear layers are the file's",
    "a ReLU, (64, 16), a ReLU and (16, 3) follow them, and nothing else",
    "the missing keys are the names of the new parameters",
    "each call reads the file that is given, and leaves it as it is",
)
def reuse_two_layers(reuse: Callable) -> None:
    path = Path.cwd() / "saved_chain.pt"
    with case("reuse(path), where no file is"):
        raises(Exception, reuse, path, hint=NOT_FROM_PATH)
    chain = _save_chain(path)
    data = path.read_bytes()
    given = "reuse(path), with the file of the chain 20, 64, 64, 10"
    with case(given, known=LOAD_ERRORS):
        answer = reuse(path)
        pair = isinstance(answer, (tuple, list)) and len(answer) == 2
        is_both = pair and isinstance(answer[0], nn.Module)
        expected = "a net and the names of its missing keys"
        holds(is_both, expected, show(answer), BOTH)
        net, missing = answer
        new = _new_values(net, chain)
        kept = path.read_bytes() == data
        holds(kept, "the file as it was", "another content", ONLY_READS)
    given = "the output of the net for X of shape (2, 20)"
    with case(given, known={"same dtype": OTHER_TYPE}):
        _require_end(net, chain, new)
    with case("the missing keys", NO_NAMES):
        _require_missing(missing, set(new), set(net.state_dict()))
    with case("reuse(path) again, with other values in the file"):
        old, chain = chain, _save_chain(path)
        net, _ = reuse(path)
        is_new = not _is_in(old.state_dict()["0.weight"], net.state_dict())
        expected = "the values of this file"
        holds(is_new, expected, "those that were in it before", EARLIER_CALL)
        _new_values(net, chain)


def _save_chain(path: Path) -> nn.Module:
    """Save the state dict of a new chain; the chain."""
    layers = nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU()
    chain = MySequential(*layers, nn.Linear(64, 10))
    torch.save(chain.state_dict(), path)
    return chain


def _new_values(net: nn.Module, chain: nn.Module) -> dict[str, Tensor]:
    """What a net has besides the first two linear layers of the file."""
    state = net.state_dict()
    first_two = {k: v for k, v in chain.state_dict().items() if k[0] in "02"}
    filled = {key for key, value in first_two.items() if _is_in(value, state)}
    what = "entries of the file that are in the net"
    equal(filled, set(first_two), NOT_ALL_FILLED, FILLED, what=what)
    new = {k: v for k, v in state.items() if not _is_in(v, first_two)}
    shapes = [torch.Size(s) for s in ((3,), (3, 16), (16,), (16, 64))]
    got = sorted(v.shape for v in new.values())
    equal(got, shapes, OTHER_LAYERS, what="shapes of the new parameters")
    return new


def _is_in(value: Tensor, state: dict[str, Tensor]) -> bool:
    return any(same(value, tensor, 0, 0) for tensor in state.values())


def _require_end(net: nn.Module, chain: nn.Module, new: dict) -> None:
    """Require what follows on the two layers, with values of its own."""
    shapes = (16, 64), (3, 16), (16,), (3,)
    values = {shape: torch.randn(shape) for shape in shapes}
    W1, W2, b1, b2 = values.values()
    with torch.no_grad():
        for v in new.values():
            v.copy_(values[tuple(v.shape)])

    def end(H: Tensor, between: Callable = F.relu) -> Tensor:
        return F.linear(between(F.linear(H, W1, b1)), W2, b2)

    X = torch.randn(2, 20)
    H = chain[:4](X)
    known = {
        end(H, lambda H: H): "The ReLU between your two layers is missing: "
        "without it, they are no more than one linear layer.",
        end(chain[:3](X)): "The second ReLU is missing. A ReLU has no values, "
        "so nothing in the file reminds you of it.",
        F.relu(end(H)): "A ReLU too many stands at the end.",
    }
    net.train()
    got = call(net, X)
    again = same(call(net, X), got, 1e-5, 1e-6)
    expected = "the same output for the same input"
    holds(again, expected, "another output in the second call", AT_RANDOM)
    equal(got, end(H), OTHER_OUTPUT, known, what="output")


def _require_missing(missing: object, names: set, all_names: set) -> None:
    is_list = not hasattr(missing, "missing_keys")
    holds(is_list, "a list of names", show(missing), TWO_LISTS)
    listed = list(missing)
    known = {
        frozenset(): "These are the unexpected keys, and there are none.",
        frozenset(all_names): "These are all names; the file fills some of "
        "them.",
        frozenset({"4.weight", "4.bias"}): "These keys of the file were left "
        "out. A missing key is one of the net's that the file doesn't fill.",
    }
    got = missing if isinstance(missing, str) else set(listed)
    equal(got, names, NOT_MISSING, known)
    expected, got = (
        Phrase("{number} names", number=len(each)) for each in (names, listed)
    )
    holds(len(listed) == len(names), expected, got, TWICE_LISTED)


# 4.2: what to say to a wrong answer.
NO_DATA = (
    "The file isn't a dictionary of plain data that `torch.load` reads.",
    "Tensors, numbers, strings, lists and dictionaries are plain data; a net, "
    "or an object of another class, isn't. `torch.save` writes it to `path`.",
)
KIND = 'The name of the net\'s class goes under the key `"kind"`.'
NOT_BUILT = (
    "The net can't be built from this file alone, or not used.",
    "Build it from its description, then load its values, both from the file. "
    "Sizes, the order of the layers, their names and whether there is a bias "
    "are all part of the description.",
)
NO_NET = "`load_net` returns the net."
OTHER_NUMBERS = (
    "The loaded net gives other numbers: are all its values loaded, and all "
    "its layers there, in the same order?"
)
NO_LAST_RELU = (
    "The last ReLU is missing.",
    "It is one object in two places, and `children()` gives an object only "
    "once.",
)
CHOSEN = (
    "The file has chosen the class that is built.",
    "`getattr`, `globals()` and `vars(nn)` know far more names than are "
    "meant. Look the name up in a dictionary of those that are known.",
)
UNKNOWN_KIND = (
    "An error is asked for, whose message names both kinds that are known.",
    "Whoever reads the message has a file and no idea what is in it: say "
    "which kinds `load_net` can build.",
)
# By a layer that no file may describe, the reason.
UNKNOWN = {
    "Tanh()": "A tanh is neither a linear layer nor a ReLU",
    "Doubled(4, 4), a subclass of Linear": "A layer of a subclass of `Linear` "
    "gives other numbers",
    "MySequential(Linear(4, 4))": "A chain in a chain is neither a linear "
    "layer nor a ReLU",
}
RUN = (
    "Text from the file is run as code.",
    "`eval` and `exec` run any text. Look a name up in a dictionary of those "
    "that are known.",
)
UNPICKLED = (
    "The file's code was run.",
    "Leave `weights_only` at True, in each call of `torch.load`.",
)
SILENT = (
    "Let the error of `torch.load` pass: who loads this file must learn that "
    "it was refused."
)


@exercise(
    "4.2 Save the architecture too",
    "the file has the kind, and nothing but data",
    "each net that is loaded, from its file alone, answers like the saved one",
    "the error for an unknown kind names the known ones",
    "so does the error for an unknown layer, of a subclass of Linear too",
    "no text in a file is run as code, or chooses another class",
    "a pickle that wants to call a function is refused, before the call",
)
def save_the_architecture_too(save_net: Callable, load_net: Callable) -> None:
    path = Path.cwd() / "net.pt"
    nets, written = _nets(), {}
    for name, net in nets.items():
        with case(Phrase("save_net, for {net}", net=name)):
            save_net(deepcopy(net), path)
        with case(Phrase("the file of {net}", net=name), NO_DATA):
            _require_kind(_load(path), show(type(net).__name__))
        written[name] = path.read_bytes()
    for name, net in nets.items():  # as if after all of them were saved
        path.write_bytes(written[name])
        with case(Phrase("load_net, for {net}", net=name), NOT_BUILT):
            _require_same_answers(load_net(path), net)
    file = _load(path)
    _require_known_kinds(load_net, file, path)
    _require_known_layers(save_net, load_net, path)
    _require_text_stays_text(load_net, file, path)
    _require_refusal(load_net, file, path)


def _nets() -> dict[str, nn.Module]:
    f, g, h = nn.Linear(4, 3), nn.Linear(3, 2), nn.Linear(4, 2, bias=False)
    relu, last, twice = nn.ReLU(), nn.ReLU(), nn.Linear(4, 4)
    named = OrderedDict(b=nn.Linear(4, 3), a=nn.ReLU(), c=nn.Linear(3, 4))
    mlp, k, m = MLP(4, 3, 2), nn.Linear(4, 4), nn.Linear(4, 4)
    chains = {
        "Linear(4, 3), ReLU(), Linear(3, 2)": (f, relu, g),
        "OrderedDict(b=Linear(4, 3), a=ReLU(), c=Linear(3, 4))": (named,),
        "ReLU(), Linear(4, 2, bias=False), ReLU()": (relu, h, last),
        "Linear(4, 4), relu, Linear(4, 4), relu": (k, relu, m, relu),
    }
    return {
        "MLP(4, 3, 2)": mlp,
        **{f"MySequential({b})": MySequential(*c) for b, c in chains.items()},
        "MySequential(twice, ReLU(), twice), with twice = Linear(4, 4)": (
            MySequential(twice, relu, twice)
        ),
    }


def _require_kind(file: object, kind: str) -> None:
    holds(isinstance(file, dict), "a dictionary", show(file), NO_DATA)
    got = show(file.get("kind"))
    expected = Phrase("under the key 'kind': {kind}", kind=kind)
    holds(got == kind, expected, got, KIND)


def _require_same_answers(loaded: object, net: nn.Module) -> None:
    holds(isinstance(loaded, nn.Module), "a net", show(loaded), NO_NET)
    X, known = torch.randn(5, 4), {}
    if isinstance(net, MySequential) and len(net) == 4:
        known = {net[:3](X): NO_LAST_RELU}
    got, expected = call(loaded, X), net(X)
    equal(got, expected, OTHER_NUMBERS, known, rtol=1e-5, what="output")


def _require_known_kinds(load_net: Callable, file: dict, path: Path) -> None:
    built = []

    class Transformer(MLP):
        def __init__(self, *_: object, **__: object) -> None:
            built.append(self)
            super().__init__()

    # A class of this name, where the answer's own names are looked up.
    theirs = getattr(load_net, "__globals__", {})
    with (
        case('load_net, for a file with the kind "Transformer"'),
        patch.dict(theirs, {"Transformer": Transformer}),
    ):
        torch.save({**file, "kind": "Transformer"}, path)
        _attempt(load_net, path)
        got = "an object of a class that happens to have this name"
        holds(not built, "an error", got, CHOSEN)
        says = "MLP", "MySequential"
        raises(Exception, load_net, path, says=says, hint=UNKNOWN_KIND)


class _Doubled(nn.Linear):
    """A subclass of a known layer, with another answer."""

    def forward(self, X: Tensor) -> Tensor:
        return 2 * super().forward(X)


def _require_known_layers(
    save_net: Callable, load_net: Callable, path: Path
) -> None:
    def save_and_load(net: nn.Module) -> object:
        save_net(deepcopy(net), path)
        return load_net(path)

    layers = nn.Tanh(), _Doubled(4, 4), MySequential(nn.Linear(4, 4))
    for layer, (name, reason) in zip(layers, UNKNOWN.items(), strict=True):
        hint = (
            Phrase(
                "{reason}: an error is asked for, whose message names "
                "`Linear` and `ReLU`.",
                reason=reason,
            ),
            "In one of the two functions, ask whether the class itself is "
            "known, and say which ones are.",
        )
        given = Phrase(
            "save_net, then load_net, for MySequential({layer})", layer=name
        )
        net, X = MySequential(layer), torch.randn(5, 4)
        with case(given):
            with suppress(Exception):
                alike = same(call(save_and_load(net), X), net(X), 1e-5, 1e-6)
                if alike and not isinstance(layer, nn.Tanh):
                    continue
            says = "Linear", "ReLU"
            raises(Exception, save_and_load, net, says=says, hint=hint)


def _require_text_stays_text(
    load_net: Callable, file: dict, path: Path
) -> None:
    """Require that a file's text is looked up, and never run."""
    marker = Path.cwd() / "was_here"
    code = f"__import__('os').mkdir({str(marker)!r})"
    file_of_code = _with_strings(file, lambda _: code)
    for kind in (file["kind"], code):
        with case("load_net, for a file in which each string is code"):
            torch.save({**file_of_code, "kind": kind}, path)
            _attempt(load_net, path)
            got = "the directory that the code makes"
            holds(not marker.exists(), "no code that runs", got, RUN)
    with case('load_net, for a file with "Tanh" in the place of "ReLU"'):
        other = _with_strings(file, lambda text: text.replace("ReLU", "Tanh"))
        torch.save(other, path)
        net = _attempt(load_net, path)
        modules = net.modules() if isinstance(net, nn.Module) else ()
        built = any(isinstance(module, nn.Tanh) for module in modules)
        holds(not built, "an error", show(net), CHOSEN)
    with case("load_net, for a file that save_net wrote"):
        torch.save(file, path)
        called = []

        def noted(source: str, *scopes: dict) -> object:
            frame = sys._getframe(1)
            if is_of_reader(frame.f_code.co_filename):
                called.append(source)
            return run(source, *(scopes or (frame.f_globals, frame.f_locals)))

        run = eval
        with patch("builtins.eval", noted):
            load_net(path)
        for source in called:
            raise Wrong("no call of eval", f"eval({show(source)})", RUN)


def _require_refusal(load_net: Callable, file: dict, path: Path) -> None:
    marker = Path.cwd() / "was_here"
    with case("load_net, for a file that makes a directory when unpickled"):
        torch.save({**file, "extra": _Hostile(marker)}, path)
        got = _attempt(lambda: show(load_net(path)))
        kept = not marker.exists()
        holds(kept, "no directory", "the directory", UNPICKLED)
        holds(got is None, "an error", got, SILENT)


def _with_strings(value: object, change: Callable[[str], str]) -> object:
    """The value with each string in it changed, but for a dict's keys."""
    if isinstance(value, dict):
        return {k: _with_strings(v, change) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_with_strings(v, change) for v in value]
    return change(value) if isinstance(value, str) else value


class _Hostile:
    """Makes a directory, where it is unpickled without care."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple:
        return os.mkdir, (str(self.marker),)


def _load(path: Path) -> object:
    """What is in a file, with no class allowed that isn't by default."""
    allowed = torch.serialization.get_safe_globals()
    torch.serialization.clear_safe_globals()
    try:
        return torch.load(path, weights_only=True)
    except pickle.UnpicklingError as error:
        # Torch writes some words in bold, for a terminal.
        text = re.sub(r"\x1b\[[0-9;]*m", "", str(error))
        raise pickle.UnpicklingError(text) from None
    finally:
        torch.serialization.add_safe_globals(allowed)


# 4.3: what to say to a wrong answer.
THROUGH_A_FILE = (
    "The dictionary must go through a file.",
    "State dicts, numbers and tensors pass; an object such as the net or the "
    "generator itself doesn't.",
)
RUN_CHANGED = (
    "`checkpoint_of` changes the run that it is to describe: reading a state "
    "is enough."
)
EPOCH = (
    "`restore` returns the epoch after which the run stopped: it tells how "
    "many are left."
)
EVALUATION = (
    "The net is in evaluation mode, in which dropout does nothing. A run that "
    "goes on needs training mode."
)
# By part of a run, what to say if it wasn't brought back.
NOT_BACK = {
    "parameters": "The net hasn't the parameters of the run that stopped.",
    "optimizer": (
        "The optimizer isn't in the state of the run that stopped.",
        "Adam has averages over the steps before. They are in its state dict, "
        "as the parameters are in the net's.",
    ),
    "own generator": (
        "`order` isn't where it was.",
        "A generator's state says where it is; its seed says only where it "
        "began.",
    ),
    "global generator": (
        "PyTorch's global generator isn't where it was.",
        "What draws from it, if the order doesn't? Its state comes back last, "
        "with nothing drawn after that.",
    ),
}
ALL_BACK = (
    "Each part is back, and the end is another.",
    "Does the optimizer still hold the net's own parameters, or were they "
    "replaced by new ones?",
)
# By part of a run, why a checkpoint needs it, or doesn't.
NEEDED = {
    "parameters": "The parameters are what was learned.",
    "gradients": "`zero_grad` drops the old gradients before any is used.",
    "optimizer": "Adam scales its steps by averages over all the steps "
    "before.",
    "epoch": "Without the epoch, nobody knows how many are left.",
    "own generator": "What a generator draws next depends on its state, and "
    "the order of the samples depends on that.",
    "global generator": "`nn.Dropout` draws from PyTorch's global generator. "
    "The state of `order` says nothing about that one.",
}


@exercise(
    "4.3 Resume with more state",
    "the checkpoint can be saved, and loaded with `weights_only=True`",
    "making it changes nothing of the run",
    "a run that stops after epoch 4 of 10 ends like one that doesn't stop",
    "you know which parts that needs",
)
def resume_with_more_state(
    checkpoint_of: Callable, restore: Callable, needed: dict
) -> None:
    torch.set_num_threads(1)  # on a busy machine, threads wait for each other
    straight, other, stopped = _Run(0, 10), _Run(2, 1), _Run(0, 4)
    truth = stopped.state()
    for run, epoch in ((other, 7), (stopped, 4), (other, 7)):
        asked = f"checkpoint_of(net, optimizer, {epoch}, order)"
        with case(Phrase("{call}, saved", call=asked), THROUGH_A_FILE):
            _require_checkpoint(checkpoint_of, run, epoch)
    for epoch in (7, 4):
        given = Phrase(
            "restore of a state of epoch {epoch}, into objects built anew",
            epoch=epoch,
        )
        with case(given):
            run = _Run(1)
            state = _load(Path(f"epoch{epoch}.pt"))
            got = restore(state, run.net, run.optimizer, run.order)
            equal(got, epoch, EPOCH, what="epoch")
            got = run.state()
    with case("six more epochs after it"):
        run.train(6)
        expected = "the end of the run that didn't stop"
        hint = _what_differs(run, got, truth)
        holds(straight.ends_like(run), expected, "another end", hint)
    predicted(needed, _needed(straight, truth), NEEDED)


class _Run:
    """A training run with dropout and a generator for the order."""

    def __init__(self, seed: int, num_epochs: int = 0) -> None:
        torch.manual_seed(seed)
        layers = nn.Linear(4, 8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 1)
        self.net = net = nn.Sequential(*layers)
        self.optimizer = adam = torch.optim.Adam(net.parameters(), lr=0.01)
        self.order = order = torch.Generator().manual_seed(seed)
        # By part, how its state is read, and how it is set.
        self.parts = {
            "parameters": (net.state_dict, net.load_state_dict),
            "gradients": (self._gradients, self._set_gradients),
            "optimizer": (adam.state_dict, adam.load_state_dict),
            "own generator": (order.get_state, order.set_state),
            "global generator": (torch.get_rng_state, torch.set_rng_state),
        }
        self.train(num_epochs)

    def train(self, num_epochs: int) -> None:
        X = torch.linspace(-1, 1, 32).reshape(8, 4)
        y = X.square().sum(dim=1, keepdim=True)  # (8, 1)
        for _ in range(num_epochs):
            for rows in torch.randperm(8, generator=self.order).split(4):
                loss = F.mse_loss(self.net(X[rows]), y[rows])
                self.optimizer.zero_grad()
                loss.backward()
                self.optimizer.step()

    def state(self) -> dict:
        return deepcopy({k: read() for k, (read, _) in self.parts.items()})

    def restore(self, state: dict, without: str) -> None:
        for part, (_, set_to) in self.parts.items():
            if part != without:
                set_to(deepcopy(state[part]))

    def _gradients(self) -> list[Tensor]:
        return [p.grad for p in self.net.parameters()]

    def _set_gradients(self, grads: list[Tensor]) -> None:
        for p, grad in zip(self.net.parameters(), grads, strict=True):
            p.grad = grad

    def ends_like(self, other: _Run) -> bool:
        return same(other.net.state_dict(), self.net.state_dict(), 0, 0)


def _require_checkpoint(
    checkpoint_of: Callable, run: _Run, epoch: int
) -> None:
    """Require a file, and a run that can go on after it was written."""
    before = run.state()
    state = checkpoint_of(run.net, run.optimizer, epoch, run.order)
    is_dict = isinstance(state, dict)
    holds(is_dict, "a dictionary", show(state), THROUGH_A_FILE)
    torch.save(state, f"epoch{epoch}.pt")
    _load(Path(f"epoch{epoch}.pt"))
    after = run.state()
    changed = (k for k, v in before.items() if not same(after[k], v, 0, 0))
    parts = ", ".join(part for part in changed if part != "gradients")
    got = "a net in evaluation mode"
    if parts:
        got = Phrase("another state of: {parts}", parts=parts)
    kept = run.net.training and not parts
    holds(kept, "a run that goes on as before", got, RUN_CHANGED)


def _what_differs(run: _Run, got: dict, truth: dict) -> Hint:
    """The hint for the first part of a run that wasn't brought back."""
    if not run.net.training:
        return EVALUATION
    differs = (p for p in NOT_BACK if not same(got[p], truth[p], 0, 0))
    part = next(differs, None)
    return NOT_BACK[part] if part else ALL_BACK


def _needed(straight: _Run, state: dict) -> dict[str, bool]:
    """By part, whether a run that resumes without it ends elsewhere."""
    needed = {}
    for part in (*state, "epoch"):
        run = _Run(1)
        run.restore(state, without=part)
        run.train(10 if part == "epoch" else 6)
        needed[part] = not straight.ends_like(run)
    return needed


# 4.4: what to say to a wrong answer.
# By damage, why `torch.load` notices it, or doesn't.
NOTICED = {
    "cut": "A zip archive ends with the list of what it holds, and "
    "`torch.load` looks for it there.",
    "flipped": (
        "A flipped bit of a number is another number: does anything in the "
        "file tell?",
        "To notice it, the checksum must be computed again, which takes time, "
        "and `torch.load` leaves it out.",
    ),
}
NAMES = "Return the names of the files, in a list or in a set."
ONLY_LOOKS = (
    "The function only looks: whoever asks decides what becomes of a file."
)
TWICE_NAMED = "A name is there more than once."
NO_NAME = (
    "This isn't the name of a file, such as copy1.pt, as `path.name` gives it."
)
REFUSED = (
    "`ZipFile` refuses a file that was cut.",
    "The file has lost its end, where the archive's list is, so that "
    "`testzip` can't run. This error tells too that it is damaged.",
)
UNDAMAGED = "None of these files is damaged."
CUT = (
    "The file that was cut isn't found.",
    "It has lost its end, where the archive's list is: `ZipFile` raises "
    "before `testzip` can run.",
)
FLIPPED = (
    "The file with the flipped bit isn't found.",
    "It can be read, and has its size. Only the checksums tell: call "
    "`testzip`, and look at what it returns.",
)
GO_ON = "Go on after the first damaged file, to the last one."
UNCHANGED = (
    "None of the digests differs.",
    "Each is SHA-256 of all bytes of the file, whatever they mean, in "
    "hexadecimal.",
)
COMPLETE = (
    "This file is a complete archive, with checksums that fit. Its bytes have "
    "another digest than the one in `digests`."
)
ONE_BIT = (
    "The digest is that of the file's bytes, also where they can't be read: "
    "one bit is enough to change it."
)
ALL_BYTES = "Not all bytes of the file are in the digest."
BY_NAME = "A file has its own digest, which is found under its name."
WHOLE_DIGEST = "Compare the whole digest: a part of it is easier to forge."
DIGESTS_STAY = (
    "The digests are what the files are compared with: they stay as they are."
)


@exercise(
    "4.4 Find the corrupt file",
    "you know which damage `torch.load` notices",
    "`corrupt` finds the file that was cut, and the one with a flipped bit",
    "`changed` finds a complete file that took the place of another",
    "both look at all files, and leave them as they are",
)
def find_the_corrupt_file(
    noticed: dict, corrupt: Callable, changed: Callable
) -> None:
    paths = [Path.cwd() / f"copy{i}.pt" for i in range(1, 6)]
    torch.save({"weight": torch.rand(1000), "epoch": 15}, paths[0])
    whole = paths[0].read_bytes()
    torch.save({"weight": torch.zeros(1000), "epoch": 15}, paths[0])
    other = paths[0].read_bytes()
    cut, flipped = whole[: len(whole) // 2], bytearray(whole)
    flipped[len(flipped) // 2] ^= 1
    truth = {"cut": _load_notices(cut), "flipped": _load_notices(flipped)}
    predicted(noticed, truth, NOTICED)
    _require_corrupt(corrupt, paths, cut, flipped)
    _require_changed(changed, paths, flipped, other)


def _load_notices(data: bytes) -> bool:
    """Whether ``torch.load`` refuses a file with this content."""
    path = Path.cwd() / "damaged.pt"
    path.write_bytes(data)
    return _attempt(torch.load, path) is None


def _require_corrupt(
    corrupt: Callable, paths: list[Path], cut: bytes, flipped: bytes
) -> None:
    returned = (
        "`testzip` returns None for a good archive, and else the name of the "
        "first bad entry in it. Return names of files."
    )
    known = {
        frozenset(path.name for path in paths): returned,
        frozenset({None}): returned,
        frozenset({"0"}): "This is the name of an entry of the archive, as "
        "`testzip` returns it. Return the name of the file.",
    }
    both = {"copy2.pt": cut, "copy4.pt": flipped}
    for files, (content, hint) in {
        "five good files, with other numbers in each": ({}, UNDAMAGED),
        "copy2.pt is cut in half": ({"copy2.pt": cut}, CUT),
        "one bit of copy4.pt is flipped": ({"copy4.pt": flipped}, FLIPPED),
        "copy2.pt is cut in half, one bit of copy4.pt is flipped": (
            (both, GO_ON)
        ),
        "copy2.pt is cut in half, one bit of copy4.pt is flipped, and "
        "copy5.pt is empty": ({**both, "copy5.pt": b""}, GO_ON),
    }.items():
        given = Phrase("corrupt(paths), {files}", files=files)
        with case(given, known={"BadZipFile": REFUSED}):
            _write(paths, content)
            names = _names(paths, corrupt)
            _require_names(names, set(content), hint, known)


def _require_changed(
    changed: Callable, paths: list[Path], flipped: bytes, other: bytes
) -> None:
    _write(paths, {})
    data = {path.name: path.read_bytes() for path in reversed(paths)}
    good = {name: _sha256(content) for name, content in data.items()}
    one, two = data["copy1.pt"], data["copy2.pt"]
    large, digest = bytes(2_000_000), good["copy1.pt"]
    forged = digest[:-1] + "10"[digest[-1] == "1"]
    others = frozenset(good) - {"copy3.pt"}
    are_good = {others: "These are the files that are good."}
    for files, (content, noted, hint) in {
        "the files as they were": ({}, {}, UNCHANGED),
        "copy3.pt saved with other weights": (
            ({"copy3.pt": other}, {}, COMPLETE)
        ),
        "one bit of copy4.pt flipped": ({"copy4.pt": flipped}, {}, ONE_BIT),
        "the files as they were, copy5.pt with 2,000,000 bytes": (
            ({"copy5.pt": large}, {"copy5.pt": _sha256(large)}, ALL_BYTES)
        ),
        "copy1.pt and copy2.pt in each other's place": (
            ({"copy1.pt": two, "copy2.pt": one}, {}, BY_NAME)
        ),
        "the last digit of the digest of copy1.pt changed": (
            ({}, {"copy1.pt": forged}, WHOLE_DIGEST)
        ),
    }.items():
        with case(Phrase("changed(paths, digests), {files}", files=files)):
            _write(paths, content)
            digests = good | noted
            names = _names(paths, changed, digests)
            kept = digests == good | noted
            holds(kept, "`digests` as it was", "another one", DIGESTS_STAY)
            expected = {
                path.name
                for path in paths
                if _sha256(path.read_bytes()) != digests[path.name]
            }
            known = are_good if "copy3.pt" in content else {}
            _require_names(names, expected, hint, known)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _write(paths: list[Path], content: dict[str, bytes]) -> None:
    """Write five good files, with other numbers in each, but for some."""
    for i, path in enumerate(paths):
        torch.save({"weight": torch.full((1000,), float(i)), "epoch": i}, path)
        if path.name in content:
            path.write_bytes(content[path.name])


def _names(paths: list[Path], function: Callable, *more: object) -> set:
    """The names that a function returned, of paths without the folder."""
    before = [path.read_bytes() for path in paths]
    answer = function(list(paths), *more)
    several = isinstance(answer, Iterable) and not isinstance(answer, str)
    holds(several, "names", show(answer), NAMES)
    names = [*map(_name, answer)]
    after = [path.exists() and path.read_bytes() for path in paths]
    holds(after == before, "files as they were", "others", ONLY_LOOKS)
    named = [name for name in names if name]
    once = len({*named}) == len(named)
    holds(once, "each name once", show(names), TWICE_NAMED)
    return {*names}


def _name(answer: object) -> str | None:
    if isinstance(answer, (str, os.PathLike)):
        return Path(answer).name
    return None if answer is None else show(answer)


def _require_names(got: set, expected: set, hint: Hint, known: dict) -> None:
    """Require some names of the five files."""
    strange = got - {f"copy{i}.pt" for i in range(1, 6)} - {None, "0"}
    equal(got, expected, NO_NAME if strange else hint, known, what="names")


# 4.5: what to say to a wrong answer.
FITS = (
    "Its shape in the file is that in the net.",
    "`load_state_dict` copies name by name, and raises only when it is "
    "through.",
)
OTHER_SHAPE = "Its shape in the file is another, so nothing could be copied."
ALL_OF_IT = "This state fits, and all of it is to be in the net."
SUCCEEDED = "The load has succeeded: return True."
FAILED = "The load has failed: return False."
CATCH = "Catch the error, and return False in its place."
SHARED = "The parameters have the state's memory now. Copy the values."
REPLACED = (
    "An optimizer holds the parameters themselves, and would go on with those "
    "that the net has no more.",
    "Copy values into them, as `load_state_dict` does without `assign`.",
)
FROZEN = "Only the values change: `requires_grad` stays as it was."
COPIED = (
    "What fits was copied before the error was raised, and is still there.",
    "Put back what was there, from a copy of its own: a state dict shares the "
    "net's memory, and changes with it.",
)
LOOSE = (
    "This state doesn't fit, but it was loaded, as far as it goes.",
    "A strict load refuses a state with a key too few or too many: it raises "
    "an error.",
)
NEITHER = (
    "These values are neither those of before nor the state's. Put back what "
    "was there."
)
BUFFERS = (
    "The parameters are as they were, and a buffer isn't.",
    "Loading fills the buffers too, here those of `BatchNorm1d`: its means "
    "and its count of batches.",
)


@exercise(
    "4.5 After a failed load",
    "you know what a failed load leaves in the net",
    "a state that fits is loaded and copied, and the answer is True",
    "the net keeps its own parameters, with other values",
    "a state that doesn't fit changes nothing, and the answer is False",
)
def after_a_failed_load(from_file: dict, load_or_leave: Callable) -> None:
    file, three = MLP().state_dict(), MLP(20, 256, 3)
    _attempt(three.load_state_dict, file)
    truth = {k: same(v, file[k], 0, 0) for k, v in three.state_dict().items()}
    hints = {k: FITS if fits else OTHER_SHAPE for k, fits in truth.items()}
    predicted(from_file, truth, hints)
    net, file = MLP(4, 3, 2), MLP(4, 3, 2).state_dict()
    with case("MLP(4, 3, 2), and the state of another MLP(4, 3, 2)"):
        _require_loaded(load_or_leave, net, file)
    missing = MLP(4, 3, 2).state_dict()
    missing.pop("out.bias")
    more = {**file, "more": torch.zeros(1)}
    small = MySequential(nn.BatchNorm1d(2), nn.Linear(2, 1))
    large = MySequential(nn.BatchNorm1d(2), nn.Linear(2, 3))
    nn.init.constant_(large[0].running_mean, 5)
    large[0].num_batches_tracked.fill_(5)
    for given, (left, state) in {
        "MLP(4, 3, 1), and the state of MLP(4, 3, 2)": (MLP(4, 3, 1), file),
        "MLP(4, 3, 2), and a state without out.bias": (net, missing),
        "MLP(4, 3, 2), and a state with a key too many": (
            (MLP(4, 3, 2), more)
        ),
        "MySequential(BatchNorm1d(2), Linear(2, 1)), and the state of such "
        "a chain with Linear(2, 3)": (small, large.state_dict()),
    }.items():
        with case(given, known={"in loading state_dict": CATCH}):
            _require_left(load_or_leave, left, state)


def _require_loaded(
    load_or_leave: Callable, net: nn.Module, file: dict
) -> None:
    """Require that a net has copies of a state's values."""
    parameters, state = [*net.parameters()], deepcopy(file)
    answer = load_or_leave(net, state)
    got = {k for k, v in net.state_dict().items() if same(v, file[k], 0, 0)}
    equal(got, set(file), ALL_OF_IT, what="loaded")
    _require_kept(net, parameters)
    equal(answer, True, SUCCEEDED)
    for value in state.values():
        value.zero_()
    expected = "a net that keeps its values when the state changes"
    own = same(net.state_dict(), file, 0, 0)
    holds(own, expected, "one that changes too", SHARED)


def _require_kept(net: nn.Module, parameters: list[nn.Parameter]) -> None:
    """Require that a net has the very parameters that it had."""
    kept = same([*map(id, net.parameters())], [*map(id, parameters)], 0, 0)
    expected = "the net's own parameters"
    holds(kept, expected, "others in their places", REPLACED)
    trained = all(p.requires_grad for p in parameters)
    holds(trained, "parameters that can be trained", "frozen ones", FROZEN)


def _require_left(load_or_leave: Callable, net: nn.Module, file: dict) -> None:
    """Require that a net is left as it is, since the state doesn't fit."""
    before, parameters = deepcopy(net.state_dict()), [*net.parameters()]
    answer = load_or_leave(net, deepcopy(file))
    after = net.state_dict()
    moved = [k for k in before if not same(after[k], before[k], 0, 0)]
    loaded = any(k in file and same(after[k], file[k], 0, 0) for k in moved)
    hint = COPIED if loaded else NEITHER
    if {*moved} <= {name for name, _ in net.named_buffers()}:
        hint = BUFFERS
    elif answer is True:
        hint = LOOSE
    equal(moved, [], hint, what="changed")
    _require_kept(net, parameters)
    equal(answer, False, FAILED)


# 4.6: what to say to a wrong answer.
NOTHING_SAVED = "Nothing was saved yet: the answer is None."
STATE_ITSELF = "Write the state itself by `torch.save`, to a file in `folder`."
WHAT_WAS_SAVED = "`load_latest` returns what was saved."
THREE_HIGHEST = "After a save, only the three highest epochs are to be there."
# By the epochs that are left of 8 to 11, or of 998 to 1001.
LEFT = {
    (8, 9, 10, 11): "Four are there: when a new one is written, the oldest "
    "must go.",
    (8, 9, 11): (
        "Epoch 10 was taken for the oldest.",
        'As text, "epoch10" comes before "epoch8": compare numbers.',
    ),
    (8, 10, 11): (
        "Epoch 9 was taken for the oldest.",
        "Its file has the earliest time, which a copy may change: go by the "
        "epoch.",
    ),
    (11,): "Only the last is there: each save writes the same.",
    (998, 999, 1001): (
        "Epoch 1000 was taken for the oldest.",
        'As text, "1000" comes before "998": compare numbers.',
    ),
}
ANY_EPOCHS = (
    "A run may save at any epochs.",
    "Look which are there, and delete all but the three highest.",
)
SAVED_LAST = (
    "The three highest epochs count, not the three that were saved last."
)
NOTES_DELETED = (
    "A file that isn't a checkpoint was deleted. Delete only what the "
    "function itself has saved."
)
NEWEST = "The newest is that of the highest epoch."
BY_TEXT = (
    NEWEST,
    "Are the files in the order of numbers, and is the highest the first to "
    'be tried? As text, "epoch9" comes after "epoch11".',
)
PASS_OVER = (
    "A file that can't be read is to be passed over, for the one before it.",
    "Where it was cut decides which error it raises: RuntimeError, OSError, "
    "EOFError or pickle.UnpicklingError.",
)
OLD_TOUCHED = (
    "A save that fails must not touch what is there, not even the file of the "
    "same epoch.",
    "Write under another name first, then `os.replace`.",
)
IN_THE_WAY = (
    "The newest of the old ones doesn't come back.",
    "A part that a failed save left behind must not be in the way.",
)
NOT_BESIDE_DAMAGE = (
    "The state that was saved doesn't come back.",
    "A damaged file must not keep the run from saving, nor from loading what "
    "is newer.",
)
SAVED_AGAIN = (
    "A run that resumes may save an epoch again: the new state takes the "
    "place of the old one."
)
# When the file of each epoch was last changed, as a copy may leave it.
TIMES = {8: 3000, 9: 1000, 10: 4000, 11: 2000, 12: 5000}


@exercise(
    "4.6 Keep the last three",
    "the states of the three highest epochs are kept",
    "the newest readable one comes back, wherever others were cut",
    "file times play no part",
    "an epoch that is saved again takes the place of the old one",
    "a save that fails leaves the old checkpoints as they were",
    "other files in the folder stay",
)
def keep_the_last_three(save_in_turn: Callable, load_latest: Callable) -> None:
    folder = Path.cwd() / "run"
    folder.mkdir()
    save = functools.partial(_save, save_in_turn, folder)
    load = functools.partial(load_latest, folder)
    with case("load_latest(folder), the folder is empty", NOTHING_SAVED):
        equal(load(), None, NOTHING_SAVED)
    notes = folder / "notes.txt"
    notes.write_text("not a checkpoint")
    with case("save_in_turn, epoch 8, beside a file notes.txt"):
        state = save(8)
        _require_epochs(folder, [8], STATE_ITSELF)
        equal(load(), state, WHAT_WAS_SAVED)
    with case("save_in_turn, the epochs 8, 9, 10 and 11"):
        states = {epoch: save(epoch) for epoch in (9, 10, 11)}
        _require_epochs(folder, [9, 10, 11], THREE_HIGHEST, LEFT)
    with case("the file notes.txt, after four saves"):
        holds(notes.exists(), "the file", "none", NOTES_DELETED)
    with case("load_latest(folder), the epochs 9, 10 and 11 are there"):
        times = "This goes by the times of the files."
        known = [(states[10], times), (states[9], BY_TEXT)]
        equal(load(), states[11], NEWEST, known)
    _require_readable(load, folder, states)
    _require_old_ones_stay(save, load, folder, states)
    path = _checkpoints(folder)[11]
    path.write_bytes(path.read_bytes()[:100])
    hint = NOT_BESIDE_DAMAGE
    with case("save_in_turn, epoch 12, after epoch 11 was cut", hint):
        state = save(12)
        equal(load(), state, hint)
    with case("save_in_turn, epoch 12 once more, with other weights"):
        state = save(12)
        equal(load(), state, SAVED_AGAIN)
    _require_any_epochs(save_in_turn, Path.cwd() / "new")


def _save(
    save_in_turn: Callable, folder: Path, epoch: int, **more: object
) -> dict:
    """Save a state, give the files the times of a copy; the state."""
    state = {"epoch": epoch, "weight": torch.rand(1000)}
    save_in_turn({**deepcopy(state), **more}, folder)
    for kept, path in _checkpoints(folder).items():
        os.utime(path, (TIMES.get(kept, 0),) * 2)
    return state


def _checkpoints(folder: Path) -> dict[int, Path]:
    """The readable checkpoints of a folder, by epoch."""
    found = {}
    for path in folder.rglob("*"):
        with suppress(Exception):
            found[torch.load(path)["epoch"]] = path
    return found


def _require_epochs(
    folder: Path, expected: list[int], hint: Hint, known: Iterable = ()
) -> None:
    got = sorted(_checkpoints(folder))
    equal(got, expected, hint, known, what="epochs in the folder")


def _require_readable(load: Callable, folder: Path, states: dict) -> None:
    """Require the newest state that can be read, wherever others are cut."""
    paths = _checkpoints(folder)
    whole = {epoch: path.read_bytes() for epoch, path in paths.items()}
    size = len(whole[11])
    for files, rest, kept, left in (
        ("epoch 11", "10% of its bytes", size // 10, 10),
        ("epoch 11", "50% of its bytes", size // 2, 10),
        ("epoch 11", "90% of its bytes", size * 9 // 10, 10),
        ("epoch 11", "1 byte", 1, 10),
        ("epoch 11", "0 bytes", 0, 10),
        ("epochs 11 and 10", "50% of their bytes", size // 2, 9),
        ("epochs 11 and 10 and 9", "50% of their bytes", size // 2, None),
    ):
        for epoch in [e for e in paths if e > (left or 0)]:
            paths[epoch].write_bytes(whole[epoch][:kept])
        given = Phrase(
            "load_latest(folder), {files} cut after {rest}",
            files=files,
            rest=rest,
        )
        with case(given, PASS_OVER):
            equal(load(), states.get(left), PASS_OVER)
        for epoch, data in whole.items():
            paths[epoch].write_bytes(data)


def _require_old_ones_stay(
    save: Callable, load: Callable, folder: Path, states: dict
) -> None:
    known = {
        (10, 11): "The oldest was deleted, and the new one never written. "
        "Delete when the new one is complete."
    }
    for epoch in (12, 11):
        given = Phrase(
            "save_in_turn, epoch {epoch}, and the disk is full", epoch=epoch
        )
        with case(given):
            # Whether the error passes is the reader's choice.
            with suppress(Exception):
                save(epoch, extra=_Unwritable())
            _require_epochs(folder, [9, 10, 11], OLD_TOUCHED, known)
        with case("load_latest(folder), after a save that failed", IN_THE_WAY):
            equal(load(), states[11], IN_THE_WAY)


class _Unwritable:
    """Stands for a disk that is full in the middle of a save."""

    def __reduce__(self) -> tuple:
        raise OSError("No space left on device")


def _require_any_epochs(save_in_turn: Callable, folder: Path) -> None:
    folder.mkdir()
    saved = set()
    for given, (hint, *epochs) in {
        "in a new folder, the epochs 3, 6, 9 and 20": (
            (ANY_EPOCHS, 3, 6, 9, 20)
        ),
        "epoch 4, after the epochs 6, 9 and 20": (SAVED_LAST, 4),
        "in this folder, the epochs 998, 999, 1000 and 1001": (
            (ANY_EPOCHS, 998, 999, 1000, 1001)
        ),
    }.items():
        with case(Phrase("save_in_turn, {epochs}", epochs=given)):
            for epoch in epochs:
                _save(save_in_turn, folder, epoch)
            saved |= {*epochs}
            _require_epochs(folder, sorted(saved)[-3:], hint, LEFT)


# 4.7: what to say to a wrong answer.
LIBRARY = "This is the library. The exercise writes the format without it."
NO_FILE = "`write_tensors` writes the file at `path`, all of it in one call."
NO_LENGTH = (
    "The first eight bytes aren't the length of the header.",
    "It is a whole number of eight bytes, the lowest first: "
    '`to_bytes(8, "little")`.',
)
NO_HEADER = (
    "What the length spans isn't JSON.",
    "The length counts the bytes of the header, neither its letters nor the "
    "eight bytes in front.",
)
ENTRY = (
    "This isn't the entry of this tensor.",
    'Each has a `"dtype"`, `"F32"` or `"I64"`; a `"shape"`, a list of whole '
    'numbers; and `"data_offsets"`, where its bytes begin and where they end.',
)
OFFSETS = (
    "These offsets don't fit the tensors.",
    "They count from the end of the header, so the first tensor begins at 0. "
    "The next begins where the one before it ends.",
)
BYTES = (
    "These aren't the numbers of this tensor, row by row.",
    "A transpose shares the memory of the tensor that it comes from, in which "
    "the numbers stand in another order. `numpy().tobytes()` and "
    "`contiguous()` go by rows.",
)
NOT_READ_BACK = "The library refuses the file, or reads something else."
ROWS = (
    "These aren't the rows from `start` to before `stop`.",
    "They begin at the length, the header, the tensor's own offset and "
    "`start` rows, all in bytes. A row has as many numbers as the shape says "
    "without its first entry, and each has four bytes.",
)
NO_SHAPE = (
    "The numbers are right, the shape isn't: each row keeps its own shape.",
)
NOTHING_BEHIND = (
    "The file ends behind the rows that are asked for: these bytes must do.",
    "`file.seek` goes to a place, and `file.read(n)` reads n bytes.",
)


@exercise(
    "4.7 safetensors by hand",
    "the header has the type, the shape and the place of each tensor",
    "the library reads what is written, also a transpose, a scalar, a tensor "
    "without elements, and a name with other letters",
    "the rows that are asked for are read, of any shape",
    "a file that ends behind them is enough",
)
def safetensors_by_hand(write_tensors: Callable, read_rows: Callable) -> None:
    path = Path.cwd() / "tensors.safetensors"
    A = torch.arange(6.0).reshape(2, 3)
    scalar, empty = torch.tensor(3.0), torch.zeros(0, 3)
    for given, tensors in {
        "{'a': tensor([1., 2.])}": {"a": torch.tensor([1.0, 2])},
        "{'a': tensor([1., 2.]), 'n': tensor([3, 4, 5])}": (
            {"a": torch.tensor([1.0, 2]), "n": torch.tensor([3, 4, 5])}
        ),
        "{'A': the transpose of a tensor of shape (2, 3)}": {"A": A.T},
        "{'größe': tensor([1.])}": {"größe": torch.ones(1)},
        "{'a': tensor(3.), 'b': a tensor of shape (0, 3)}": (
            {"a": scalar, "b": empty}
        ),
    }.items():
        with case(Phrase("write_tensors, {tensors}", tensors=given)):
            path.unlink(missing_ok=True)
            _write_without_library(write_tensors, deepcopy(tensors), path)
            _require_format(path, tensors)
    _require_rows(read_rows, path)


def _write_without_library(
    write_tensors: Callable, tensors: dict, path: Path
) -> None:
    used = []
    module = safetensors.torch
    by_hand = {
        name: lambda *_, **__: used.append(True)
        for name in ("serialize", "serialize_file")
    }
    with patch.multiple(module, **by_hand), suppress(TypeError):
        write_tensors(tensors, path)
        used.append(False)
    holds(True not in used, "a file written by hand", "the library", LIBRARY)
    if not used:  # the error that was suppressed is the answer's own
        write_tensors(tensors, path)


def _require_format(path: Path, tensors: dict[str, Tensor]) -> None:
    """Require the three parts of a file, one after the other."""
    holds(path.is_file(), "a file at `path`", "none", NO_FILE)
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    got = Phrase(
        "{number}, of a file of {size} bytes", number=length, size=len(data)
    )
    fits = 2 <= length <= len(data) - 8
    holds(fits, "a length that fits in the file", got, NO_LENGTH)
    text = data[8 : 8 + length]
    try:
        header = json.loads(text)
    except ValueError:
        raise Wrong("a header in JSON", show(text), NO_HEADER) from None
    is_dict = isinstance(header, dict)
    holds(is_dict, "a dictionary", show(header), ENTRY)
    header.pop("__metadata__", None)
    equal(set(header), set(tensors), ENTRY, what="names")
    places = []
    for name, tensor in tensors.items():
        entry = header[name]
        kind = "I64" if tensor.dtype == torch.int64 else "F32"
        expected = {"dtype": kind, "shape": list(tensor.shape)}
        got = entry
        if isinstance(entry, dict):
            got = {key: entry.get(key) for key in expected}
        equal(got, expected, ENTRY)
        place = entry.get("data_offsets")
        is_pair = isinstance(place, list) and len(place) == 2
        holds(is_pair, "where its bytes begin and end", show(place), ENTRY)
        begin, end = place
        places.append((begin, end))
        size = tensor.numel() * tensor.element_size()
        equal(end - begin, size, OFFSETS, what="bytes of a tensor")
    got = sorted(places)
    joined = [begin for begin, _ in got] == [0, *(end for _, end in got[:-1])]
    holds(
        joined,
        "the first begins at 0, each next where one ends",
        show(got),
        OFFSETS,
    )
    whole = got[-1][1] == len(data) - 8 - length
    holds(
        whole,
        "as many bytes as the offsets say",
        show(len(data) - 8 - length),
        OFFSETS,
    )
    for (begin, end), tensor in zip(places, tensors.values(), strict=True):
        part = bytearray(data[8 + length + begin : 8 + length + end])
        if part:
            values = torch.frombuffer(part, dtype=tensor.dtype)
            equal(values, tensor.flatten(), BYTES)
    with case("load_file, for what was written", NOT_READ_BACK):
        equal(safetensors.torch.load_file(path), tensors, NOT_READ_BACK)


def _require_rows(read_rows: Callable, path: Path) -> None:
    tensors = {
        "a": torch.arange(12.0).reshape(4, 3),
        "b": torch.arange(100.0, 124).reshape(3, 2, 4),
        "c": torch.arange(5.0),
    }
    notes = {"epoch": "3"}
    safetensors.torch.save_file(tensors, path, metadata=notes)
    data = path.read_bytes()
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:end])
    for name, start, stop in (
        ("a", 0, 2),
        ("a", 2, 3),
        ("b", 1, 3),
        ("c", 1, 4),
        ("a", 0, 4),
    ):
        rows = tensors[name][start:stop]
        shape = show(tuple(tensors[name].shape))
        given = Phrase(
            "read_rows, rows {start} to before {stop} of a tensor of shape "
            "{shape}",
            start=start,
            stop=stop,
            shape=shape,
        )
        known = [
            (rows.flatten(), NO_SHAPE),
            (rows.reshape(len(rows), -1), NO_SHAPE),
        ]
        with case(given, ROWS):
            equal(read_rows(path, name, start, stop), rows, ROWS, known)
        last = rows.numel() // len(rows) * stop * 4
        place = end + header[name]["data_offsets"][0] + last
        with case(
            Phrase("{given}, in a file that ends behind them", given=given),
            NOTHING_BEHIND,
        ):
            path.write_bytes(data[:place])
            equal(read_rows(path, name, start, stop), rows, NOTHING_BEHIND)
        path.write_bytes(data)


# 4.8: what to say to a wrong answer.
NO_MEAN = (
    "This isn't the mean of the values in the files.",
    "Each file counts as much as any other: add them all, and divide once.",
)
NOT_DIVIDED = "This is the sum. The mean is the sum divided by the number."
ONE_BY_ONE = (
    "The last file counts half here: the mean of a mean and a number isn't "
    "that of all.",
)
LOST = (
    "In `bfloat16`, 256 + 1 is 256: the sum has lost what was added.",
    "Add in `float64`, and change the type of the mean.",
)
OTHER_DTYPE = "An entry of the mean has the type that it has in the files."
COUNTS = (
    "A count isn't a floating-point number: take that of the last file.",
)
NAMES_AND_SHAPES = (
    "The second file doesn't fit the first: an error is asked for, with the "
    "name of that file.",
    "Compare names and shapes. The sum of the shapes (2,) and (1,) is no "
    "error of PyTorch's.",
)
NO_STATE = "`average` returns a dictionary from names to tensors."
LINEAR = (
    "The output of a linear layer is its input times the weight, plus the "
    "bias. What is it for the mean of two weights?"
)
PRODUCTS = (
    "In an `MLP`, the second weight multiplies what the first one and a ReLU "
    "have made. Try two of them."
)


@exercise(
    "4.8 Average checkpoints",
    "an entry of floating-point numbers is the mean over the files",
    "its type is that in the files, and no small number is lost in the sum",
    "another entry is that of the last file",
    "a file with other names or shapes is refused, by its name",
    "you know when the averaged net gives the mean of the outputs",
)
def average_checkpoints(average: Callable, mean_of_outputs: dict) -> None:
    a, b, c = (torch.tensor([x, -x]) for x in (1.0, 2.0, 6.0))
    _require_mean(average, "[1, -1]", [{"w": a}], {"w": a})
    known = [
        ({"w": a + b + c}, NOT_DIVIDED),
        ({"w": ((a + b) / 2 + c) / 2}, ONE_BY_ONE),
    ]
    given = "[1, -1], [2, -2] and [6, -6]"
    states = [{"w": value} for value in (a, b, c)]
    _require_mean(average, given, states, {"w": (a + b + c) / 3}, known)
    halves = [torch.tensor([x]).bfloat16() for x in [256.0, *[1.0] * 7]]
    mean = torch.tensor([263 / 8]).bfloat16()
    known = [({"w": halves[0] / 8}, LOST)]
    given = "256 and seven times 1, in bfloat16"
    states = [{"w": value} for value in halves]
    _require_mean(average, given, states, {"w": mean}, known)
    counts = [{"w": a, "n": torch.tensor(n)} for n in (10, 30)]
    expected = {"w": a, "n": torch.tensor(30)}
    given = "[1, -1] twice, and the counts 10 and 30"
    _require_mean(average, given, counts, expected, hint=COUNTS)
    for given, other in {
        "a name more": {"w": a, "v": a},
        "a name less": {},
        "another name": {"v": a},
        "the shape (1,) in place of (2,)": {"w": a[:1].clone()},
    }.items():
        paths = _save_all([{"w": a}, other])
        with case(
            Phrase("average, of two files, the second with {what}", what=given)
        ):
            raises(
                Exception,
                average,
                paths,
                says=[paths[1].name],
                hint=NAMES_AND_SHAPES,
            )
    truth = {
        name: _averages_outputs(kind)
        for name, kind in {
            "nn.Linear(4, 2)": lambda: nn.Linear(4, 2),
            "MLP(4, 3, 2)": lambda: MLP(4, 3, 2),
        }.items()
    }
    hints = {"nn.Linear(4, 2)": LINEAR, "MLP(4, 3, 2)": PRODUCTS}
    predicted(mean_of_outputs, truth, hints)


def _save_all(states: list[dict]) -> list[Path]:
    paths = [Path.cwd() / f"epoch{i}.pt" for i in range(len(states))]
    for path, state in zip(paths, states, strict=True):
        torch.save(state, path)
    return paths


def _require_mean(
    average: Callable,
    given: str,
    states: list[dict],
    expected: dict,
    known: Iterable = (),
    hint: Hint = NO_MEAN,
) -> None:
    paths = _save_all(states)
    with case(Phrase("average, of files with {values}", values=given), hint):
        got = average(paths)
        holds(isinstance(got, dict), "a dictionary", show(got), NO_STATE)
        equal(dict(got), expected, hint, known)
        types = {name: value.dtype for name, value in got.items()}
        truth = {name: value.dtype for name, value in expected.items()}
        equal(show(types), show(truth), OTHER_DTYPE, what="types")


def _averages_outputs(make: Callable) -> bool:
    """Whether the mean of two nets gives the mean of their outputs."""
    nets, X = [make(), make(), make()], torch.randn(5, 4)
    a, b, mean = (net.state_dict() for net in nets)
    nets[2].load_state_dict({name: (a[name] + b[name]) / 2 for name in mean})
    Y = [net(X) for net in nets]
    return torch.allclose(Y[2], (Y[0] + Y[1]) / 2, atol=1e-5)
