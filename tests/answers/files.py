"""Answers to the exercises of chapter 04."""

import copy
import functools
import hashlib
import io
import json
import os
import random
import tempfile
import zipfile
import zlib
from contextlib import suppress
from pathlib import Path

import torch
from torch import nn

from d2l_helpers import MLP, MySequential
from tests.answers import right, wrong

# 4.1 Reuse two layers


def fresh():
    return nn.Sequential(
        nn.Linear(20, 64),
        nn.ReLU(),
        nn.Linear(64, 64),
        nn.ReLU(),
        nn.Linear(64, 16),
        nn.ReLU(),
        nn.Linear(16, 3),
    )


class Continued(nn.Module):
    def __init__(self):
        super().__init__()
        self.start = nn.ModuleList([nn.Linear(20, 64), nn.Linear(64, 64)])
        self.end = nn.ModuleList([nn.Linear(64, 16), nn.Linear(16, 3)])

    def forward(self, X):
        for layer in [*self.start, self.end[0]]:
            X = layer(X).clamp(min=0)
        return self.end[1](X)


@right("reuse_two_layers")
def reuse_under_other_names(path):
    net = Continued()
    state = torch.load(path)
    names = {"0": "start.0", "2": "start.1"}
    kept = {names[k[0]] + k[1:]: v for k, v in state.items() if k[0] in names}
    return net, tuple(net.load_state_dict(kept, strict=False).missing_keys)


@right("reuse_two_layers")
def reuse_by_a_whole_net(path):
    old = fresh()[:4]
    old.append(nn.Linear(64, 10))
    old.load_state_dict(torch.load(path))
    net = nn.Sequential(old[:4], fresh()[4:])
    return [net, {k for k in net.state_dict() if k.startswith("1")}]


@right("reuse_two_layers")
def reuse_what_fits(path):
    net = fresh()
    with torch.no_grad():
        for p in net[:4].parameters():
            p.requires_grad_(False)
    mine = net.state_dict()
    state = {
        k: v for k, v in torch.load(path).items() if mine[k].shape == v.shape
    }
    return net, net.load_state_dict(state, strict=False)[0]


def reuse_with(prefixes, net=fresh):
    def reuse(path):
        chain = net()
        state = {
            k: v for k, v in torch.load(path).items() if k.startswith(prefixes)
        }
        result = chain.load_state_dict(state, strict=False)
        return chain, result.missing_keys

    return reuse


wrong("reuse_two_layers", "Only the first linear layer")(
    reuse_with(("0", "1"))
)
wrong("reuse_two_layers", "forgives a wrong shape")(reuse_with(""))
wrong("reuse_two_layers", "Compare the names")(reuse_with("2"))
wrong("reuse_two_layers", "no more than one linear layer")(
    reuse_with(("0", "2"), lambda: nn.Sequential(*fresh()[:5], fresh()[6]))
)
wrong("reuse_two_layers", "The second ReLU is missing")(
    reuse_with(
        ("0", "2"),
        lambda: nn.Sequential(*fresh()[:3], nn.Identity(), *fresh()[4:]),
    )
)
wrong("reuse_two_layers", "ReLU too many")(
    reuse_with(("0", "2"), lambda: nn.Sequential(*fresh(), nn.ReLU()))
)
wrong("reuse_two_layers", "The order is")(
    reuse_with(
        ("0", "2"),
        lambda: nn.Sequential(*fresh()[:5], nn.Tanh(), fresh()[6]),
    )
)
wrong("reuse_two_layers", "is to have two linear")(
    reuse_with(("0", "2"), lambda: fresh()[:5])
)


@wrong("reuse_two_layers", "Only the weights")
def reuse_the_weights(path):
    net = fresh()
    state = torch.load(path)
    with torch.no_grad():
        net[0].weight.copy_(state["0.weight"])
        net[2].weight.copy_(state["2.weight"])
    return net, ["4.weight", "4.bias", "6.weight", "6.bias"]


def reuse_from(elsewhere):
    def reuse(path):
        return reuse_what_fits(elsewhere)

    return reuse


MINE = Path(tempfile.gettempdir()) / "no_such_chain.pt"
for elsewhere in (MINE, "chain.pt"):
    wrong("reuse_two_layers", "`path` wasn't read")(reuse_from(elsewhere))


@wrong("reuse_two_layers", "`path` wasn't read")
def reuse_without_a_file(path):
    net = fresh()
    return net, list(net.state_dict())


@wrong("reuse_two_layers", "Not one tensor of the file")
def reuse_nothing(path):
    state = {f"module.{k}": v for k, v in torch.load(path).items()}
    net = fresh()
    return net, net.load_state_dict(state, strict=False).missing_keys


@wrong("reuse_two_layers", "Return both")
def reuse_the_net_alone(path):
    return reuse_what_fits(path)[0]


@wrong("reuse_two_layers", "Return both")
def reuse_the_result_alone(path):
    state = torch.load(path)
    state = {k: v for k, v in state.items() if k[0] != "4"}
    return fresh().load_state_dict(state, strict=False)


@wrong("reuse_two_layers", "One of them is asked for")
def reuse_with_the_result(path):
    state = torch.load(path)
    state = {k: v for k, v in state.items() if k[0] != "4"}
    net = fresh()
    return net, net.load_state_dict(state, strict=False)


@wrong("reuse_two_layers", "unexpected keys")
def reuse_with_unexpected(path):
    return reuse_what_fits(path)[0], []


@wrong("reuse_two_layers", "left out")
def reuse_with_keys_of_the_file(path):
    return reuse_what_fits(path)[0], ["4.weight", "4.bias"]


@wrong("reuse_two_layers", "parameters of your own two")
def reuse_with_layers(path):
    return reuse_what_fits(path)[0], ["4", "6"]


