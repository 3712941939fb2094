"""Answers to the exercises of chapter 04."""

import hashlib
import io
import json
import struct
import zipfile
import zlib

import torch
from torch import nn

from d2l_helpers import MySequential
from tests.answers import also_right, edited, right

# 4.1 Reuse two layers


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
    layers = nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU()
    old = MySequential(*layers, nn.Linear(64, 10))
    old.load_state_dict(torch.load(path))
    end = nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 3)
    net = nn.Sequential(old[:4], nn.Sequential(*end))
    return [net, {k for k in net.state_dict() if k.startswith("1")}]


_CHOICE = 'k[:2] in ("0.", "2.")'
_END = "3),\n    )"
_SECOND = "64, 64),\n        nn.ReLU()"
_THIRD = "16),\n        nn.ReLU()"
_MISSING = "result.missing_keys"
also_right(
    "reuse_two_layers",
    {
        _CHOICE: "v.shape == net.state_dict()[k].shape",
        ".missing_keys": "[0]",
        "return": "net[:4].requires_grad_(False); return",
    },
)
edited(
    "reuse_two_layers",
    ("Only the first linear layer", {"2.": "1."}),
    ("forgives a wrong shape", {"(first_two": "(state"}),
    ("Compare the names", {'"0.", ': ""}),
    ("no more than one linear layer", {f"{_THIRD},": "16),"}),
    ("The second ReLU is missing", {_SECOND: "64, 64), nn.Identity()"}),
    ("ReLU too many", {_END: "3),\n        nn.ReLU(),\n    )"}),
    ("The order is", {_THIRD: "16), nn.Tanh()"}),
    ("is to have two linear", {_END: f"{_END}[:5]"}),
    ("Only the weights", {_CHOICE: 'k in ("0.weight", "2.weight")'}),
    ("`path` wasn't read", {"(path)\n": '("chain.pt")\n'}),
    ("`path` wasn't read", {"(path)\n": '("data/chain.pt")\n'}),
    ("`path` wasn't read", {"torch.load(path)": "net.state_dict()"}),
    ("Not one tensor of the file", {"{k:": '{f"module.{k}":'}),
    ("Return both", {f", {_MISSING}": ""}),
    ("Return both", {f"net, {_MISSING}": "result"}),
    ("One of them is asked for", {".missing_keys": ""}),
    ("unexpected keys", {".missing": ".unexpected"}),
    ("left out", {_MISSING: "[k for k in state if k not in first_two]"}),
    ("parameters of your own two", {_MISSING: '["4", "6"]'}),
    ("names of parameters, in a list", {_MISSING: f"len({_MISSING})"}),
    ("such as dropout", {_END: "3), nn.Dropout()).eval()"}),
    ("The net isn't in float32", {_END: f"{_END}.double()"}),
    ("The load is strict", {", strict=False": ""}),
    (
        "depends on an earlier call",
        {"def": "import functools\n\n\n@functools.cache\ndef"},
    ),
    (
        "only reads the file",
        {"return": "torch.save(net.state_dict(), path); return"},
    ),
    ("more than once", {_MISSING: f"{_MISSING} * 2"}),
    ("These are all names", {_MISSING: "list(net.state_dict())"}),
)


# 4.2 Save the architecture too

