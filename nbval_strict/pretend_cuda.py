"""A CUDA device that isn't there: tensors that say `cuda:0`, on the CPU.

:func:`install` lets this process believe that it has one GPU. Which tensors
are there is a matter of their storages: what moves a tensor marks its copy,
and what an operation computes from marked tensors is marked. So the results
of autograd, views and saved files are where CUDA would have them, and their
classes and graphs are what they are.

What CUDA refuses is refused: an operation on tensors of both places, an array
of NumPy from the GPU, a file from a GPU that isn't there. Random numbers drawn
on the GPU are others than the CPU's. Nothing is known of CUDA's own numbers,
its queues, its memory and its kernels.
"""

from __future__ import annotations

import functools
import threading
import types
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch.multiprocessing.reductions import StorageWeakRef
from torch.nn.parameter import is_lazy
from torch.utils._device import _device_constructors
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

CPU, GPU = torch.device("cpu"), torch.device("cuda", 0)
MIXED = (
    "Expected all tensors to be on the same device, but found at least two "
    "devices, cuda:0 and cpu!"
)
# Operations that take tensors of both places, on CUDA too.
MIXES = {
    torch.ops.aten.copy_.default,
    torch.ops.aten._to_copy.default,
    torch.ops.aten.set_.source_Tensor,
}
INDEXING = {
    torch.ops.aten.index.Tensor,
    torch.ops.aten.index_put.default,
    torch.ops.aten.index_put_.default,
    torch.ops.aten._index_put_impl_.default,
}

# By address; a weak reference keeps the address from being used again.
_marked: dict[int, StorageWeakRef] = {}
_lock = threading.RLock()
# The GPU's own random numbers: a generator of the CPU, with another seed.
_generator = torch.Generator()


def is_there(tensor: torch.Tensor) -> bool:
    """Whether a tensor is on the GPU."""
    storage = _storage(tensor)
    return storage is not None and storage._cdata in _marked


def _storage(tensor: torch.Tensor) -> torch.UntypedStorage | None:
    try:
        # Also of a lazy parameter, which answers nothing else.
        with torch._C.DisableTorchFunctionSubclass():
            return tensor.untyped_storage()
    except (NotImplementedError, RuntimeError):  # it has none
        return None


def mark(tensor: torch.Tensor) -> torch.Tensor:
    """Say that a tensor is on the GPU, and all that share its storage."""
    storage = _storage(tensor)
    if storage is not None and storage.device.type == "cpu":
        _mark_storage(storage)
    return tensor


def _mark_storage(storage: torch.UntypedStorage) -> None:
    with _lock:
        if len(_marked) % 1000 == 999:
            gone = [k for k, weak in list(_marked.items()) if weak.expired()]
            for key in gone:
                del _marked[key]
        _marked[storage._cdata] = StorageWeakRef(storage)


class _Named(threading.local):
    """Whether a place was named in Python, and not by code of C++."""

    by_reader = False

    def __enter__(self) -> None:
        self.by_reader = True

    def __exit__(self, *_: object) -> None:
        self.by_reader = False


_named = _Named()
tensor_device = torch._C.TensorBase.device.__get__


class Places(TorchDispatchMode):
    """Follows the tensors through each operation, backward included."""

    supports_higher_order_operators = True  # such as `torch.cond`

    @classmethod
    def ignore_compile_internals(cls) -> bool:
        """Let `torch.compile` work, which gives up in other modes."""
        return True

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        if isinstance(func, torch._ops.HigherOrderOperator):
            return func(*args, **kwargs)
        inputs = [t for t in tree_leaves((args, kwargs)) if _is_tensor(t)]
        there = [t for t in inputs if is_there(t)]
        wanted = kwargs.get("device")
        if wanted is not None:
            kwargs["device"] = _real(wanted)
            # Autograd's own code takes the place from a tensor, and is told
            # the real one.
            if there and not _named.by_reader and not _is_gpu(wanted):
                wanted = GPU if torch.device(wanted) == CPU else wanted
        if there and func not in MIXES:
            _refuse_mixed(func, args, inputs, there)
        if func is torch.ops.aten._to_copy.default:
            moved = bool(there) if wanted is None else _is_gpu(wanted)
        elif func is torch.ops.aten.copy_.default:
            moved = False  # it stays where it is
        elif wanted is not None:
            moved = _is_gpu(wanted)
        else:
            moved = bool(there)
        random = torch.Tag.nondeterministic_seeded in func.tags
        with _other_numbers(moved and random and not kwargs.get("generator")):
            result = func(*args, **kwargs)
        if moved:
            for tensor in filter(_is_tensor, tree_leaves(result)):
                mark(tensor)
        return result