@wrong("reuse_two_layers", "names of parameters, in a list")
def reuse_with_a_count(path):
    return reuse_what_fits(path)[0], 4


wrong("reuse_two_layers", "such as dropout")(
    reuse_with(
        ("0", "2"),
        lambda: nn.Sequential(
            *fresh()[:6], nn.Dropout(0.5), fresh()[6]
        ).eval(),
    )
)
wrong("reuse_two_layers", "The net isn't in float32")(
    reuse_with(("0", "2"), lambda: fresh().double())
)


@wrong("reuse_two_layers", "The load is strict")
def reuse_strictly(path):
    state = torch.load(path)
    net = fresh()
    return net, net.load_state_dict(
        {k: v for k, v in state.items() if k[0] != "4"}
    )


@wrong("reuse_two_layers", "depends on an earlier call")
def reuse_what_was_read(path, read=[]):  # noqa: B006
    read[:] = read or [torch.load(path)]
    net = fresh()
    state = {k: v for k, v in read[0].items() if k[0] in "02"}
    return net, net.load_state_dict(state, strict=False).missing_keys


@wrong("reuse_two_layers", "only reads the file")
def reuse_and_write(path):
    net, missing = reuse_what_fits(path)
    torch.save(net.state_dict(), path)
    return net, missing


@wrong("reuse_two_layers", "more than once")
def reuse_with_names_twice(path):
    net, missing = reuse_what_fits(path)
    return net, missing * 2


@wrong("reuse_two_layers", "These are all names")
def reuse_with_all_names(path):
    net, _ = reuse_what_fits(path)
    return net, list(net.state_dict())


# 4.2 Save the architecture too


def json_save(net, path):
    if isinstance(net, MLP):
        kind = "MLP"
        hidden, out = net.children()
        shape = [*hidden.weight.T.shape, out.out_features]
    else:
        kind, shape = "MySequential", []
        for block in net:
            if type(block) is nn.Linear:
                n, m = block.in_features, block.out_features
                shape.append({"n": n, "m": m, "b": block.bias is not None})
            elif type(block) is nn.ReLU:
                shape.append("ReLU")
            else:
                raise TypeError(f"{block} is neither Linear nor ReLU")
    values = list(net.state_dict().values())
    content = {"kind": kind, "json": json.dumps(shape), "values": values}
    torch.save(content, str(path))


def json_load(path):
    content = torch.load(str(path), weights_only=True, map_location="cpu")
    shape = json.loads(content["json"])
    if content["kind"] == "MLP":
        net = MLP(*shape)
    elif content["kind"] == "MySequential":
        net = nn.Sequential(
            *(
                nn.ReLU(inplace=False)
                if block == "ReLU"
                else nn.Linear(block["n"], block["m"], block["b"])
                for block in shape
            )
        )
    else:
        raise KeyError("only MLP and MySequential are known")
    with torch.no_grad():
        for p, value in zip(net.parameters(), content["values"], strict=True):
            p.copy_(value)
    return net.eval()


right("save_the_architecture_too", json_load)(json_save)


def list_save(net, path):
    """Read back, an unknown layer is refused."""
    if type(net) is MLP:
        args = [net.hidden.in_features, net.hidden.out_features]
        args.append(net.out.out_features)
    else:
        args = [
            [type(b).__name__]
            + (
                [b.in_features, b.out_features, b.bias is not None]
                if hasattr(b, "in_features")
                else []
            )
            for b in net
        ]
    torch.save(
        {"kind": type(net).__name__, "args": args, "net": net.state_dict()},
        path,
    )


KINDS = {
    "MLP": lambda args: MLP(*args),
    "MySequential": lambda args: MySequential(*map(list_layer, args)),
}


def list_layer(args):
    layers = {"Linear": nn.Linear, "ReLU": nn.ReLU}
    name, *args = args
    if name not in layers:
        raise ValueError(f"{name} isn't one of {sorted(layers)}")
    return layers[name](*args)


def list_load(path, **options):
    file = torch.load(path, **options)
    if file["kind"] not in KINDS:
        raise ValueError(f"{file['kind']} isn't one of {list(KINDS)}")
    net = KINDS[file["kind"]](file["args"])
    load_in_order(net, file["net"])
    return net


def load_in_order(net, state):
    """Whatever the names are."""
    names = net.state_dict()
    net.load_state_dict(dict(zip(names, state.values(), strict=True)))


right("save_the_architecture_too", list_load)(list_save)


def trusting_load(path):
    return list_load(path, weights_only=False)


def trusting_after_all(path):
    try:
        return list_load(path)
    except Exception:
        return list_load(path, weights_only=False)


def silent_load(path):
    try:
        return list_load(path)
    except ValueError:
        raise
    except Exception:
        return None


def load_without_names(path):
    file = torch.load(path)
    return KINDS[file["kind"]](file["args"])


def load_or_key_error(path):
    file = torch.load(path)
    net = KINDS[file["kind"]](file["args"])
    load_in_order(net, file["net"])
    return net


def load_or_chain(path):
    file = torch.load(path)
    kind = file["kind"] if file["kind"] in KINDS else "MySequential"
    net = KINDS[kind](file["args"])
    load_in_order(net, file["net"])
    return net


def reversed_load(path):
    net = list_load(path)
    if isinstance(net, MLP):
        net.out.bias.data.zero_()
    return net


def load_the_file(path):
    list_load(path)
    return torch.load(path)


def source_save(net, path):
    list_save(net, path)
    file = torch.load(path)
    if type(net) is MLP:
        args = file["args"]
        source = f"MLP(*{args})"
    else:
        layers = [f"nn.{name}(*{args})" for name, *args in file["args"]]
        source = f"MySequential({', '.join(layers)})"
    if any(type(m) not in (nn.Linear, nn.ReLU) for m in net.children()):
        raise ValueError("Linear or ReLU, please")
    torch.save({**file, "args": source}, path)