_SIZES = "[f.in_features, f.out_features, f.bias is not None]"
_LAYERS = "{name: [] for name in net._modules}"
_BUILT = "nn.Linear(*sizes) if sizes else nn.ReLU()"
_MLP = 'MLP() if file["kind"] == "MLP" else MySequential()'
_LOADED = "file = torch.load(path, weights_only=True)"
_TRUSTED = _LOADED.replace("True", "False")
_TRY = f"try: {_LOADED}\n    except Exception: "
_STATE = '"state": net.state_dict()'
_UNKNOWN_KIND = """    if file["kind"] not in ("MLP", "MySequential"):
        raise ValueError(f"{file['kind']} isn't an MLP or a MySequential")
"""
_UNKNOWN_LAYER = """        elif type(f) is not nn.ReLU:
            raise ValueError(f"{f} is neither a Linear nor a ReLU")
"""
_BY_NAME = {
    _LAYERS: "{n: [type(f).__name__] for n, f in net._modules.items()}",
    f"= {_SIZES}": f"+= {_SIZES}",
    _BUILT: "getattr(nn, sizes[0])(*sizes[1:])",
}
also_right(
    "save_the_architecture_too",
    {
        "def save_net": "import json\n\n\ndef save_net",
        '"layers": layers': '"layers": json.dumps(layers)',
        'file["layers"]': 'json.loads(file["layers"])',
        "()}, path)": "()}, str(path))",
        "weights_only=True": 'weights_only=True, map_location="cpu"',
        "MySequential()": "nn.Sequential()",
        "raise ValueError": "raise KeyError",
        "return net": "return net.eval()",
    },
    (
        {
            _UNKNOWN_LAYER: "",
            **_BY_NAME,
            "getattr(nn, sizes[0])(*sizes[1:])": "known_layer(*sizes)",
        },
        """def known_layer(name, *sizes):
    layers = {"Linear": nn.Linear, "ReLU": nn.ReLU}
    if name not in layers:
        raise ValueError(f"{name} isn't one of {sorted(layers)}")
    return layers[name](*sizes)""",
    ),
    {
        f"layers = {_LAYERS}": f"""if type(net) is MySequential:
        chains = [f if type(f) is MySequential else [f] for f in net]
        net = MySequential(*(f for chain in chains for f in chain))
    layers = {_LAYERS}"""
    },
)
edited(
    "save_the_architecture_too",
    (
        "their names",
        {"(name,": '(name if file["kind"] == "MLP" else str(len(net)),'},
    ),
    ("an object only once", {"net._modules": "dict(net.named_children())"}),
    ("far more names", _BY_NAME),
    ("whose message names `Linear`", {_UNKNOWN_LAYER: "", **_BY_NAME}),
    ("code was run", {_LOADED: _TRUSTED}),
    ("code was run", {_LOADED: f"{_TRY}{_TRUSTED}"}),
    ("must learn", {_LOADED: f"{_TRY}return None"}),
    ("other numbers", {'net.load_state_dict(file["state"])': "pass"}),
    (
        "other numbers",
        {
            'file["state"])': '{k: v for k, v in file["state"].items() '
            'if "weight" in k}, strict=False)'
        },
    ),
    ("which kinds", {_UNKNOWN_KIND: ""}),
    ("which kinds", {" isn't an MLP or a MySequential": " is unknown"}),
    ("returns the net", {"return net": "return file"}),
    (
        "`eval` and `exec` run",
        {
            "name: []": 'name: "nn.ReLU()"',
            _SIZES: f'f"nn.Linear(*{{{_SIZES}}})"',
            _BUILT: "eval(sizes)",
        },
    ),
    (
        "`eval` and `exec` run",
        {'if file["kind"]': 'if eval(file["kind"]).__name__'},
    ),
    ("run as code", {_MLP: 'eval(file["kind"])()'}),
    (
        "has chosen the class",
        {
            '("MLP", "MySequential")': "globals()",
            _MLP: 'globals()[file["kind"]]()',
        },
    ),
    (
        "other numbers",
        {
            "def save": "VALUES = {}\n\n\ndef save",
            "torch.save": "VALUES[path] = net.state_dict(); torch.save",
            "return net": "try: net.load_state_dict(VALUES[path])\n"
            "    except RuntimeError: pass\n    return net",
        },
    ),
    (
        "of a subclass of `Linear`",
        {"type(f) is nn.Linear": "isinstance(f, nn.Linear)"},
    ),
    ("other numbers", {"in net._modules}": "in sorted(net._modules)}"}),
    ("under the key", {"__name__": "__name__.lower()"}),
    ('under the key `"kind"`', {"type(net).__name__": "str(type(net))"}),
    ('under the key `"kind"`', {'{"kind"': '{"name"'}),
    (
        "A chain in a chain",
        {"is not nn.ReLU": "not in (nn.ReLU, type(net))", '"])': '"], False)'},
    ),
    ("a dictionary of plain data", {_STATE: '"net": net'}),
    (
        "a dictionary of plain data",
        {
            "file = {": "torch.serialization.add_safe_globals([Layers]); "
            "file = {",
            ": layers}": ": Layers(layers)}",
            'file["layers"]': 'file["layers"].sizes',
        },
        "class Layers:\n    def __init__(self, sizes): self.sizes = sizes",
    ),
    ("a dictionary of plain data", {"}, path)": '}, "my_net.pt")'}),
    (
        "a dictionary of plain data",
        {'{**file, "state": net.state_dict()}': "[file, net.state_dict()]"},
    ),
    ("whether there is a bias", {", f.bias is not None": ""}),
    ("all its layers there", {_LAYERS: "{}"}),
    ("Build it from its description", {', "layers": layers': ""}),
    (
        "can't be built from this",
        {"net.state_dict()": "dict(net.named_parameters())"},
    ),
)


