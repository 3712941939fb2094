"""The checks of chapter 04, Save and load tensors and models."""

from __future__ import annotations

import contextlib
import copy
import functools
import hashlib
import os
import pickle
import re
from collections import OrderedDict
from collections.abc import Callable, Iterable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..blocks import MLP, MySequential
from ._compare import (
    Wrong,
    call,
    case,
    equal,
    holds,
    predicted,
    raises,
    same,
)
from ._exercise import exercise
from ._report import show


@exercise(
    "4.1 Reuse two layers",
    "the weights and biases of the first two linear layers are the file's",
    "a ReLU, (64, 16), a ReLU and (16, 3) follow them",
    "the missing keys are the names of the new parameters",
)
def reuse_two_layers(reuse: Callable) -> None:
    path = Path.cwd() / "saved_chain.pt"
    chain = MySequential(
        nn.Linear(20, 64),
        nn.ReLU(),
        nn.Linear(64, 64),
        nn.ReLU(),
        nn.Linear(64, 10),
    )
    elsewhere = (
        "The argument `path` wasn't read. Load the file that it names, not "
        "one of your own."
    )
    with case("reuse(path), where no file is"):
        raises(Exception, reuse, path, hint=elsewhere)
    torch.save(chain.state_dict(), path)
    given = "reuse(path), with the file of the chain 20, 64, 64, 10"
    hint = (
        "`strict=False` forgives keys that are missing or too many, and no "
        "wrong shape. Give `load_state_dict` only the entries of the first "
        "two linear layers."
    )
    with case(given, hint):
        try:
            answer = reuse(path)
        except FileNotFoundError as error:
            raise Wrong("a net", show(error), elsewhere) from None
    with case(given):
        holds(
            isinstance(answer, (tuple, list))
            and len(answer) == 2
            and isinstance(answer[0], nn.Module),
            "a net and the names of its missing keys",
            show(answer),
            "Return both, the net first: `return net, result.missing_keys`.",
        )
        net, missing = answer
        new = _new_values(net, chain)
    with case("the output of the net for X of shape (2, 20)"):
        _require_end(net, chain, new)
    hint = "The missing keys are names of parameters, in a list."
    with case("the missing keys", hint):
        _require_missing(missing, set(new))


def _new_values(net: nn.Module, chain: nn.Module) -> dict[str, Tensor]:
    """What a net has besides the first two linear layers of the file."""
    first_two = {k: v for k, v in chain.state_dict().items() if k[0] in "02"}
    _require_values_of_file(net, first_two)
    new = {
        k: v
        for k, v in net.state_dict().items()
        if not _is_among(v, first_two.values())
    }
    equal(
        sorted(v.shape for v in new.values()),
        [torch.Size(s) for s in ((3,), (3, 16), (16,), (16, 64))],
        "Besides the two layers of the file, the net has two linear "
        "layers: `nn.Linear(64, 16)` and `nn.Linear(16, 3)`.",
    )
    return new


def _require_end(
    net: nn.Module, chain: nn.Module, new: dict[str, Tensor]
) -> None:
    """Require what follows on the two layers, with values of its own."""
    weights = [torch.randn(16, 64), torch.randn(3, 16)]
    biases = [torch.randn(16), torch.randn(3)]
    values = {tuple(v.shape): v for v in [*weights, *biases]}
    with torch.no_grad():
        for v in new.values():
            v.copy_(values[tuple(v.shape)])

    def end(H: Tensor, between: Callable = F.relu) -> Tensor:
        H = between(F.linear(H, weights[0], biases[0]))
        return F.linear(H, weights[1], biases[1])

    X = torch.randn(2, 20)
    H = chain[:4](X)
    equal(
        call(net, X),
        end(H),
        "The order is: linear (20, 64), ReLU, linear (64, 64), ReLU, "
        "linear (64, 16), ReLU, linear (16, 3).",
        known=[
            (
                end(H, lambda H: H),
                "The ReLU between your two layers is missing: without "
                "it, they are no more than one linear layer.",
            ),
            (
                end(chain[:3](X)),
                "The second ReLU is missing. A ReLU has no values, so "
                "nothing in the file reminds you of it.",
            ),
            (F.relu(end(H)), "A ReLU too many stands at the end."),
        ],
    )


