"""step.py -- builds and calls step.c: the way forward and back of some cases, where the processor has AMX.

`Step.build` gives None where it cannot be had (another processor, no compiler): then PyTorch does it all.
"""
from __future__ import annotations

import ctypes
import os
import subprocess
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from model import Nano, Shape

SOURCE = Path(__file__).with_name("step.c")
FLAGS = "-O3 -ffast-math -march=native -mprefer-vector-width=512 -mamx-tile -mamx-bf16 -shared -fPIC".split()
DIFFERENCE_MAX = 0.1  # of the length of a gradient: factors are bfloat16, and where little is wrong little adds up


def built(work: Path) -> Path | None:
    """The library in `work`, made now; nothing where this machine cannot have it."""
    info = Path("/proc/cpuinfo")
    if not info.exists() or " amx_bf16" not in info.read_text():
        return None
    out, new = work / "step.so", work / f"step.{os.getpid()}"
    try:
        subprocess.run(["cc", *FLAGS, str(SOURCE), "-o", str(new), "-lm"], check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    os.replace(new, out)
    return out


class Step:
    def __init__(self, library: Path, shape: Shape, system: list[int]) -> None:
        self.lib = lib = ctypes.CDLL(str(library))
        pointer, whole, real = ctypes.c_void_p, ctypes.c_int, ctypes.c_double
        lib.step_new.restype, lib.step_new.argtypes = pointer, [whole] * 6 + [real] * 2 + [pointer, whole]
        lib.step_weights.restype, lib.step_weights.argtypes = None, [pointer, pointer]
        lib.step_rows.restype = real
        lib.step_rows.argtypes = [pointer, pointer, pointer, pointer, whole, ctypes.c_float, pointer]
        prefix = np.array(system, dtype=np.int32)
        if shape.heads != shape.kv_heads:
            raise ValueError("step.c has as many heads of keys as of queries")
        self.step = lib.step_new(shape.vocab, shape.width, shape.layers, shape.heads, shape.hidden, shape.context,
                                 shape.rope_base, shape.epsilon, prefix.ctypes.data, len(prefix))
        if not self.step:
            raise ValueError("step.c: the kernel gives no tiles, or a size is no multiple of 32")

    def weights(self, flat: Tensor) -> None:
        """`flat` (float32) must stay until the next call."""
        self.lib.step_weights(self.step, flat.data_ptr())

    def add(self, tokens: list[list[int]], weights: list[list[float]], scale: float, grad: Tensor) -> float:
        """The loss of cases; adds the gradient of scale * loss."""
        counts = np.array([len(each) for each in tokens], dtype=np.int32)
        ids, wanted = np.concatenate(tokens).astype(np.int32), np.concatenate(weights).astype(np.float32)
        loss = self.lib.step_rows(self.step, ids.ctypes.data, wanted.ctypes.data, counts.ctypes.data, len(counts), scale,
                                  grad.data_ptr())
        if not loss >= 0:
            raise ValueError(f"step.c: cases of {counts.tolist()} tokens are too long, or their loss is no number")
        return loss

    def check(self, net: Nano, rows: list, loss: Tensor) -> None:
        """`loss` is PyTorch's for these rows, in float32: raises where step.c says something else."""
        net.zero_grad()
        loss.backward()
        theirs = torch.cat([weight.grad.reshape(-1) for weight in net.parameters()])
        flat = torch.cat([weight.detach().reshape(-1) for weight in net.parameters()])
        self.weights(flat)
        ours = torch.zeros_like(flat)
        said = self.add([row.tokens for row in rows], [row.weights for row in rows], 1.0, ours)
        off = float((ours - theirs).norm() / theirs.norm())
        if off > DIFFERENCE_MAX or abs(said - float(loss)) > DIFFERENCE_MAX * float(loss):
            raise ValueError(f"step.c differs from PyTorch: gradient by {off:.3f}, loss {said:.3f} against {float(loss):.3f}")
        print(f"step.c: as PyTorch, gradient within {off:.3f}", flush=True)