def _is_tensor(value: object) -> bool:
    return isinstance(value, torch.Tensor)


def _real(device: object) -> torch.device:
    """The device that a tensor really gets."""
    return CPU if _is_gpu(device) else torch.device(device)


def _is_gpu(device: object) -> bool:
    """Whether a device is the GPU.

    Raises:
        RuntimeError: if it is another GPU.
    """
    if isinstance(device, int) and not isinstance(device, bool):
        device = torch.device("cuda", device)
    device = torch.device(device)
    if device.type == "cuda" and device.index not in (None, 0):
        raise RuntimeError("CUDA error: invalid device ordinal")
    return device.type == "cuda"


def _refuse_mixed(func, args, inputs, there) -> None:
    if func in INDEXING:
        values = [args[0], *args[2:3]]
        if not is_there(args[0]) and any(
            t is not None and is_there(t) for t in args[1]
        ):
            raise RuntimeError(
                "indices should be either on cpu or on the same device as "
                "the indexed tensor (cpu)"
            )
        inputs = [t for t in values if _is_tensor(t)]
        there = [t for t in inputs if is_there(t)]
    here = [
        t
        for t in inputs
        if t.dim() > 0 and tensor_device(t) == CPU and not is_there(t)
    ]
    if there and here:
        raise RuntimeError(MIXED)


@contextmanager
def _other_numbers(wanted: bool) -> Iterator[None]:
    """Draw from the GPU's generator in place of the CPU's, if wanted."""
    if not wanted:
        yield
        return
    before = torch.default_generator.get_state()
    torch.default_generator.set_state(_generator.get_state())
    try:
        yield
    finally:
        _generator.set_state(torch.default_generator.get_state())
        torch.default_generator.set_state(before)


def _manual_seed(seed: int) -> None:
    _generator.manual_seed(int(seed) ^ 0x5EED)


# The methods of a tensor that know where it is


def _to(original: Callable) -> Callable:
    @functools.wraps(original)
    def to(self, *args, **kwargs):
        args = list(args)
        target = kwargs.pop("device", None)
        if target is None and args and _names_a_device(args[0]):
            target = args.pop(0)
        elif args and _is_tensor(args[0]):
            target, kwargs["dtype"] = args[0].device, args.pop(0).dtype
        elif "other" in kwargs:
            other = kwargs.pop("other")
            target, kwargs["dtype"] = other.device, other.dtype
        if target is None:
            return original(self, *args, **kwargs)
        if isinstance(target, int):
            target = torch.device("cuda", target)
        target = torch.device(target)
        if target.type not in ("cpu", "cuda"):
            if not is_lazy(self):
                return original(self, target, *args, **kwargs)
            with torch._C.DisableTorchFunctionSubclass():
                return original(self, target, *args, **kwargs)
        there, wanted = is_there(self), _is_gpu(target)
        names = ("dtype", "non_blocking", "copy")
        kwargs.update(zip(names, args, strict=False))
        if there == wanted and tensor_device(self).type == "cpu":
            return original(self, **kwargs)
        kwargs.pop("copy", None)
        kwargs.pop("non_blocking", None)
        if is_lazy(self):  # which has no data yet
            with torch._C.DisableTorchFunctionSubclass():
                return mark(original(self, **kwargs)) if wanted else self
        if kwargs.get("dtype") is None:
            kwargs["dtype"] = self.dtype
        with _named:
            return torch.ops.aten._to_copy(self, device=target, **kwargs)

    return to