def _require_missing(missing: object, names: set[str]) -> None:
    holds(
        not hasattr(missing, "missing_keys"),
        "a list of names",
        show(missing),
        "`load_state_dict` returns two lists in one object. Return its "
        "`missing_keys` alone.",
    )
    equal(
        missing if isinstance(missing, str) else set(missing),
        names,
        "Missing keys are in the net and not in what you load: the "
        "parameters of your own two layers.",
        known=[
            (set(), "These are the unexpected keys, and there are none."),
            (
                {"4.weight", "4.bias"},
                "These keys of the file were left out. A missing key is "
                "one of the net's that the file doesn't fill.",
            ),
        ],
    )


def _is_among(value: object, tensors: Iterable[Tensor]) -> bool:
    return any(same(value, tensor, 0, 0) for tensor in tensors)


def _require_values_of_file(net: nn.Module, file: dict[str, Tensor]) -> None:
    """Require that a net has each tensor of a file, whatever its name."""
    equal(
        {
            key
            for key, value in file.items()
            if _is_among(value, net.state_dict().values())
        },
        set(file),
        "These entries of the file are found in the net. Compare the names "
        "in the net's `state_dict()` with those in the file.",
        known=[
            (
                set(),
                "Nothing of the file is in the net. Either the names differ, "
                "and `strict=False` forgave all of them, or nothing was "
                "loaded.",
            ),
            (
                {"0.weight", "0.bias"},
                "Only the first linear layer is the file's. The chain counts "
                "its ReLUs too: what is the second linear layer called?",
            ),
            (
                {"0.weight", "2.weight"},
                "Only the weights are the file's. A bias belongs to its "
                "layer.",
            ),
        ],
    )


@exercise(
    "4.2 Save the architecture too",
    "the file has the kind, and nothing but data",
    "each net that is loaded answers like the one that was saved",
    "the error for an unknown kind names the known ones",
    "the error for an unknown layer does too",
    "no text in a file is run as code, or chooses another class",
    "a pickle that wants to call a function is refused, before the call",
)
def save_the_architecture_too(save_net: Callable, load_net: Callable) -> None:
    path = Path.cwd() / "net.pt"
    f, g, h = nn.Linear(4, 3), nn.Linear(3, 2), nn.Linear(4, 2, bias=False)
    relu = nn.ReLU()
    named = OrderedDict(a=nn.Linear(4, 4))
    nets = {
        "MLP(4, 3, 2)": MLP(4, 3, 2),
        "MySequential(Linear(4, 3), ReLU(), Linear(3, 2))": MySequential(
            f, nn.ReLU(), g
        ),
        "MySequential(OrderedDict(a=Linear(4, 4)))": MySequential(named),
        "MySequential(ReLU(), Linear(4, 2, bias=False), ReLU())": MySequential(
            nn.ReLU(), h, nn.ReLU()
        ),
        "MySequential(Linear(4, 4), relu, Linear(4, 4), relu)": MySequential(
            nn.Linear(4, 4), relu, nn.Linear(4, 4), relu
        ),
    }
    for name, net in nets.items():
        _require_description(save_net, net, path, name)
        _require_same_answers(load_net, net, path, name)
    file = _load(path)
    _require_known_kinds(load_net, file, path)
    _require_known_layers(save_net, load_net, path)
    _require_text_stays_text(load_net, file, path)
    _require_refusal(load_net, file, path)