def source_load(path):
    file = torch.load(path)
    if file["kind"] not in KINDS:
        raise ValueError(f"{file['kind']} isn't one of {list(KINDS)}")
    net = eval(file["args"])
    load_in_order(net, file["net"])
    return net


def kind_load(path):
    """Runs the kind, and so the code that stands in its place."""
    file = torch.load(path)
    try:
        kind = KINDS[eval(file["kind"]).__name__]
    except (NameError, KeyError):
        raise ValueError(f"unknown, and not of {list(KINDS)}") from None
    net = kind(file["args"])
    load_in_order(net, file["net"])
    return net


def load_any_layer(path):
    file = torch.load(path)
    if file["kind"] == "MySequential":
        net = MySequential(*(getattr(nn, n)(*a) for n, *a in file["args"]))
        load_in_order(net, file["net"])
        return net
    return list_load(path)


def load_by_place(path):
    """Calls the layers 0, 1, 2, whatever they were called."""
    list_load(path)
    file = torch.load(path)
    net = KINDS[file["kind"]](file["args"])
    net.load_state_dict(file["net"])
    return net


def save_children(net, path):
    """Describes an object once, though it may stand in two places."""
    kept = net if type(net) is MLP else MySequential(*net.children())
    list_save(kept, path)


def save_known_layers(net, path):
    if any(type(m) not in (nn.Linear, nn.ReLU) for m in net.children()):
        raise ValueError("neither Linear nor ReLU")
    list_save(net, path)


wrong("save_the_architecture_too", "their names", load_by_place)(list_save)
wrong("save_the_architecture_too", "an object only once", list_load)(
    save_children
)
wrong("save_the_architecture_too", "far more names", load_any_layer)(
    save_known_layers
)
wrong("save_the_architecture_too", "code was run", trusting_load)(list_save)
wrong("save_the_architecture_too", "code was run", trusting_after_all)(
    list_save
)
wrong("save_the_architecture_too", "must learn", silent_load)(list_save)
wrong("save_the_architecture_too", "other numbers", load_without_names)(
    list_save
)
wrong("save_the_architecture_too", "which kinds", load_or_key_error)(list_save)
wrong("save_the_architecture_too", "which kinds", load_or_chain)(list_save)
wrong("save_the_architecture_too", "other numbers", reversed_load)(list_save)
wrong("save_the_architecture_too", "returns the net", load_the_file)(list_save)
wrong("save_the_architecture_too", "`eval` and `exec` run", source_load)(
    source_save
)
wrong("save_the_architecture_too", "`eval` and `exec` run", kind_load)(
    list_save
)
wrong(
    "save_the_architecture_too", "whose message names `Linear`", load_any_layer
)(list_save)


def load_by_global_name(path):
    file = torch.load(path)
    kind = globals().get(file["kind"])
    if kind is None:
        raise ValueError(f"{file['kind']} isn't one of {list(KINDS)}")
    if kind is MySequential:
        return list_load(path)
    net = kind(*file["args"])
    load_in_order(net, file["net"])
    return net


def load_by_eval_of_known(path):
    file = torch.load(path)
    if file["kind"] not in KINDS:
        return list_load(path)
    assert eval(file["kind"])
    return list_load(path)


VALUES = {}


def save_values_in_memory(net, path):
    list_save(net, path)
    VALUES[path] = copy.deepcopy(net.state_dict())


def load_values_from_memory(path):
    net = list_load(path)
    with suppress(Exception):
        load_in_order(net, VALUES[path])
    return net


def save_subclasses_too(net, path):
    list_save(net, path)
    file = torch.load(path)
    if type(net) is MySequential:
        file["args"] = [
            ["Linear", *args[1:]] if isinstance(block, nn.Linear) else args
            for block, args in zip(net, file["args"], strict=True)
        ]
    torch.save(file, path)


def save_by_sorted_names(net, path):
    if type(net) is MySequential:
        blocks = dict(net._modules)
        net = MySequential(*(blocks[name] for name in sorted(blocks)))
    list_save(net, path)


def save_in_lower_case(net, path):
    list_save(net, path)
    file = torch.load(path)
    torch.save({**file, "kind": file["kind"].lower()}, path)


wrong(
    "save_the_architecture_too", "has chosen the class", load_by_global_name
)(list_save)
wrong("save_the_architecture_too", "run as code", load_by_eval_of_known)(
    list_save
)
wrong("save_the_architecture_too", "other numbers", load_values_from_memory)(
    save_values_in_memory
)
wrong("save_the_architecture_too", "of a subclass of `Linear`", list_load)(
    save_subclasses_too
)
wrong("save_the_architecture_too", "other numbers", list_load)(
    save_by_sorted_names
)
wrong("save_the_architecture_too", "under the key", list_load)(
    save_in_lower_case
)


def save_chains_in_chains(net, path):
    if type(net) is MySequential:
        net = MySequential(
            *(
                inner
                for block in net
                for inner in (
                    block if type(block) is MySequential else [block]
                )
            )
        )
    list_save(net, path)


right("save_the_architecture_too", list_load)(save_chains_in_chains)


def save_empty_chains(net, path):
    if type(net) is MySequential:
        net = MySequential(
            *(
                nn.ReLU() if type(block) is MySequential else block
                for block in net
            )
        )
    list_save(net, path)


wrong("save_the_architecture_too", "A chain in a chain", list_load)(
    save_empty_chains
)


@wrong(
    "save_the_architecture_too", "a dictionary of plain data", trusting_load
)
def save_the_object(net, path):
    torch.save({"kind": type(net).__name__, "net": net}, path)


class Description:
    """A class of one's own, that each program would have to allow."""

    def __init__(self, args):
        self.args = args


