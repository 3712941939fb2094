"""Answers to the exercises of chapter 01."""

import copy
import functools

import torch
from torch import nn
from torch.nn import functional as F

from d2l_helpers import MLP, FixedHiddenMLP, MySequential, NestMLP
from tests.answers import right, wrong

# 1.1 A chain over a list

BREAKS = {
    "output": False,
    "parameters()": True,
    "state_dict()": True,
    "double()": True,
    "printing": True,
}


class OverList(nn.Module):
    def __init__(self, *blocks):
        super().__init__()
        self.parts = list(blocks)
        self.register(blocks)

    def register(self, blocks):
        pass

    def forward(self, X):
        for part in self.parts:
            X = part(X)
        return X


class OverListAndNames(OverList):
    def register(self, blocks):
        for i, block in enumerate(blocks):
            self.add_module(str(i), block)


right("chain_over_a_list", BREAKS)(OverListAndNames)


@right("chain_over_a_list", BREAKS)
class OverListInAChain(nn.Sequential):
    def __init__(self, *blocks):
        super().__init__(*blocks)
        self.parts = [*blocks]

    forward = OverList.forward


@right("chain_over_a_list", BREAKS)
class OverListByIndex(nn.Module):
    def __init__(self, *blocks):
        super().__init__()
        self.kept = []
        for block in blocks:
            setattr(self, str(len(self.kept)), block)
            self.kept.append(block)

    def forward(self, X):
        return functools.reduce(lambda X, block: block(X), self.kept, X)


@right("chain_over_a_list", BREAKS)
class OverListOfPairs(OverList):
    def __init__(self, *blocks):
        nn.Module.__init__(self)
        self.parts, self.names = list(blocks), []
        for i, block in enumerate(blocks):
            self._modules[str(i)] = block


wrong("chain_over_a_list", "In a plain list it sees nothing", BREAKS)(OverList)


@wrong("chain_over_a_list", "A name holds one block", BREAKS)
class OverListUnderOneName(OverList):
    def register(self, blocks):
        for block in blocks:
            self.add_module("block", block)


@wrong("chain_over_a_list", "must be registered, in the order", BREAKS)
class OverListWithoutLast(OverList):
    def register(self, blocks):
        for i in range(len(blocks) - 1):
            self.add_module(str(i), blocks[i])


@wrong("chain_over_a_list", "`return` stands inside", BREAKS)
class OverListThatReturnsEarly(OverListAndNames):
    def forward(self, X):
        for part in self.parts:
            X = part(X)
            return X
        return X


@wrong("chain_over_a_list", "must return what it has computed", BREAKS)
class OverListWithoutReturn(OverListAndNames):
    def forward(self, X):
        for part in self.parts:
            X = part(X)


@wrong("chain_over_a_list", "in the order of the arguments", BREAKS)
class OverListWithoutRelu(OverListAndNames):
    def forward(self, X):
        for part in self.parts:
            if list(part.parameters()):
                X = part(X)
        return X


@wrong("chain_over_a_list", "the blocks can't learn", BREAKS)
class OverListWithoutGraph(OverListAndNames):
    @torch.no_grad()
    def forward(self, X):
        return super().forward(X)


@wrong("chain_over_a_list", "the blocks can't learn", BREAKS)
class OverListWithANewLeaf(OverListAndNames):
    def forward(self, X):
        return super().forward(X).detach().requires_grad_()


@wrong("chain_over_a_list", "The hook was skipped", BREAKS)
class OverListByForward(OverListAndNames):
    def forward(self, X):
        for part in self.parts:
            X = part.forward(X)
        return X


@wrong("chain_over_a_list", "`MySequential` has other names", BREAKS)
class OverListAndModuleList(OverList):
    def register(self, blocks):
        self.known = nn.ModuleList(blocks)


@wrong("chain_over_a_list", "under its place in the chain", BREAKS)
class OverListAndOtherNames(OverList):
    def register(self, blocks):
        for i, block in enumerate(blocks, 1):
            self.add_module(str(i), block)


@wrong("chain_over_a_list", "`MySequential` has other names", BREAKS)
class OverListRegisteredTwice(OverListAndNames):
    def register(self, blocks):
        super().register(blocks)
        self.known = nn.ModuleList(blocks)


@wrong("chain_over_a_list", "`MySequential` has other names", BREAKS)
class OverListOfParameters(OverList):
    def register(self, blocks):
        self.known = nn.ParameterList(
            p for block in blocks for p in block.parameters()
        )


@wrong("chain_over_a_list", "These are copies", BREAKS)
class OverListOfCopies(OverListAndNames):
    def __init__(self, *blocks):
        super().__init__(*copy.deepcopy(blocks))


@wrong("chain_over_a_list", "ones that run", BREAKS)
class OverListThatRunsCopies(OverListAndNames):
    def __init__(self, *blocks):
        super().__init__(*blocks)
        self.parts = copy.deepcopy(self.parts)


@wrong("chain_over_a_list", "finds no block there", BREAKS)
class OverListThatIsNotInTheStateDict(OverList):
    def parameters(self, recurse=True):
        for part in self.parts:
            yield from part.parameters()


@wrong("chain_over_a_list", "looks for each name in the registry", BREAKS)
class OverListThatCannotLoad(OverListThatIsNotInTheStateDict):
    def state_dict(self):
        return MySequential(*self.parts).state_dict()


@wrong("chain_over_a_list", "are the blocks that run", BREAKS)
class OverListThatIsNotCast(OverListAndNames):
    def double(self):
        return self


@wrong("chain_over_a_list", "Register every block itself", BREAKS)
class OverListOfLayers(OverList):
    def register(self, blocks):
        for i, block in enumerate(blocks):
            if [*block.parameters()]:
                self.add_module(str(i), block)


@wrong("chain_over_a_list", "registered before", BREAKS)
class OverListThatPrintsRepeatsOnce(OverListAndNames):
    def __repr__(self):
        return repr(MySequential(*dict.fromkeys(self.parts)))