def _require_description(
    save_net: Callable, net: nn.Module, path: Path, name: str
) -> None:
    hint = (
        "The file is to be a dictionary of tensors, numbers, strings, "
        "lists and dictionaries, written by `torch.save(..., path)`."
    )
    with case(f"save_net, for {name}"):
        save_net(copy.deepcopy(net), path)
    with case(f"the file of {name}", hint):
        file = _load(path)
        holds(isinstance(file, dict), "a dictionary", show(file), hint)
        equal(
            file.get("kind"),
            type(net).__name__,
            'The name of the net\'s class goes under the key `"kind"`.',
        )


def _require_same_answers(
    load_net: Callable, net: nn.Module, path: Path, name: str
) -> None:
    hint = (
        "Build the net from its description alone, then load its values. "
        "Sizes, the order of the layers, their names and whether there is a "
        "bias are all part of the description."
    )
    with case(f"load_net, for {name}", hint):
        loaded = load_net(path)
        holds(
            isinstance(loaded, nn.Module),
            "a net",
            show(loaded),
            "`load_net` returns the net.",
        )
        X = torch.randn(5, 4)
        known = []
        if isinstance(net, MySequential) and len(net) == 4:
            last_is_linear = net[2](net[1](net[0](X)))
            known = [
                (
                    last_is_linear,
                    "The last ReLU is missing. It is one object in two "
                    "places, and `children()` gives an object only once.",
                )
            ]
        equal(
            call(loaded, X),
            net(X),
            "The loaded net gives other numbers: are all its values "
            "loaded, and all its layers there, in the same order?",
            known,
            rtol=1e-5,
        )


def _require_known_kinds(load_net: Callable, file: dict, path: Path) -> None:
    with case('load_net, for a file with the kind "Transformer"'):
        torch.save({**file, "kind": "Transformer"}, path)
        raises(
            Exception,
            load_net,
            path,
            says=("MLP", "MySequential"),
            hint="Whoever reads the message has a file and no idea what is "
            "in it: say which kinds `load_net` can build.",
        )


def _require_known_layers(
    save_net: Callable, load_net: Callable, path: Path
) -> None:
    with case("save_net, then load_net, for MySequential(Tanh())"):

        def save_and_load(net: nn.Module) -> object:
            save_net(net, path)
            return load_net(path)

        raises(
            Exception,
            save_and_load,
            MySequential(nn.Tanh()),
            says=("Linear", "ReLU"),
            hint="A layer that is neither a linear layer nor a ReLU must not "
            "pass: say which layers can be described.",
        )


def _require_text_stays_text(
    load_net: Callable, file: dict, path: Path
) -> None:
    """Require that a file's text is looked up, and never run."""
    marker = Path.cwd() / "was_here"
    code = f"__import__('os').mkdir({str(marker)!r})"
    for kind in (file["kind"], code):
        with case("load_net, for a file in which each string is code"):
            file_of_code = _with_strings(file, lambda _: code)
            torch.save({**file_of_code, "kind": kind}, path)
            with contextlib.suppress(Exception):
                load_net(path)
            holds(
                not marker.exists(),
                "no code that runs",
                "the directory that the code makes",
                "`eval` runs any text that a file has. Look a name up in a "
                "dictionary of those that are known.",
            )
    with case('load_net, for a file with "Tanh" in the place of "ReLU"'):
        other = _with_strings(file, lambda text: text.replace("ReLU", "Tanh"))
        torch.save(other, path)
        loaded = None
        with contextlib.suppress(Exception):
            loaded = load_net(path)
        modules = loaded.modules() if isinstance(loaded, nn.Module) else ()
        holds(
            not any(isinstance(module, nn.Tanh) for module in modules),
            "an error",
            show(loaded),
            "The file has chosen the class that is built. `getattr` takes "
            "any name: look it up in a dictionary of those that are known.",
        )


def _require_refusal(load_net: Callable, file: dict, path: Path) -> None:
    marker = Path.cwd() / "was_here"
    with case("load_net, for a file that makes a directory when unpickled"):
        torch.save({**file, "extra": _Hostile(marker)}, path)
        try:
            got = show(load_net(path))
        except Exception:
            got = ""
        holds(
            not marker.exists(),
            "no directory",
            "the directory",
            "The file's code was run. Leave `weights_only` at True, in each "
            "call of `torch.load`.",
        )
        holds(
            not got,
            "an error",
            got,
            "Let the error of `torch.load` pass: who loads this file must "
            "learn that it was refused.",
        )


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


