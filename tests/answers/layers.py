"""Answers to the exercises of chapter 03."""

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from d2l_helpers import MyLinear
from tests.answers import edited, right, wrong

# 3.1 A quadratic layer


@right("quadratic_layer")
class QuadraticByMatrices(nn.Module):
    def __init__(self, d, m):
        super().__init__()
        self.table = nn.Parameter(torch.zeros(d, d, m))

    def forward(self, x):
        pairs = x[..., :, None] * x[..., None, :]
        return torch.tensordot(pairs, self.table, dims=2)


@right("quadratic_layer")
class QuadraticByLoop(QuadraticByMatrices):
    def forward(self, x):
        if x.dim() > 1:
            return torch.stack([self(row) for row in x])
        return x @ (self.table * x[:, None]).sum(1)


_SUM = "...i,ijk,...j->...k"
_ALL = f'torch.einsum("{_SUM}", X, self.weight, X)'
edited(
    "quadratic_layer",
    ("squares", {_SUM: "...i,iik,...i->...k"}),
    ("twice", {_ALL: 'torch.einsum("ijk,...j->...ik", self.weight, X)'}),
    (
        "k is the only index",
        {_SUM: "...i,ijk,...k->...j", "ht, X": "ht[..., :2], X"},
    ),
    ("no letter for a sample", {_SUM: "ni,ijk,nj->nk"}),
    ("one sample is a batch too", {_ALL: f"{_ALL}.squeeze()"}),
    (
        "All samples are summed up",
        {'"...i': '"ni,ijk,mj->k" if X.dim() > 1 else "...i'},
    ),
    (
        "All samples are summed up",
        {"return": "X = X.reshape(-1, X.shape[-1]).sum(0); return"},
    ),
    ("a vector of shape (d,)", {_ALL: "X @ self.weight @ X"}),
    ("one letter stands for one size", {_SUM: "...i,kij,...j->...k"}),
    ("twice", {_ALL: 'torch.einsum("...i,ijk->...k", X, self.weight)'}),
    (
        "without a dimension for samples",
        {"return": "X = torch.atleast_2d(X); return"},
    ),
    ("y of all samples", {_SUM: "...i,ijk,...j->k"}),
    (
        "Each sample goes with itself",
        {"ght, X": "ght, X.flip(0) if X.dim() > 1 else X"},
    ),
    ("Negative numbers", {_ALL: f"{_ALL}.relu()"}),
    (
        "a batch of shape (n, d)",
        {_ALL: "torch.tensordot(torch.outer(X, X), self.weight, dims=2)"},
    ),
    (
        "data type is fixed",
        {"X, self.weight, X": "X.float(), self.weight.float(), X.float()"},
    ),
    ("one letter more for the sample", {_SUM: "i,ijk,j->k"}),
    ("cuts the graph", {"ht, X": "ht.data, X"}),
    (
        "cuts the graph",
        {"    def forward": "    @torch.no_grad()\n    def forward"},
    ),
    ("one of the factors", {"ght, X": "ght, X.detach()"}),
    ("wrapped in", {"nn.Parameter": ""}),
    (
        "first i, then j, then k",
        {"d, d, m)": "m, d, d)", _SUM: "...i,kij,...j->...k"},
    ),
)


# 3.2 Half of the spectrum


@right("half_spectrum", {5, 6, 7})
class HalfByRfft(nn.Module):
    def forward(self, X):
        return torch.fft.rfft(X)[:, :-1]