# 4.3 Resume with more state

_MODEL = 'net.load_state_dict(state["model"])'
_OPTIMIZER = 'optimizer.load_state_dict(state["optimizer"])'
_ORDER = 'order.set_state(state["order"])'
_GLOBAL = 'torch.set_rng_state(state["global"])'
_EPOCH = 'return state["epoch"]'
also_right(
    "resume_with_more_state",
    {
        "net.state_dict()": "[p.detach() for p in net.parameters()]",
        '"epoch": epoch': '"epoch": torch.tensor(epoch)',
        _MODEL: """for p, value in zip(net.parameters(), state["model"]):
        p.data.copy_(value)""",
        _EPOCH: f"{_EPOCH}.item()",
    },
    {
        "def checkpoint_of": "import random\n\n\ndef checkpoint_of",
        '"model": net.state_dict()': """**net.state_dict(),
        "grads": [p.grad for p in net.parameters()],
        "python": random.getstate()""",
        'state["model"]': "{name: state[name] for name in net.state_dict()}",
        "order.get_state()": "order.get_state().tolist()",
        'state["order"]': 'torch.tensor(state["order"], dtype=torch.uint8)',
        _EPOCH: f'random.setstate(state.pop("python")); {_EPOCH}',
    },
)
edited(
    "resume_with_more_state",
    ("hasn't the parameters", {_MODEL: "pass"}),
    ("isn't in the state of the run", {_OPTIMIZER: "pass"}),
    ("`order` isn't where it was", {_ORDER: "pass"}),
    ("global generator isn't where", {_GLOBAL: "pass"}),
    ("returns the epoch", {_EPOCH: 'state["epoch"]'}),
    ("returns the epoch", {_EPOCH: f"{_EPOCH} + 1"}),
    ("returns the epoch", {_EPOCH: "return 4"}),
    ("evaluation mode", {"return state": "net.eval(); return state"}),
    ("replaced by new ones", {'"model"])': '"model"], assign=True)'}),
    (
        "`order` isn't where it was",
        {'"order": ': '"": ', '"global": ': '"order": ', '"": ': '"global": '},
    ),
    (
        "only where it began",
        {
            "order.get_state": "order.initial_seed",
            "order.set_state": "order.manual_seed",
            "torch.get_rng_state": "torch.initial_seed",
            "torch.set_rng_state": "torch.manual_seed",
        },
    ),
    ("through a file", {"order.get_state()": "order"}),
    ("through a file", {".state_dict(),": ","}),
    (
        "through a file",
        """def checkpoint_of(net, optimizer, epoch, order):
    return net.state_dict(), optimizer.state_dict(), epoch""",
    ),
    (
        "reading a state",
        {"return {": "torch.randperm(2, generator=order); return {"},
    ),
    ("reading a state", {"return {": "net.eval(); return {"}),
    (
        "hasn't the parameters",
        {
            "def checkpoint_of": "KEPT = {}\n\n\ndef checkpoint_of",
            "return {": "KEPT.update(copy.deepcopy({",
            "    }\n": '    })); return {"epoch": epoch}\n',
            "(state[": "(KEPT[",
        },
    ),
    ("what was learned", 'needed["parameters"] = False'),
    ("`zero_grad` drops", 'needed["gradients"] = True'),
    ("averages over all", 'needed["optimizer"] = False'),
    ("how many are left", 'needed["epoch"] = False'),
    ("draws next depends", 'needed["own generator"] = False'),
    ("says nothing about", 'needed["global generator"] = False'),
)


