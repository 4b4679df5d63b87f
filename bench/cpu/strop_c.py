# SPDX-License-Identifier: Apache-2.0
"""As much of Strop's C interface (include/strop/strop.h) as a benchmark needs, through ctypes."""
import ctypes
from ctypes import byref, c_char_p, c_int32, c_int64, c_size_t, c_uint32, c_uint64, c_void_p

import numpy as np

DTYPES = {np.dtype(t): n for t, n in (("float32", 1), ("float64", 2), ("float16", 3), ("int8", 13), ("int16", 14), ("int32", 15),
                                      ("int64", 16), ("uint8", 19), ("uint16", 20), ("uint32", 21), ("uint64", 22), ("bool", 23))}
BIND_REFERENCE = 1


class Tensor(ctypes.Structure):
    _fields_ = [("dtype", c_uint32), ("rank", c_uint32), ("dims", ctypes.POINTER(c_int64)), ("data", c_void_p), ("bytes", c_uint64)]


class Port(ctypes.Structure):
    _fields_ = [("name", c_char_p), ("type", c_char_p), ("dtype", c_uint32)]  # the rest is not read


class ContextOptions(ctypes.Structure):
    _fields_ = [("struct_size", c_size_t), ("threads", c_int32), ("prepared_shapes", c_int32), ("profile", c_int32),
                ("reserved", c_int32), ("deadline_ms", c_int64), ("loop_iterations", c_int64), ("tensor_bytes", c_int64),
                ("sequence_length", c_int64), ("memory_bytes", c_int64)]


class Runtime:
    """libstrop_runtime.so, opened from a path."""

    def __init__(self, path):
        self.library = ctypes.CDLL(str(path))
        for name in ("strop_version", "strop_error_message"):
            getattr(self.library, name).restype = c_char_p
        for kind in ("input", "output"):
            getattr(self.library, f"strop_engine_{kind}").restype = ctypes.POINTER(Port)
            getattr(self.library, f"strop_engine_{kind}_count").restype = c_size_t

    def version(self):
        return self.library.strop_version().decode()

    def call(self, name, *arguments):
        error = c_void_p()
        if getattr(self.library, name)(*arguments, byref(error)) != 0:
            message = self.library.strop_error_message(error).decode()
            self.library.strop_error_destroy(error)
            raise RuntimeError(message)

    def load(self, path, threads):
        return Context(self, path, threads)


class Context:
    """An engine and one context of it. Inputs are read from the arrays given to bind; they are kept."""

    def __init__(self, runtime, path, threads):
        self.runtime, self.inputs = runtime, {}
        self.engine, self.handle = c_void_p(), c_void_p()
        runtime.call("strop_engine_load_file", str(path).encode(), byref(self.engine))
        options = ContextOptions(struct_size=ctypes.sizeof(ContextOptions), threads=threads)
        runtime.call("strop_context_create", self.engine, byref(options), byref(self.handle))
        self.names = [name for name, _ in self.output_types()]

    def ports(self, kind):
        library = self.runtime.library
        count = getattr(library, f"strop_engine_{kind}_count")(self.engine)
        ports = [getattr(library, f"strop_engine_{kind}")(self.engine, c_size_t(i)).contents for i in range(count)]
        return [(port.name.decode(), port.dtype) for port in ports]

    def input_types(self):
        """[(name, number of the element type)]"""
        return self.ports("input")

    def output_types(self):
        return self.ports("output")

    def bind(self, name, array):
        dims = (c_int64 * max(1, array.ndim))(*array.shape)
        tensor = Tensor(DTYPES[array.dtype], array.ndim, dims, array.ctypes.data, array.nbytes)
        self.runtime.call("strop_context_bind", self.handle, name.encode(), byref(tensor), c_int32(BIND_REFERENCE))
        self.inputs[name] = array

    def run(self):
        self.runtime.call("strop_context_run", self.handle)

    def output(self, name):
        """A copy."""
        tensor = Tensor()
        self.runtime.call("strop_context_output", self.handle, name.encode(), byref(tensor))
        dtype = next(t for t, n in DTYPES.items() if n == tensor.dtype)
        shape = [tensor.dims[i] for i in range(tensor.rank)]
        if tensor.bytes == 0:
            return np.zeros(shape, dtype)
        return np.frombuffer(ctypes.string_at(tensor.data, tensor.bytes), dtype).reshape(shape)
