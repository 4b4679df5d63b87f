#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What bench/gpu reads without a GPU: output of a convolution probe, reports of builds, models. Needs the package onnx."""
import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "bench/gpu"))
import engine_report  # pylint: disable=wrong-import-position
import probe  # pylint: disable=wrong-import-position
import report  # pylint: disable=wrong-import-position

# Lines as an H100 gave them; the totals are those of the lines here.
OUTPUT = """\
N256 f16 h56 64->64 k1 s1 r0 x1: 0.0756 ms 87 TOP/s 2.72 TB/s floor 0.0685 (mem) share 91% best pp128x64R; co256x64R 0.0760; co256x64 0.0762
N256 f16 h56 64->256 k1 s1 r1 x3: 0.3286 ms 80 TOP/s 2.81 TB/s floor 0.3083 (mem) share 94% best co128x64; co128x256R 0.3291; co128x64R 0.3292
N256 f16 h56 64->256 k1 s1 r0 x1: 0.1963 ms 134 TOP/s 2.62 TB/s floor 0.1713 (mem) share 87% best pp64x256c2; pp128x128 0.1971; co128x256R 0.1975
N256 f16 TOTAL 5 convs 1.2577 ms => 203546 img/s; floor 1.1647 ms => 219794 img/s; 102 TOP/s
CHAIN N256 f16 (no stem) pdl0: 52 ops median 5.8620 ms (min 5.7750 max 5.8864) => 43671 img/s; back to back 43339 img/s; nonzero 0.69\x20
N256 s8 h224 16->64 k7 s2 r0 x1: 0.2716 ms 387 TOP/s 0.96 TB/s floor 0.0866 (mem) share 32% best pp128x64R; pp128x64w3R 0.2730; co128x64R 0.2749
N256 s8 h56 128->128 k3 s2 r0 x1: 0.0578 ms 1024 TOP/s 2.23 TB/s floor 0.0429 (mem) share 74% best pp128x128; pp128x128c2 0.0606; co128x128 0.0611
N256 s8 TOTAL 1 convs 0.0578 ms => 4429065 img/s; floor 0.0429 ms => 5967365 img/s; 676 TOP/s
"""
REDUCE, EXPAND, STRIDED = (56, 64, 64, 1, 1), (56, 64, 256, 1, 1), (56, 128, 128, 3, 2)


def node(name, tactic, made_from=(), **timings):
    """`timings`: two underscores stand for a slash."""
    timed = [{"candidate": candidate.replace("__", "/"), "microseconds": time} for candidate, time in timings.items()]
    return {"node": name, "op": "conv", "backend": "cuda", "tactic": tactic, "made_from": list(made_from), **({"timings": timed} if timed else {})}


class Probe(unittest.TestCase):
    def test_shapes_of_one_precision(self):
        found = probe.parse(OUTPUT, 256, "fp16")
        self.assertEqual((found["total_ms"], found["convolutions"]), (1.2577, 5))
        self.assertEqual(list(found["shapes"]), [REDUCE, EXPAND])
        self.assertEqual((found["shapes"][EXPAND]["count"], found["shapes"][EXPAND]["best"]), (4, ["co128x64", "pp64x256c2"]))
        self.assertAlmostEqual(found["shapes"][EXPAND]["ms"], 3 * 0.3286 + 0.1963)
        self.assertEqual(found["chains"], [{"of": "(no stem)", "pdl": 0, "steps": 52, "median_ms": 5.862}])

    def test_the_stem_is_left_out(self):
        found = probe.parse(OUTPUT, 256, "int8")
        self.assertEqual((list(found["shapes"]), found["convolutions"], found["chains"]), ([STRIDED], 1, []))

    def test_what_is_no_measurement_is_refused(self):
        for text, why in (("", "no total"), (OUTPUT.replace("N256", "N128"), "no total"), (OUTPUT.replace("TOTAL 5", "TOTAL 6"), "its total says 6"),
                          (OUTPUT.replace("0.0756", "0.0856"), "its total says 5")):
            with self.assertRaisesRegex(ValueError, why):
                probe.parse(text, 256, "fp16")

    def test_turns_become_medians(self):
        slow = probe.parse(OUTPUT.replace("0.0756", "0.0766").replace("1.2577", "1.2587"), 256, "fp16")
        found = probe.median_of([probe.parse(OUTPUT, 256, "fp16"), slow, slow])
        self.assertEqual((found["total_ms"], found["shapes"][REDUCE]["ms"]), (1.2587, 0.0766))


