import numpy as np
import pytest
import torch

from model.batches import BatchReader
from model.config import TrainConfig
from model.devices import Engine, device_of, random_state, restore_random_state
from model.network import Network
from tests.stripes import MODEL, VOCABULARY, recipe, stripes

NO_CUDA = pytest.mark.skipif(torch.cuda.is_available(), reason="asks what is said where there is no CUDA")


@NO_CUDA
@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"device": "cuda"}, "device is 'cuda', but torch finds no CUDA device here: choose device 'cpu' or 'auto'"),
        ({"bf16": True}, "bf16 is on, but the run would compute on the CPU: it is for CUDA only, leave it off"),
        ({"compiled": True, "device": "auto"}, "compiled is on, but the run would compute on the CPU"),
    ],
)
def test_what_needs_cuda_is_refused_without_it(changes: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        device_of(recipe(**changes))


def test_a_recipe_for_the_cpu_stays_there_and_auto_takes_what_there_is() -> None:
    assert device_of(TrainConfig()) == torch.device("cpu")
    assert device_of(TrainConfig(device="auto")).type == ("cuda" if torch.cuda.is_available() else "cpu")


def network() -> Network:
    torch.manual_seed(0)
    return Network(MODEL, len(VOCABULARY)).eval()


def test_an_engine_asks_the_network_itself() -> None:
    asked = network()
    batch = next(BatchReader(stripes(6, 0), MODEL).epoch(400, 0.5, (0,)))
    windows = torch.from_numpy(batch.windows)
    engine = Engine.of(asked, recipe(), torch.device("cpu"))
    assert torch.equal(engine.logits(windows), asked(windows))


def test_half_precision_keeps_logits_and_gradients_of_tables_in_full() -> None:
    asked = network()
    windows = torch.from_numpy(next(BatchReader(stripes(6, 0), MODEL).epoch(400, 0.5, (0,))).windows)
    half = Engine(network=asked, device=torch.device("cpu"), bf16=True, call=asked)
    logits = half.logits(windows)
    assert logits.dtype == torch.float32
    assert not torch.equal(logits, asked(windows))
    assert torch.allclose(logits, asked(windows), atol=0.05)
    assert half.network.embedding.fold().rows.dtype == torch.float32


def test_a_restored_random_state_draws_the_same_again() -> None:
    state = random_state(torch.device("cpu"))
    first = torch.rand(3)
    restore_random_state(state, torch.device("cpu"))
    assert np.array_equal(torch.rand(3).numpy(), first.numpy())


@pytest.mark.gpu
def test_a_gpu_has_the_losses_of_a_cpu() -> None:
    asked = network()
    windows = torch.from_numpy(next(BatchReader(stripes(6, 0), MODEL).epoch(400, 0.5, (0,))).windows)
    expected = asked(windows)
    engine = Engine.of(asked, recipe(device="cuda"), torch.device("cuda", 0))
    assert torch.allclose(engine.logits(windows.cuda()).cpu(), expected, atol=1e-3)