@exercise(
    "4.3 Resume with more state",
    "the checkpoint can be saved, and loaded with `weights_only=True`",
    "a run that stops after epoch 4 of 10 ends like one that doesn't stop",
    "you know which parts that needs",
)
def resume_with_more_state(
    checkpoint_of: Callable, restore: Callable, needed: dict
) -> None:
    straight = _Run(seed=0)
    straight.train(10)
    stopped = _Run(seed=0)
    stopped.train(4)
    truth = stopped.state()
    hint = (
        "The dictionary must go through a file: state dicts, numbers and "
        "tensors pass, an object such as the generator itself doesn't."
    )
    with case("checkpoint_of(net, optimizer, 4, order), saved", hint):
        state = checkpoint_of(stopped.net, stopped.optimizer, 4, stopped.order)
        holds(isinstance(state, dict), "a dictionary", show(state), hint)
        path = Path.cwd() / "run.pt"
        torch.save(state, path)
        state = _load(path)
    with case("restore(state, net, optimizer, order), all built anew"):
        run = _Run(seed=1)
        epoch = restore(state, run.net, run.optimizer, run.order)
        equal(
            epoch,
            4,
            "`restore` returns the epoch after which the run stopped: it "
            "tells how many are left.",
        )
        got = run.state()
    with case("six more epochs after it"):
        run.train(6)
        holds(
            straight.ends_like(run),
            "the end of the run that didn't stop",
            "another end",
            _what_differs(run, got, truth),
        )
    predicted(
        needed,
        _needed(straight, truth),
        {
            "parameters": "The parameters are what was learned.",
            "gradients": "`zero_grad` drops the old gradients before any is "
            "used.",
            "optimizer": "Adam scales its steps by averages over all the "
            "steps before.",
            "epoch": "Without the epoch, nobody knows how many are left.",
            "own generator": "What a generator draws next depends on its "
            "state, and the order of the samples depends on that.",
            "global generator": "`nn.Dropout` draws from PyTorch's global "
            "generator. The state of `order` says nothing about that one.",
        },
    )


class _Run:
    """A training run with dropout and a generator for the order."""

    def __init__(self, seed: int) -> None:
        torch.manual_seed(seed)
        self.net = nn.Sequential(
            nn.Linear(4, 8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 1)
        )
        self.optimizer = torch.optim.Adam(self.net.parameters(), lr=0.01)
        self.order = torch.Generator().manual_seed(seed)

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
        state = {
            "parameters": self.net.state_dict(),
            "gradients": [p.grad for p in self.net.parameters()],
            "optimizer": self.optimizer.state_dict(),
            "own generator": self.order.get_state(),
            "global generator": torch.get_rng_state(),
        }
        return copy.deepcopy(state)

    def restore(self, state: dict, without: str) -> None:
        put_back = {
            "parameters": self.net.load_state_dict,
            "gradients": self._set_gradients,
            "optimizer": self.optimizer.load_state_dict,
            "own generator": self.order.set_state,
            "global generator": torch.set_rng_state,
        }
        for part, function in put_back.items():
            if part != without:
                function(copy.deepcopy(state[part]))

    def _set_gradients(self, grads: list[Tensor]) -> None:
        for p, grad in zip(self.net.parameters(), grads, strict=True):
            p.grad = grad

    def ends_like(self, other: _Run) -> bool:
        return same(other.net.state_dict(), self.net.state_dict(), 0, 0)