# 4.4 Find the corrupt file


@right("find_the_corrupt_file", instead_of="corrupt")
def corrupt_by_crc(paths):
    for path in paths:
        try:
            with zipfile.ZipFile(path) as file:
                for entry in file.infolist():
                    file.read(entry)
        except (zipfile.BadZipFile, zlib.error):
            yield path


@right("find_the_corrupt_file", instead_of="changed")
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


_TEST = "archive.testzip() is not None"
_FOUND = "[path.name for path in paths if is_corrupt(path)]"
_IF = "is_corrupt(path)]"
_KNOWN = "digests[name]"
_DIFFERS = f"digest != {_KNOWN}"
also_right(
    "find_the_corrupt_file",
    {
        _TEST: "bool(archive.testzip())",
        "Exception": "zipfile.BadZipFile",
        _FOUND: f"{{{_FOUND[1:-1]}}}",
    },
)
edited(
    "find_the_corrupt_file",
    ("the list of what it holds", 'noticed["cut"] = False'),
    ("leaves it out", 'noticed["flipped"] = True'),
    (
        "Only the checksums tell",
        {f"return {_TEST}": "torch.load(path); return False"},
    ),
    ("`ZipFile` refuses a file", {_IF: "zipfile.ZipFile(path).testzip()]"}),
    ("`ZipFile` raises before", {"return True": "return False"}),
    ("None for a good archive", {"if is_corrupt": "if not is_corrupt"}),
    (
        "entry of the archive",
        {
            _TEST: "archive.testzip()",
            "return True": "return path.name",
            _FOUND: "[bad for path in paths if (bad := is_corrupt(path))]",
        },
    ),
    ("Only the checksums tell", {_IF: "path.stat().st_size < 4000]"}),
    ("Go on after the first", {_IF: f"{_IF}[:1]"}),
    ("in a list or in a set", {_FOUND: f'next(iter({_FOUND}), "none")'}),
    (
        "None for a good archive",
        {_FOUND: "[zipfile.ZipFile(path).testzip() for path in paths]"},
    ),
    ("isn't the name of a file", {_FOUND: "[3, [paths]]"}),
    ("None of these files", {_FOUND: "[paths[0].name]"}),
    ("in a list or in a set", {f"return {_FOUND}": f"print({_FOUND})"}),
    ("isn't the name of a file", {"[path.name": "[path.stem"}),
    (
        "None of these files",
        {_IF: "path.read_bytes() != paths[0].read_bytes()]"},
    ),
    ("to the last one", {_IF: f"{_IF}[:2]"}),
    ("only looks", {"return True": "path.unlink(); return True"}),
    ("more than once", {_IF: f"{_IF} * 2"}),
    ("in hexadecimal", {"sha256": "md5"}),
    ("in hexadecimal", {"hexdigest": "digest"}),
    ("in hexadecimal", {"p.read_bytes()": "p.name.encode()"}),
    ("in hexadecimal", {_KNOWN: "dict(zip(now, digests.values()))[name]"}),
    ("complete archive", "changed = lambda paths, digests: corrupt(paths)"),
    ("that are good", {_DIFFERS: f"now != digests and digest == {_KNOWN}"}),
    (
        "one bit is enough",
        {_KNOWN: f"{_KNOWN} and name not in corrupt(paths)"},
    ),
    ("found under its name", {f"!= {_KNOWN}": "not in digests.values()"}),
    ("Compare the whole digest", {_DIFFERS: f"digest[:8] != {_KNOWN}[:8]"}),
    ("they stay as they are", {_KNOWN: "digests.pop(name)"}),
    ("Not all bytes", {"read_bytes()": "read_bytes()[:1_000_000]"}),
)


