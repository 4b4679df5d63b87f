# SPDX-License-Identifier: Apache-2.0
"""The model set: torchvision's, Hugging Face's and YOLOv5s' modules with seeded weights, and the ONNX files exported from them.

Weights are normal with variance 1 / fan-in, and the statistics of every batch normalisation are those of seeded inputs, so that
activations keep a standard deviation near one and fit into FP16. The module is the source: what Strop builds is its export, so
both compute the same function.
"""
import dataclasses
import hashlib
import pathlib
import sys

import torch
from torch import nn

import yolo

BERT_WORDS, BERT_LENGTH = 30522, 128
OPSET = 17


class Bert(nn.Module):
    """Hugging Face's module with a tuple as its result."""

    def __init__(self):
        import transformers
        super().__init__()
        self.model = transformers.BertModel(transformers.BertConfig(attn_implementation="sdpa"))

    def forward(self, input_ids, attention_mask, token_type_ids):
        out = self.model(input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids)
        return out.last_hidden_state, out.pooler_output


def vision(name):
    def make():
        import torchvision
        return getattr(torchvision.models, name)(weights=None)
    return make


def pictures(size):
    def make(batch, seed, device):
        return {"images": torch.randn(batch, 3, size, size, generator=torch.Generator(device).manual_seed(seed), device=device)}
    return make


def words(batch, seed, device):
    shape, generator = (batch, BERT_LENGTH), torch.Generator(device).manual_seed(seed)
    return {"input_ids": torch.randint(BERT_WORDS, shape, generator=generator, device=device),
            "attention_mask": torch.ones(shape, dtype=torch.int64, device=device),
            "token_type_ids": torch.zeros(shape, dtype=torch.int64, device=device)}


@dataclasses.dataclass(frozen=True)
class Model:
    name: str
    batches: tuple
    make: object  # () -> nn.Module
    inputs: object  # (batch, seed, device) -> {name: tensor}
    outputs: tuple
    parameters: int  # published; checked
    convolutional: bool = True  # the channels-last layout and INT8 are for these
    fields: bool = False  # the last axis of the output holds quantities of different units; the worst of them is told too

    def module(self):
        """On the CPU, FP32, evaluating; the same weights each time."""
        torch.manual_seed(0)
        module = self.make().eval()
        count = sum(p.numel() for p in module.parameters())
        if count != self.parameters:
            raise SystemExit(f"models: {self.name} has {count:,} parameters, published are {self.parameters:,}")
        randomise(module, seed=1)
        calibrate(module, self.inputs(4, 2, "cpu"))
        return module.requires_grad_(False)

    def sample(self, batch, seed):
        """As bench/models/quantize.py wants inputs."""
        return {name: tensor.numpy() for name, tensor in self.inputs(batch, seed, "cpu").items()}


MODELS = (
    Model("resnet50", (1, 8, 32, 128, 256), vision("resnet50"), pictures(224), ("logits",), 25_557_032),
    Model("yolov5s", (1, 32), yolo.YoloV5s, pictures(640), ("boxes",), 7_235_389, fields=True),
    Model("mobilenet_v3_large", (1, 128), vision("mobilenet_v3_large"), pictures(224), ("logits",), 5_483_032),
    Model("efficientnet_b0", (1, 128), vision("efficientnet_b0"), pictures(224), ("logits",), 5_288_548),
    Model("vit_b_16", (1, 32), vision("vit_b_16"), pictures(224), ("logits",), 86_567_656, convolutional=False),
    Model("bert_base", (1, 32), Bert, words, ("last_hidden_state", "pooler_output"), 109_482_240, convolutional=False),
)


def find(names):
    known = {model.name: model for model in MODELS}
    for name in names or ():
        if name not in known:
            raise SystemExit(f"no model {name}; there are: {' '.join(known)}")
    return [known[name] for name in names] if names else list(MODELS)


