import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from model.config import ModelConfig
from model.networks import mamba
from model.networks.mamba import Mamba, MambaCore

KEYS = [
    "A_log", "D", "in_proj.weight", "conv1d.weight", "conv1d.bias", "x_proj.weight", "dt_proj.weight", "dt_proj.bias",
    "out_proj.weight",
]  # fmt: skip
ROOT = Path(__file__).parents[2]
CONFIG = ModelConfig(core="mamba", d_model=20, d_state=5, layers=2, dropout=0.0)


def made() -> Mamba:
    torch.manual_seed(2)
    mixer = Mamba(CONFIG).double()
    with torch.no_grad():
        for parameter in mixer.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return mixer


def one_by_one(weights: dict[str, Tensor], x: Tensor) -> Tensor:
    """The block as its paper writes it, token by token and channel by channel, in float64."""
    w = {name: value.double() for name, value in weights.items()}
    channels, states = w["A_log"].shape
    rank, window = w["dt_proj.weight"].shape[1], w["conv1d.weight"].shape[2]
    past, h, found = torch.zeros(window, channels, dtype=torch.float64), torch.zeros(channels, states).double(), []
    for token in x.double():
        both = w["in_proj.weight"] @ token
        past = torch.cat([past[1:], both[None, :channels]])
        u = functional.silu((past.T * w["conv1d.weight"][:, 0]).sum(1) + w["conv1d.bias"])
        low = w["x_proj.weight"] @ u
        dt = functional.softplus(w["dt_proj.weight"] @ low[:rank] + w["dt_proj.bias"])
        b, c = low[rank : rank + states], low[rank + states :]
        h = torch.exp(dt[:, None] * -torch.exp(w["A_log"])) * h + dt[:, None] * b[None] * u[:, None]
        found.append(w["out_proj.weight"] @ ((h @ c + w["D"] * u) * functional.silu(both[channels:])))
    return torch.stack(found)


def test_names_and_order_of_the_parameters_are_those_of_mamba_ssm() -> None:
    assert list(Mamba(CONFIG).state_dict()) == KEYS
    shapes = {name: tuple(tensor.shape) for name, tensor in Mamba(ModelConfig(core="mamba")).state_dict().items()}
    assert shapes == {
        "A_log": (162, 64), "D": (162,), "in_proj.weight": (324, 81), "conv1d.weight": (162, 1, 4),
        "conv1d.bias": (162,), "x_proj.weight": (6 + 128, 162), "dt_proj.weight": (162, 6), "dt_proj.bias": (162,),
        "out_proj.weight": (81, 162),
    }  # fmt: skip


@pytest.mark.parametrize("length", [1, 3, 70])
def test_a_block_equals_the_sequential_reference(length: int) -> None:
    mixer, x = made(), torch.randn(2, length, 20, dtype=torch.float64)
    with torch.no_grad():
        found, single = mixer(x), Mamba(CONFIG)
        single.load_state_dict(mixer.state_dict(), strict=True)
        for ours, rough, sequence in zip(found, single(x.float()), x, strict=True):
            defined = one_by_one(mixer.state_dict(), sequence)
            assert torch.allclose(ours, defined, rtol=0, atol=1e-12)
            assert torch.allclose(rough.double(), defined, rtol=0, atol=1e-6)


def test_the_first_steps_of_time_lie_between_a_thousandth_and_a_tenth() -> None:
    mixer = Mamba(ModelConfig(core="mamba", d_model=200))
    dt = functional.softplus(mixer.dt_proj.bias)
    assert dt.min() >= 0.001 * 0.999
    assert dt.max() <= 0.1 * 1.001
    assert torch.allclose(mixer.A_log.exp()[7], torch.arange(1.0, 65.0))


def test_a_long_convolution_and_none_are_built_too() -> None:
    for d_conv in (1, 7):
        core = MambaCore(ModelConfig(core="mamba", d_model=8, d_state=4, d_conv=d_conv, dropout=0.0)).double()
        x, state, found = torch.randn(2, 9, 8, dtype=torch.float64), core.initial_state(2), []
        for token in x.unbind(1):
            y, state = core.step(token, state)
            found.append(y)
        assert torch.allclose(torch.stack(found, 1), core(x), rtol=0, atol=1e-12)


@pytest.mark.parametrize("there", [True, False])
def test_the_kernel_is_found_where_mamba_ssm_can_be_imported(monkeypatch: pytest.MonkeyPatch, there: bool) -> None:
    module: Any = ModuleType("selective_scan_interface")
    module.selective_scan_fn = lambda *_: ()
    for name in ("mamba_ssm", "mamba_ssm.ops", "mamba_ssm.ops.selective_scan_interface"):
        monkeypatch.setitem(sys.modules, name, module if there else None)
    mamba.kernel.cache_clear()
    assert mamba.kernel() is (module.selective_scan_fn if there else None)
    mamba.kernel.cache_clear()


def test_what_the_kernel_is_asked_is_what_the_scan_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    def stand_in(*given: Tensor, delta_softplus: bool, return_last_state: bool) -> tuple[Tensor, Tensor]:
        u, dt, decay, b, c, skip, gate, bias = given
        assert delta_softplus
        assert return_last_state
        assert all(x.is_contiguous() for x in given)
        dt = functional.softplus(dt + bias[:, None])
        h, found = torch.zeros(len(u), *decay.shape).double(), []
        for t in range(u.shape[2]):
            h = torch.exp(dt[:, :, t, None] * decay) * h + (dt * u)[:, :, t, None] * b[:, None, :, t]
            found.append((h * c[:, None, :, t]).sum(-1) + skip * u[:, :, t])
        return torch.stack(found, 2) * functional.silu(gate), h

    mixer, u, gate = made(), torch.randn(2, 7, 40).double(), torch.randn(2, 7, 40).double()
    monkeypatch.setattr(mamba, "kernel", lambda: stand_in)
    for ours, theirs in zip(mixer._by_scan(u, gate, mixer.initial_state(2)[1]), mixer._by_kernel(u, gate), strict=True):
        assert torch.allclose(ours, theirs, rtol=0, atol=1e-5)  # the kernel takes A, D and the bias in float32


COMPILED = """
import torch
from model.config import ModelConfig
from model.networks.mamba import MambaCore

core, x, found = MambaCore(ModelConfig(core="mamba", d_model=20, d_state=5, dropout=0.0)), torch.randn(2, 40, 20), []
for way in (core, torch.compile(core, backend="aot_eager")):
    y = way(x)
    found.append((y, *torch.autograd.grad(y.square().sum(), list(core.parameters()))))
print(all(torch.allclose(plain, compiled, rtol=1e-4, atol=1e-5) for plain, compiled in zip(*found, strict=True)))
"""


@pytest.mark.slow
def test_a_compiled_core_answers_as_it_does_uncompiled() -> None:
    # in a process of its own: the shapes that tests check at run time cannot be traced
    said = subprocess.run([sys.executable, "-c", COMPILED], capture_output=True, text=True, check=True, cwd=ROOT)
    assert said.stdout.split()[-1] == "True"