@wrong("chain_over_a_list", "`children()`, which gives", BREAKS)
class OverListByChildren(OverListAndNames):
    def forward(self, X):
        for block in self.children():
            X = block(X)
        return X


@wrong("chain_over_a_list", "must run three times", BREAKS)
class OverListWithoutRepeats(OverListAndNames):
    def forward(self, X):
        for i, part in enumerate(self.parts):
            if part not in self.parts[i + 1 :]:
                X = part(X)
        return X


@wrong("chain_over_a_list", "Here it was copied", BREAKS)
class OverListOfCopiedRepeats(OverListAndNames):
    def __init__(self, *blocks):
        super().__init__(
            *(
                copy.deepcopy(block) if block in blocks[:i] else block
                for i, block in enumerate(blocks)
            )
        )


@wrong("chain_over_a_list", "was registered once", BREAKS)
class OverListRegisteredOnce(OverList):
    def register(self, blocks):
        for i, block in enumerate(blocks):
            if block not in blocks[:i]:
                self.add_module(str(i), block)


@wrong("chain_over_a_list", "`MySequential` has other names", BREAKS)
class OverModuleList(OverList):
    def __init__(self, *blocks):
        nn.Module.__init__(self)
        self.parts = nn.ModuleList(blocks)


wrong("chain_over_a_list", "keeps the plain list", BREAKS)(MySequential)


@wrong("chain_over_a_list", "Make a list of it", BREAKS)
class OverTuple(OverListAndNames):
    def __init__(self, *blocks):
        super().__init__(*blocks)
        self.parts = blocks


@wrong("chain_over_a_list", "`forward` doesn't use it", BREAKS)
class OverListBesideAChain(MySequential):
    def __init__(self, *blocks):
        super().__init__(*blocks)
        self.parts = list(blocks)


for key, hint in (
    ("output", "walks through the list itself"),
    ("parameters()", "holds a list isn't one"),
    ("state_dict()", "the registry is empty"),
    ("double()", "Which data type"),
    ("printing", "what is in the registry"),
):
    changed = {**BREAKS, key: not BREAKS[key]}
    wrong("chain_over_a_list", hint, changed)(OverListAndNames)


# 1.2 Two nets side by side

WORKS = {
    "nn.Linear(6, 5)": True,
    "nn.Linear(5, 3)": False,
    "nn.Flatten()": False,
}


@right("two_nets_side_by_side", WORKS)
class ParallelByModuleList(nn.Module):
    def __init__(self, *nets):
        super().__init__()
        self.nets = nn.ModuleList(nets)

    def forward(self, X):
        return torch.concat([net(X) for net in self.nets], -1)


class Two(nn.Module):
    def __init__(self, net1, net2):
        super().__init__()
        self.a, self.b = net1, net2


@right("two_nets_side_by_side", WORKS)
class ParallelByHand(Two):
    def forward(self, X):
        left, right = self.a(X), self.b(X)
        m = left.shape[-1]
        Y = left.new_empty(*left.shape[:-1], m + right.shape[-1])
        Y[..., :m] = left
        Y[..., m:] = right
        return Y


@right("two_nets_side_by_side", WORKS)
class ParallelInDouble(Two):
    def forward(self, X):
        return torch.cat((self.a(X), self.b(X)), X.dim() - 1).double()


@wrong("two_nets_side_by_side", "isn't that with number 1", WORKS)
class ParallelAlongOne(Two):
    def forward(self, X):
        return torch.cat((self.a(X), self.b(X)), dim=1)


@wrong("two_nets_side_by_side", "each sample has become two", WORKS)
class ParallelAlongTheBatch(Two):
    def forward(self, X):
        return torch.cat((self.a(X), self.b(X)))


@wrong("two_nets_side_by_side", "are added", WORKS)
class ParallelSum(Two):
    def forward(self, X):
        return self.a(X) + self.b(X)


@wrong("two_nets_side_by_side", "comes first", WORKS)
class ParallelSwapped(Two):
    def forward(self, X):
        return torch.cat((self.b(X), self.a(X)), dim=-1)


@wrong("two_nets_side_by_side", "side by side", WORKS)
class ParallelInARow(Two):
    def forward(self, X):
        return self.b(self.a(X))


@wrong("two_nets_side_by_side", "in the same row", WORKS)
class ParallelOfChained(Two):
    def forward(self, X):
        X = self.b(self.a(X))
        return torch.cat((X, X), dim=-1)


@wrong("two_nets_side_by_side", "a new dimension", WORKS)
class ParallelStacked(Two):
    def forward(self, X):
        return torch.stack((self.a(X), self.b(X)))


@wrong("two_nets_side_by_side", "a new dimension", WORKS)
class ParallelStackedLast(Two):
    def forward(self, X):
        return torch.stack((self.a(X), self.b(X)), dim=-1)


@wrong("two_nets_side_by_side", "Join them to one", WORKS)
class ParallelPair(Two):
    def forward(self, X):
        return self.a(X), self.b(X)


@wrong("two_nets_side_by_side", "`net1` twice", WORKS)
class ParallelOfTheFirst(Two):
    def forward(self, X):
        return torch.cat((self.a(X), self.a(X)), dim=-1)


@wrong("two_nets_side_by_side", "Does something flatten it", WORKS)
class ParallelFlattened(Two):
    def forward(self, X):
        return torch.cat((self.a(X).flatten(1), self.b(X).flatten(1)), dim=-1)


@wrong("two_nets_side_by_side", "count on two dimensions", WORKS)
class ParallelOfRows(Two):
    def forward(self, X):
        n, _ = X.shape
        return torch.cat((self.a(X), self.b(X)), dim=-1).reshape(n, -1)


@wrong("two_nets_side_by_side", "The hook was skipped", WORKS)
class ParallelByForward(Two):
    def forward(self, X):
        return torch.cat((self.a.forward(X), self.b.forward(X)), dim=-1)