def branch_ends(module):
    """Scales of the normalisations that end a residual branch; with less weight there, deep sums do not magnify rounding errors."""
    for block in module.modules():
        if hasattr(block, "bn3"):
            yield block.bn3.weight
        elif isinstance(getattr(block, "block", None), nn.Sequential):
            yield [m for m in block.block.modules() if isinstance(m, nn.BatchNorm2d)][-1].weight


def randomise(module, seed):
    generator = torch.Generator().manual_seed(seed)
    ends = {id(weight) for weight in branch_ends(module)}
    plain = {f"{prefix}.{name}".lstrip(".") for prefix, owner in module.named_modules() for name, _ in owner.named_parameters(recurse=False)
             if not isinstance(owner, (nn.Embedding, nn.Linear, nn.MultiheadAttention)) and "Conv" not in type(owner).__name__}
    embeddings = {f"{prefix}.weight" for prefix, owner in module.named_modules() if isinstance(owner, nn.Embedding)}
    with torch.no_grad():
        for name, value in module.named_parameters():
            if name.endswith("bias"):
                value.normal_(0, 0.1, generator=generator)
            elif value.dim() == 1:  # the scale of a normalisation
                value.uniform_(0.8, 1.2, generator=generator)
                if id(value) in ends:
                    value *= 0.3
            elif name in embeddings or name in plain:
                value.normal_(0, 0.5, generator=generator)
            else:
                value.normal_(0, value[0].numel() ** -0.5, generator=generator)
                if value.dim() == 4:
                    # Of activations, whose mean is not zero, a filter would see that mean above all; the normalisation behind it
                    # takes it away again and leaves the rounding errors.
                    value -= value.mean((1, 2, 3), keepdim=True)


def calibrate(module, inputs):
    norms = [m for m in module.modules() if isinstance(m, nn.BatchNorm2d)]
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the mean over all batches seen
        norm.train()
    with torch.no_grad():
        module(*inputs.values())
    for norm, momentum in zip(norms, momenta):
        norm.momentum = momentum
        norm.eval()


def digest(module):
    text = hashlib.sha256(torch.__version__.encode())
    for name, value in module.state_dict().items():
        text.update(name.encode())
        text.update(value.contiguous().numpy())
    return text.hexdigest()


def export(model, module, folder):
    """The ONNX file of the module, its batch open; kept from an earlier call with the same weights."""
    path, stamp = folder / f"{model.name}.onnx", folder / f"{model.name}.sha256"
    weights = digest(module)
    if path.exists() and stamp.exists() and stamp.read_text() == weights:
        return path
    folder.mkdir(parents=True, exist_ok=True)
    inputs = model.inputs(2, 3, "cpu")
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # one operator that ONNX does not have
    try:
        torch.onnx.export(module, tuple(inputs.values()), str(path), input_names=list(inputs), output_names=list(model.outputs),
                          dynamic_axes={name: {0: "batch"} for name in (*inputs, *model.outputs)}, opset_version=OPSET, dynamo=False)
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
    stamp.write_text(weights)
    return path


def with_batch(path, batch, target):
    """The file with every open first dimension fixed."""
    import onnx
    file = onnx.load(path)
    for value in (*file.graph.input, *file.graph.output):
        if value.type.tensor_type.shape.dim[0].dim_param:
            value.type.tensor_type.shape.dim[0].dim_value = batch
    del file.graph.value_info[:]
    onnx.save(file, target)
    return target


def quantise(model, path):
    """The Q/DQ form of an exported file, by ONNX Runtime's quantiser (bench/models/quantize.py has the choices)."""
    target = path.with_name(f"{model.name}_int8.onnx")
    if target.exists() and target.stat().st_mtime >= path.stat().st_mtime:
        return target
    sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "models"))
    import onnx
    import quantize
    decoding = [n.name for n in onnx.load(path).graph.node if n.name.startswith("/detect/") and n.op_type != "Conv"]
    quantize.quantize_static(model, path, target, nodes_to_exclude=decoding)
    return target