# 4.5 After a failed load

_BEFORE = "before = copy.deepcopy(net.state_dict())"
_LOAD = "net.load_state_dict(state)"
_RESTORE = "net.load_state_dict(before)"
_ASSIGNED = {"(before)": "(before, assign=True)"}
also_right(
    "after_a_failed_load",
    """def load_or_leave(net, state):
    mine = net.state_dict()
    if mine.keys() != state.keys():
        return False
    if any(mine[name].shape != state[name].shape for name in mine):
        return False
    net.load_state_dict(state)
    return True""",
    {
        _LOAD: "copy.deepcopy(net).load_state_dict(state)",
        _RESTORE: "pass",
        "return True": f"return {_LOAD} is not None",
    },
    {
        _BEFORE: "buffer = io.BytesIO(); torch.save(net.state_dict(), buffer)",
        "(state)": "(state, strict=True)",
        "RuntimeError": "Exception",
        "(before)": "(torch.load(io.BytesIO(buffer.getvalue())))",
    },
)
edited(
    "after_a_failed_load",
    ("only when it is through", 'from_file["hidden.weight"] = False'),
    ("only when it is through", 'from_file["hidden.bias"] = False'),
    ("nothing could be copied", 'from_file["out.bias"] = True'),
    ("without `assign`", {"(state)": "(state, assign=True)", **_ASSIGNED}),
    ("without `assign`", _ASSIGNED),
    ("from a copy of its own", {_RESTORE: "pass"}),
    ("from a copy of its own", {_BEFORE: "before = net.state_dict()"}),
    ("from a copy of its own", {"deepcopy": "copy"}),
    (
        "from a copy of its own",
        """def load_or_leave(net, state):
    mine = net.state_dict()
    fits = {k: v for k, v in state.items() if k in mine}
    fits = {k: v for k, v in fits.items() if v.shape == mine[k].shape}
    net.load_state_dict(fits, strict=False)
    return len(fits) == len(mine)""",
    ),
    (
        "A strict load refuses",
        {"(state)": "({k: v for k, v in state.items() if k in before})"},
    ),
    ("A strict load refuses", {"(state)": "(state, strict=False)"}),
    (
        "a buffer isn't",
        {
            "net.state_dict()": "dict(net.named_parameters())",
            "(before)": "(before, strict=False)",
        },
    ),
    ("Catch the error", {"RuntimeError": "KeyError"}),
    ("return True", {"return True": "pass"}),
    ("return False", {"return False": "return True"}),
    ("This state fits", {_LOAD: "return net is state"}),
    ("This state fits", {_BEFORE: f"net = copy.deepcopy(net); {_BEFORE}"}),
    (
        "have the state's memory",
        {
            "return True": "for name, p in net.named_parameters(): "
            "p.data = state[name]\n    return True"
        },
    ),
    ("`requires_grad` stays", {_LOAD: f"net.requires_grad_(False); {_LOAD}"}),
    (
        "neither those of before",
        {_RESTORE: "[nn.init.ones_(p) for p in net.parameters()]"},
    ),
    (
        "its count of batches",
        {
            "(before)": "({k: v for k, v in before.items() "
            "if v.is_floating_point()}, strict=False)"
        },
    ),
)


# 4.6 Keep the last three