def _what_differs(run: _Run, got: dict, truth: dict) -> str:
    """The hint for the first part of a run that wasn't brought back."""
    if not run.net.training:
        return (
            "The net is in evaluation mode, in which dropout does nothing. A "
            "run that goes on needs training mode."
        )
    hints = {
        "parameters": "The net hasn't the parameters of the run that stopped.",
        "optimizer": "The optimizer hasn't the averages of the run that "
        "stopped: it has a state dict too.",
        "own generator": "`order` isn't where it was. A generator's state "
        "says where it is; its seed says only where it began.",
        "global generator": "PyTorch's global generator isn't where it was. "
        "What draws from it, if the order doesn't?",
    }
    for part, hint in hints.items():
        if not same(got[part], truth[part], 0, 0):
            return hint
    return (
        "Each part is back, and the end is another. Does the optimizer still "
        "hold the net's own parameters, or were they replaced by new ones?"
    )


def _needed(straight: _Run, state: dict) -> dict[str, bool]:
    """By part, whether a run that resumes without it ends elsewhere."""
    needed = {}
    for part in (*state, "epoch"):
        run = _Run(seed=1)
        run.restore(state, without=part)
        run.train(10 if part == "epoch" else 6)
        needed[part] = not straight.ends_like(run)
    return needed


