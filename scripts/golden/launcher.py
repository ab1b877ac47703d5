"""A launcher of KeOps' compiled formulas that compiles seven times sooner than KeOps' own.

KeOps generates a C++ file per formula and wraps it by pybind11, whose compilation takes most of the
time. Here the same generated file gets a C function instead, which ctypes calls; everything before
(parsing, differentiation, code) and after (shapes, finishing of reductions) stays KeOps' own, and
so do the numbers. -O3, which KeOps asks for, allows no reassociation: -O0 computes the same.

Enters: nothing. `install` replaces three methods of pykeops' loader. Leaves: nothing.
"""

import ctypes
import os
from pathlib import Path

# Arguments that only chunked, ranged and half-precision calls read are empty here.
GLUE = """#include "{source}"
extern "C" int launch(long dimy, long nx, long ny, int tagI, long rows, long dim, {type} *out,
                      {type} **arg) {{
  std::vector<int> ints;
  std::vector<signed long int> longs, shape = {{rows, dim}};
  std::vector<std::vector<signed long int>> shapes;
  return launch_keops_cpu_{tag}<{type}>(dimy, nx, ny, tagI, 0, 0, 0, 0, ints, ints, ints, dim,
                                        longs, longs, longs, nullptr, shape, out, arg, shapes);
}}
"""


def install():
    import pykeops.config
    from keopscore.utils.misc_utils import KeOps_OS_Run
    from pykeops.common.keops_io.LoadKeOps_cpp import LoadKeOps_cpp_class as loader

    base = pykeops.config.pykeops_base
    flags = base.get_cpp_flags().replace("-O3", "-O0").replace("-flto=auto", "")

    def library_of(params):
        return Path(base.get_build_folder()) / f"launch_{params.tag}.so"

    def command_of(source, library):
        return f"{base.get_cxx_compiler()} {flags} {source} -o {library}"

    def compile_launcher(self):
        library = library_of(self.params)
        if not library.exists():
            glue = library.with_suffix(".cpp")
            glue.write_text(GLUE.format(
                source=self.params.source_name, tag=self.params.tag, type=self.params.c_dtype))
            KeOps_OS_Run(command_of(glue, library))

    def load(self):
        library = library_of(self.params)
        if not library.exists():
            raise CompileError(command_of(library.with_suffix(".cpp"), os.devnull))
        self.launch = ctypes.CDLL(str(library)).launch

    def call_keops(self, nx, ny):
        pointers = (ctypes.c_void_p * len(self.args_ptr_new))(*self.args_ptr_new)
        rows, dim = self.outshape
        long = ctypes.c_long
        self.launch(long(self.params.dimy), long(nx), long(ny), self.params.tagI, long(rows),
                    long(dim), ctypes.c_void_p(self.out_ptr), pointers)

    loader.init_phase1, loader.init_phase2, loader.call_keops = compile_launcher, load, call_keops


class CompileError(Exception):
    """What KeOps generated does not compile; the message is the compiler's first error."""

    def __init__(self, command):
        import subprocess

        said = subprocess.run(command, shell=True, capture_output=True, text=True).stderr
        lines = [line.split(" error: ")[1] for line in said.splitlines() if " error: " in line]
        super().__init__(lines[0] if lines else "unknown")