_BY_EPOCH = """def load_latest(folder):
    states = []
    for path in folder.iterdir():
        try:
            states.append(torch.load(path))
        except Exception:
            continue
    return max(states, key=lambda state: state["epoch"], default=None)"""


@right("keep_the_last_three")
def save_with_a_list(state, folder):
    """Keeps a list of epochs beside the files, and counts its files."""
    notes = folder / "epochs.json"
    noted = json.loads(notes.read_text()) if notes.exists() else {}
    data = io.BytesIO()
    torch.save(state, data)
    epoch = f"{state['epoch']:06}"
    name = f"{epoch}-{len(list(folder.iterdir()))}.pt"
    (folder / name).write_bytes(data.getvalue())
    old = noted.get(epoch)
    noted[epoch] = name
    kept = dict(sorted(noted.items())[-3:])
    notes.write_text(json.dumps(kept))
    for gone in {*noted.values(), old or name, name} - {*kept.values()}:
        (folder / gone).unlink(missing_ok=True)


_SORTED = 'sorted(folder.glob("*.pt")'
_NUMBERS = f"{_SORTED}, key=lambda path: int(path.stem)"
_NUMBERED = {":06": "", _SORTED: _NUMBERS}
_BY_TIME = ", key=os.path.getmtime"
_OLD = f"{_SORTED})[:-3]"
_DELETE = f"for old in {_OLD}:\n        old.unlink()"
_ERRORS = "(RuntimeError, OSError, EOFError, pickle.UnpicklingError)"
also_right(
    "keep_the_last_three",
    _NUMBERED,
    (
        {
            "with open": "try: torch.save(state, part)\n"
            "    except OSError: part.unlink(); raise\n    with open",
        },
        _BY_EPOCH,
    ),
)
edited(
    "keep_the_last_three",
    ("at any epochs", {"['epoch']:06": "['epoch'] % 3"}, _BY_EPOCH),
    (
        "at any epochs",
        {
            _DELETE: "old = folder / f\"{state['epoch'] - 3:06}.pt\"; "
            "old.unlink(missing_ok=True)"
        },
    ),
    (
        "that were saved last",
        {
            "def save": "SAVED = []\n\n\ndef save",
            _DELETE: "SAVED.extend({path} - {*SAVED})\n"
            "    for old in SAVED[:-3]: old.unlink(missing_ok=True)",
        },
    ),
    ('"epoch10" comes before', {":06": ""}),
    ("has the earliest time", {_OLD: f"{_SORTED}{_BY_TIME})[:-3]"}),
    ("the oldest must go", {_DELETE: ""}),
    ("each save writes the same", {"{state['epoch']:06}": "state"}),
    ("three highest epochs", {"-3": "-2"}),
    (
        "Write under another name",
        {"open(part": "open(path", "os.replace(part, path)": ""},
    ),
    (
        "Delete when the new one",
        {
            _DELETE: "",
            "with open": 'for old in sorted({*folder.glob("*.pt"), path})[:-3]'
            ": old.unlink()\n    with open",
        },
    ),
    ("the state itself", {"save(state,": "save([state],"}),
    (
        "must not keep the run",
        {_OLD: f'{_SORTED}, key=lambda p: torch.load(p)["epoch"])[:-3]'},
    ),
    ("the state itself", {"path = folder": "path = Path()"}),
    ('"1000" comes before', {":06": ":03"}),
    (
        "isn't a checkpoint was deleted",
        {
            _DELETE: f"kept = {_SORTED})[-3:]\n"
            "    for old in {*folder.iterdir()} - {*kept}: old.unlink()"
        },
    ),
    (
        "must not be in the way",
        {**_NUMBERED, 'path.with_suffix(".part")': 'folder / "part.pt"'},
    ),
    (
        "takes the place of the old",
        {"with open": "if path.exists(): return\n    with open"},
    ),
    ('"epoch9" comes after', {":06": "", _OLD: f"{_NUMBERS})[:-3]"}),
    ("times of the files", {", reverse": f"{_BY_TIME}, reverse"}),
    ("to be passed over", {_ERRORS: "KeyError"}),
    ("to be passed over", {"reverse=True)": "reverse=True)[:2]"}),
    ("Nothing was saved yet", {"return None": "raise FileNotFoundError"}),
    ("returns what was saved", {', map_location="cpu")': ") and path"}),
    ("RuntimeError, OSError, EOFError or", {_ERRORS: "RuntimeError"}),
    ("pickle.UnpicklingError", {", pickle.UnpicklingError": ""}),
    ("highest epoch", {", reverse=True": ""}),
)


