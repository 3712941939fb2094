"""The checks of chapter 04, Save and load tensors and models."""

from __future__ import annotations

import contextlib
import copy
import functools
import hashlib
import os
import pickle
import re
import sys
from collections import OrderedDict
from collections.abc import Callable, Iterable
from pathlib import Path
from unittest.mock import patch

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
from ._hints import Hint
from ._report import show
from ._time_limit import is_of_reader


@exercise(
    "4.1 Reuse two layers",
    "the weights and biases of the first two linear layers are the file's",
    "a ReLU, (64, 16), a ReLU and (16, 3) follow them, and nothing else",
    "the missing keys are the names of the new parameters",
    "each call reads the file that is given, and leaves it as it is",
)
def reuse_two_layers(reuse: Callable) -> None:
    path = Path.cwd() / "saved_chain.pt"
    elsewhere = (
        "The argument `path` wasn't read. Load the file that it names, not "
        "one of your own."
    )
    with case("reuse(path), where no file is"):
        raises(Exception, reuse, path, hint=elsewhere)
    chain = _save_chain(path)
    data = path.read_bytes()
    with case(GIVEN_CHAIN, known=_LOAD_ERRORS):
        answer = _reused(reuse, path, elsewhere)
        holds(
            isinstance(answer, (tuple, list))
            and len(answer) == 2
            and isinstance(answer[0], nn.Module),
            "a net and the names of its missing keys",
            show(answer),
            "Return both, the net first.",
        )
        net, missing = answer
        new = _new_values(net, chain)
        holds(
            path.read_bytes() == data,
            "the file as it was",
            "another content",
            "`reuse` only reads the file.",
        )
    hint = "The net isn't in float32, as the file and the inputs are."
    given = "the output of the net for X of shape (2, 20)"
    with case(given, known=[("same dtype", hint)]):
        _require_end(net, chain, new)
    hint = "The missing keys are names of parameters, in a list."
    with case("the missing keys", hint):
        _require_missing(missing, set(new), set(net.state_dict()))
    with case("reuse(path) again, with other values in the file"):
        old, chain = chain, _save_chain(path)
        net, _ = reuse(path)
        values = net.state_dict().values()
        holds(
            not _is_among(old.state_dict()["0.weight"], values),
            "the values of this file",
            "those that were in it before",
            "What is loaded depends on an earlier call. Read the file in "
            "each call.",
        )
        _new_values(net, chain)


GIVEN_CHAIN = "reuse(path), with the file of the chain 20, 64, 64, 10"


def _save_chain(path: Path) -> nn.Module:
    """Save the state dict of a new chain; the chain."""
    chain = MySequential(
        nn.Linear(20, 64),
        nn.ReLU(),
        nn.Linear(64, 64),
        nn.ReLU(),
        nn.Linear(64, 10),
    )
    torch.save(chain.state_dict(), path)
    return chain


_LOAD_ERRORS = [
    (
        "size mismatch",
        (
            "An entry of the file has another shape than the net's of that "
            "name.",
            "No argument forgives a wrong shape. Give `load_state_dict` only "
            "the entries of the first two linear layers.",
        ),
    ),
    (
        "key(s) in state_dict",
        (
            "The load is strict, and the names in the net aren't those in "
            "what is loaded.",
            "`load_state_dict` has an argument that forgives keys which are "
            "missing or too many, and it returns both lists.",
        ),
    ),
]


def _reused(reuse: Callable, path: Path, elsewhere: str) -> object:
    """What the answer returns, where the file is."""
    try:
        return reuse(path)
    except FileNotFoundError as error:
        raise Wrong("a net", show(error), elsewhere) from None


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
        (
            "Besides the two layers of the file, the net is to have two "
            "linear layers.",
            "One takes 64 features to 16, the other 16 to 3; each has a "
            "weight and a bias.",
        ),
        what="shapes of the new parameters",
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
    net.train()
    got = call(net, X)
    holds(
        same(call(net, X), got, 1e-5, 1e-6),
        "the same output for the same input",
        "another output in the second call",
        "Something in the net draws at random, such as dropout, which isn't "
        "asked for.",
    )
    equal(
        got,
        end(H),
        (
            "With the same parameters, the net that is asked for has another "
            "output.",
            "The order is: linear (20, 64), ReLU, linear (64, 64), ReLU, "
            "linear (64, 16), ReLU, linear (16, 3).",
        ),
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
        what="output",
    )


