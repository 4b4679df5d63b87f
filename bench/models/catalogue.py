# SPDX-License-Identifier: Apache-2.0
"""The model set: where each file comes from, and what it is fed. bench/cpu reads this too."""
import dataclasses
import zlib

import numpy as np

import classifiers
import detectors
import transformers


@dataclasses.dataclass(frozen=True)
class Input:
    """`shape` has None for the batch. kind: "picture" (flat squares and a little noise), "page" (dark strokes in rows, on white),
    "sound", "normal", "zeros", "ones", "ids" (below `limit`), "value" (`limit` itself)."""
    name: str
    shape: tuple
    kind: str
    dtype: str = "float32"
    limit: int = 0

    def make(self, batch, seed):
        shape = tuple(batch if d is None else d for d in self.shape)
        rng = np.random.default_rng([zlib.crc32(self.name.encode()), seed])
        if self.kind == "picture":
            planes = rng.uniform(-2, 2, (*shape[:2], -(-shape[2] // 16), -(-shape[3] // 16)))
            planes = planes.repeat(16, 2).repeat(16, 3)[:, :, :shape[2], :shape[3]]
            array = planes + rng.normal(0, 0.2, shape)
        elif self.kind == "page":
            array = np.full(shape, 1.0)
            for image in array:
                for top in range(8, shape[2] - 24, 40):
                    for left in range(8, int(rng.integers(40, shape[3] - 12)), 14):
                        image[:, top:top + 24, left:left + 3] = -1
                        bar = top + int(rng.integers(0, 20))
                        image[:, bar:bar + 3, left:left + 10] = -1
        elif self.kind == "sound":
            array = np.sin(np.arange(shape[-1]) * rng.uniform(0.02, 0.2, (*shape[:-1], 1))) * 0.3 + rng.normal(0, 0.05, shape)
        elif self.kind == "normal":
            array = rng.standard_normal(shape)
        elif self.kind == "ids":
            array = rng.integers(0, self.limit, shape)
        else:
            array = np.full(shape, {"zeros": 0, "ones": 1, "value": self.limit}[self.kind])
        return np.ascontiguousarray(array, self.dtype).reshape(shape)


@dataclasses.dataclass(frozen=True)
class Model:
    """Exactly one of `build` (makes a graph.Graph), `file` (in the folder of test data, or the PP-OCR models) and `source` (the
    model that quantize.py makes this one of) is set."""
    name: str
    group: str  # FP32, INT8 static, INT8 dynamic
    inputs: tuple
    build: object = None
    parameters: int = 0  # published; checked against what `build` made
    file: str = ""
    source: str = ""
    fixed_batch: bool = False  # the file says 1
    fields: tuple = None  # of a detector: the axis of boxes' coordinates and scores, and where on it the classes begin

    def sample(self, batch, seed):
        return {i.name: i.make(batch, seed) for i in self.inputs}


def picture(name, height, width=None, kind="picture"):
    return (Input(name, (None, 3, height, width or height), kind),)


def words(length=128):
    return (Input("input_ids", (None, length), "ids", "int64", transformers.VOCABULARY),
            Input("attention_mask", (None, length), "ones", "int64"), Input("token_type_ids", (None, length), "zeros", "int64"))


FP32, STATIC, DYNAMIC = "FP32", "INT8 static", "INT8 dynamic"

MODELS = (
    Model("resnet50", FP32, picture("images", 224), build=classifiers.resnet50, parameters=25_557_032),
    Model("mobilenetv2", FP32, picture("images", 224), build=classifiers.mobilenetv2, parameters=3_504_872),
    Model("bert_base", FP32, words(), build=transformers.bert_base, parameters=109_482_240),
    Model("efficientnet_b0", FP32, picture("images", 224), build=classifiers.efficientnet_b0, parameters=5_288_548),
    Model("yolov5s", FP32, picture("images", 640), build=detectors.yolov5s, parameters=7_235_389, fields=(2, 5)),
    Model("yolov8n", FP32, picture("images", 640), build=detectors.yolov8n, parameters=3_157_200, fields=(1, 4)),
    Model("vit_b16", FP32, picture("images", 224), build=transformers.vit_b16, parameters=86_567_656),
    Model("minilm", FP32, words(), build=transformers.minilm, parameters=22_713_216),
    Model("squeezenet1_1", FP32, picture("in0", 224), file="models/squeezenet1_1_imagenet.onnx"),
    Model("nanodet_m", FP32, picture("input.1", 416), file="models/nanodet_m.onnx", fixed_batch=True),
    Model("ultraface", FP32, picture("input", 240, 320), file="models/ultraface_rfb_320.onnx", fixed_batch=True),
    Model("ppocrv4_det", FP32, picture("x", 640, kind="page"), file="ocr/ch_PP-OCRv4_det_infer.onnx"),
    Model("ppocrv4_rec", FP32, picture("x", 48, 320, kind="page"), file="ocr/ch_PP-OCRv4_rec_infer.onnx"),
    Model("silero_vad", FP32, (Input("input", (None, 576), "sound"), Input("state", (2, None, 128), "zeros"),
                               Input("sr", (), "value", "int64", 16000)), file="models/silero_vad.onnx"),
    Model("oww_melspectrogram", FP32, (Input("input", (None, 16000), "sound"),), file="models/oww_melspectrogram.onnx"),
    Model("oww_embedding", FP32, (Input("input_1", (None, 76, 32, 1), "normal"),), file="models/oww_embedding.onnx"),
    Model("mobilenetv2_qdq", STATIC, picture("image", 244), file="models/mobilenetv2_qdq_imagenet.onnx"),
    Model("resnet50_qdq", STATIC, picture("images", 224), source="resnet50"),
    Model("yolov5s_qdq", STATIC, picture("images", 640), source="yolov5s", fields=(2, 5)),
    Model("bert_base_qdq", STATIC, words(), source="bert_base"),
    Model("bert_base_dynamic", DYNAMIC, words(), source="bert_base"),
    Model("yolov8n_dynamic", DYNAMIC, picture("images", 640), source="yolov8n", fields=(1, 4)),
)


def find(names=None):
    """The models of these names, in the order of the list; all without names."""
    known = {m.name for m in MODELS}
    for name in names or ():
        if name not in known:
            raise SystemExit(f"no model {name}; there are: {' '.join(sorted(known))}")
    return [m for m in MODELS if not names or m.name in names]