def _names_a_device(value: object) -> bool:
    return isinstance(value, (str, int, torch.device)) and not isinstance(
        value, bool
    )


def _device(self: torch.Tensor) -> torch.device:
    return GPU if is_there(self) else tensor_device(self)


def _numpy(original: Callable) -> Callable:
    @functools.wraps(original)
    def numpy(self, *args, **kwargs):
        if is_there(self):
            raise TypeError(
                "can't convert cuda:0 device type tensor to numpy. Use "
                "Tensor.cpu() to copy the tensor to host memory first."
            )
        return original(self, *args, **kwargs)

    return numpy


def _pin_memory(self: torch.Tensor, device: object = None) -> torch.Tensor:
    """A copy that says that it is pinned."""
    if is_there(self):
        raise RuntimeError(
            "cannot pin 'torch.cuda.FloatTensor': only dense "
            "CPU tensors can be pinned"
        )
    pinned = self.detach().clone()
    pinned._is_pinned = True
    return pinned


def _with_mark(original: Callable) -> Callable:
    """A method that copies a storage by itself: the copy stays in place."""

    @functools.wraps(original)
    def method(self, *args, **kwargs):
        result = original(self, *args, **kwargs)
        return mark(result) if is_there(self) else result

    return method


def _new(original: Callable) -> Callable:
    """A function with an argument `device`."""

    @functools.wraps(original)
    def new(*args, **kwargs):
        device = kwargs.get("device")
        if device is None:
            return original(*args, **kwargs)
        if not _is_gpu(device):
            with _named:
                return original(*args, **kwargs)
        if original in _FROM_DATA:
            del kwargs["device"]
            wants_grad = kwargs.pop("requires_grad", False)
            result = original(*args, **kwargs).to(GPU)
            return result.requires_grad_(wants_grad)
        return original(*args, **{**kwargs, "device": GPU})

    return new


_FROM_DATA = (torch.tensor, torch.as_tensor, torch.asarray)


class Generator(torch.Generator):
    """A source of random numbers that belongs to the CPU, or to the GPU."""

    def __new__(cls, device: object = "cpu"):
        self = super().__new__(cls, _real(device))
        self._there = _is_gpu(device)
        return self

    @property
    def device(self) -> torch.device:
        return GPU if self._there else super().device


class Autocast(torch.autocast):
    """Mixed precision on the GPU: it chooses as the CPU's does."""

    def __init__(self, device_type: str, dtype=None, *args, **kwargs):
        if device_type == "cuda":
            device_type, dtype = "cpu", dtype or torch.float16  # its default
        super().__init__(device_type, dtype, *args, **kwargs)


def install() -> None:
    """Let this process have a GPU; there is no way back."""
    # They read torch's functions when they are first used: before they change.
    from torch._dynamo import trace_rules

    with warnings.catch_warnings(action="ignore"):  # of torch's own scripts
        from torch._decomp import decompositions_for_jvp  # noqa: F401

    trace_rules.get_torch_obj_rule_map()
    constructors = [f for f in _device_constructors() if callable(f)]
    tensor = torch.Tensor
    tensor.device = property(_device)
    tensor.is_cuda = property(is_there)
    tensor.is_cpu = property(lambda t: t.device.type == "cpu")
    tensor.get_device = lambda t: t.device.index if is_there(t) else -1
    tensor.to = _to(tensor.to)
    tensor.cuda = lambda t, device=None, **kw: t.to(
        GPU if device is None else device
    )
    tensor.cpu = lambda t, **kw: t.to(CPU)
    tensor.pin_memory = _pin_memory
    tensor.is_pinned = lambda t, device=None: getattr(t, "_is_pinned", False)
    tensor.numpy = _numpy(tensor.numpy)
    tensor.__array__ = _numpy(tensor.__array__)
    tensor.__deepcopy__ = _with_mark(tensor.__deepcopy__)
    kind = tensor.type
    tensor.type = lambda t, *a, **kw: (
        kind(t).replace("torch.", "torch.cuda.")
        if is_there(t) and not a and not kw
        else kind(t, *a, **kw)
    )
    for name in (
        "new_tensor",
        "new_zeros",
        "new_ones",
        "new_empty",
        "new_full",
    ):
        setattr(tensor, name, _new(getattr(tensor, name)))
    for name in dir(torch):
        function = getattr(torch, name)
        if name.endswith("_like") or function in constructors:
            setattr(torch, name, _new(function))
    torch.Generator = Generator
    torch.autocast = torch.amp.autocast = Autocast
    _answer_for_the_gpu()
    torch.serialization.register_package(5, _tag, _restore)
    run = threading.Thread.run

    def run_there(self):
        with Places():
            run(self)

    threading.Thread.run = run_there
    Places().__enter__()


