"""FLOPs and processor time of a call, as all benches count them."""

import time
from collections.abc import Callable

import torch
from torch.utils.flop_counter import FlopCounterMode, sdpa_backward_flop, sdpa_flop


def attention_on_cpu(*arguments, **more) -> int:
    """What PyTorch counts of the same attention on GPUs."""
    return sdpa_flop(*arguments, **more)


def attention_on_cpu_backward(gradient, query, key, value, *arguments, **more) -> int:
    return sdpa_backward_flop(gradient, query, key, value)


attention_on_cpu._get_raw = True  # these take tensors
attention_on_cpu_backward._get_raw = True
aten = torch.ops.aten
ON_CPU = {
    aten._scaled_dot_product_flash_attention_for_cpu: attention_on_cpu,
    aten._scaled_dot_product_flash_attention_for_cpu_backward: attention_on_cpu_backward,
}


def cost(call: Callable[[], object], repeats: int) -> tuple[float, float]:
    """GFLOP of a call, and the shortest of its times in seconds of CPU."""
    began = time.process_time()  # of all threads; waiting for a shared machine does not count
    with FlopCounterMode(display=False, custom_mapping=ON_CPU) as counter:
        call()
    seconds = [time.process_time() - began]
    for _ in range(repeats - 1):
        began = time.process_time()
        call()
        seconds.append(time.process_time() - began)
    return counter.get_total_flops() / 1e9, min(seconds)