@wrong("two_nets_side_by_side", "These are copies", WORKS)
class ParallelOfCopies(Two):
    def __init__(self, *nets):
        super().__init__(*copy.deepcopy(nets))

    def forward(self, X):
        return torch.cat((self.a(X), self.b(X)), dim=-1)


@wrong("two_nets_side_by_side", "`children()` gives it once", WORKS)
class ParallelByChildren(Two):
    def forward(self, X):
        return torch.cat([net(X) for net in self.children()], dim=-1)


@wrong("two_nets_side_by_side", "attributes of their own", WORKS)
class ParallelInAList(nn.Module):
    def __init__(self, net1, net2):
        super().__init__()
        self.nets = [net1, net2]

    def forward(self, X):
        return torch.cat([net(X) for net in self.nets], dim=-1)


@wrong("two_nets_side_by_side", "cuts the graph", WORKS)
class ParallelOfValues(Two):
    def forward(self, X):
        return torch.cat((self.a(X).data, self.b(X).data), dim=-1)


@wrong("two_nets_side_by_side", "cuts the graph", WORKS)
class ParallelWithoutSecondGraph(Two):
    def forward(self, X):
        with torch.no_grad():
            right = self.b(X)
        return torch.cat((self.a(X), right), dim=-1)


@wrong("two_nets_side_by_side", "cuts the graph", WORKS)
class ParallelOfDetachedInput(Two):
    def forward(self, X):
        X = X.detach()
        return torch.cat((self.a(X), self.b(X)), dim=-1)


@wrong("two_nets_side_by_side", "cuts the graph", WORKS)
class ParallelWithOneDetachedInput(Two):
    def forward(self, X):
        return torch.cat((self.a(X), self.b(X.clone().detach())), dim=-1)


@wrong("two_nets_side_by_side", "more or fewer features", WORKS)
class ParallelOfInputSize(Two):
    def forward(self, X):
        d = X.shape[-1]
        Y = X.new_empty(*X.shape[:-1], 2 * d)
        Y[..., :d], Y[..., d:] = self.a(X), self.b(X)
        return Y


@wrong("two_nets_side_by_side", "more or fewer features", WORKS)
class ParallelCutToInputSize(Two):
    def forward(self, X):
        Y = torch.cat((self.a(X), self.b(X)), dim=-1)
        return Y[..., : 2 * X.shape[-1]]


@wrong("two_nets_side_by_side", "more or fewer features", WORKS)
class ParallelBehindARelu(Two):
    def forward(self, X):
        return torch.cat((self.a(X), self.b(F.relu(X))), dim=-1)


@wrong("two_nets_side_by_side", "cuts the graph", WORKS)
class ParallelWithoutAnyGraph(Two):
    @torch.no_grad()
    def forward(self, X):
        return torch.cat((self.a(X), self.b(X)), dim=-1)


for key, hint in (
    ("nn.Linear(6, 5)", "may they differ"),
    ("nn.Linear(5, 3)", "take the same `X`"),
    ("nn.Flatten()", "differ in one dimension"),
):
    changed = {**WORKS, key: not WORKS[key]}
    wrong("two_nets_side_by_side", hint, changed)(ParallelByModuleList)


# 1.3 A factory

STARTS = {
    "three calls": (6, 3),
    "one block": (2, 1),
    "three deep copies": (6, 1),
}


@right("factory", STARTS)
def repeat_by_loop(make_block, n):
    chain = MySequential()
    for i in range(n):
        chain.add_module(f"block{i}", make_block())
    return chain


@right("factory", {key: list(pair) for key, pair in STARTS.items()})
def repeat_from_behind(make_block, n):
    if n == 0:
        return nn.Identity()
    rest = repeat_from_behind(make_block, n - 1)
    return nn.Sequential(make_block(), rest)


@right("factory", STARTS)
def repeat_with_a_class(make, times):
    class Chain(nn.Module):
        def __init__(self):
            super().__init__()
            self.blocks = nn.ModuleList(make() for _ in range(times))

        def forward(self, X):
            for block in self.blocks:
                X = block(X)
            return X

    return Chain()


@wrong("factory", "one block n times", STARTS)
def repeat_one(make_block, n):
    return nn.Sequential(*[make_block()] * n)


@wrong("factory", "copies of one block", STARTS)
def repeat_copies(make_block, n):
    block = make_block()
    return nn.Sequential(*(copy.deepcopy(block) for _ in range(n)))


@wrong("factory", "the function itself, which is no module", STARTS)
def repeat_function(make_block, n):
    return nn.Sequential(*[make_block] * n)


@wrong("factory", "A star in front", STARTS)
def repeat_without_a_star(make_block, n):
    return MySequential([make_block() for _ in range(n)])


@wrong("factory", "all blocks as one argument", STARTS)
def repeat_a_generator(make_block, n):
    return nn.Sequential(make_block() for _ in range(n))


@wrong("factory", "Here some are shared", STARTS)
def repeat_with_one_bias(make_block, n):
    blocks = [make_block() for _ in range(n)]
    for block in blocks:
        if hasattr(block, "bias"):
            block.bias = blocks[0].bias
    return nn.Sequential(*blocks)


@wrong("factory", "seeded before each", STARTS)
def repeat_from_one_seed(make_block, n):
    net = nn.Sequential()
    for _ in range(n):
        torch.manual_seed(0)
        net.append(make_block())
    return net


@wrong("factory", "`repeat` returns nothing", STARTS)
def repeat_without_return(make_block, n):
    nn.Sequential(*(make_block() for _ in range(n)))


@wrong("factory", "`make_block` wasn't called", STARTS)
def repeat_one_less(make_block, n):
    return nn.Sequential(*(make_block() for _ in range(n - 1)))


@wrong("factory", "nobody uses", STARTS)
def repeat_with_a_first_block(make_block, n):
    first = make_block()
    rest = [make_block() for _ in range(n)]
    return nn.Sequential(first, *rest[1:])