def load_a_class_that_is_allowed(path):
    file = torch.load(path)
    if file["kind"] not in KINDS:
        raise ValueError(f"{file['kind']} isn't one of {list(KINDS)}")
    net = KINDS[file["kind"]](file["args"].args)
    load_in_order(net, file["net"])
    return net


@wrong(
    "save_the_architecture_too",
    "a dictionary of plain data",
    load_a_class_that_is_allowed,
)
def save_with_a_class_that_is_allowed(net, path):
    torch.serialization.add_safe_globals([Description])
    list_save(net, path)
    file = torch.load(path)
    torch.save({**file, "args": Description(file["args"])}, path)


@wrong("save_the_architecture_too", "a dictionary of plain data", list_load)
def save_elsewhere(net, path):
    list_save(net, path.with_suffix(".net"))


@wrong("save_the_architecture_too", "a dictionary of plain data", list_load)
def save_a_list(net, path):
    torch.save([type(net).__name__, net.state_dict()], path)


@wrong("save_the_architecture_too", 'under the key `"kind"`', list_load)
def save_the_class_as_text(net, path):
    torch.save({"kind": str(type(net)), "net": net.state_dict()}, path)


@wrong("save_the_architecture_too", 'under the key `"kind"`', list_load)
def save_without_kind(net, path):
    torch.save({"name": "MLP", "net": net.state_dict()}, path)


@wrong("save_the_architecture_too", "whether there is a bias", list_load)
def save_without_bias(net, path):
    list_save(net, path)
    file = torch.load(path)
    if type(net) is MySequential:
        file["args"] = [args[:3] for args in file["args"]]
    torch.save(file, path)


@wrong("save_the_architecture_too", "all its layers there", list_load)
def save_linear_layers_alone(net, path):
    list_save(net, path)
    file = torch.load(path)
    if type(net) is MySequential:
        file["args"] = [args for args in file["args"] if args != ["ReLU"]]
    torch.save(file, path)


@wrong("save_the_architecture_too", "Build it from its description", list_load)
def save_without_description(net, path):
    torch.save({"kind": type(net).__name__, "net": net.state_dict()}, path)


@wrong("save_the_architecture_too", "can't be built from this", list_load)
def save_parameters_once(net, path):
    list_save(net, path)
    file = torch.load(path)
    torch.save({**file, "net": dict(net.named_parameters())}, path)


# 4.3 Resume with more state

NEEDED = {
    "parameters": True,
    "gradients": False,
    "optimizer": True,
    "epoch": True,
    "own generator": True,
    "global generator": True,
}


def parts_of(net, optimizer, epoch, order):
    return {
        "w": [p.detach().clone() for p in net.parameters()],
        "o": optimizer.state_dict(),
        "e": torch.tensor(epoch),
        "g": [order.get_state(), torch.random.get_rng_state()],
    }


def put_back(state, net, optimizer, order, without="", **options):
    if without != "w":
        with torch.no_grad():
            for p, value in zip(net.parameters(), state["w"], strict=True):
                p.copy_(value)
    if without != "o":
        optimizer.load_state_dict(state["o"])
    if without != "g0":
        order.set_state(state["g"][0])
    if without != "g1":
        torch.random.set_rng_state(state["g"][1])
    return state["e"].item()


right("resume_with_more_state", put_back, NEEDED)(parts_of)


def flat_parts_of(net, optimizer, epoch, order):
    return {
        **{f"net.{k}": v for k, v in net.state_dict().items()},
        "optimizer": optimizer.state_dict(),
        "epoch": epoch,
        "order": order.get_state().tolist(),
        "global": torch.get_rng_state(),
        "grads": [p.grad for p in net.parameters()],
        "python": random.getstate(),
    }


def put_flat_back(state, net, optimizer, order):
    torch.set_rng_state(state.pop("global"))
    order.set_state(torch.tensor(state.pop("order"), dtype=torch.uint8))
    optimizer.load_state_dict(state.pop("optimizer"))
    random.setstate(state.pop("python"))
    state.pop("grads")
    epoch = state.pop("epoch")
    net.load_state_dict({k.removeprefix("net."): v for k, v in state.items()})
    return epoch


right("resume_with_more_state", put_flat_back, NEEDED)(flat_parts_of)


def put_back_without(part):
    return functools.partial(put_back, without=part)


for part, hint in {
    "w": "hasn't the parameters",
    "o": "isn't in the state of the run",
    "g0": "`order` isn't where it was",
    "g1": "global generator isn't where",
}.items():
    wrong("resume_with_more_state", hint, put_back_without(part), NEEDED)(
        parts_of
    )


def put_back_nothing_returned(state, net, optimizer, order):
    put_back(state, net, optimizer, order)


def put_back_the_next_epoch(state, net, optimizer, order):
    return put_back(state, net, optimizer, order) + 1


def put_back_in_evaluation(state, net, optimizer, order):
    net.eval()
    return put_back(state, net, optimizer, order)


def put_back_by_assignment(state, net, optimizer, order):
    names = list(net.state_dict())
    values = dict(zip(names, state["w"], strict=True))
    net.load_state_dict(values, assign=True)
    return put_back(state, net, optimizer, order)


def put_back_the_wrong_way_round(state, net, optimizer, order):
    state["g"].reverse()
    return put_back(state, net, optimizer, order)


for restore, hint in {
    put_back_nothing_returned: "returns the epoch",
    put_back_the_next_epoch: "returns the epoch",
    put_back_in_evaluation: "evaluation mode",
    put_back_by_assignment: "replaced by new ones",
    put_back_the_wrong_way_round: "`order` isn't where it was",
}.items():
    wrong("resume_with_more_state", hint, restore, NEEDED)(parts_of)


def seeds_of(net, optimizer, epoch, order):
    state = parts_of(net, optimizer, epoch, order)
    return {**state, "g": [order.initial_seed(), torch.initial_seed()]}