@exercise(
    "4.4 Find the corrupt file",
    "you know which damage `torch.load` notices",
    "`corrupt` finds the file that was cut, and the one with a flipped bit",
    "`changed` finds a complete file that took the place of another",
)
def find_the_corrupt_file(
    noticed: dict, corrupt: Callable, changed: Callable
) -> None:
    paths = [Path.cwd() / f"copy{i}.pt" for i in range(1, 6)]
    torch.save({"weight": torch.rand(1000), "epoch": 15}, paths[0])
    whole = paths[0].read_bytes()
    torch.save({"weight": torch.zeros(1000), "epoch": 15}, paths[0])
    other = paths[0].read_bytes()
    flipped = bytearray(whole)
    flipped[len(flipped) // 2] ^= 1
    damage = {"cut": whole[: len(whole) // 2], "flipped": bytes(flipped)}
    predicted(
        noticed,
        {kind: _load_notices(data) for kind, data in damage.items()},
        {
            "cut": "A zip archive ends with the list of what it holds, and "
            "`torch.load` looks for it there.",
            "flipped": "A flipped bit of a number is another number. To "
            "notice it, the checksum must be computed again, which takes "
            "time, and `torch.load` leaves it out.",
        },
    )

    def names(function: Callable, *more: object, **damaged: bytes) -> set[str]:
        for path in paths:
            path.write_bytes(damaged.get(path.stem, whole))
        return _names(function(list(paths), *more))

    _require_corrupt(functools.partial(names, corrupt), **damage)
    digests = {path.name: hashlib.sha256(whole).hexdigest() for path in paths}
    _require_changed(
        functools.partial(names, changed, digests), damage["flipped"], other
    )


def _names(answer: object) -> set[str | None]:
    """The names that a function returned, of paths without the folder."""
    holds(
        isinstance(answer, Iterable) and not isinstance(answer, str),
        "names",
        show(answer),
        "Return the names of the files, in a list or in a set.",
    )
    return {
        Path(name).name
        if isinstance(name, (str, os.PathLike))
        else None
        if name is None
        else show(name)
        for name in answer
    }


ONE_BIT = "with one bit of copy4.pt flipped"


def _require_corrupt(names: Callable, cut: bytes, flipped: bytes) -> None:
    with case("corrupt(paths), five good copies"):
        returned = (
            "`testzip` returns None for a good archive, and else the name of "
            "the first bad entry in it. Return names of files."
        )
        equal(
            names(),
            set(),
            "None of these files is damaged.",
            known=[({f"copy{i}.pt" for i in range(1, 6)}, returned),
                   ({None}, returned)],
        )  # fmt: skip
    hint = (
        "A file that is cut has lost its end, where the archive's list is: "
        "`ZipFile` raises before `testzip` can run."
    )
    with case("corrupt(paths), copy2.pt is cut in half", hint):
        equal(names(copy2=cut), {"copy2.pt"}, hint)
    with case(f"corrupt(paths), {ONE_BIT}"):
        equal(
            names(copy4=flipped),
            {"copy4.pt"},
            "Only the checksums tell: call `testzip`, and look at what it "
            "returns.",
            known=[
                (
                    {"0"},
                    "`testzip` returns the name of an entry of the archive. "
                    "Return the name of the file.",
                )
            ],
        )
    with case(f"corrupt(paths), copy2.pt cut in half, {ONE_BIT}"):
        equal(
            names(copy2=cut, copy4=flipped),
            {"copy2.pt", "copy4.pt"},
            "Go on after the first damaged file.",
        )


def _require_changed(names: Callable, flipped: bytes, other: bytes) -> None:
    with case("changed(paths, digests), the files as they were"):
        equal(
            names(),
            set(),
            "None of the digests differs. Each is that of the file's bytes, "
            "in hexadecimal: `hashlib.sha256(...).hexdigest()`.",
        )
    with case("changed(paths, digests), copy3.pt saved with other weights"):
        equal(
            names(copy3=other),
            {"copy3.pt"},
            "This file is a complete archive, with checksums that fit. Its "
            "bytes have another digest than the one in `digests`.",
            known=[
                (
                    {f"copy{i}.pt" for i in (1, 2, 4, 5)},
                    "These are the files that are good.",
                )
            ],
        )
    with case(f"changed(paths, digests), {ONE_BIT}"):
        equal(
            names(copy4=flipped),
            {"copy4.pt"},
            "Compute the digest of all bytes of the file: one bit is enough "
            "to change it.",
        )


def _load_notices(data: bytes) -> bool:
    """Whether ``torch.load`` refuses a file with this content."""
    path = Path.cwd() / "damaged.pt"
    path.write_bytes(data)
    try:
        torch.load(path)
    except Exception:
        return True
    return False


@exercise(
    "4.5 After a failed load",
    "you know what a failed load leaves in the net",
    "a state that fits is loaded, and the answer is True",
    "the net keeps its own parameters, with other values",
    "a state that doesn't fit changes nothing, and the answer is False",
)
def after_a_failed_load(from_file: dict, load_or_leave: Callable) -> None:
    file, three = MLP().state_dict(), MLP(20, 256, 3)
    with contextlib.suppress(RuntimeError):
        three.load_state_dict(file)
    truth = {k: same(v, file[k], 0, 0) for k, v in three.state_dict().items()}
    fits = (
        "Its shape in the file is that in the net. `load_state_dict` copies "
        "name by name, and raises only when it is through."
    )
    other = "Its shape in the file is another, so nothing could be copied."
    predicted(
        from_file,
        truth,
        {name: fits if truth[name] else other for name in truth},
    )
    net, file = MLP(4, 3, 2), MLP(4, 3, 2).state_dict()
    with case("MLP(4, 3, 2), and the state of another MLP(4, 3, 2)"):
        parameters = list(net.parameters())
        answer = load_or_leave(net, copy.deepcopy(file))
        equal(
            {k for k, v in net.state_dict().items() if same(v, file[k], 0, 0)},
            set(file),
            "This state fits, and all of it is to be in the net.",
        )
        _require_kept(net, parameters)
        equal(answer, True, "The load has succeeded: return True.")
    missing = MLP(4, 3, 2).state_dict()
    missing.pop("out.bias")
    small, large = (
        MySequential(nn.BatchNorm1d(2), nn.Linear(2, units))
        for units in (1, 3)
    )
    nn.init.constant_(large[0].running_mean, 5)
    misfits = {
        "MLP(4, 3, 1), and the state of MLP(4, 3, 2)": (MLP(4, 3, 1), file),
        "MLP(4, 3, 2), and a state without out.bias": (net, missing),
        "MLP(4, 3, 2), and a state with a key too many": (
            MLP(4, 3, 2),
            {**file, "more": torch.zeros(1)},
        ),
        "MySequential(BatchNorm1d(2), Linear(2, 1)), and the state of such "
        "a chain with Linear(2, 3)": (small, large.state_dict()),
    }
    for given, (net, file) in misfits.items():
        with case(given, "Catch the error, and return False in its place."):
            _require_left(load_or_leave, net, file)


def _require_kept(net: nn.Module, parameters: list[nn.Parameter]) -> None:
    """Require that a net has the very parameters that it had."""
    holds(
        same([*map(id, net.parameters())], [*map(id, parameters)], 0, 0),
        "the net's own parameters",
        "others in their places",
        "An optimizer holds the parameters themselves, and would go on with "
        "those that the net has no more. Copy values into them, as "
        "`load_state_dict` does without `assign`.",
    )


def _require_left(load_or_leave: Callable, net: nn.Module, file: dict) -> None:
    """Require that a net is left as it is, since the state doesn't fit."""
    before, parameters = copy.deepcopy(net.state_dict()), [*net.parameters()]
    answer = load_or_leave(net, copy.deepcopy(file))
    after = net.state_dict()
    moved = [k for k in before if not same(after[k], before[k], 0, 0)]
    buffers = [k for k, _ in net.named_buffers()]
    equal(
        {"changed": moved},
        {"changed": []},
        "What fits is copied before the error is raised. Put back "
        "what was there, from a copy of its own: a state dict shares "
        "the net's memory, and changes with it.",
        known=[
            (
                {"changed": [k for k in moved if k in buffers]},
                "The parameters are as they were. The buffers, here "
                "the memory of `BatchNorm1d`, were loaded too.",
            )
        ],
    )
    _require_kept(net, parameters)
    equal(answer, False, "The load has failed: return False.")


@exercise(
    "4.6 Keep the last three",
    "the states of the three highest epochs are kept",
    "the newest readable one comes back, wherever others were cut",
    "file times play no part",
    "a save that fails leaves the old checkpoints as they were",
)
def keep_the_last_three(save_in_turn: Callable, load_latest: Callable) -> None:
    folder = Path.cwd() / "run"
    folder.mkdir()
    save = functools.partial(_save, save_in_turn, folder)
    load = functools.partial(load_latest, folder)
    hint = "Nothing was saved yet: the answer is None."
    with case("load_latest(folder), the folder is empty", hint):
        equal(load(), None, hint)
    with case("save_in_turn, epoch 8"):
        state = save(8)
        equal(
            sorted(_checkpoints(folder)),
            [8],
            "Write the state itself by `torch.save`, to a file in `folder`.",
        )
        equal(load(), state, "`load_latest` returns what was saved.")
    states = _require_three_highest(save, folder)
    with case("load_latest(folder), the epochs 9, 10 and 11 are there"):
        equal(
            load(),
            states[11],
            "The newest is that of the highest epoch. As text, "
            '"epoch9" comes after "epoch11": compare numbers.',
            known=[(states[10], "This goes by the times of the files.")],
        )
    _require_readable(load, folder, states)
    _require_old_ones_stay(save, folder)
    path = _checkpoints(folder)[11]
    path.write_bytes(path.read_bytes()[:100])
    hint = "A damaged file must not keep the run from saving."
    with case("save_in_turn, epoch 12, after epoch 11 was cut", hint):
        state = save(12)
        equal(load(), state, hint)
    folder = Path.cwd() / "other_run"
    folder.mkdir()
    _require_any_epochs(functools.partial(_save, save_in_turn, folder), folder)


def _save(
    save_in_turn: Callable, folder: Path, epoch: int, **more: object
) -> dict:
    """Save a state, give the files the times of a copy; the state."""
    state = {"epoch": epoch, "weight": torch.rand(1000)}
    save_in_turn({**copy.deepcopy(state), **more}, folder)
    for kept, path in _checkpoints(folder).items():
        os.utime(path, (TIMES.get(kept, 0),) * 2)
    return state


def _require_three_highest(save: Callable, folder: Path) -> dict[int, dict]:
    """Require that the three highest epochs are kept; their states."""
    with case("save_in_turn, the epochs 8, 9, 10 and 11"):
        states = {epoch: save(epoch) for epoch in (9, 10, 11)}
        equal(
            sorted(_checkpoints(folder)),
            [9, 10, 11],
            "After a save, only the three highest epochs are to be there.",
            known=[
                (
                    [8, 9, 10, 11],
                    "Four are there: when a new one is written, the oldest "
                    "must go.",
                ),
                (
                    [8, 9, 11],
                    "Epoch 10 was taken for the oldest. As text, "
                    '"epoch10" comes before "epoch8": compare numbers.',
                ),
                (
                    [8, 10, 11],
                    "Epoch 9 was taken for the oldest, by the time of its "
                    "file. A copy may change it: go by the epoch.",
                ),
                ([11], "Only the last is there: each save writes the same."),
            ],
        )
    return states


def _require_any_epochs(save: Callable, folder: Path) -> None:
    with case("save_in_turn, in a new folder, the epochs 3, 6, 9 and 20"):
        for epoch in (3, 6, 9, 20):
            save(epoch)
        equal(
            sorted(_checkpoints(folder)),
            [6, 9, 20],
            "A run may save at any epochs. Look which are there, and delete "
            "all but the three highest.",
        )
    with case("save_in_turn, epoch 4 after 6, 9 and 20"):
        save(4)
        equal(
            sorted(_checkpoints(folder)),
            [6, 9, 20],
            "The three highest epochs count, not the three that were saved "
            "last.",
        )


def _require_readable(
    load: Callable, folder: Path, states: dict[int, dict]
) -> None:
    """Require the newest state that can be read, wherever others are cut."""
    paths = _checkpoints(folder)
    whole = {epoch: path.read_bytes() for epoch, path in paths.items()}
    length = len(whole[11])
    for cut, size, where, expected in (
        ([11], length // 10, "10%", states[10]),
        ([11], length // 2, "50%", states[10]),
        ([11], length * 9 // 10, "90%", states[10]),
        ([11], 1, "1 byte", states[10]),
        ([11], 0, "0 bytes", states[10]),
        ([11, 10], length // 2, "50%", states[9]),
        ([11, 10, 9], length // 2, "50%", None),
    ):
        for epoch in cut:
            paths[epoch].write_bytes(whole[epoch][:size])
        hint = (
            "A file that can't be read is to be passed over, for the one "
            "before it. Where it was cut decides which error it raises: "
            "RuntimeError, OSError, EOFError or pickle.UnpicklingError."
        )
        which = " and ".join(map(str, cut))
        with case(f"load_latest(folder), {which} cut after {where}", hint):
            equal(load(), expected, hint)
        for epoch, data in whole.items():
            paths[epoch].write_bytes(data)


def _require_old_ones_stay(save: Callable, folder: Path) -> None:
    for epoch in (12, 11):
        with case(f"save_in_turn, epoch {epoch}, and the disk is full"):
            # Whether the error passes is the reader's choice.
            with contextlib.suppress(Exception):
                save(epoch, extra=_Unwritable())
            equal(
                sorted(_checkpoints(folder)),
                [9, 10, 11],
                "Write under another name first, then `os.replace`: a save "
                "that fails must not touch the file of the same epoch.",
                known=[
                    (
                        [10, 11],
                        "The oldest was deleted, and the new one never "
                        "written. Delete when the new one is complete.",
                    )
                ],
            )


# When the file of each epoch was last changed, as a copy may leave it.
TIMES = {8: 3000, 9: 1000, 10: 4000, 11: 2000, 12: 5000}


class _Unwritable:
    """Stands for a disk that is full in the middle of a save."""

    def __reduce__(self) -> tuple:
        raise OSError("No space left on device")


def _checkpoints(folder: Path) -> dict[int, Path]:
    """The readable checkpoints of a folder, by epoch."""
    found = {}
    for path in folder.rglob("*"):
        try:
            found[torch.load(path)["epoch"]] = path
        except Exception:
            continue
    return found