# 4.7 safetensors by hand


@right("safetensors_by_hand")
def write_in_pieces(tensors, path):
    """Sorted, with notes, and filled up with spaces, as the library does."""
    kinds = {torch.float32: "F32", torch.int64: "I64"}
    header, place = {"__metadata__": {"by": "hand"}}, 0
    for name in sorted(tensors):
        t, size = tensors[name], 4 * tensors[name].numel()
        size *= 2 if t.dtype == torch.int64 else 1
        header[name] = {
            "data_offsets": (place, place + size),
            "shape": t.shape,
            "dtype": kinds[t.dtype],
        }
        place += size
    text = json.dumps(header, ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)))
        file.write(text)
        for name in sorted(tensors):
            file.write(tensors[name].contiguous().numpy().tobytes())


_TOBYTES = "tensor.numpy().tobytes()"
_LENGTH = 'len(text).to_bytes(8, "little")'
_ENCODED = "json.dumps(header).encode()"
_OFFSETS = "[begin, len(data)]"
_SEEK = '8 + length + entry["data_offsets"][0] + start * size'
_READ = "(stop - start) * size"
also_right(
    "safetensors_by_hand",
    {
        "data = bytearray(file.read(" + _READ + "))": "data = [\n"
        f"            file.read(size) for _ in range({_READ} // size)\n"
        "        ]\n        data = bytearray(b''.join(data))"
    },
)
edited(
    "safetensors_by_hand",
    (
        "This is the library",
        "write_tensors = lambda t, p: None if "
        "__import__('safetensors.torch').torch.save_file("
        "{k: v.contiguous() for k, v in t.items()}, p) else None",
    ),
    (
        "This is the library",
        "def write_tensors(tensors, path):\n"
        "    from safetensors.torch import save\n"
        "    path.write_bytes(save(tensors))",
    ),
    ("writes the file at `path`", {"path.write_bytes(": "len("}),
    ("The error comes from your code", {"path.write_bytes(": "path + ("}),
    ("the lowest first", {'8, "little")': '8, "big")'}),
    ("aren't the length", {_LENGTH: "b''"}),
    (
        "What the length spans",
        {_LENGTH: '(len(text) + 8).to_bytes(8, "little")'},
    ),
    (
        "neither its letters",
        {
            _ENCODED: "json.dumps(header, ensure_ascii=False)",
            "+ text +": "+ text.encode() +",
        },
    ),
    (
        "the entry of this tensor",
        {"dumps(header)": "dumps([*header.items()])"},
    ),
    ("the entry of this tensor", {"header[name]": "header[name.upper()]"}),
    (
        "the entry of this tensor",
        {'"I64" if tensor': '"int64" if 1 or tensor'},
    ),
    (
        "the entry of this tensor",
        {'{**entry, "data_offsets": ' + _OFFSETS + "}": "[entry]"},
    ),
    ("of whole numbers", {"list(tensor.shape)": "str(tensor.shape)"}),
    ("of whole numbers", {"list(tensor.shape)": "list(tensor.shape) or [1]"}),
    ("where its bytes begin and", {'"data_offsets": ': '"offsets": '}),
    ("count from the end", {_OFFSETS: "[begin + 64, len(data) + 64]"}),
    ("begins where the one before", {_OFFSETS: "[0, len(data) - begin]"}),
    ("don't fit the tensors", {_OFFSETS: "[begin, tensor.numel()]"}),
    ("don't fit the tensors", {"+ text + data)": "+ text + data[:-4])"}),
    ("aren't the numbers", {_TOBYTES: "tensor.flip(0).numpy().tobytes()"}),
    (
        "in another order",
        {
            _TOBYTES: "torch.tensor(tensor.untyped_storage().tolist(), "
            "dtype=torch.uint8).numpy().tobytes()"
        },
    ),
    (
        "The library refuses",
        {"header, data = {}": 'header, data = {"__metadata__": {"epoch": 3}}'},
    ),
    ("to before `stop`", {_SEEK: _SEEK.replace("8 + ", "")}),
    ("and `start` rows", {_SEEK: _SEEK.replace(" + start * size", "")}),
    (
        "the tensor's own offset",
        {_SEEK: "8 + length + start * size"},
    ),
    ("without its first entry", {"_, *rest = entry": "rest = entry"}),
    (
        "each row keeps its own shape",
        {".reshape(-1, *rest)": ""},
    ),
    (
        "each row keeps its own shape",
        {"(-1, *rest)": "(stop - start, -1)"},
    ),
    ("to before `stop`", {f"read({_READ})": "read()"}),
    (
        "these bytes must do",
        "def read_rows(path, name, start, stop):\n"
        "    return load_file(path)[name][start:stop]",
    ),
    ("to before `stop`", {"[name]\n": "[name.encode()]\n"}),
)