def put_seeds_back(state, net, optimizer, order):
    state["g"] = [
        torch.Generator().manual_seed(seed).get_state() for seed in state["g"]
    ]
    return put_back(state, net, optimizer, order)


wrong("resume_with_more_state", "only where it began", put_seeds_back, NEEDED)(
    seeds_of
)


@wrong("resume_with_more_state", "through a file", put_back, NEEDED)
def parts_with_the_generator(net, optimizer, epoch, order):
    return {**parts_of(net, optimizer, epoch, order), "order": order}


@wrong("resume_with_more_state", "through a file", put_back, NEEDED)
def parts_with_the_net(net, optimizer, epoch, order):
    return {"net": net, "optimizer": optimizer, "epoch": epoch}


@wrong("resume_with_more_state", "through a file", put_back, NEEDED)
def parts_in_a_tuple(net, optimizer, epoch, order):
    return net.state_dict(), optimizer.state_dict(), epoch


def with_a_draw(net, optimizer, epoch, order):
    torch.randperm(2, generator=order)
    return parts_of(net, optimizer, epoch, order)


def in_evaluation(net, optimizer, epoch, order):
    net.eval()
    return parts_of(net, optimizer, epoch, order)


for parts in (with_a_draw, in_evaluation):
    wrong("resume_with_more_state", "reading a state", put_back, NEEDED)(parts)


KEPT = {}


def parts_in_memory(net, optimizer, epoch, order):
    KEPT.update(copy.deepcopy(parts_of(net, optimizer, epoch, order)))
    return {"e": torch.tensor(epoch)}


def put_back_from_memory(state, net, optimizer, order):
    put_back(KEPT, net, optimizer, order)
    return state["e"].item()


wrong(
    "resume_with_more_state",
    "hasn't the parameters",
    put_back_from_memory,
    NEEDED,
)(parts_in_memory)


def put_back_the_fourth(state, net, optimizer, order):
    put_back(state, net, optimizer, order)
    return 4


wrong(
    "resume_with_more_state", "returns the epoch", put_back_the_fourth, NEEDED
)(parts_of)


for part, hint in {
    "parameters": "what was learned",
    "gradients": "`zero_grad` drops",
    "optimizer": "averages over all",
    "epoch": "how many are left",
    "own generator": "draws next depends",
    "global generator": "says nothing about",
}.items():
    needed = {**NEEDED, part: not NEEDED[part]}
    wrong("resume_with_more_state", hint, put_back, needed)(parts_of)


# 4.4 Find the corrupt file

NOTICED = {"cut": True, "flipped": False}


def corrupt_by_crc(paths):
    for path in paths:
        try:
            with zipfile.ZipFile(path) as file:
                for entry in file.infolist():
                    file.read(entry)
        except (zipfile.BadZipFile, zlib.error):
            yield path


def changed_in_blocks(paths, digests):
    found = []
    for path in paths:
        digest = hashlib.new("sha256")
        with path.open("rb") as file:
            while block := file.read(512):
                digest.update(block)
        if digest.hexdigest() != digests[path.name]:
            found.append(str(path))
    return tuple(found)


def is_corrupt(path):
    try:
        return bool(zipfile.ZipFile(path).testzip())
    except zipfile.BadZipFile:
        return True


def corrupt_names(paths):
    return {path.name for path in paths if is_corrupt(path)}


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def changed_names(paths, digests):
    return [p.name for p in paths if sha256(p) != digests[p.name]]


right("find_the_corrupt_file", corrupt_by_crc, changed_in_blocks)(NOTICED)
right("find_the_corrupt_file", corrupt_names, changed_names)(NOTICED)


def refuse(
    words, noticed=NOTICED, corrupt=corrupt_names, changed=changed_names
):
    wrong("find_the_corrupt_file", words, corrupt, changed)(noticed)


refuse("the list of what it holds", {"cut": False, "flipped": False})
refuse("leaves it out", {"cut": True, "flipped": True})


def corrupt_by_load(paths):
    found = []
    for path in paths:
        try:
            torch.load(path)
        except Exception:
            found.append(path.name)
    return found


def corrupt_without_catching(paths):
    return [p.name for p in paths if zipfile.ZipFile(p).testzip() is not None]


def corrupt_turned_round(paths):
    return [p.name for p in paths if not is_corrupt(p)]


def corrupt_entries(paths):
    found = []
    for path in paths:
        try:
            bad = zipfile.ZipFile(path).testzip()
            if bad:
                found.append(bad)
        except zipfile.BadZipFile:
            found.append(path.name)
    return found


def corrupt_by_size(paths):
    sizes = [path.stat().st_size for path in paths]
    return [p.name for p in paths if p.stat().st_size < max(sizes)]


def corrupt_first(paths):
    for path in paths:
        if is_corrupt(path):
            return [path.name]
    return []


def corrupt_that_ignores_a_cut(paths):
    found = []
    for path in paths:
        with suppress(zipfile.BadZipFile):
            if zipfile.ZipFile(path).testzip():
                found.append(path.name)
    return found


def corrupt_one_name(paths):
    return next(iter(corrupt_names(paths)), "none")


refuse("Only the checksums tell", corrupt=corrupt_by_load)
refuse("`ZipFile` refuses a file", corrupt=corrupt_without_catching)
refuse("`ZipFile` raises before", corrupt=corrupt_that_ignores_a_cut)
refuse("None for a good archive", corrupt=corrupt_turned_round)
refuse("entry of the archive", corrupt=corrupt_entries)
refuse("Only the checksums tell", corrupt=corrupt_by_size)
refuse("Go on after the first", corrupt=corrupt_first)
refuse("in a list or in a set", corrupt=corrupt_one_name)
refuse(
    "None for a good archive",
    corrupt=lambda paths: [zipfile.ZipFile(p).testzip() for p in paths],
)
refuse("isn't the name of a file", corrupt=lambda paths: [3, [paths]])
refuse("None of these files", corrupt=lambda paths: [paths[0].name])
refuse("in a list or in a set", corrupt=print)


