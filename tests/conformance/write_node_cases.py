# SPDX-License-Identifier: Apache-2.0
"""usage: write_node_cases.py FOLDER

Writes the standard's node tests as files, as older versions of the package onnx carry them: FOLDER/node/NAME/model.onnx with
test_data_set_0. Newer versions hold their generators alone, and the writer of files only for whole models, which it is lent here for."""
import argparse
import pathlib
import sys
import warnings

from onnx.backend.test import cmd_tools
from onnx.backend.test.case.node import collect_testcases


def main():
    warnings.simplefilter("ignore")  # infinities and NaN are wanted in some cases
    folder = pathlib.Path(sys.argv[1])
    cases = [case for case in collect_testcases(None) if case.data_sets is not None]
    cmd_tools.model_test.collect_testcases = lambda: cases
    for case in cases:
        (folder / case.kind / case.name).mkdir(parents=True, exist_ok=True)
    cmd_tools.generate_data(argparse.Namespace(output=str(folder), clean=False, op_type=None, diff=None))


if __name__ == "__main__":
    main()