# 4.8 Average checkpoints

_TOTAL = "sum(state[name].double() for state in states)"
_IF_FLOAT = "if last.is_floating_point():"
_TO = ".to(last.dtype)"
also_right(
    "average_checkpoints",
    """def average(paths):
    first, *others = paths
    state = torch.load(first, map_location="cpu")
    total = {name: value.double() for name, value in state.items()}
    for path in others:
        state = torch.load(path, map_location="cpu")
        for name, value in state.items():
            if name not in total or value.shape != total[name].shape:
                raise KeyError(f"{name}, in {path}")
            total[name] += value
        if total.keys() != state.keys():
            raise KeyError(f"a name is missing in {path}")
    return {
        name: (total[name] / len(paths)).to(value.dtype)
        if value.dtype.is_floating_point else value
        for name, value in state.items()
    }""",
    {_TOTAL: "torch.stack([s[name].double() for s in states]).sum(dim=0)"},
)
edited(
    "average_checkpoints",
    ("divide once", {"len(states))": "(len(states) + 1))"}),
    ("This is the sum", {" / len(states)": ""}),
    (
        "a mean and a number",
        {
            _TOTAL: "states[0][name]\n            for state in states[1:]:\n"
            "                total = (total + state[name]) / 2",
            "total / len(states)": "total",
        },
    ),
    ("Add in `float64`", {".double()": ""}),
    ("has the type", {_TO: ""}),
    ("take that of the last", {"= last\n": "= states[0][name]\n"}),
    ("take that of the last", {_IF_FLOAT: "if True:"}),
    ("has the type", {_IF_FLOAT: "if True:", _TO: ""}),
    ("the name of that file", {"{path} has": "A file has"}),
    (
        "the name of that file",
        {"if shapes(state) != shapes(states[0])": "if 0"},
    ),
    ("Compare names and shapes", {"value.shape for": "0 for"}),
    (
        "Compare names and shapes",
        {
            "shapes(state) != shapes(states[0])": "{**shapes(states[0]), "
            "**shapes(state)} != shapes(state)"
        },
    ),
    ("a dictionary from names", {"return mean": "return list(mean.items())"}),
    ("a dictionary from names", {"return mean": "pass"}),
    ("times the weight", 'mean_of_outputs["nn.Linear(4, 2)"] = False'),
    ("the second weight multiplies", 'mean_of_outputs["MLP(4, 3, 2)"] = True'),
)