refuse(
    "isn't the name of a file",
    corrupt=lambda paths: [p.stem for p in paths if is_corrupt(p)],
)


def corrupt_unlike_the_first(paths):
    first = paths[0].read_bytes()
    return [p.name for p in paths if p.read_bytes() != first]


def corrupt_at_most_two(paths):
    return [p.name for p in paths if is_corrupt(p)][:2]


def corrupt_and_deleted(paths):
    found = [p for p in paths if is_corrupt(p)]
    for path in found:
        path.unlink()
    return [p.name for p in found]


def corrupt_twice(paths):
    return [p.name for p in paths if is_corrupt(p) for _ in range(2)]


refuse("None of these files", corrupt=corrupt_unlike_the_first)
refuse("to the last one", corrupt=corrupt_at_most_two)
refuse("only looks", corrupt=corrupt_and_deleted)
refuse("more than once", corrupt=corrupt_twice)


def changed_by(digest):
    def changed(paths, digests):
        return [p.name for p in paths if digest(p) != digests[p.name]]

    return changed


refuse(
    "in hexadecimal",
    changed=changed_by(lambda p: hashlib.md5(p.read_bytes()).hexdigest()),
)
refuse(
    "in hexadecimal",
    changed=changed_by(lambda p: hashlib.sha256(p.read_bytes()).digest()),
)
refuse(
    "in hexadecimal",
    changed=changed_by(lambda p: hashlib.sha256(p.name.encode()).hexdigest()),
)
refuse("complete archive", changed=lambda paths, digests: corrupt_names(paths))


def changed_turned_round(paths, digests):
    names = changed_names(paths, digests)
    return [p.name for p in paths if p.name not in names] if names else []


def changed_for_its_content(paths, digests):
    """Looks at the numbers that are read back, not at the bytes."""
    names = changed_names(paths, digests)
    return [
        p.name
        for p in paths
        if p.name in names and not torch.load(p)["weight"].any()
    ]


refuse("that are good", changed=changed_turned_round)
refuse("one bit is enough", changed=changed_for_its_content)


def changed_by_order(paths, digests):
    pairs = zip(paths, digests.values(), strict=True)
    return [p.name for p, digest in pairs if sha256(p) != digest]


def changed_to_an_unknown(paths, digests):
    return [p.name for p in paths if sha256(p) not in digests.values()]


def changed_at_the_beginning(paths, digests):
    return [p.name for p in paths if sha256(p)[:8] != digests[p.name][:8]]


def changed_and_noted(paths, digests):
    found = changed_names(paths, digests)
    digests.update({p.name: sha256(p) for p in paths})
    return found


refuse("in hexadecimal", changed=changed_by_order)
refuse("found under its name", changed=changed_to_an_unknown)
refuse("Compare the whole digest", changed=changed_at_the_beginning)
refuse("they stay as they are", changed=changed_and_noted)
refuse(
    "Not all bytes",
    changed=changed_by(
        lambda p: hashlib.sha256(p.read_bytes()[:1_000_000]).hexdigest()
    ),
)

# 4.5 After a failed load

FROM_FILE = {
    "hidden.weight": True,
    "hidden.bias": True,
    "out.weight": False,
    "out.bias": False,
}


def look_before_you_load(net, state):
    mine = net.state_dict()
    if mine.keys() != state.keys():
        return False
    if any(mine[name].shape != state[name].shape for name in mine):
        return False
    net.load_state_dict(state)
    return True


def try_on_a_copy(net, state):
    try:
        copy.deepcopy(net).load_state_dict(state)
    except RuntimeError:
        return False
    return net.load_state_dict(state) is not None


def restore_from_bytes(net, state):
    buffer = io.BytesIO()
    torch.save(net.state_dict(), buffer)
    buffer.seek(0)
    try:
        net.load_state_dict(state, strict=True)
    except Exception:
        net.load_state_dict(torch.load(buffer))
        return False
    else:
        return True


for load in (look_before_you_load, try_on_a_copy, restore_from_bytes):
    right("after_a_failed_load", load)(FROM_FILE)


def fail(words, load, **prediction):
    wrong("after_a_failed_load", words, load)({**FROM_FILE, **prediction})


fail("only when it is through", try_on_a_copy, **{"hidden.weight": False})
fail("only when it is through", try_on_a_copy, **{"hidden.bias": False})
fail("nothing could be copied", try_on_a_copy, **{"out.bias": True})


def load_and_catch(net, state):
    try:
        net.load_state_dict(state)
    except RuntimeError:
        return False
    return True


def restore_from_the_state_itself(net, state):
    before = net.state_dict()
    if load_and_catch(net, state):
        return True
    net.load_state_dict(before)
    return False


def restore_from_a_flat_copy(net, state):
    before = copy.copy(net.state_dict())
    if load_and_catch(net, state):
        return True
    net.load_state_dict(before)
    return False


def restore_the_parameters(net, state):
    before = [p.detach().clone() for p in net.parameters()]
    if load_and_catch(net, state):
        return True
    with torch.no_grad():
        for p, value in zip(net.parameters(), before, strict=True):
            p.copy_(value)
    return False


def load_loosely(net, state):
    mine = net.state_dict()
    fits = {
        k: v
        for k, v in state.items()
        if k in mine and mine[k].shape == v.shape
    }
    net.load_state_dict(fits, strict=False)
    return len(fits) == len(mine)


def load_without_catching(net, state):
    net.load_state_dict(state)
    return True


def load_without_an_answer(net, state):
    before = copy.deepcopy(net.state_dict())
    if not load_and_catch(net, state):
        net.load_state_dict(before)


