"""The pretended GPU refuses what CUDA refuses, and shows what CUDA shows.

It stays for the rest of a process, so each case runs in one of its own: a
line of code, and what it prints or raises.
"""

import pytest

from nbval_strict.fresh import fresh_python
from tests.nbval_strict.specimen import ROOT

OPENING = """
import copy, io, pickle
import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from nbval_strict import pretend_cuda
pretend_cuda.install()
torch.manual_seed(0)
here = torch.rand(2, 3)
there = torch.rand(2, 3).to("cuda")
net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1)).to("cuda")
one = torch.tensor(1.0)
"""
MIXED = "RuntimeError: Expected all tensors to be on the same device"
RAISES = {
    "there + here": MIXED,
    "there @ here.T": MIXED,
    "here.add_(there)": MIXED,
    "torch.cat([here, there])": MIXED,
    "torch.where(there > 0, here, here)": MIXED,
    "net(here)": MIXED,
    "F.mse_loss(net(there), here[:, :1])": MIXED,
    "here + one.to('cuda')": MIXED,
    "F.embedding(torch.tensor([0]), there)": MIXED,
    "here[torch.tensor([0]).to('cuda')]": "RuntimeError: indices should be",
    "there.numpy()": "TypeError: can't convert cuda:0 device type tensor",
    "np.asarray(there)": "TypeError: can't convert cuda:0 device type tensor",
    "here.to('cuda:1')": "RuntimeError: CUDA error: invalid device ordinal",
    "torch.rand(2, device='cuda:1')": "RuntimeError: CUDA error: invalid dev",
    "torch.testing.assert_close(here, there)": "AssertionError: The values f",
    "AddPositions()(there)": MIXED,
    "there.pin_memory()": "RuntimeError: cannot pin",
}
PRINTS = {
    "there.device": "cuda:0",
    "there.is_cuda, there.is_cpu, there.get_device()": "(True, False, 0)",
    "here.is_cuda, here.get_device()": "(False, -1)",
    "there.type()": "torch.cuda.FloatTensor",
    "torch.zeros(1).to('cuda')": "tensor([0.], device='cuda:0')",
    "net[0].bias.device, type(net[0].bias).__name__": (
        "(device(type='cuda', index=0), 'Parameter')"
    ),
    "here.is_pinned(), here.pin_memory().is_pinned()": "(False, True)",
    # What comes from tensors there is there, and so are views.
    "(there + one).device, (there * 2).sum().device": (
        "(device(type='cuda', index=0), device(type='cuda', index=0))"
    ),
    "there[0].device, there.T.detach().device": (
        "(device(type='cuda', index=0), device(type='cuda', index=0))"
    ),
    "torch.zeros_like(there).device, there.new_zeros(2).device": (
        "(device(type='cuda', index=0), device(type='cuda', index=0))"
    ),
    "torch.zeros_like(there, device='cpu').device": "cpu",
    "torch.tensor([1, 2], device='cuda')": "tensor([1, 2], device='cuda:0')",
    "there[torch.tensor([0])].device": "cuda:0",
    "there.to('cuda') is there, there.to('cuda', copy=True) is there": (
        "(True, False)"
    ),
    "there.cpu().device, there.to(here).device, here.to(there).device": (
        "(device(type='cpu'), device(type='cpu'), "
        "device(type='cuda', index=0))"
    ),
    "here.copy_(there).device": "cpu",
    "there.to(torch.float64).device, there.half().device": (
        "(device(type='cuda', index=0), device(type='cuda', index=0))"
    ),
    "copy.deepcopy(there).device, copy.deepcopy(net)[0].bias.device": (
        "(device(type='cuda', index=0), device(type='cuda', index=0))"
    ),
    "here.requires_grad_().to('cuda').grad_fn.name()": "ToCopyBackward0",
    "there.tolist() == there.cpu().tolist(), there[0, 0].item() > 0": (
        "(True, True)"
    ),
    "gradients()": "{'cuda:0'}",
    "slopes()": "cuda:0",
    "saved()": "(['cuda:0'], ['cpu'], ['cuda:0'])",
    "optimizer()": "[('exp_avg', 'cuda'), ('exp_avg_sq', 'cuda'), "
    "('step', 'cpu')]",
    "drawn()": "(True, False, True)",
    "in_a_thread()": "cuda:0",
    "mixed()": "(torch.bfloat16, 'cuda', torch.float16, torch.float32)",
    "scaled()": "([0.5, 0.5], 32768.0)",
    "nn.LazyLinear(2).to('cuda')(there).device": "cuda:0",
    "nn.LazyLinear(2).to('meta').weight.device": "meta",
    "F.dropout(there).device": "cuda:0",
    "torch.Generator('cuda').device": "cuda:0",
    # Two graphs where there is an `if`: the compiler doesn't give up.
    "compiled()": "(2, 'cuda:0')",
    "exported()": "tensor(True)",
    "torch.func.jvp(torch.square, (one,), (one,))[1]": "tensor(2.)",
    "torch.cuda.is_available(), torch.cuda.device_count()": "(True, 1)",
    "torch.accelerator.current_accelerator()": "cuda",
}
HELPERS = """
class AddPositions(nn.Module):
    def forward(self, X):
        return X + torch.arange(3)

class Branch(nn.Module):
    def forward(self, X):
        return torch.cond(X.sum() > 0, lambda X: X + 1, lambda X: X - 1, (X,))

def exported():
    return torch.export.export(Branch(), (here,)).module()(-here).max() < -1

def compiled():
    def backend(graph, examples):
        graphs.append(graph)
        return graph.forward

    graphs = []
    double = torch.compile(
        lambda X: 2 * X if X.sum() > 0 else 3 * X, backend=backend
    )
    device = str(double(there).device)
    return len(graphs), device

def gradients():
    net(there).sum().backward()
    return {str(p.grad.device) for p in net.parameters()}

class Double(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return 2 * x

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return grad * 2 + 0 * x

def slopes():
    x = there.clone().requires_grad_()
    Double.apply(x).sum().backward()
    return x.grad.device

def saved():
    file = io.BytesIO()
    torch.save({"w": there}, file)
    found = []
    for place in (None, "cpu", "cuda"):
        file.seek(0)
        w = torch.load(file, map_location=place)["w"]
        assert w.tolist() == there.tolist()
        found.append([str(w.device)])
    return tuple(found)

def optimizer():
    adam = torch.optim.Adam(net.parameters())
    net(there).sum().backward()
    adam.step()
    state = adam.state[net[0].weight]
    return sorted((k, v.device.type) for k, v in state.items())

def drawn():
    # Its own numbers, the same from the same seed, and the CPU's untouched.
    pairs = []
    for _ in range(2):
        torch.manual_seed(1)
        pairs.append((torch.rand(3, device="cuda").cpu(), torch.rand(3)))
    (a, x), (b, y) = pairs
    torch.manual_seed(1)
    return a.equal(b), a.equal(x), x.equal(y) and x.equal(torch.rand(3))

def in_a_thread():
    from concurrent.futures import ThreadPoolExecutor
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(lambda: (there * 2).device).result()

def mixed():
    with torch.autocast("cuda", torch.bfloat16):
        Y = net(there)
    with torch.autocast("cuda"):
        usual = net(there)
        with torch.autocast("cuda", enabled=False):
            return Y.dtype, Y.device.type, usual.dtype, net(there).dtype

def scaled():
    w = torch.ones(1, device="cuda", requires_grad=True)
    sgd = torch.optim.SGD([w], lr=0.5)
    scaler = torch.amp.GradScaler("cuda")
    weights = []
    for factor in (1, torch.inf):  # an infinite gradient skips the step
        sgd.zero_grad()
        scaler.scale((w * factor).sum()).backward()
        scaler.step(sgd)
        scaler.update()
        weights.append(w.item())
    return weights, scaler.get_scale()
"""


@pytest.fixture(scope="module")
def answers():
    """What each line of code prints or raises, all in one process."""
    lines = [*RAISES, *PRINTS]
    code = f"""{OPENING}{HELPERS}
for line in {lines!r}:
    try:
        print(repr(str(eval(line))))
    except Exception as error:
        print(repr(type(error).__name__ + ": " + str(error)))
"""
    done = fresh_python(code, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    said = map(eval, done.stdout.splitlines())
    return dict(zip(lines, said, strict=True))


@pytest.mark.parametrize("line", RAISES)
def test_what_cuda_refuses_is_refused(answers, line):
    assert answers[line].startswith(RAISES[line])


@pytest.mark.parametrize("line", PRINTS)
def test_what_is_there_says_so(answers, line):
    assert answers[line] == PRINTS[line]
