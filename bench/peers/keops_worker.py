"""Times KeOps (pykeops, numpy backend) on inputs that a Deno peer script has written to files.

Enters, on stdin: one JSON object per line, one job each,

    {"row": name of the benchmark row, given back as it came,
     "formula": "Exp(-G*SqDist(X,Y))*B", "aliases": ["G=Pm(0,1)", ...],
     "reduction": "Sum", "axis": 1, "k"?: K, "weight"?: second formula,
     "dtype": "float32" | "float64", "threads": 2, "backend"?: "CPU" (default), "GPU", "auto",
     "inputs": [{"path", "rows", "dim", "category": "Vi" | "Vj" | "Pm"}, ...] in position order,
     "repeats": 3, "output": path to write}

Input files hold rows * dim little-endian numbers of the job's dtype, row-major, no header.

Leaves, on stdout: one JSON object per line, one per job, in order,

    {"row", "seconds": [one per repeat], "firstCallSeconds", "output", "shape", "outputDtype",
     "indices"?, "indicesShape"?, "threads", "keops": version}     or     {"row", "error": text}

The result is written to `output`, little-endian: in the job's dtype, or as int32 where the
reduction yields indices; a second result (Min_ArgMin and its like) goes to `output` + ".indices"
as int32. `seconds` are wall times of full calls. `firstCallSeconds` is one call on at most four
rows of the same inputs before them: code generation and the C++ build are in it and nowhere else.
It is a build only if the formula is not yet in KeOps' disk cache: start the worker with
KEOPS_CACHE_FOLDER set to a fresh folder to measure builds.

The number of threads cannot change once OpenMP runs, so the parent starts the worker with
OMP_NUM_THREADS set; a job that asks for another number is an error. Where pykeops is missing the
worker says so in one line, {"error": text}, and ends with status 0. Nothing else is ever written
to stdout: file descriptor 1 is turned to stderr, for KeOps and its compiler print there.
"""

import json
import os
import sys
import time

TINY_ROWS = 4


def claim_stdout():
    """The protocol's stream; from here on anything printed goes to stderr."""
    protocol = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return protocol


def answer(protocol, message):
    protocol.write(json.dumps(message) + "\n")
    protocol.flush()


def read_inputs(np, job):
    dtype = np.dtype({"float32": "<f4", "float64": "<f8"}[job["dtype"]])
    arrays = []
    for entry in job["inputs"]:
        array = np.fromfile(entry["path"], dtype=dtype)
        expected = entry["rows"] * entry["dim"]
        if array.size != expected:
            raise ValueError(f"{entry['path']}: got {array.size} numbers, expected {expected}")
        parameter = entry["category"] == "Pm"
        arrays.append(array if parameter else array.reshape(entry["rows"], entry["dim"]))
    return arrays


def write_array(np, array, path):
    """Writes little-endian numbers, indices as int32. Returns the name of their type."""
    if array.dtype.kind == "i":
        array = array.astype("<i4")
    else:
        array = array.astype(array.dtype.newbyteorder("<"), copy=False)
    np.ascontiguousarray(array).tofile(path)
    return array.dtype.name


def run_job(np, pykeops, genred, job):
    threads = os.environ.get("OMP_NUM_THREADS")
    if threads != str(job["threads"]):
        raise ValueError(
            f"job wants {job['threads']} threads, worker runs with OMP_NUM_THREADS={threads}"
        )
    arrays = read_inputs(np, job)
    tiny = [a if a.ndim == 1 else np.ascontiguousarray(a[:TINY_ROWS]) for a in arrays]
    backend = job.get("backend", "CPU")

    start = time.perf_counter()
    routine = genred(
        job["formula"],
        list(job["aliases"]),  # Genred appends to the list that it is given
        reduction_op=job["reduction"],
        axis=job["axis"],
        opt_arg=job.get("k"),
        formula2=job.get("weight"),
    )
    routine(*tiny, backend=backend)
    first_call = time.perf_counter() - start

    seconds = []
    for _ in range(max(1, job["repeats"])):
        start = time.perf_counter()
        result = routine(*arrays, backend=backend)
        seconds.append(time.perf_counter() - start)

    values, *rest = result if isinstance(result, tuple) else (result,)
    message = {
        "row": job["row"],
        "seconds": seconds,
        "firstCallSeconds": first_call,
        "output": job["output"],
        "shape": list(values.shape),
        "outputDtype": write_array(np, values, job["output"]),
        "threads": job["threads"],
        "keops": pykeops.__version__,
    }
    if rest:
        message["indices"] = job["output"] + ".indices"
        message["indicesShape"] = list(rest[0].shape)
        write_array(np, rest[0], message["indices"])
    return message


def main():
    protocol = claim_stdout()
    try:
        import numpy as np
        import pykeops
        from pykeops.numpy import Genred
    except Exception as error:  # a broken install raises more than ImportError
        answer(protocol, {"error": f"pykeops: {type(error).__name__}: {error}"})
        return
    pykeops.set_verbose(False)

    for line in sys.stdin:
        if not line.strip():
            continue
        row = None
        try:
            job = json.loads(line)
            row = job["row"]
            answer(protocol, run_job(np, pykeops, Genred, job))
        except Exception as error:
            answer(protocol, {"row": row, "error": f"{type(error).__name__}: {error}"})


if __name__ == "__main__":
    main()