@wrong("factory", "holds one of the blocks", STARTS)
def repeat_the_last(make_block, n):
    blocks = [make_block() for _ in range(n)]
    return nn.Sequential(*blocks[-1:] * n)


@wrong("factory", "has other blocks", STARTS)
def repeat_linear(make_block, n):
    return nn.Sequential(
        *(nn.Linear(2, 2, bias=False) for _ in range(n) if make_block())
    )


@wrong("factory", "nothing else is to change", STARTS)
def repeat_with_relu_between(make_block, n):
    net = nn.Sequential()
    for _ in range(n):
        net.extend([make_block(), nn.ReLU()])
    return net


@wrong("factory", "no forward computation and no parameters", STARTS)
def repeat_in_a_list(make_block, n):
    return [make_block() for _ in range(n)]


@wrong("factory", "only holds modules", STARTS)
def repeat_in_a_module_list(make_block, n):
    return nn.ModuleList(make_block() for _ in range(n))


@wrong("factory", "count the blocks", STARTS)
def repeat_from_one(make_block, n):
    return nn.Sequential(
        make_block(), *(make_block() for _ in range(1, n - 1))
    )


@wrong("factory", "count the blocks", STARTS)
def repeat_once_too_often(make_block, n):
    return nn.Sequential(*(make_block() for _ in range(n + 1)))


@wrong("factory", "aren't registered", STARTS)
def repeat_over_a_list(make_block, n):
    return OverList(*(make_block() for _ in range(n)))