class Compare(unittest.TestCase):
    CONVOLUTIONS = {"stem": (224, 3, 64, 7, 2), "a": REDUCE, "b": EXPAND, "c": EXPAND, "d": EXPAND, "e": EXPAND}
    PROFILE = {"": 0.1, "stem": 0.2, "a": 0.08, "b": 0.3, "c+d": 0.6, "e": 0.3}
    NODES = (node("stem", "conv_stem", ["stem"], conv_stem=190), node("a", "conv_wgmma/x", ["a", "relu"], conv_wgmma__x=70, conv_cudnn__0=80),
             node("b", "conv_wgmma/y", ["b"], conv_wgmma__y=280), node("c+d", "conv_pair", ["c", "d"], conv_pair=560), node("e", "conv_wgmma/y", ["e"], conv_wgmma__y=280))

    def compare(self, nodes=NODES, convolutions=None):
        return probe.compare(probe.parse(OUTPUT, 256, "fp16"), {"nodes": list(nodes)}, self.PROFILE, convolutions or self.CONVOLUTIONS, 1.5)

    def test_sums(self):
        found = self.compare()
        self.assertAlmostEqual(found["own_ms"], 0.07 + 0.28 + 0.56 + 0.28)
        self.assertAlmostEqual(found["ratio"], 1.19 / 1.2577)
        self.assertAlmostEqual(found["own_bracket"][0], 1.5 - 0.3)
        self.assertAlmostEqual(found["own_bracket"][1], 1.28)
        reduce, expand = found["layers"]
        self.assertEqual((reduce["shape"], reduce["count"], reduce["tactics"]), ("56x56, 64 to 64, 1x1", 1, ["conv_wgmma/x"]))
        self.assertEqual((expand["count"], expand["tactics"]), (4, ["conv_wgmma/y", "conv_pair"]))
        self.assertAlmostEqual(expand["own_ms"], 0.28)
        self.assertAlmostEqual(expand["own_profile_ms"], 0.3)

    def test_a_kernel_that_was_not_timed(self):
        found = self.compare((*self.NODES[:-1], node("e", "conv_wgmma/y", ["e"])))
        self.assertEqual((found["own_ms"], found["ratio"], found["layers"][1]["own_ms"]), (None, None, None))
        self.assertAlmostEqual(found["own_bracket"][1], 1.28)

    def test_another_network_is_refused(self):
        with self.assertRaisesRegex(ValueError, "the engine has 4 of the probe's 5"):
            self.compare(self.NODES[:1] + self.NODES[2:])
        with self.assertRaisesRegex(ValueError, "the engine has 2 convolutions 56x56, 64 to 64"):
            self.compare(convolutions=self.CONVOLUTIONS | {"b": REDUCE})

    def test_shapes_of_a_file(self):
        import numpy as np
        import onnx
        from onnx import helper
        weights = [onnx.numpy_helper.from_array(np.zeros(shape, np.float32), name) for name, shape in (("v", (64, 3, 7, 7)), ("w", (128, 64, 3, 3)))]
        graph = helper.make_graph([helper.make_node("Conv", ["x", "v"], ["y"], "stem", strides=[2, 2], pads=[3] * 4), helper.make_node("Relu", ["y"], ["r"], "relu"),
                                   helper.make_node("Conv", ["r", "w"], ["z"], "next", pads=[1] * 4)], "two",
                                  [helper.make_tensor_value_info("x", 1, ["batch", 3, 224, 224])], [helper.make_tensor_value_info("z", 1, None)], weights)
        with tempfile.TemporaryDirectory() as folder:
            onnx.save(helper.make_model(graph), f"{folder}/two.onnx")
            found = probe.shapes_of(f"{folder}/two.onnx", 8)
        self.assertEqual(found, {"stem": (224, 3, 64, 7, 2), "next": (112, 64, 128, 3, 1)})


class Reports(unittest.TestCase):
    NODES = (node("equal", "conv_wgmma/x", conv_wgmma__x=10, conv_mma__y=12, conv_cudnn__0=10), node("behind", "conv_cudnn/0", conv_mma__y=12, conv_cudnn__0=10),
             node("far behind", "matmul_cublaslt/3", matmul_mma__y=30, matmul_cublaslt__3=10), node("theirs", "conv_cudnn/1"), node("ours", "conv_depthwise", conv_depthwise=5),
             node("folded", "region_cuda", region_cuda=5), node("copy", "copy"))

    def test_layers_against_libraries(self):
        found = engine_report.against_libraries({"nodes": self.NODES, "notes": ["self-check left out: switched off", "tuning: the budget of 5 s left no time for 3 candidates; --budget gives more"]})
        self.assertEqual([found[key] for key in ("own", "library", "alone")], [1, 3, 1])
        self.assertEqual(found["worst"][0], {"node": "far behind", "own": "matmul_mma/y", "own_us": 30, "library": "matmul_cublaslt/3", "library_us": 10})
        self.assertEqual([layer["node"] for layer in found["worst"]], ["far behind", "behind"])
        self.assertEqual(found["notes"], ["tuning: the budget of 5 s left no time for 3 candidates; --budget gives more"])

    def test_options_without_libraries(self):
        self.assertEqual(engine_report.without_libraries([]), ["--tactics=-cudnn,-cublaslt"])
        self.assertEqual(engine_report.without_libraries(["--tactics=-conv_mma", "--budget", "5s"]), ["--budget", "5s", "--tactics=-conv_mma,-cudnn,-cublaslt"])

    def text(self, rows):
        return report.table({"device": {}, "versions": {}, "date": "", "command": "", "failures": [], "rows": rows})

    def test_tables(self):
        row = {"model": "resnet50", "batch": 256, "precision": "fp16", "tolerance": 5e-3, "contenders": {"strop": {"median_ms": 1.5}}}
        plain = self.text([row])
        self.assertNotIn("without libraries", plain)
        self.assertNotIn("##", plain)
        strop = {"median_ms": 1.5, "layers_against_libraries": engine_report.against_libraries({"nodes": self.NODES})}
        full = self.text([row | {"contenders": {"strop": strop, "strop_own": {"median_ms": 1.8}}, "probe": Compare().compare()},
                          row | {"batch": 32, "probe": {"failure": "it ended with 1"}}])
        self.assertIn("| 1 | 3 | 1 | far behind: matmul_mma/y 30.0 µs, matmul_cublaslt/3 10.0 µs | 1.800 | 1.20 |", full)
        self.assertIn("## ResNet-50's 5 convolutions beside the probe", full)
        self.assertIn("| 256 | fp16 | 1.258 | 1.190 | 0.95 | 1.200 to 1.280 | 0.95 to 1.02 |", full)
        self.assertIn("\n- Batch 32, fp16: it ended with 1\n", full)


if __name__ == "__main__":
    unittest.main()