@right("half_spectrum", [7, 6, 5])
class HalfByMatrix(nn.Module):
    def forward(self, X):
        d = X.shape[-1]
        k = torch.arange(d // 2)[:, None] * torch.arange(d)  # (d / 2, d)
        return (
            torch.complex(X, torch.zeros_like(X))
            @ torch.polar(torch.ones(k.shape), -2 * torch.pi * k / d).T
        )


@wrong("half_spectrum", "`rfft` keeps", {5, 6, 7})
class HalfWithNyquist(nn.Module):
    def forward(self, X):
        return torch.fft.rfft(X)


@wrong("half_spectrum", "real part alone", {5, 6, 7})
class HalfThatIsReal(nn.Module):
    def forward(self, X):
        return torch.fft.fft(X)[:, : X.shape[1] // 2].real


@wrong("half_spectrum", "absolute values", {5, 6, 7})
class HalfOfAmplitudes(nn.Module):
    def forward(self, X):
        return torch.fft.fft(X)[:, : X.shape[1] // 2].abs()


@wrong("half_spectrum", "trailing half", {5, 6, 7})
class HalfAtTheEnd(nn.Module):
    def forward(self, X):
        return torch.fft.fft(X)[:, X.shape[1] // 2 :]


@wrong("half_spectrum", "are scaled", {5, 6, 7})
class HalfScaled(nn.Module):
    def forward(self, X):
        return torch.fft.fft(X, norm="ortho")[:, : X.shape[1] // 2]


@wrong("half_spectrum", "in each row", {5, 6, 7})
class HalfOfTheBatch(nn.Module):
    def forward(self, X):
        return torch.fft.fft(X)[: len(X) // 2]


@wrong("half_spectrum", "all d coefficients", {5, 6, 7})
class HalfThatIsWhole(nn.Module):
    def forward(self, X):
        return torch.fft.fft(X)


@wrong("half_spectrum", "complex conjugates", {5, 6, 7})
class HalfConjugated(nn.Module):
    def forward(self, X):
        return torch.fft.fft(X)[:, : X.shape[1] // 2].conj()


@wrong("half_spectrum", "first half of the numbers", {5, 6, 7})
class HalfOfTheInput(nn.Module):
    def forward(self, X):
        return torch.fft.fft(X, n=X.shape[1] // 2)


@wrong("half_spectrum", "inverse transform", {5, 6, 7})
class HalfOfTheInverse(nn.Module):
    def forward(self, X):
        return torch.fft.ifft(X)[:, : X.shape[1] // 2]


@wrong("half_spectrum", "aren't the coefficients", {5, 6, 7})
class HalfOfEachSecond(nn.Module):
    def forward(self, X):
        return torch.fft.fft(X)[:, ::2]


@wrong("half_spectrum", "mixes the samples", {5, 6, 7})
class HalfOfFft2(nn.Module):
    def forward(self, X):
        return torch.fft.fft2(X)[:, : X.shape[1] // 2]


@wrong("half_spectrum", "first dimension is the samples", {5, 6, 7})
class HalfOfTheFirstSample(nn.Module):
    def forward(self, X):
        return torch.fft.fft(X[0])[None, : X.shape[1] // 2]


@wrong("half_spectrum", "depends on the input", {5, 6, 7})
class HalfOfEight(nn.Module):
    def forward(self, X):
        return torch.fft.fft(X)[:, :4]


@wrong("half_spectrum", "cut the graph", {5, 6, 7})
class HalfByNumpy(nn.Module):
    def forward(self, X):
        Y = np.fft.fft(X.detach().numpy())[:, : X.shape[1] // 2]
        return torch.from_numpy(Y)


wrong("half_spectrum", "which is itself", {4, 5, 6, 7})(HalfByRfft)
wrong("half_spectrum", "have a partner", {4})(HalfByRfft)
wrong("half_spectrum", "have a partner", set())(HalfByRfft)
wrong("half_spectrum", "Which of those that are dropped", {1, 2, 3})(
    HalfByRfft
)
wrong("half_spectrum", "without quotes", {"5", "6", "7"})(HalfByRfft)
wrong("half_spectrum", "Give a set of indices", 7)(HalfByRfft)
right("half_spectrum", range(5, 8))(HalfByRfft)


# 3.3 Repair

right("repair", ["1.bias", "1.weight", "0.bias"], RuntimeError)(MyLinear)


@right("repair", {"0.bias", "1.weight", "1.bias"}, "RuntimeError")
class RepairedByAddmm(nn.Module):
    def __init__(self, in_units, units):
        super().__init__()
        self.b = nn.Parameter(torch.zeros(units))
        self.w = nn.Parameter(torch.zeros(in_units, units))

    def forward(self, X):
        return torch.addmm(self.b, X, self.w).clamp(min=0)


MOVED = {"0.bias", "1.weight", "1.bias"}


@wrong("repair", "isn't trained", MOVED, "RuntimeError")
class StillDetached(MyLinear):
    def forward(self, X):
        return F.relu(X @ self.weight.detach() + self.bias)


@wrong("repair", "what they are called on", MOVED, "RuntimeError")
class DataInPlaceOfDetach(MyLinear):
    def forward(self, X):
        return F.relu(X @ self.weight.data + self.bias.data)


@wrong("repair", "a layer in front", MOVED, "RuntimeError")
class DetachedInput(MyLinear):
    def forward(self, X):
        return F.relu(X.detach() @ self.weight + self.bias)


@wrong("repair", "makes new parameters", MOVED, "RuntimeError")
class NewParameters(MyLinear):
    def forward(self, X):
        self.weight = nn.Parameter(self.weight.detach())
        return F.relu(X @ self.weight + self.bias)


@wrong("repair", "The ReLU is gone", MOVED, "RuntimeError")
class RepairedWithoutRelu(MyLinear):
    def forward(self, X):
        return X @ self.weight + self.bias


@wrong("repair", "(in_units, units)", MOVED, "RuntimeError")
class RepairedAsLinear(nn.Linear):
    def forward(self, X):
        return F.relu(super().forward(X))


@wrong("repair", "before the repair", MOVED, "RuntimeError")
class RepairedWithoutBias(MyLinear):
    def forward(self, X):
        return F.relu(X @ self.weight)


wrong("repair", "cuts off the weight alone", {"1.weight", "1.bias"}, "x")(
    MyLinear
)
wrong("repair", "Follow the path", {"0.weight", *MOVED}, "x")(MyLinear)
wrong("repair", "count of its own", MOVED, "no error")(MyLinear)
wrong("repair", "place in the `Sequential`", {"bias", "weight"}, "x")(MyLinear)
wrong("repair", "Give a set of names", "0.bias", "x")(MyLinear)
right("repair", MOVED, "RuntimeError: one of the variables needed for ...")(
    MyLinear
)


# 3.4 A layer with a memory


class Running(nn.Module):
    def __init__(self, num_features, momentum=0.1):
        super().__init__()
        self.momentum = momentum
        self.register_buffer("m", torch.zeros(num_features))
        self.register_buffer("v", torch.ones(num_features))

    def update(self, X):
        m, v = X.mean(0), X.var(0)
        with torch.no_grad():
            self.m += self.momentum * (m - self.m)
            self.v += self.momentum * (v - self.v)
        return m, v

    def forward(self, X):
        m, v = self.update(X) if self.training else (self.m, self.v)
        return (X - m) / v.sqrt()


right("layer_with_a_memory")(Running)


@right("layer_with_a_memory")
class RunningWithEps(nn.Module):
    def __init__(self, num_features, momentum=0.1):
        super().__init__()
        self.norm = nn.BatchNorm1d(
            num_features, momentum=momentum, affine=False
        )

    def forward(self, X):
        Y, n = self.norm(X), len(X)
        return Y * ((n - 1) / n) ** 0.5 if self.training else Y


@right("layer_with_a_memory")
class RunningInRows(nn.Module):
    def __init__(self, num_features, momentum=0.1):
        super().__init__()
        self.momentum = momentum
        self.register_buffer("v", torch.ones(1, num_features))
        self.register_buffer("m", torch.zeros(1, num_features))

    def forward(self, X):
        if not self.training:
            return (X - self.m) * self.v.rsqrt()
        v, m = torch.var_mean(X, dim=0, keepdim=True)
        a = self.momentum
        self.m = (1 - a) * self.m + a * m.detach()
        self.v = (1 - a) * self.v + a * v.detach()
        return (X - m) * v.rsqrt()


@wrong("layer_with_a_memory", "saved and moved")
class RunningInAttributes(Running):
    def __init__(self, num_features, momentum=0.1):
        nn.Module.__init__(self)
        self.momentum = momentum
        self.m = torch.zeros(num_features)
        self.v = torch.ones(num_features)


@wrong("layer_with_a_memory", "`register_buffer`")
class RunningInParameters(Running):
    def __init__(self, num_features, momentum=0.1):
        nn.Module.__init__(self)
        self.momentum = momentum
        self.m = nn.Parameter(torch.zeros(num_features))
        self.v = nn.Parameter(torch.ones(num_features))


@wrong("layer_with_a_memory", "The variance starts at 1")
class RunningFromZero(Running):
    def __init__(self, num_features, momentum=0.1):
        super().__init__(num_features, momentum)
        self.v.zero_()


@wrong("layer_with_a_memory", "Nothing in this layer is trained")
class RunningWithShift(Running):
    def __init__(self, num_features, momentum=0.1):
        super().__init__(num_features, momentum)
        self.shift = nn.Parameter(torch.zeros(num_features))

    def forward(self, X):
        return super().forward(X) + self.shift


@wrong("layer_with_a_memory", "must be saved")
class RunningUnsaved(Running):
    def __init__(self, num_features, momentum=0.1):
        nn.Module.__init__(self)
        self.momentum = momentum
        for name, tensor in {"m": torch.zeros(2), "v": torch.ones(2)}.items():
            self.register_buffer(name, tensor, persistent=False)


@wrong("layer_with_a_memory", "two buffers of shape (2,)")
class RunningMeanAlone(Running):
    def __init__(self, num_features, momentum=0.1):
        nn.Module.__init__(self)
        self.momentum = momentum
        self.v = 1
        self.register_buffer("m", torch.zeros(num_features))


@wrong("layer_with_a_memory", "not centered")
class RunningUncentered(Running):
    def forward(self, X):
        _, v = self.update(X) if self.training else (self.m, self.v)
        return X / v.sqrt()


@wrong("layer_with_a_memory", "after it has moved")
class RunningByMovedMemory(Running):
    def forward(self, X):
        if self.training:
            self.update(X)
        return (X - self.m) / self.v.sqrt()


@wrong("layer_with_a_memory", "not by its root")
class RunningByVariance(Running):
    def forward(self, X):
        m, v = self.update(X) if self.training else (self.m, self.v)
        return (X - m) / v


@wrong("layer_with_a_memory", "batch's own variance")
class RunningByMemoryInTraining(Running):
    def forward(self, X):
        Y = (X - X.mean(0)) / self.v.sqrt()
        self.update(X)
        return Y


@wrong("layer_with_a_memory", "as `nn.BatchNorm1d` does")
class RunningAsBatchNorm(nn.Module):
    def __init__(self, num_features, momentum=0.1):
        super().__init__()
        self.norm = nn.BatchNorm1d(num_features, affine=False)

    def forward(self, X):
        return self.norm(X)


@wrong("layer_with_a_memory", "give `dim=0`")
class RunningOverAll(Running):
    def forward(self, X):
        return (X - X.mean()) / X.std()


@wrong("layer_with_a_memory", "root of its variance")
class RunningOverRows(Running):
    def forward(self, X):
        X = X.T
        return ((X - X.mean(0)) / X.var(0).sqrt()).T


@wrong("layer_with_a_memory", "has not moved")
class RunningThatForgets(Running):
    def update(self, X):
        self.m.lerp(X.mean(0), self.momentum)
        return X.mean(0), X.var(0)


@wrong("layer_with_a_memory", "nine tenths")
class RunningTooFast(Running):
    def __init__(self, num_features, momentum=0.9):
        super().__init__(num_features, momentum)


@wrong("layer_with_a_memory", "has jumped to the batch")
class RunningThatJumps(Running):
    def __init__(self, num_features, momentum=1):
        super().__init__(num_features, momentum)


@wrong("layer_with_a_memory", "a tenth of the way")
class RunningFromTheMemory(Running):
    def update(self, X):
        m, v = X.mean(0), X.var(0)
        with torch.no_grad():
            self.v.lerp_((X - self.m).square().sum(0) / 2, self.momentum)
            self.m.lerp_(m, self.momentum)
        return m, v


@wrong("layer_with_a_memory", "and the variance hasn't")
class RunningMeanThatMoves(Running):
    def update(self, X):
        m, v = X.mean(0), X.var(0)
        self.m.lerp_(m.detach(), self.momentum)
        return m, v


@wrong("layer_with_a_memory", "Remember the variance itself")
class RunningRoot(Running):
    def forward(self, X):
        m, s = self.m, self.v
        if self.training:
            m, s = X.mean(0), X.std(0)
            self.m.lerp_(m.detach(), self.momentum)
            self.v.lerp_(s.detach(), self.momentum)
        return (X - m) / s


@wrong("layer_with_a_memory", "is that with n.")
class RunningWithAnotherVariance(Running):
    def update(self, X):
        m, v = X.mean(0), X.var(0)
        with torch.no_grad():
            self.m.lerp_(m, self.momentum)
            self.v.lerp_(X.var(0, correction=0), self.momentum)
        return m, v


@wrong("layer_with_a_memory", "Detach what you store")
class RunningWithGraph(Running):
    def update(self, X):
        m, v = X.mean(0), X.var(0)
        self.m = self.m + self.momentum * (m - self.m)
        self.v = self.v + self.momentum * (v - self.v)
        return m, v


@wrong("layer_with_a_memory", "A gradient must reach X")
class RunningWithoutGraph(Running):
    @torch.no_grad()
    def forward(self, X):
        return super().forward(X)


@wrong("layer_with_a_memory", "Detach only what goes")
class RunningByDetachedVariance(Running):
    def update(self, X):
        m, v = super().update(X)
        return m, v.detach()


@wrong("layer_with_a_memory", "counts for the rest")
class RunningThatAdds(Running):
    def update(self, X):
        m, v = X.mean(0), X.var(0)
        with torch.no_grad():
            self.m += self.momentum * m
            self.v += self.momentum * (v - self.v)
        return m, v


@wrong("layer_with_a_memory", "counts for the rest")
class RunningFromTheLastBatch(Running):
    def update(self, X):
        m, v = X.mean(0), X.var(0)
        with torch.no_grad():
            self.m.copy_(self.momentum * m)
            self.v.copy_(1 - self.momentum + self.momentum * v)
        return m, v


@wrong("layer_with_a_memory", "says how far")
class RunningByTenths(Running):
    def __init__(self, num_features, momentum=0.1):
        super().__init__(num_features)


@wrong("layer_with_a_memory", "`self.training` tells")
class RunningWithoutEval(Running):
    def forward(self, X):
        m, v = self.update(X) if self.training else (X.mean(0), X.var(0))
        return (X - m) / v.sqrt()


@wrong("layer_with_a_memory", "a layer in front may need it")
class RunningDetachedInEvaluation(Running):
    def forward(self, X):
        Y = super().forward(X)
        return Y if self.training else Y.detach()


@wrong("layer_with_a_memory", "only read")
class RunningThatLearnsInEval(Running):
    def forward(self, X):
        Y = super().forward(X)
        if not self.training:
            self.m.lerp_(X.mean(0), self.momentum)
        return Y


# 3.5 A better start

LEARN = {0: "half", 1: "all"}


@right("better_start", MyLinear, LEARN)
def init_by_hand(module):
    if isinstance(module, MyLinear):
        with torch.no_grad():
            module.weight.copy_(0.01 * torch.randn_like(module.weight))
            module.bias.fill_(1)


@wrong("better_start", "half of the networks answer 0", MyLinear, LEARN)
def init_with_zeros(module):
    if isinstance(module, MyLinear):
        nn.init.normal_(module.weight, std=0.01)
        nn.init.zeros_(module.bias)


@wrong("better_start", "root of 0.01", MyLinear, LEARN)
def init_with_the_root(module):
    if isinstance(module, MyLinear):
        nn.init.normal_(module.weight, std=0.1)
        nn.init.ones_(module.bias)


@wrong("better_start", "The weights come from", MyLinear, LEARN)
def init_with_the_square(module):
    if isinstance(module, MyLinear):
        nn.init.normal_(module.weight, std=0.01**2)
        nn.init.ones_(module.bias)


@wrong("better_start", "left as it was", MyLinear, LEARN)
def init_the_first(module):
    if isinstance(module, MyLinear) and module.bias.numel() == 8:
        nn.init.normal_(module.weight, std=0.01)
        nn.init.ones_(module.bias)


@wrong("better_start", "`nn.Linear` is another", MyLinear, LEARN)
def init_linear(module):
    if isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=0.01)
        nn.init.ones_(module.bias)


@wrong("better_start", "An object of a subclass", MyLinear, LEARN)
def init_by_type(module):
    if type(module) is MyLinear:
        nn.init.normal_(module.weight, std=0.01)
        nn.init.ones_(module.bias)


@wrong("better_start", "starts on its open side", MyLinear, LEARN)
def init_weights_alone(module):
    if isinstance(module, MyLinear):
        nn.init.normal_(module.weight, std=0.01)


@wrong("better_start", "parameters that get a gradient", MyLinear, LEARN)
def init_and_freeze(module):
    if isinstance(module, MyLinear):
        nn.init.normal_(module.weight, std=0.01).requires_grad_(False)
        nn.init.ones_(module.bias)


@wrong("better_start", "ask first which it is", MyLinear, LEARN)
def init_all(module):
    nn.init.normal_(module.weight, std=0.01)
    nn.init.ones_(module.bias)


@wrong("better_start", "ask with `isinstance`", MyLinear, LEARN)
def init_everything(module):
    if hasattr(module, "weight"):
        nn.init.normal_(module.weight, std=0.01)
        nn.init.ones_(module.bias)


@wrong("better_start", "whose mean is 0", MyLinear, LEARN)
def init_around_one(module):
    if isinstance(module, MyLinear):
        nn.init.normal_(module.weight, 1, 0.01)
        nn.init.ones_(module.bias)


@wrong("better_start", "68% of the weights", MyLinear, LEARN)
def init_uniform(module):
    if isinstance(module, MyLinear):
        nn.init.uniform_(module.weight, -0.0173, 0.0173)
        nn.init.ones_(module.bias)


@wrong("better_start", "The weights come from", MyLinear, LEARN)
def init_weights_of_the_first(module):
    if isinstance(module, MyLinear):
        nn.init.ones_(module.bias)
        if len(module.weight) == 64:
            nn.init.normal_(module.weight, std=0.01)


class OfTheChapter(nn.Module):
    def __init__(self, in_units, units):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(in_units, units))
        self.bias = nn.Parameter(torch.randn(units))

    def forward(self, X):
        return F.relu(X @ self.weight + self.bias)


@right("better_start", OfTheChapter, LEARN)
def init_the_class_of_the_chapter(module):
    if isinstance(module, OfTheChapter):
        nn.init.normal_(module.weight, std=0.01)
        nn.init.ones_(module.bias)


wrong("better_start", "as often negative", MyLinear, {0: "none", 1: "all"})(
    init_by_hand
)
wrong("better_start", "open side", MyLinear, {0: "half", 1: "half"})(
    init_by_hand
)


# 3.6 Dropout


class Drop(nn.Module):
    def __init__(self, p=0.5):
        super().__init__()
        self.p = p


@right("dropout")
class DropByFunction(Drop):
    def forward(self, X):
        return F.dropout(X, self.p, self.training)


@right("dropout")
class DropByWhere(Drop):
    def forward(self, X):
        if self.training:
            stay = torch.bernoulli(torch.full_like(X, 1 - self.p)).bool()
            X = torch.where(stay, X / (1 - self.p), 0)
        return X


@wrong("dropout", "not to stay")
class DropTheOthers(Drop):
    def forward(self, X):
        if self.training:
            X = X * (torch.rand_like(X) < self.p) / self.p
        return X


@wrong("dropout", "A new layer is in training")
class DropInEvaluation(Drop):
    def forward(self, X):
        return X if self.training else F.dropout(X, self.p)


@wrong("dropout", "the mean falls")
class DropWithoutScale(Drop):
    def forward(self, X):
        return X * (torch.rand_like(X) >= self.p) if self.training else X


@wrong("dropout", "not by p")
class DropScaledByP(Drop):
    def forward(self, X):
        if self.training:
            X = X * (torch.rand_like(X) >= self.p) / self.p
        return X


@wrong("dropout", "with `torch.rand_like`, is below p")
class DropHalf(Drop):
    def forward(self, X):
        return F.dropout(X, 0.5, self.training)


@wrong("dropout", "multiplied by 1 - p, not divided")
class DropScaledDown(Drop):
    def forward(self, X):
        if not self.training:
            return X
        return X * (torch.rand_like(X) >= self.p) * (1 - self.p)


@wrong("dropout", "not an exact share of all")
class DropExactlyOfAll(Drop):
    def forward(self, X):
        if not self.training:
            return X
        order = torch.randperm(X.numel()).reshape(X.shape)
        return X * (order >= self.p * X.numel()) / (1 - self.p)


@wrong("dropout", "Is each input drawn by itself")
class DropAllOrNothing(Drop):
    def forward(self, X):
        if not self.training:
            return X
        return X * (torch.rand(()) >= self.p / 9) / (1 - self.p)


@wrong("dropout", "whatever its input is")
class DropOfGradients(Drop):
    def forward(self, X):
        return F.dropout(X, self.p) if X.dim() == 2 else X


@wrong("dropout", "In evaluation a gradient must pass")
class DropDetachedInEvaluation(Drop):
    def forward(self, X):
        return F.dropout(X, self.p) if self.training else X.detach()


@wrong("dropout", "What stays is to be divided by 1 - p.")
class DropScaledTooMuch(Drop):
    def forward(self, X):
        return F.dropout(X, self.p, self.training) * (1 + self.training)


@wrong("dropout", "same inputs for ever")
class DropWithOneMask(Drop):
    def __init__(self, p=0.5):
        super().__init__(p)
        self.mask = torch.rand(100, 100) >= p

    def forward(self, X):
        return X * self.mask / (1 - self.p) if self.training else X


@wrong("dropout", "not a row or a column")
class DropColumns(Drop):
    def forward(self, X):
        if self.training:
            share = torch.randperm(X.shape[-1]) >= X.shape[-1] * self.p
            X = X * share / (1 - self.p)
        return X


@wrong("dropout", "not an exact share")
class DropExactly(Drop):
    def forward(self, X):
        if not self.training:
            return X
        order = torch.rand_like(X).argsort(dim=-1)
        return X * (order >= self.p * X.shape[-1]) / (1 - self.p)


@wrong("dropout", "compute with X itself")
class DropOfOnes(Drop):
    def forward(self, X):
        if not self.training:
            return X
        return (torch.rand_like(X) >= self.p) / (1 - self.p)


@wrong("dropout", "compute with X itself")
class DropOnData(Drop):
    def forward(self, X):
        return F.dropout(X.data, self.p, self.training)


@wrong("dropout", "As many numbers are to be drawn")
class DropTheSameInEachSample(Drop):
    def forward(self, X):
        if not self.training:
            return X
        return X * (torch.rand(X.shape[-2:]) >= self.p) / (1 - self.p)


@wrong("dropout", "It may have any shape")
class DropOfHundreds(Drop):
    def forward(self, X):
        if not self.training:
            return X
        return X * (torch.rand(100, 100) >= self.p) / (1 - self.p)


@wrong("dropout", "has been written to")
class DropInPlace(Drop):
    def forward(self, X):
        if not self.training:
            return X
        X[torch.rand_like(X) < self.p] = 0
        return X / (1 - self.p)


@wrong("dropout", "its gradient isn't")
class DropBehindTheGraph(Drop):
    def forward(self, X):
        if not self.training:
            return X
        mask = torch.rand_like(X) >= self.p
        with torch.no_grad():
            X.mul_(mask)
        return X / (1 - self.p)


@wrong("dropout", "The shape of the input")
class DropAway(Drop):
    def forward(self, X):
        return X[torch.rand_like(X) >= self.p] / (1 - self.p)


@wrong("dropout", "the input passes as it is")
class DropAlways(Drop):
    def forward(self, X):
        return F.dropout(X, self.p)


@wrong("dropout", "nothing is left to scale")
class DropScaledTwice(Drop):
    def forward(self, X):
        return F.dropout(X, self.p) if self.training else X * (1 - self.p)


@wrong("dropout", "a plain attribute")
class DropWithBuffer(DropByFunction):
    def __init__(self, p=0.5):
        super().__init__(p)
        self.register_buffer("kept", torch.tensor(1 - p))


# 3.7 Where to center


def centered(everywhere, by_rows):
    return {"CenteredLayer": everywhere, "RowCenteredLayer": by_rows}


right("where_to_center")(centered(everywhere=True, by_rows=False))
wrong("where_to_center", "changes none")(centered(False, False))
wrong("where_to_center", "changes none")(centered(False, True))
wrong("where_to_center", "one row of pixels")(centered(True, True))
wrong("where_to_center", "Add")({"CenteredLayer": True})