def _require_missing(
    missing: object, names: set[str], all_names: set[str]
) -> None:
    holds(
        not hasattr(missing, "missing_keys"),
        "a list of names",
        show(missing),
        "`load_state_dict` returns two lists in one object. One of them is "
        "asked for.",
    )
    listed = missing if isinstance(missing, str) else list(missing)
    equal(
        listed if isinstance(missing, str) else set(listed),
        names,
        (
            "These aren't the names that the file doesn't fill.",
            "Missing keys are in the net and not in what you load: the "
            "parameters of your own two layers.",
        ),
        known=[
            (set(), "These are the unexpected keys, and there are none."),
            (all_names, "These are all names; the file fills some of them."),
            (
                {"4.weight", "4.bias"},
                "These keys of the file were left out. A missing key is "
                "one of the net's that the file doesn't fill.",
            ),
        ],
    )
    holds(
        len(listed) == len(names),
        f"{len(names)} names",
        f"{len(listed)} names",
        "A name is in the list more than once.",
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
        (
            "Not all of the four tensors of the file are in the net.",
            "Compare the names in the net's `state_dict()` with those in "
            "what you load.",
        ),
        known=[
            (
                set(),
                (
                    "Not one tensor of the file is in the net.",
                    "Either the names differ, and a load that isn't strict "
                    "forgave all of them, or nothing was loaded, or the "
                    "values were changed.",
                ),
            ),
            (
                {"0.weight", "0.bias"},
                (
                    "Only the first linear layer is the file's.",
                    "The chain counts its ReLUs too: what is the second "
                    "linear layer called?",
                ),
            ),
            (
                {"0.weight", "2.weight"},
                "Only the weights are the file's. A bias belongs to its "
                "layer.",
            ),
        ],
        what="entries of the file that are in the net",
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
    f, g, h = nn.Linear(4, 3), nn.Linear(3, 2), nn.Linear(4, 2, bias=False)
    relu, twice = nn.ReLU(), nn.Linear(4, 4)
    named = OrderedDict(b=nn.Linear(4, 3), a=nn.ReLU(), c=nn.Linear(3, 4))
    nets = {
        "MLP(4, 3, 2)": MLP(4, 3, 2),
        "MySequential(Linear(4, 3), ReLU(), Linear(3, 2))": MySequential(
            f, nn.ReLU(), g
        ),
        "MySequential(OrderedDict(b=Linear(4, 3), a=ReLU(), c=Linear(3, 4)))"
        "": MySequential(named),
        "MySequential(ReLU(), Linear(4, 2, bias=False), ReLU())": MySequential(
            nn.ReLU(), h, nn.ReLU()
        ),
        "MySequential(Linear(4, 4), relu, Linear(4, 4), relu)": MySequential(
            nn.Linear(4, 4), relu, nn.Linear(4, 4), relu
        ),
        "MySequential(twice, ReLU(), twice), with twice = Linear(4, 4)": (
            MySequential(twice, nn.ReLU(), twice)
        ),
    }
    written = {}
    for name, net in nets.items():
        _require_description(save_net, net, path, name)
        written[name] = path.read_bytes()
    for name, net in nets.items():  # as if after all of them were saved
        path.write_bytes(written[name])
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
        "The file isn't a dictionary of plain data that `torch.load` reads.",
        "Tensors, numbers, strings, lists and dictionaries are plain data; a "
        "net, or an object of another class, isn't. `torch.save` writes it "
        "to `path`.",
    )
    with case(f"save_net, for {name}"):
        save_net(copy.deepcopy(net), path)
    with case(f"the file of {name}", hint):
        file = _load(path)
        holds(isinstance(file, dict), "a dictionary", show(file), hint)
        kind = type(net).__name__
        holds(
            file.get("kind") == kind,
            f"under the key 'kind': {show(kind)}",
            show(file.get("kind")),
            'The name of the net\'s class goes under the key `"kind"`.',
        )