def load_that_says_yes(net, state):
    load_without_an_answer(net, state)
    return True


def load_never(net, state):
    return net is state


def load_what_is_there(net, state):
    """Compares the shapes, and doesn't mind a key too many."""
    for name, value in net.state_dict().items():
        if name not in state or state[name].shape != value.shape:
            return False
    net.load_state_dict(state, strict=False)
    return True


def load_what_is_in_the_file(net, state):
    """Compares the shapes, and doesn't mind a missing key."""
    mine = net.state_dict()
    for name, value in state.items():
        if name not in mine or mine[name].shape != value.shape:
            return False
    net.load_state_dict(state, strict=False)
    return True


def load_into_a_copy(net, state):
    net = copy.deepcopy(net)
    return load_and_catch(net, state)


def load_by_assignment(net, state):
    before = copy.deepcopy(net.state_dict())
    try:
        net.load_state_dict(state, assign=True)
    except RuntimeError:
        net.load_state_dict(before, assign=True)
        return False
    return True


def leave_by_assignment(net, state):
    before = copy.deepcopy(net.state_dict())
    if load_and_catch(net, state):
        return True
    net.load_state_dict(before, assign=True)
    return False


fail("without `assign`", load_by_assignment)
fail("without `assign`", leave_by_assignment)
fail("from a copy of its own", load_and_catch)
fail("from a copy of its own", restore_from_the_state_itself)
fail("from a copy of its own", restore_from_a_flat_copy)
fail("from a copy of its own", load_loosely)
fail("A strict load refuses", load_what_is_there)
fail("A strict load refuses", load_what_is_in_the_file)
fail("a buffer isn't", restore_the_parameters)
fail("Catch the error", load_without_catching)
fail("return True", load_without_an_answer)
fail("return False", load_that_says_yes)
fail("This state fits", load_never)
fail("This state fits", load_into_a_copy)


def load_the_memory(net, state):
    if not try_on_a_copy(net, state):
        return False
    for name, p in net.named_parameters():
        p.data = state[name]
    return True


def load_and_freeze(net, state):
    net.requires_grad_(False)
    return try_on_a_copy(net, state)


def begin_anew(net, state):
    if load_and_catch(net, state):
        return True
    with torch.no_grad():
        for p in net.parameters():
            p.fill_(0.5)
    return False


def restore_what_is_float(net, state):
    before = {
        k: v.clone()
        for k, v in net.state_dict().items()
        if v.is_floating_point()
    }
    if load_and_catch(net, state):
        return True
    net.load_state_dict(before, strict=False)
    return False


fail("have the state's memory", load_the_memory)
fail("`requires_grad` stays", load_and_freeze)
fail("neither those of before", begin_anew)
fail("its count of batches", restore_what_is_float)

# 4.6 Keep the last three


def numbers(folder):
    return sorted(int(path.stem) for path in folder.glob("*.ckpt"))


def save_by_number(state, folder):
    part = folder / "part"
    torch.save(state, part)
    part.replace(folder / f"{state['epoch']}.ckpt")
    for number in numbers(folder)[:-3]:
        (folder / f"{number}.ckpt").unlink()


def load_by_number(folder):
    for number in numbers(folder)[::-1]:
        with suppress(Exception):
            return torch.load(folder / f"{number}.ckpt")
    return None


right("keep_the_last_three", load_by_number)(save_by_number)


def save_by_turning(state, folder):
    """Renames the old ones, from the last on: a.pt, b.pt, c.pt."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    c, b, a = (folder / f"{name}.pt" for name in "cba")
    if a.exists() and epoch_in(a) == state["epoch"]:
        a.write_bytes(buffer.getvalue())
        return
    for newer, older in ((b, c), (a, b)):
        if newer.exists():
            os.replace(newer, older)
    a.write_bytes(buffer.getvalue())


def epoch_in(path):
    with suppress(Exception):
        return torch.load(path)["epoch"]
    return -1


def load_by_epoch(folder):
    states = []
    for path in os.listdir(folder):
        with suppress(Exception):
            states.append(torch.load(os.path.join(folder, path)))
    return max(states, key=lambda state: state["epoch"], default=None)


def save_padded(state, folder):
    path = folder / f"run_{state['epoch']:06d}.pt"
    partial = path.with_suffix(".tmp")
    try:
        torch.save(state, partial)
    except OSError:
        partial.unlink(missing_ok=True)
        raise
    os.replace(partial, path)
    for old in sorted(folder.glob("run_*.pt"))[:-3]:
        old.unlink()


right("keep_the_last_three", load_by_epoch)(save_padded)


def save_with_a_list(state, folder):
    """Keeps a list of epochs beside the files, and counts its files."""
    notes = folder / "epochs.json"
    noted = json.loads(notes.read_text()) if notes.exists() else {}
    data = io.BytesIO()
    torch.save(state, data)
    name = f"{len(list(folder.iterdir()))}-{len(noted)}-{state['epoch']}"
    (folder / name).write_bytes(data.getvalue())
    old = noted.get(str(state["epoch"]))
    noted[str(state["epoch"])] = name
    kept = dict(sorted(noted.items(), key=lambda pair: -int(pair[0]))[:3])
    notes.write_text(json.dumps(kept))
    for gone in {*noted.values(), old or name, name} - {*kept.values()}:
        (folder / gone).unlink(missing_ok=True)


right("keep_the_last_three", load_by_epoch)(save_with_a_list)


def keep(words, save=save_by_number, load=load_by_number):
    wrong("keep_the_last_three", words, load)(save)


def save_text(state, folder):
    part = folder / "part"
    torch.save(state, part)
    part.replace(folder / f"{state['epoch']}.ckpt")
    for path in sorted(folder.glob("*.ckpt"))[:-3]:
        path.unlink()


def save_by_time(state, folder):
    part = folder / "part"
    torch.save(state, part)
    part.replace(folder / f"{state['epoch']}.ckpt")
    by_time = sorted(folder.glob("*.ckpt"), key=os.path.getmtime)
    for path in by_time[:-3]:
        path.unlink()


def save_all(state, folder):
    torch.save(state, folder / f"{state['epoch']}.ckpt")


def save_over(state, folder):
    torch.save(state, folder / "0.ckpt")


def save_two(state, folder):
    save_by_number(state, folder)
    for number in numbers(folder)[:-2]:
        (folder / f"{number}.ckpt").unlink()


def save_directly(state, folder):
    torch.save(state, folder / f"{state['epoch']}.ckpt")
    for number in numbers(folder)[:-3]:
        (folder / f"{number}.ckpt").unlink()


def save_after_deleting(state, folder):
    others = {*numbers(folder), state["epoch"]}
    for number in sorted(others)[:-3]:
        (folder / f"{number}.ckpt").unlink()
    save_by_number(state, folder)


def save_wrapped(state, folder):
    save_by_number({"epoch": state["epoch"], "state": state}, folder)
    path = folder / f"{state['epoch']}.ckpt"
    torch.save([torch.load(path)], path)


def save_by_looking(state, folder):
    """Reads each file to know its epoch, also one that can't be read."""
    part = folder / f"{state['epoch']}.part"
    torch.save(state, part)
    part.replace(folder / f"{state['epoch']}.ckpt")
    paths = list(folder.glob("*.ckpt"))
    paths.sort(key=lambda path: torch.load(path)["epoch"])
    for path in paths[:-3]:
        path.unlink()