@wrong("factory", "takes what the one before it returns", STARTS)
def repeat_in_parallel(make_block, n):
    net = nn.ModuleList(make_block() for _ in range(n))

    class Sum(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = net

        def forward(self, X):
            return sum(block(X) for block in self.net)

    return Sum()


class CutChain(nn.Sequential):
    def forward(self, X):
        for block in self:
            X = block(X.detach())
        return X


@wrong("factory", "cuts the graph", STARTS)
def repeat_without_a_graph_between(make_block, n):
    return CutChain(*(make_block() for _ in range(n)))


@wrong("factory", "cuts the graph", STARTS)
def repeat_without_a_graph(make_block, n):
    net = nn.Sequential(*(make_block() for _ in range(n)))
    net.forward = torch.no_grad()(net.forward)
    return net


for key, hint in (
    ("three calls", "drawn anew"),
    ("one block", "each tensor once"),
    ("three deep copies", "tensors of its own"),
):
    wrong("factory", hint, {**STARTS, key: (6, 2)})(repeat_by_loop)
wrong("factory", "with the values", {**STARTS, "three deep copies": (6, 3)})(
    repeat_by_loop
)


# 1.4 An activation by name

MUST = {"nn.ReLU": False, "nn.Tanh": False, "nn.GELU": False, "nn.PReLU": True}
THREE = {"relu": nn.ReLU, "tanh": nn.Tanh, "gelu": nn.GELU}


class Named(nn.Module):
    def __init__(self, num_inputs, num_hiddens, num_outputs, activation):
        super().__init__()
        self.out = nn.Linear(num_hiddens, num_outputs)
        self.first = nn.Linear(num_inputs, num_hiddens)
        self.act = self.choose(activation)

    def choose(self, name):
        if name not in THREE:
            raise ValueError(f"choose from {sorted(THREE)}")
        return THREE[name]()

    def forward(self, X):
        return self.out(self.act(self.first(X)))


right("activation_by_name", MUST)(Named)


@right("activation_by_name", MUST)
class NamedByMatch(Named):
    def choose(self, name):
        match name:
            case "relu":
                return lambda X: X.clamp(min=0)
            case "tanh":
                return torch.tanh
            case "gelu":
                return nn.GELU(approximate="tanh")
        raise KeyError("relu, tanh, gelu")


@right("activation_by_name", MUST)
class NamedWithAll(Named):
    def choose(self, name):
        self.all = nn.ModuleDict({k: act() for k, act in THREE.items()})
        assert name in self.all, f"{name} isn't in {list(self.all)}"
        return self.all[name]


@right("activation_by_name", MUST)
class NamedSequential(nn.Sequential):
    def __init__(self, n, h, m, activation="relu"):
        if activation not in THREE:
            raise TypeError("'relu' or 'tanh' or 'gelu'")
        super().__init__(nn.Linear(n, h), THREE[activation](), nn.Linear(h, m))


@right("activation_by_name", MUST)
class NamedByMatrices(Named):
    def __init__(self, num_inputs, num_hiddens, num_outputs, activation):
        nn.Module.__init__(self)
        self.act = self.choose(activation)
        self.W1 = nn.Parameter(0.01 * torch.randn(num_inputs, num_hiddens))
        self.b1 = nn.Parameter(torch.zeros(1, num_hiddens))
        self.W2 = nn.Parameter(0.01 * torch.randn(num_hiddens, num_outputs))
        self.b2 = nn.Parameter(torch.zeros(num_outputs))

    def forward(self, X):
        return self.act(X @ self.W1 + self.b1) @ self.W2 + self.b2


@right("activation_by_name", MUST)
class NamedLazily(Named):
    def __init__(self, num_inputs, num_hiddens, num_outputs, activation):
        nn.Module.__init__(self)
        self.act = self.choose(activation)
        self.first = nn.LazyLinear(num_hiddens)
        self.out = nn.LazyLinear(num_outputs)


@wrong("activation_by_name", "though this name is none", MUST)
class NamedWithOneRefused(Named):
    def choose(self, name):
        if name == "sigmoid":
            raise ValueError("relu, tanh or gelu")
        return THREE.get(name, nn.ReLU)()


@wrong("activation_by_name", "though this name is none", MUST)
class NamedByPartOfAName(Named):
    def choose(self, name):
        if name not in "relu, tanh, gelu":
            raise ValueError("relu, tanh or gelu")
        return getattr(F, name)


@wrong("activation_by_name", "12, 3, 6 and 2", MUST)
class NamedWithoutBiases(Named):
    def __init__(self, num_inputs, num_hiddens, num_outputs, activation):
        super().__init__(num_inputs, num_hiddens, num_outputs, activation)
        self.first.bias = self.out.bias = None


@wrong("activation_by_name", "list the three names", MUST)
class NamedByDictionary(Named):
    def choose(self, name):
        return THREE[name]()


@wrong("activation_by_name", "though this name is none", MUST)
class NamedByGetattr(Named):
    def choose(self, name):
        return getattr(torch.nn.functional, name)


@wrong("activation_by_name", "though this name is none", MUST)
class NamedWithDefault(Named):
    def choose(self, name):
        return THREE.get(name, nn.ReLU)()


@wrong("activation_by_name", "though this name is none", MUST)
class NamedThatPrints(Named):
    def choose(self, name):
        if name not in THREE:
            print("choose relu, tanh or gelu")
            return None
        return THREE[name]()


@wrong("activation_by_name", "though this name is none", MUST)
class NamedThatRaisesLate(Named):
    def choose(self, name):
        return name

    def forward(self, X):
        return self.out(super().choose(self.act)(self.first(X)))


@wrong("activation_by_name", "behind the last layer too", MUST)
class NamedAlsoAtTheEnd(Named):
    def forward(self, X):
        return self.act(super().forward(X))


@wrong("activation_by_name", "between the two", MUST)
class NamedAtTheEnd(Named):
    def forward(self, X):
        return self.act(self.out(self.first(X)))


@wrong("activation_by_name", "one linear map", MUST)
class NamedWithoutActivation(Named):
    def forward(self, X):
        return self.out(self.first(X))


@wrong("activation_by_name", "the output with `'relu'`", MUST)
class NamedAlwaysRelu(Named):
    def forward(self, X):
        return self.out(F.relu(self.first(X)))


@wrong("activation_by_name", "another activation", MUST)
class NamedSigmoid(Named):
    def forward(self, X):
        return self.out(self.first(X).sigmoid())


@wrong("activation_by_name", "a plain list hides them", MUST)
class NamedInAList(Named):
    def __init__(self, num_inputs, num_hiddens, num_outputs, activation):
        nn.Module.__init__(self)
        self.layers = [
            nn.Linear(num_inputs, num_hiddens),
            self.choose(activation),
            nn.Linear(num_hiddens, num_outputs),
        ]

    def forward(self, X):
        for layer in self.layers:
            X = layer(X)
        return X


wrong(
    "activation_by_name", "state dict of this one", dict.fromkeys(MUST, True)
)(Named)
wrong("activation_by_name", "the slope", dict.fromkeys(MUST, False))(Named)


# 1.5 Read a tree

TREE = {
    name: tuple(p.shape)
    for name, p in MySequential(
        NestMLP(), MySequential(MLP(16, 8, 4), nn.ReLU())
    ).named_parameters()
}


def tree_with(changes):
    return {changes.get(name, name): shape for name, shape in TREE.items()}


right("read_a_tree")({k: list(s) for k, s in reversed(TREE.items())})
right("read_a_tree")({k: torch.Size(s) for k, s in TREE.items()})
wrong("read_a_tree", "it has no parameters")(
    tree_with({"0.net.2.weight": "0.net.1.weight"})
)
wrong("read_a_tree", "more modules in front")(
    {name[2:]: shape for name, shape in TREE.items()}
)
wrong("read_a_tree", "more modules in front")(
    tree_with({"1.0.hidden.weight": "hidden.weight"})
)
wrong("read_a_tree", "path from the root")(
    tree_with({"1.0.hidden.weight": "1.hidden.weight"})
)
wrong("read_a_tree", "path from the root")(
    {name.replace(".", "/"): shape for name, shape in TREE.items()}
)
wrong("read_a_tree", "Every linear layer has")(
    {k: s for k, s in TREE.items() if k.endswith("weight")}
)
wrong("read_a_tree", "one row for each output")(
    {k: s[::-1] for k, s in TREE.items()}
)
wrong("read_a_tree", "don't make a tuple")(
    {k: s[0] if len(s) == 1 else s for k, s in TREE.items()}
)
wrong("read_a_tree", "Its shape is asked for")(
    {k: torch.zeros(s) for k, s in TREE.items()}
)
wrong("read_a_tree", "number of its elements")(
    {k: torch.Size(s).numel() for k, s in TREE.items()}
)
wrong("read_a_tree", "A bias has one dimension")(
    {k: (*s, 1)[:2] for k, s in TREE.items()}
)
wrong("read_a_tree", "A bias has one dimension")(
    {k: (1, *s)[-2:] for k, s in TREE.items()}
)
wrong("read_a_tree", "one number for each output")(
    {**TREE, "0.linear.bias": (32,)}
)


# 1.6 A hook that measures


def layers_of(net):
    return [m for m in net.modules() if not list(m.children())]


def measure_with(net, X, hook, modules=layers_of):
    handles = [m.register_forward_hook(hook) for m in modules(net)]
    try:
        net(X)
    finally:
        for handle in handles:
            handle.remove()


def pair(Y):
    return tuple(Y.shape), Y.abs().mean().item()


@right("hook_that_measures")
def measure_by_norm(net, X):
    sizes = []

    class Note:
        def __call__(self, module, args, output):
            size = output.detach().norm(p=1) / output.numel()
            sizes.append([output.shape, size])

    measure_with(net, X, Note())
    return tuple(sizes)


@right("hook_that_measures")
def measure_by_recursion(net, X, run=True):
    handles, pairs = {}, []

    def add(module):
        for child in module.children():
            add(child)
        if not any(True for _ in module.children()) and module not in handles:
            handles[module] = module.register_forward_hook(
                lambda m, a, Y: pairs.append((list(Y.shape), pair(Y)[1]))
            )

    add(net)
    try:
        with torch.no_grad():
            net(X)
    except RuntimeError:
        pairs = None
    for handle in handles.values():
        handle.remove()
    return pairs


@wrong("hook_that_measures", "take the absolute values first")
def measure_means(net, X):
    found = []
    measure_with(
        net, X, lambda m, a, Y: found.append((Y.shape, Y.mean().item()))
    )
    return found


@wrong("hook_that_measures", "absolute value of the mean")
def measure_abs_of_mean(net, X):
    found = []
    measure_with(
        net, X, lambda m, a, Y: found.append((Y.shape, Y.mean().abs().item()))
    )
    return found


@wrong("hook_that_measures", "It has children")
def measure_all(net, X):
    found = []
    measure_with(
        net, X, lambda m, a, Y: found.append(pair(Y)), nn.Module.modules
    )
    return found


@wrong("hook_that_measures", "one level down")
def measure_children(net, X):
    found = []
    measure_with(
        net, X, lambda m, a, Y: found.append(pair(Y)), nn.Module.children
    )
    return found


@wrong("hook_that_measures", "one level down")
def measure_childless_children(net, X):
    found = []

    def modules(net):
        return [m for m in net.children() if not list(m.children())]

    measure_with(net, X, lambda m, a, Y: found.append(pair(Y)), modules)
    return found


@wrong("hook_that_measures", "The hook has changed the net")
def measure_and_change(net, X):
    found = []

    def hook(module, args, Y):
        Y = Y.abs()
        found.append(pair(Y))
        return Y

    measure_with(net, X, hook)
    return found


@wrong("hook_that_measures", "which runs hooks")
def measure_without_run(net, X):
    found = []
    for module in layers_of(net):
        handle = module.register_forward_hook(
            lambda m, a, Y: found.append(pair(Y))
        )
        handle.remove()
    return found


@wrong("hook_that_measures", "Nothing is returned")
def measure_and_print(net, X):
    measure_with(net, X, lambda m, a, Y: print(*pair(Y)))


@wrong("hook_that_measures", "measures in a list")
def measure_by_module(net, X):
    found = {}

    def hook(module, args, Y):
        found[module] = pair(Y)

    measure_with(net, X, hook)
    return list(found.values())


@wrong("hook_that_measures", "Register it once")
def measure_twice(net, X):
    found = []

    def modules(module):
        parts = module._modules.values()
        return [m for p in parts for m in modules(p)] or [module]

    measure_with(net, X, lambda m, a, Y: found.append(pair(Y)), modules)
    return found


@wrong("hook_that_measures", "Take the mean in the hook")
def measure_afterwards(net, X):
    outputs = []
    measure_with(net, X, lambda m, a, Y: outputs.append(Y))
    return [pair(Y) for Y in outputs]


@wrong("hook_that_measures", "begins with the net itself")
def measure_below(net, X):
    found = []

    def modules(net):
        return [m for m in list(net.modules())[1:] if not list(m.children())]

    measure_with(net, X, lambda m, a, Y: found.append(pair(Y)), modules)
    return found


@wrong("hook_that_measures", "Remove each by its handle")
def measure_and_leave(net, X):
    found = []
    for module in layers_of(net):
        module.register_forward_hook(lambda m, a, Y: found.append(pair(Y)))
    net(X)
    return list(found)


@wrong("hook_that_measures", "Remove each by its handle")
def measure_and_remove_the_last(net, X):
    found = []
    for module in layers_of(net):
        handle = module.register_forward_hook(
            lambda m, a, Y: found.append(pair(Y))
        )
    net(X)
    handle.remove()
    return found


@wrong("hook_that_measures", "runs after an error too")
def measure_if_all_goes_well(net, X):
    found = []
    handles = [
        m.register_forward_hook(lambda m, a, Y: found.append(pair(Y)))
        for m in layers_of(net)
    ]
    net(X)
    for handle in handles:
        handle.remove()
    return found


@wrong("hook_that_measures", "removes hooks of others")
def measure_and_clear(net, X):
    found = []
    measure_with(net, X, lambda m, a, Y: found.append(pair(Y)))
    for module in net.modules():
        module._forward_hooks.clear()
    return found


@right("hook_that_measures")
def measure_with_clearing_and_giving_back(net, X):
    old = {m: dict(m._forward_hooks) for m in layers_of(net)}
    found = []
    for module in old:
        module.register_forward_hook(lambda m, a, Y: found.append(pair(Y)))
    try:
        net(X)
    finally:
        for module, hooks in old.items():
            module._forward_hooks.clear()
            module._forward_hooks.update(hooks)
    return found


@right("hook_that_measures")
def measure_all_modules_at_once(net, X):
    found = []

    def hook(module, args, Y):
        if not list(module.children()):
            found.append(pair(Y))

    with nn.modules.module.register_module_forward_hook(hook):
        net(X)
    return found


@wrong("hook_that_measures", "another mode than it is in")
def measure_in_evaluation_mode(net, X):
    training, found = net.training, []
    net.eval()
    try:
        measure_with(net, X, lambda m, a, Y: found.append(pair(Y)))
    finally:
        net.train(training)
    return found


@wrong("hook_that_measures", "removes hooks of others")
def measure_and_pop_the_first(net, X):
    found = []
    for module in layers_of(net):
        module.register_forward_hook(lambda m, a, Y: found.append(pair(Y)))
    try:
        net(X)
    finally:
        for module in layers_of(net):
            module._forward_hooks.popitem(last=False)
    return found


@wrong("hook_that_measures", "Remove each by its handle")
def measure_and_leave_a_backward_hook(net, X):
    found = []
    measure_with(net, X, lambda m, a, Y: found.append(pair(Y)))
    net.register_full_backward_hook(lambda *_: None)
    return found


@wrong("hook_that_measures", "Remove each by its handle")
def measure_and_leave_a_global_hook(net, X):
    found = []

    def hook(module, args, Y):
        if not list(module.children()):
            found.append(pair(Y))

    nn.modules.module.register_module_forward_hook(hook)
    net(X)
    return list(found)


@wrong("hook_that_measures", "in another mode")
def measure_and_stay_in_evaluation_mode(net, X):
    found = []
    measure_with(net.eval(), X, lambda m, a, Y: found.append(pair(Y)))
    return found


@wrong("hook_that_measures", "in another mode")
def measure_and_go_into_training_mode(net, X):
    found = []
    net.eval()
    measure_with(net, X, lambda m, a, Y: found.append(pair(Y)))
    net.train()
    return found


@wrong("hook_that_measures", "made only once")
def measure_into_a_default(net, X, found=[]):  # noqa: B006
    measure_with(net, X, lambda m, a, Y: found.append(pair(Y)))
    return found


@wrong("hook_that_measures", "however deep")
def measure_down_to_grandchildren(net, X):
    found = []

    def modules(net):
        children = list(net.children()) or [net]
        below = [m for c in children for m in (list(c.children()) or [c])]
        return [m for m in below if not list(m.children())]

    measure_with(net, X, lambda m, a, Y: found.append(pair(Y)), modules)
    return found


@wrong("hook_that_measures", "Measure every module")
def measure_two_levels(net, X):
    found = []

    def modules(net):
        return [m for m in net.modules() if type(m) is not type(net)] + [
            m for m in net.children() if list(m.children())
        ]

    measure_with(net, X, lambda m, a, Y: found.append(pair(Y)), modules)
    return found


@wrong("hook_that_measures", "These are the inputs")
def measure_inputs(net, X):
    found = []
    measure_with(net, X, lambda m, args, Y: found.append(pair(args[0])))
    return found


@wrong("hook_that_measures", "in the order of the run")
def measure_by_number(net, X):
    found = {}
    measure_with(net, X, lambda m, a, Y: found.update({len(found): pair(Y)}))
    return found


@wrong("hook_that_measures", "Each member of the list is a pair")
def measure_means_alone(net, X):
    found = []
    measure_with(net, X, lambda m, a, Y: found.append(pair(Y)[1]))
    return found


@wrong("hook_that_measures", "Measure every module")
def measure_relus(net, X):
    found = []

    def modules(net):
        return [m for m in layers_of(net) if isinstance(m, nn.ReLU)]

    measure_with(net, X, lambda m, a, Y: found.append(pair(Y)), modules)
    return found


@wrong("hook_that_measures", "aren't those of the absolute values")
def measure_largest(net, X):
    found = []
    measure_with(
        net, X, lambda m, a, Y: found.append((Y.shape, Y.abs().max().item()))
    )
    return found


@wrong("hook_that_measures", "not the mean")
def measure_sums(net, X):
    found = []
    measure_with(
        net, X, lambda m, a, Y: found.append((Y.shape, Y.abs().sum().item()))
    )
    return found


@wrong("hook_that_measures", "from the batch dimension")
def measure_samples(net, X):
    found = []
    measure_with(
        net, X, lambda m, a, Y: found.append((Y.shape[1:], pair(Y)[1]))
    )
    return found


@wrong("hook_that_measures", "Run the net once")
def measure_two_runs(net, X):
    found = []
    measure_with(net, X, lambda m, a, Y: found.append(pair(Y)))
    measure_with(net, X, lambda m, a, Y: found.append(pair(Y)))
    return found


@wrong("hook_that_measures", "since `net.forward(X)` skips its hooks")
def measure_by_forward(net, X):
    found = []

    def run(X):
        return net.forward(X)

    run.modules = net.modules
    measure_with(run, X, lambda m, a, Y: found.append(pair(Y)))
    return found


@wrong("hook_that_measures", "called with three arguments")
def measure_with_a_short_hook(net, X):
    found = []
    measure_with(net, X, lambda m, Y: found.append(pair(Y)))
    return found


@wrong("hook_that_measures", "Let it return nothing")
def measure_and_return(net, X):
    found = []

    def hook(module, args, Y):
        found.append(pair(Y))
        return pair(Y)

    measure_with(net, X, hook)
    return found


# 1.7 Count the rounds

ADDED = {2: 1, 1024: 10, "1024, all zero": 0}


class Counting(FixedHiddenMLP):
    def hidden(self, X):
        return self.linear(F.relu(self.linear(X) @ self.rand_weight + 1))


@right("count_the_rounds", ADDED)
class CountingByLogarithm(Counting):
    def forward(self, X):
        X = self.hidden(X)
        total = X.detach().abs().sum()
        self.rounds = max(0, total.log2().ceil().int().item())
        return X.sum() / 2**self.rounds


@right("count_the_rounds", ADDED)
class CountingInABuffer(nn.Module):
    def __init__(self, num_features=20):
        super().__init__()
        self.register_buffer("R", torch.rand(num_features, num_features))
        self.register_buffer("rounds", torch.tensor(0))
        self.f = nn.Linear(num_features, num_features)

    def forward(self, X):
        X = self.f(F.relu(self.f(X) @ self.R + 1))
        self.rounds.zero_()
        while X.abs().sum() > 1:
            X = X * 0.5
            self.rounds += 1
        return X.sum()


@right("count_the_rounds", ADDED)
class CountingInAProperty(Counting):
    history = ()

    @property
    def rounds(self):
        return len(self.history)

    def forward(self, X):
        X = self.hidden(X)
        self.history = []
        while X.abs().sum() > 1:
            X = X / 2
            self.history.append(X.detach())
        return X.sum()


class CountingInALoop(Counting):
    def __init__(self, num_features=20, start=0, step=1, most=1):
        super().__init__(num_features)
        self.start, self.step, self.most = start, step, most

    def size(self, X):
        return X.abs().sum()

    def forward(self, X):
        X = self.hidden(X)
        self.rounds = self.start
        while self.size(X) > self.most:
            X = X / 2
            self.rounds += self.step
        return X.sum()


@wrong("count_the_rounds", "must begin at 0", ADDED)
class CountingOn(CountingInALoop):
    rounds = 0

    def forward(self, X):
        self.start = self.rounds
        return super().forward(X)


@wrong("count_the_rounds", "one too many", ADDED)
class CountingTests(CountingInALoop):
    def __init__(self, num_features=20):
        super().__init__(num_features, start=1)


@wrong("count_the_rounds", "at no other time", ADDED)
class CountingByTwo(CountingInALoop):
    def __init__(self, num_features=20):
        super().__init__(num_features, step=2)


@wrong("count_the_rounds", "at no other time", ADDED)
class CountingWhetherAny(CountingInALoop):
    def forward(self, X):
        Y = super().forward(X)
        self.rounds = min(self.rounds, 1)
        return Y


@wrong("count_the_rounds", "stay that of", ADDED)
class CountingWithoutAbs(CountingInALoop):
    def size(self, X):
        return X.sum()


@wrong("count_the_rounds", "stay that of", ADDED)
class CountingInsteadOfOutput(CountingInALoop):
    def forward(self, X):
        super().forward(X)
        return self.rounds


@wrong("count_the_rounds", "stay that of", ADDED)
class CountingOnceTooOften(CountingInALoop):
    def __init__(self, num_features=20):
        super().__init__(num_features, most=0.5)


@wrong("count_the_rounds", "must return what it has computed", ADDED)
class CountingWithoutOutput(CountingInALoop):
    def forward(self, X):
        super().forward(X)


@wrong("count_the_rounds", "while the absolute values sum", ADDED)
class CountingUpToThirty(CountingInALoop):
    def size(self, X):
        return X.abs().sum() if self.rounds < 30 else 0


@wrong("count_the_rounds", "not to the class", ADDED)
class CountingInTheClass(Counting):
    def forward(self, X):
        X = self.hidden(X)
        CountingInTheClass.rounds = 0
        while X.abs().sum() > 1:
            X = X / 2
            CountingInTheClass.rounds += 1
        return X.sum()


@wrong("count_the_rounds", "is to be a number", ADDED)
class CountingInAList(Counting):
    def forward(self, X):
        X = self.hidden(X)
        self.rounds = []
        while X.abs().sum() > 1:
            X = X / 2
            self.rounds.append(X)
        return X.sum()


@wrong("count_the_rounds", "stay that of", ADDED)
class CountingWithoutTheSecondUse(CountingInALoop):
    def hidden(self, X):
        return F.relu(self.linear(X) @ self.rand_weight + 1)


@wrong("count_the_rounds", "stay that of", ADDED)
class CountingWithoutTheOne(CountingInALoop):
    def hidden(self, X):
        return self.linear(F.relu(self.linear(X) @ self.rand_weight))


@wrong("count_the_rounds", "ends with the call", ADDED)
class CountingLocally(Counting):
    def forward(self, X):
        X, rounds = self.hidden(X), 0
        while X.abs().sum() > 1:
            X, rounds = X / 2, rounds + 1
        return X.sum()


@wrong("count_the_rounds", "leaves the graph", ADDED)
class CountingWithoutGraph(CountingInALoop):
    @torch.no_grad()
    def forward(self, X):
        return super().forward(X)


@wrong("count_the_rounds", "stay that of", ADDED)
class CountingByNorm(CountingInALoop):
    def size(self, X):
        return X.norm()


@wrong("count_the_rounds", "stay that of", ADDED)
class CountingByLargest(CountingInALoop):
    def size(self, X):
        return X.abs().max()


@wrong("count_the_rounds", "stay that of", ADDED)
class CountingBySizeOfSum(CountingInALoop):
    def size(self, X):
        return X.sum().abs()


@wrong("count_the_rounds", "stay that of", ADDED)
class CountingWithoutRandWeight(CountingInALoop):
    def hidden(self, X):
        return self.linear(F.relu(self.linear(X) + 1))


@wrong("count_the_rounds", "leaves the graph", ADDED)
class CountingWithANewLeaf(CountingInALoop):
    def hidden(self, X):
        return super().hidden(X).detach().requires_grad_()


@wrong("count_the_rounds", "leaves the graph", ADDED)
class CountingWithHalfAGraph(CountingInALoop):
    def hidden(self, X):
        H = F.relu(self.linear(X) @ self.rand_weight + 1)
        return self.linear(H.detach())


@wrong("count_the_rounds", "stay that of", ADDED)
class CountingTheFirstRow(CountingInALoop):
    def size(self, X):
        return X[0].abs().sum()


@wrong("count_the_rounds", "Keep the parts", ADDED)
class CountingWithASecondLayer(CountingInALoop):
    def __init__(self, num_features=20):
        super().__init__(num_features)
        self.second = nn.Linear(num_features, num_features)

    def hidden(self, X):
        return self.second(F.relu(self.linear(X) @ self.rand_weight + 1))


@wrong("count_the_rounds", "Keep the parts", ADDED)
class CountingWithTwoLayers(CountingInALoop):
    def __init__(self, num_features=20):
        super().__init__(num_features)
        self.second = nn.Linear(num_features, 1)


@wrong("count_the_rounds", "Keep the parts", ADDED)
class CountingWithAttribute(nn.Module):
    def __init__(self, num_features=20):
        super().__init__()
        self.rand_weight = torch.rand(num_features, num_features)
        self.linear = nn.Linear(num_features, num_features)

    forward = FixedHiddenMLP.forward


wrong("count_the_rounds", "undoes one doubling", {**ADDED, 2: 2})(
    CountingByLogarithm
)
wrong("count_the_rounds", "to be halved until", {**ADDED, 1024: 512})(
    CountingByLogarithm
)
wrong("count_the_rounds", "returns zeros", {**ADDED, "1024, all zero": 10})(
    CountingByLogarithm
)