def _require_same_answers(
    load_net: Callable, net: nn.Module, path: Path, name: str
) -> None:
    hint = (
        "The net can't be built from this file alone, or not used.",
        "Build it from its description, then load its values, both from the "
        "file. Sizes, the order of the layers, their names and whether there "
        "is a bias are all part of the description.",
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
                    (
                        "The last ReLU is missing.",
                        "It is one object in two places, and `children()` "
                        "gives an object only once.",
                    ),
                )
            ]
        equal(
            call(loaded, X),
            net(X),
            "The loaded net gives other numbers: are all its values "
            "loaded, and all its layers there, in the same order?",
            known,
            rtol=1e-5,
            what="output",
        )


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
        with contextlib.suppress(Exception):
            load_net(path)
        holds(
            not built,
            "an error",
            "an object of a class that happens to have this name",
            CHOSEN,
        )
        raises(
            Exception,
            load_net,
            path,
            says=("MLP", "MySequential"),
            hint=(
                "An error is asked for, whose message names both kinds that "
                "are known.",
                "Whoever reads the message has a file and no idea what is in "
                "it: say which kinds `load_net` can build.",
            ),
        )


CHOSEN = (
    "The file has chosen the class that is built.",
    "`getattr`, `globals()` and `vars(nn)` know far more names than are "
    "meant. Look the name up in a dictionary of those that are known.",
)


class _Doubled(nn.Linear):
    """A subclass of a known layer, with another answer."""

    def forward(self, X: Tensor) -> Tensor:
        return 2 * super().forward(X)


def _require_known_layers(
    save_net: Callable, load_net: Callable, path: Path
) -> None:
    def save_and_load(net: nn.Module) -> object:
        save_net(copy.deepcopy(net), path)
        return load_net(path)

    for given, layer, words in (
        ("Tanh()", nn.Tanh(), "A tanh is neither a linear layer nor a ReLU"),
        (
            "Doubled(4, 4), a subclass of Linear",
            _Doubled(4, 4),
            "A layer of a subclass of `Linear` gives other numbers",
        ),
        (
            "MySequential(Linear(4, 4))",
            MySequential(nn.Linear(4, 4)),
            "A chain in a chain is neither a linear layer nor a ReLU",
        ),
    ):
        net, X = MySequential(layer), torch.randn(5, 4)
        with case(f"save_net, then load_net, for MySequential({given})"):
            with contextlib.suppress(Exception):
                loaded = save_and_load(net)
                alike = same(call(loaded, X), net(X), 1e-5, 1e-6)
                if alike and not isinstance(layer, nn.Tanh):
                    continue
            raises(
                Exception,
                save_and_load,
                net,
                says=("Linear", "ReLU"),
                hint=(
                    f"{words}: an error is asked for, whose message names "
                    "`Linear` and `ReLU`.",
                    "In one of the two functions, ask whether the class "
                    "itself is known, and say which ones are.",
                ),
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
                RUN,
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
            CHOSEN,
        )
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
        holds(
            not called,
            "no call of eval",
            f"eval({show(called[0])})" if called else "",
            RUN,
        )


