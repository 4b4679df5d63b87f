# SPDX-License-Identifier: Apache-2.0
"""PyTorch's ways to run a module, each behind the same three calls, which timing.py drives:

    feed(inputs)   the next input set, already on the device, becomes what a run reads
    enqueue()      one run on PyTorch's current stream
    outputs()      a list of float32 arrays: the results of the last run

`replays` says that a run costs the host next to nothing, so that runs may be queued ahead of the device.
"""
import torch


def tuple_of(result):
    return result if isinstance(result, (tuple, list)) else (result,)


class Eager:
    replays = False

    def __init__(self, module, inputs, channels_last=False):
        self.module, self.channels_last = module, channels_last
        self.inputs = {name: self.laid_out(tensor.clone()) for name, tensor in inputs.items()}
        self.enqueue()

    def laid_out(self, tensor):
        return tensor.contiguous(memory_format=torch.channels_last) if self.channels_last and tensor.dim() == 4 else tensor

    def feed(self, inputs):
        for name, tensor in inputs.items():
            self.inputs[name].copy_(tensor)

    def enqueue(self):
        with torch.inference_mode():
            self.results = self.module(*self.inputs.values())

    def outputs(self):
        return [result.float().cpu().numpy() for result in tuple_of(self.results)]


class Graph(Eager):
    """Eager captured once and replayed: the kernels alone, without the host between them."""
    replays = True

    def __init__(self, module, inputs, channels_last=False):
        super().__init__(module, inputs, channels_last)
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):
                super().enqueue()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            super().enqueue()
        self.graph = graph

    def enqueue(self):
        if hasattr(self, "graph"):
            self.graph.replay()
        else:
            super().enqueue()


class Compiled(Eager):
    """torch.compile; its own graphs are replayed in the modes that have them."""
    replays = True

    def __init__(self, module, inputs, mode):
        compiled = torch.compile(module, mode=mode, fullgraph=False)
        super().__init__(compiled, inputs)
        for _ in range(5):
            self.enqueue()


def make(kind, module, inputs, compile_mode):
    """`kind`: eager, graph, graph_nhwc (all weights and inputs channels last), compile."""
    if kind == "compile":
        return Compiled(module, inputs, compile_mode)
    if kind == "graph_nhwc":
        import copy
        return Graph(copy.deepcopy(module).to(memory_format=torch.channels_last), inputs, channels_last=True)
    return {"eager": Eager, "graph": Graph}[kind](module, inputs)
