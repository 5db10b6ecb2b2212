"""What only a CUDA device can show; `python -m tests.gpu_check` measures the speeds."""

from typing import Any

import pytest
import torch
from torch import Tensor

from model.config import CORE_NAMES, Core, ModelConfig
from model.network import Network, build_core
from model.networks import mamba
from model.networks.mamba import Mamba
from model.networks.scan import selective_scan

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device"),
]
CORES = sorted(CORE_NAMES)
PAPER = ModelConfig(core="mamba", dropout=0.0)


def on_both(make: Any) -> tuple[Any, Any]:
    torch.manual_seed(0)
    here = make().eval()
    there = make().eval()
    there.load_state_dict(here.state_dict(), strict=True)
    return here, there.cuda()


@pytest.mark.parametrize("core", CORES)
def test_a_core_answers_alike_on_cpu_and_cuda_and_steps_there(core: Core) -> None:
    config = ModelConfig(core=core, dropout=0.0)
    here, there = on_both(lambda: build_core(config))
    x = torch.randn(2, 70, config.d_model)
    with torch.inference_mode():
        whole = there(x.cuda())
        assert torch.allclose(whole.cpu(), here(x), rtol=1e-3, atol=1e-3)
        y, state = there.prefill(x[:, :40].cuda(), there.initial_state(2))
        found = [y]
        for token in x[:, 40:].cuda().unbind(1):
            y, state = there.step(token, state)
            found.append(y[:, None])
        assert torch.allclose(torch.cat(found, 1), whole, rtol=1e-3, atol=1e-3)


def test_our_scan_gives_the_same_gradients_on_cuda() -> None:
    def run(device: str) -> tuple[Tensor, ...]:
        torch.manual_seed(0)
        shapes = ((2, 100, 30), (2, 100, 30), (30, 8), (2, 100, 8), (2, 100, 8))
        u, dt, decay, b, c = (torch.rand(shape, dtype=torch.float64) for shape in shapes)
        given = [x.to(device).requires_grad_() for x in (u, dt, -decay, b, c)]
        y, _ = selective_scan((given[0], given[1]), given[2], (given[3], given[4]))
        return torch.autograd.grad(y.square().sum(), given)

    for here, there in zip(run("cpu"), run("cuda"), strict=True):
        assert torch.allclose(here, there.cpu(), rtol=1e-10, atol=1e-10)


@pytest.mark.skipif(not torch.cuda.is_available() or mamba.kernel() is None, reason="mamba_ssm is not installed")
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-4), (torch.bfloat16, 3e-2)])
def test_our_scan_answers_as_the_kernel_does(
    monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype, tolerance: float
) -> None:
    torch.manual_seed(0)
    mixer, x = Mamba(PAPER).cuda(), torch.randn(4, 256, PAPER.d_model, device="cuda")
    found = []
    for way in (mamba.kernel(), None):
        monkeypatch.setattr(mamba, "kernel", lambda way=way: way)
        with torch.autocast("cuda", dtype, enabled=dtype is torch.bfloat16):
            y = mixer(x)
        found.append((y, *torch.autograd.grad(y.float().square().mean(), list(mixer.parameters()))))
    for kernel, ours in zip(*found, strict=True):
        assert (kernel.float() - ours.float()).abs().max() <= tolerance * max(1e-3, kernel.float().abs().max())


@pytest.mark.skipif(not torch.cuda.is_available() or mamba.kernel() is None, reason="mamba_ssm is not installed")
def test_weights_load_strictly_into_mamba_ssm_and_answer_alike() -> None:
    theirs_module = pytest.importorskip("mamba_ssm")
    torch.manual_seed(0)
    ours = Mamba(PAPER).cuda()
    theirs = theirs_module.Mamba(d_model=PAPER.d_model, d_state=PAPER.d_state).cuda()
    assert list(theirs.state_dict()) == list(ours.state_dict())
    theirs.load_state_dict(ours.state_dict(), strict=True)
    x = torch.randn(2, 64, PAPER.d_model, device="cuda")
    assert torch.allclose(ours(x), theirs(x), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("core", CORES)
def test_bf16_keeps_the_logits(core: Core) -> None:
    torch.manual_seed(0)
    network = Network(ModelConfig(core=core, k=3, dropout=0.0), 113).cuda()
    windows = torch.zeros(4, 128, 3, 3, dtype=torch.uint8, device="cuda")
    windows[..., 1, 1] = torch.randint(0, 113, (4, 128), device="cuda", dtype=torch.uint8)
    exact = network(windows)
    with torch.autocast("cuda", torch.bfloat16):
        fast = network(windows)
    assert torch.allclose(exact, fast.float(), rtol=0, atol=0.15)