class Stream:
    """A queue of the GPU, in which nothing ever waits."""

    device = GPU

    def is_capturing(self) -> bool:
        return False

    def synchronize(self) -> None:
        """Come back: all is done."""

    def query(self) -> bool:
        return True


def _answer_for_the_gpu() -> None:
    """What `torch.cuda` and `torch.accelerator` say about it."""
    properties = types.SimpleNamespace(
        name="Pretended GPU",
        total_memory=2**34,
        major=9,
        minor=0,
        multi_processor_count=1,
    )
    nothing = lambda *_, **__: None  # noqa: E731
    zero = lambda *_, **__: 0  # noqa: E731
    answers = {
        "is_available": lambda: True,
        "is_initialized": lambda: True,
        "device_count": lambda: 1,
        "current_device": zero,
        "set_device": nothing,
        "get_device_name": lambda device=None: properties.name,
        "get_device_properties": lambda device=None: properties,
        "get_device_capability": lambda device=None: (9, 0),
        "synchronize": nothing,
        "empty_cache": nothing,
        "init": nothing,
        "_lazy_init": nothing,
        "manual_seed": _manual_seed,
        "manual_seed_all": _manual_seed,
        "get_rng_state": lambda device=None: _generator.get_state(),
        "set_rng_state": lambda state, device=None: _generator.set_state(
            state
        ),
        "get_rng_state_all": lambda: [_generator.get_state()],
        "set_rng_state_all": lambda states: _generator.set_state(states[0]),
        "memory_allocated": zero,
        "memory_reserved": zero,
        "max_memory_allocated": zero,
        "reset_peak_memory_stats": nothing,
    }
    for name, answer in answers.items():
        setattr(torch.cuda, name, answer)
    torch.cuda.default_generators = (_generator,)
    torch.accelerator.is_available = lambda: True
    torch.accelerator.current_accelerator = lambda *_, **__: torch.device(
        "cuda"
    )
    stream = Stream()
    for name, answer in {
        "device_count": lambda: 1,
        "current_device_index": zero,
        "current_stream": lambda device=None: stream,
        # The compiler keeps a handler for each function: another than above.
        "synchronize": lambda *_, **__: None,
    }.items():
        setattr(torch.accelerator, name, answer)
    torch.cuda.is_current_stream_capturing = lambda: False


def _tag(storage) -> str | None:
    """Where a file says that a storage was."""
    untyped = getattr(storage, "_untyped_storage", storage)
    return str(GPU) if untyped._cdata in _marked else None


def _restore(storage, location: str):
    """Put a storage where the file says, if that is the GPU."""
    if not str(location).startswith("cuda"):
        return None
    index = torch.device(location).index or 0
    if index:
        raise RuntimeError(
            f"Attempting to deserialize object on CUDA device {index} but "
            "torch.cuda.device_count() is 1. Please use torch.load with "
            "map_location to map your storages to an existing device."
        )
    _mark_storage(storage)
    return storage