RUN = (
    "Text from the file is run as code.",
    "`eval` and `exec` run any text. Look a name up in a dictionary of those "
    "that are known.",
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
            (
                "The file's code was run.",
                "Leave `weights_only` at True, in each call of `torch.load`.",
            ),
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
    "making it changes nothing of the run",
    "a run that stops after epoch 4 of 10 ends like one that doesn't stop",
    "you know which parts that needs",
)
def resume_with_more_state(
    checkpoint_of: Callable, restore: Callable, needed: dict
) -> None:
    torch.set_num_threads(1)  # on a busy machine, threads wait for each other
    straight = _Run(seed=0)
    straight.train(10)
    other = _Run(seed=2)
    other.train(1)
    stopped = _Run(seed=0)
    stopped.train(4)
    truth = stopped.state()
    hint = (
        "The dictionary must go through a file.",
        "State dicts, numbers and tensors pass; an object such as the net or "
        "the generator itself doesn't.",
    )
    for run, after in ((other, 7), (stopped, 4), (other, 7)):
        before = run.state()
        given = f"checkpoint_of(net, optimizer, {after}, order), saved"
        with case(given, hint):
            state = checkpoint_of(run.net, run.optimizer, after, run.order)
            holds(isinstance(state, dict), "a dictionary", show(state), hint)
            torch.save(state, f"epoch{after}.pt")
            _load(Path(f"epoch{after}.pt"))
            _require_untouched(run, before)
    for after in (7, 4):
        given = f"restore of a state of epoch {after}, into objects built anew"
        with case(given):
            run = _Run(seed=1)
            state = _load(Path(f"epoch{after}.pt"))
            epoch = restore(state, run.net, run.optimizer, run.order)
            equal(
                epoch,
                after,
                "`restore` returns the epoch after which the run stopped: it "
                "tells how many are left.",
                what="epoch",
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


def _require_untouched(run: _Run, truth: dict) -> None:
    """Require that a run can go on after its checkpoint was made."""
    changed = [
        k for k, v in run.state().items() if not same(v, truth[k], 0, 0)
    ]
    parts = ", ".join(part for part in changed if part != "gradients")
    holds(
        run.net.training and not parts,
        "a run that goes on as before",
        f"another state of: {parts}" if parts else "a net in evaluation mode",
        "`checkpoint_of` changes the run that it is to describe: reading a "
        "state is enough.",
    )


def _what_differs(run: _Run, got: dict, truth: dict) -> Hint:
    """The hint for the first part of a run that wasn't brought back."""
    if not run.net.training:
        return (
            "The net is in evaluation mode, in which dropout does nothing. A "
            "run that goes on needs training mode."
        )
    hints = {
        "parameters": "The net hasn't the parameters of the run that stopped.",
        "optimizer": (
            "The optimizer isn't in the state of the run that stopped.",
            "Adam has averages over the steps before. They are in its state "
            "dict, as the parameters are in the net's.",
        ),
        "own generator": (
            "`order` isn't where it was.",
            "A generator's state says where it is; its seed says only where "
            "it began.",
        ),
        "global generator": (
            "PyTorch's global generator isn't where it was.",
            "What draws from it, if the order doesn't? Its state comes back "
            "last, with nothing drawn after that.",
        ),
    }
    for part, hint in hints.items():
        if not same(got[part], truth[part], 0, 0):
            return hint
    return (
        "Each part is back, and the end is another.",
        "Does the optimizer still hold the net's own parameters, or were they "
        "replaced by new ones?",
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
    flipped = bytearray(whole)
    flipped[len(flipped) // 2] ^= 1
    damage = {"cut": whole[: len(whole) // 2], "flipped": bytes(flipped)}
    predicted(
        noticed,
        {kind: _load_notices(data) for kind, data in damage.items()},
        {
            "cut": "A zip archive ends with the list of what it holds, and "
            "`torch.load` looks for it there.",
            "flipped": (
                "A flipped bit of a number is another number: does anything "
                "in the file tell?",
                "To notice it, the checksum must be computed again, which "
                "takes time, and `torch.load` leaves it out.",
            ),
        },
    )

    _require_corrupt(corrupt, paths, **damage)
    _require_changed(changed, paths, damage["flipped"], other)


def _write(paths: list[Path], **content: bytes) -> None:
    """Write five good files, with other numbers in each, but for some."""
    for i, path in enumerate(paths):
        torch.save({"weight": torch.full((1000,), float(i)), "epoch": i}, path)
        if path.stem in content:
            path.write_bytes(content[path.stem])


def _names(paths: list[Path], function: Callable, *more: object) -> set:
    """The names that a function returned, of paths without the folder."""
    before = [path.read_bytes() for path in paths]
    answer = function(list(paths), *more)
    holds(
        isinstance(answer, Iterable) and not isinstance(answer, str),
        "names",
        show(answer),
        "Return the names of the files, in a list or in a set.",
    )
    names = [
        Path(name).name
        if isinstance(name, (str, os.PathLike))
        else None
        if name is None
        else show(name)
        for name in answer
    ]
    holds(
        [path.exists() and path.read_bytes() for path in paths] == before,
        "files as they were",
        "others",
        "The function only looks: whoever asks decides what becomes of a "
        "file.",
    )
    named = [name for name in names if name]
    holds(
        len({*named}) == len(named),
        "each name once",
        show(names),
        "A name is there more than once.",
    )
    return {*names}


def _require_names(
    got: set, expected: set[str], hint: Hint, known: Iterable = ()
) -> None:
    """Require some names of the five files."""
    strange = got - {f"copy{i}.pt" for i in range(1, 6)} - {None, "0"}
    if strange:
        hint = (
            "This isn't the name of a file, such as copy1.pt, as `path.name` "
            "gives it."
        )
    equal(got, expected, hint, known, what="names")


def _require_corrupt(
    corrupt: Callable, paths: list[Path], cut: bytes, flipped: bytes
) -> None:
    missed = (
        "The file with the flipped bit isn't found.",
        "It can be read, and has its size. Only the checksums tell: call "
        "`testzip`, and look at what it returns.",
    )
    lost = (
        "The file that was cut isn't found.",
        "It has lost its end, where the archive's list is: `ZipFile` raises "
        "before `testzip` can run.",
    )
    refused = (
        "`ZipFile` refuses a file that was cut.",
        "The file has lost its end, where the archive's list is, so that "
        "`testzip` can't run. This error tells too that it is damaged.",
    )
    entry = (
        "This is the name of an entry of the archive, as `testzip` returns "
        "it. Return the name of the file."
    )
    returned = (
        "`testzip` returns None for a good archive, and else the name of "
        "the first bad entry in it. Return names of files."
    )
    everything = {path.name for path in paths}
    rest = "Go on after the first damaged file, to the last one."
    two = "copy2.pt is cut in half, one bit of copy4.pt is flipped"
    for given, content, expected, hint, known in (
        (
            "five good files, with other numbers in each",
            {},
            set(),
            "None of these files is damaged.",
            [(everything, returned), ({None}, returned)],
        ),
        ("copy2.pt is cut in half", {"copy2": cut}, {"copy2.pt"}, lost, []),
        (
            "one bit of copy4.pt is flipped",
            {"copy4": flipped},
            {"copy4.pt"},
            missed,
            [({"0"}, entry)],
        ),
        (two, {"copy2": cut, "copy4": flipped}, None, rest, []),
        (
            f"{two}, and copy5.pt is empty",
            {"copy2": cut, "copy4": flipped, "copy5": b""},
            None,
            rest,
            [],
        ),
    ):
        with case(f"corrupt(paths), {given}", "", [("BadZipFile", refused)]):
            _write(paths, **content)
            expected = expected or {f"{stem}.pt" for stem in content}
            _require_names(_names(paths, corrupt), expected, hint, known)


def _require_changed(
    changed: Callable, paths: list[Path], flipped: bytes, other: bytes
) -> None:
    names = [path.name for path in paths]
    swapped = paths[0].name, paths[1].name
    for given, content, expected, hint, known in (
        (
            "the files as they were",
            {},
            set(),
            (
                "None of the digests differs.",
                "Each is SHA-256 of all bytes of the file, whatever they "
                "mean, in hexadecimal.",
            ),
            [],
        ),
        (
            "copy3.pt saved with other weights",
            {"copy3": other},
            {"copy3.pt"},
            "This file is a complete archive, with checksums that fit. Its "
            "bytes have another digest than the one in `digests`.",
            [({*names} - {"copy3.pt"}, "These are the files that are good.")],
        ),
        (
            "one bit of copy4.pt flipped",
            {"copy4": flipped},
            {"copy4.pt"},
            "The digest is that of the file's bytes, also where they can't "
            "be read: one bit is enough to change it.",
            [],
        ),
        (
            "the files as they were, copy5.pt with 2,000,000 bytes",
            {"copy5": bytes(2_000_000)},
            set(),
            "Not all bytes of the file are in the digest.",
            [],
        ),
        (
            "copy1.pt and copy2.pt in each other's place",
            {},
            {*swapped},
            "A file has its own digest, which is found under its name.",
            [],
        ),
        (
            "the last digit of the digest of copy1.pt changed",
            {},
            {"copy1.pt"},
            "Compare the whole digest: a part of it is easier to forge.",
            [],
        ),
    ):
        with case(f"changed(paths, digests), {given}"):
            large = {k: v for k, v in content.items() if k == "copy5"}
            _write(paths, **large)
            digests = {
                path.name: hashlib.sha256(path.read_bytes()).hexdigest()
                for path in reversed(paths)
            }
            if "digit" in given:
                digest = digests["copy1.pt"]
                digests["copy1.pt"] = digest[:-1] + "10"[digest[-1] == "1"]
            if "place" in given:
                one, two = (path.read_bytes() for path in paths[:2])
                content = {"copy1": two, "copy2": one}
            for path in paths:
                if path.stem in content:
                    path.write_bytes(content[path.stem])
            known_digests = dict(digests)
            got = _names(paths, changed, known_digests)
            holds(
                known_digests == digests,
                "`digests` as it was",
                "another one",
                "The digests are what the files are compared with: they stay "
                "as they are.",
            )
            _require_names(got, expected, hint, known)


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
    "a state that fits is loaded and copied, and the answer is True",
    "the net keeps its own parameters, with other values",
    "a state that doesn't fit changes nothing, and the answer is False",
)
def after_a_failed_load(from_file: dict, load_or_leave: Callable) -> None:
    file, three = MLP().state_dict(), MLP(20, 256, 3)
    with contextlib.suppress(RuntimeError):
        three.load_state_dict(file)
    truth = {k: same(v, file[k], 0, 0) for k, v in three.state_dict().items()}
    fits = (
        "Its shape in the file is that in the net.",
        "`load_state_dict` copies name by name, and raises only when it is "
        "through.",
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
        state = copy.deepcopy(file)
        answer = load_or_leave(net, state)
        equal(
            {k for k, v in net.state_dict().items() if same(v, file[k], 0, 0)},
            set(file),
            "This state fits, and all of it is to be in the net.",
            what="loaded",
        )
        _require_kept(net, parameters)
        equal(answer, True, "The load has succeeded: return True.")
        for value in state.values():
            value.zero_()
        holds(
            same(net.state_dict(), file, 0, 0),
            "a net that keeps its values when the state changes",
            "one that changes too",
            "The parameters have the state's memory now. Copy the values.",
        )
    missing = MLP(4, 3, 2).state_dict()
    missing.pop("out.bias")
    small, large = (
        MySequential(nn.BatchNorm1d(2), nn.Linear(2, units))
        for units in (1, 3)
    )
    nn.init.constant_(large[0].running_mean, 5)
    large[0].num_batches_tracked.fill_(5)
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
        hint = "Catch the error, and return False in its place."
        with case(given, known=[("in loading state_dict", hint)]):
            _require_left(load_or_leave, net, file)


def _require_kept(net: nn.Module, parameters: list[nn.Parameter]) -> None:
    """Require that a net has the very parameters that it had."""
    holds(
        same([*map(id, net.parameters())], [*map(id, parameters)], 0, 0),
        "the net's own parameters",
        "others in their places",
        (
            "An optimizer holds the parameters themselves, and would go on "
            "with those that the net has no more.",
            "Copy values into them, as `load_state_dict` does without "
            "`assign`.",
        ),
    )
    holds(
        all(p.requires_grad for p in parameters),
        "parameters that can be trained",
        "frozen ones",
        "Only the values change: `requires_grad` stays as it was.",
    )


def _require_left(load_or_leave: Callable, net: nn.Module, file: dict) -> None:
    """Require that a net is left as it is, since the state doesn't fit."""
    before, parameters = copy.deepcopy(net.state_dict()), [*net.parameters()]
    answer = load_or_leave(net, copy.deepcopy(file))
    after = net.state_dict()
    moved = [k for k in before if not same(after[k], before[k], 0, 0)]
    buffers = [k for k, _ in net.named_buffers()]
    loose = (
        "This state doesn't fit, but it was loaded, as far as it goes.",
        "A strict load refuses a state with a key too few or too many: it "
        "raises an error.",
    )
    new = (
        "These values are neither those of before nor the state's. Put back "
        "what was there."
    )
    loaded = [k for k in moved if k in file and same(after[k], file[k], 0, 0)]
    equal(
        moved,
        [],
        (
            "What fits was copied before the error was raised, and is still "
            "there.",
            "Put back what was there, from a copy of its own: a state dict "
            "shares the net's memory, and changes with it.",
        ),
        known=[
            (
                [k for k in moved if k in buffers],
                (
                    "The parameters are as they were, and a buffer isn't.",
                    "Loading fills the buffers too, here those of "
                    "`BatchNorm1d`: its means and its count of batches.",
                ),
            ),
            *([(moved, loose)] if answer is True else []),
            *([(moved, new)] if not loaded else []),
        ],
        what="changed",
    )
    _require_kept(net, parameters)
    equal(answer, False, "The load has failed: return False.")


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
    hint = "Nothing was saved yet: the answer is None."
    with case("load_latest(folder), the folder is empty", hint):
        equal(load(), None, hint)
    notes = folder / "notes.txt"
    notes.write_text("not a checkpoint")
    with case("save_in_turn, epoch 8, beside a file notes.txt"):
        state = save(8)
        equal(
            sorted(_checkpoints(folder)),
            [8],
            "Write the state itself by `torch.save`, to a file in `folder`.",
            what="epochs in the folder",
        )
        equal(load(), state, "`load_latest` returns what was saved.")
    states = _require_three_highest(save, folder)
    with case("the file notes.txt, after four saves"):
        holds(
            notes.exists(),
            "the file",
            "none",
            "A file that isn't a checkpoint was deleted. Delete only what "
            "the function itself has saved.",
        )
    with case("load_latest(folder), the epochs 9, 10 and 11 are there"):
        equal(
            load(),
            states[11],
            "The newest is that of the highest epoch.",
            known=[
                (states[10], "This goes by the times of the files."),
                (
                    states[9],
                    (
                        "The newest is that of the highest epoch.",
                        "Are the files in the order of numbers, and is the "
                        'highest the first to be tried? As text, "epoch9" '
                        'comes after "epoch11".',
                    ),
                ),
            ],
        )
    _require_readable(load, folder, states)
    _require_old_ones_stay(save, load, folder, states)
    path = _checkpoints(folder)[11]
    path.write_bytes(path.read_bytes()[:100])
    hint = (
        "The state that was saved doesn't come back.",
        "A damaged file must not keep the run from saving, nor from loading "
        "what is newer.",
    )
    with case("save_in_turn, epoch 12, after epoch 11 was cut", hint):
        state = save(12)
        equal(load(), state, hint)
    with case("save_in_turn, epoch 12 once more, with other weights"):
        state = save(12)
        equal(
            load(),
            state,
            "A run that resumes may save an epoch again: the new state takes "
            "the place of the old one.",
        )
    folder = Path.cwd() / "new"
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
            what="epochs in the folder",
            known=[
                (
                    [8, 9, 10, 11],
                    "Four are there: when a new one is written, the oldest "
                    "must go.",
                ),
                (
                    [8, 9, 11],
                    (
                        "Epoch 10 was taken for the oldest.",
                        'As text, "epoch10" comes before "epoch8": compare '
                        "numbers.",
                    ),
                ),
                (
                    [8, 10, 11],
                    (
                        "Epoch 9 was taken for the oldest.",
                        "Its file has the earliest time, which a copy may "
                        "change: go by the epoch.",
                    ),
                ),
                ([11], "Only the last is there: each save writes the same."),
            ],
        )
    return states


def _require_any_epochs(save: Callable, folder: Path) -> None:
    any_epochs = (
        "A run may save at any epochs.",
        "Look which are there, and delete all but the three highest.",
    )
    long_run = (
        "Epoch 1000 was taken for the oldest.",
        'As text, "1000" comes before "998": compare numbers.',
    )
    for given, epochs, expected, hint in (
        (
            "in a new folder, the epochs 3, 6, 9 and 20",
            (3, 6, 9, 20),
            [6, 9, 20],
            any_epochs,
        ),
        (
            "epoch 4, after the epochs 6, 9 and 20",
            (4,),
            [6, 9, 20],
            "The three highest epochs count, not the three that were saved "
            "last.",
        ),
        (
            "in this folder, the epochs 998, 999, 1000 and 1001",
            (998, 999, 1000, 1001),
            [999, 1000, 1001],
            any_epochs,
        ),
    ):
        with case(f"save_in_turn, {given}"):
            for epoch in epochs:
                save(epoch)
            equal(
                sorted(_checkpoints(folder)),
                expected,
                hint,
                [([998, 999, 1001], long_run)],
                what="epochs in the folder",
            )


def _require_readable(
    load: Callable, folder: Path, states: dict[int, dict]
) -> None:
    """Require the newest state that can be read, wherever others are cut."""
    paths = _checkpoints(folder)
    whole = {epoch: path.read_bytes() for epoch, path in paths.items()}
    length = len(whole[11])
    for cut, size, where, expected in (
        ([11], length // 10, "10% of its bytes", states[10]),
        ([11], length // 2, "50% of its bytes", states[10]),
        ([11], length * 9 // 10, "90% of its bytes", states[10]),
        ([11], 1, "1 byte", states[10]),
        ([11], 0, "0 bytes", states[10]),
        ([11, 10], length // 2, "50% of their bytes", states[9]),
        ([11, 10, 9], length // 2, "50% of their bytes", None),
    ):
        for epoch in cut:
            paths[epoch].write_bytes(whole[epoch][:size])
        hint = (
            "A file that can't be read is to be passed over, for the one "
            "before it.",
            "Where it was cut decides which error it raises: RuntimeError, "
            "OSError, EOFError or pickle.UnpicklingError.",
        )
        which = "epochs " if len(cut) > 1 else "epoch "
        which += " and ".join(map(str, cut))
        with case(f"load_latest(folder), {which} cut after {where}", hint):
            equal(load(), expected, hint)
        for epoch, data in whole.items():
            paths[epoch].write_bytes(data)


def _require_old_ones_stay(
    save: Callable, load: Callable, folder: Path, states: dict[int, dict]
) -> None:
    for epoch in (12, 11):
        with case(f"save_in_turn, epoch {epoch}, and the disk is full"):
            # Whether the error passes is the reader's choice.
            with contextlib.suppress(Exception):
                save(epoch, extra=_Unwritable())
            equal(
                sorted(_checkpoints(folder)),
                [9, 10, 11],
                (
                    "A save that fails must not touch what is there, not "
                    "even the file of the same epoch.",
                    "Write under another name first, then `os.replace`.",
                ),
                known=[
                    (
                        [10, 11],
                        "The oldest was deleted, and the new one never "
                        "written. Delete when the new one is complete.",
                    )
                ],
                what="epochs in the folder",
            )
        hint = (
            "The newest of the old ones doesn't come back.",
            "A part that a failed save left behind must not be in the way.",
        )
        with case("load_latest(folder), after a save that failed", hint):
            equal(load(), states[11], hint)


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