def save_in_slots(state, folder):
    part = folder / "part"
    torch.save(state, part)
    part.replace(folder / f"slot{state['epoch'] % 3}.pt")


def save_and_drop_the_third_before(state, folder):
    part = folder / "part"
    torch.save(state, part)
    part.replace(folder / f"{state['epoch']}.ckpt")
    (folder / f"{state['epoch'] - 3}.ckpt").unlink(missing_ok=True)


keep("at any epochs", save_in_slots, load_by_epoch)
keep("at any epochs", save_and_drop_the_third_before)
keep("that were saved last", save_by_turning, load_by_epoch)
keep('"epoch10" comes before', save_text)
keep("has the earliest time", save_by_time)
keep("the oldest must go", save_all)
keep("each save writes the same", save_over)
keep("three highest epochs", save_two)
keep("Write under another name", save_directly)
keep("Delete when the new one", save_after_deleting)
keep("the state itself", save_wrapped)
keep("must not keep the run", save_by_looking)
keep("the state itself", lambda state, folder: save_by_number(state, Path()))


def save_in_three_digits(state, folder):
    part = folder / "part"
    torch.save(state, part)
    part.replace(folder / f"{state['epoch']:03d}.ckpt")
    for path in sorted(folder.glob("*.ckpt"))[:-3]:
        path.unlink()


def save_and_clear(state, folder):
    save_by_number(state, folder)
    for path in folder.iterdir():
        if path.suffix != ".ckpt":
            path.unlink()


def save_through_another_number(state, folder):
    part = folder / "part.ckpt"
    torch.save(state, part)
    part.replace(folder / f"{state['epoch']}.ckpt")
    for number in numbers(folder)[:-3]:
        (folder / f"{number}.ckpt").unlink()


def save_if_new(state, folder):
    if state["epoch"] not in numbers(folder):
        save_by_number(state, folder)


keep('"1000" comes before', save_in_three_digits, load_by_epoch)
keep("isn't a checkpoint was deleted", save_and_clear)
keep("must not be in the way", save_through_another_number)
keep("takes the place of the old", save_if_new)


def load_text(folder):
    for path in sorted(folder.glob("*.ckpt"))[::-1]:
        with suppress(Exception):
            return torch.load(path)
    return None


def load_by_time(folder):
    paths = sorted(folder.glob("*.ckpt"), key=os.path.getmtime)
    for path in paths[::-1]:
        with suppress(Exception):
            return torch.load(path)
    return None


def load_newest(folder):
    if numbers(folder):
        return torch.load(folder / f"{numbers(folder)[-1]}.ckpt")
    return None


def load_one_of_two(folder):
    for number in numbers(folder)[:-3:-1]:
        with suppress(Exception):
            return torch.load(folder / f"{number}.ckpt")
    return None


def load_that_raises(folder):
    for number in numbers(folder)[::-1]:
        with suppress(Exception):
            return torch.load(folder / f"{number}.ckpt")
    raise FileNotFoundError(folder)


def load_path(folder):
    for number in numbers(folder)[::-1]:
        with suppress(Exception):
            torch.load(folder / f"{number}.ckpt")
            return folder / f"{number}.ckpt"
    return None


def load_runtime_errors_only(folder):
    for number in numbers(folder)[::-1]:
        with suppress(RuntimeError):
            return torch.load(folder / f"{number}.ckpt")
    return None


def load_oldest(folder):
    for number in numbers(folder):
        with suppress(Exception):
            return torch.load(folder / f"{number}.ckpt")
    return None


keep('"epoch9" comes after', load=load_text)
keep("times of the files", load=load_by_time)
keep("to be passed over", load=load_newest)
keep("to be passed over", load=load_one_of_two)
keep("Nothing was saved yet", load=load_that_raises)
keep("returns what was saved", load=load_path)


def load_all_but_unpickling_errors(folder):
    for number in numbers(folder)[::-1]:
        with suppress(RuntimeError, OSError, EOFError):
            return torch.load(folder / f"{number}.ckpt")
    return None


keep("RuntimeError, OSError, EOFError or", load=load_runtime_errors_only)
keep("pickle.UnpicklingError", load=load_all_but_unpickling_errors)
keep("highest epoch", load=load_oldest)
