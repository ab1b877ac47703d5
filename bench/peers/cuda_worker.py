"""Times KeOps and dense PyTorch on a card, on inputs that a Deno script has written to files.

    python cuda_worker.py keops|torch

Enters, on stdin: one JSON object per line, one job each,

    {"kind": "gaussian" | "gradient" | "logsumexp" | "argmin" | "neighbours" | "attention", "k"?: K,
     "formula", "weight"? (the second one), "reduction", "aliases": KeOps' words,
     "dtype": "float32" | "float64",
     "inputs": [{"path", "rows", "dim", "category"}, ...] of G, X, Y, B in position order,
     "repeats": most calls, "limit": seconds after which no further call begins,
     "output": path for the first rows of the result, "sample": how many}

Leaves, on stdout: one JSON object per line, one per job,

    {"seconds": [one per call], "first": seconds, "version"}   or   {"error"}   or   {"missing"}

Inputs are on the card before the clock starts, which stops when the result is on the host. `first` is
the first call (KeOps builds its code in it). The dense product runs in blocks of rows that fit into a
quarter of the free memory. Nothing else is ever written to stdout.
"""

import json
import os
import sys
import time


def open_keops(torch):
    import pykeops
    from pykeops.torch import Genred

    pykeops.set_verbose(False)

    def prepare(job, inputs):
        routine = Genred(
            job["formula"],
            list(job["aliases"]),
            reduction_op=job["reduction"],
            axis=1,
            opt_arg=job.get("k"),
            formula2=job.get("weight"),
        )
        return lambda: routine(*inputs, backend="GPU")

    return prepare, pykeops.__version__


def open_torch(torch):
    def blocks(x, y):
        free, _ = torch.cuda.mem_get_info()
        step = max(1, int(free / 4 / (y.shape[0] * x.element_size())))
        return [x[k : k + step] for k in range(0, x.shape[0], step)]

    def prepare(job, inputs):
        g, x, y, b = inputs
        kind = job["kind"]

        def block(part):
            if kind == "attention":
                return (part @ y.T).mul_(g).softmax(1) @ b
            q = torch.cdist(part, y).square_()
            if kind == "argmin":
                return q.argmin(1, keepdim=True)
            if kind == "neighbours":
                return q.topk(job["k"], dim=1, largest=False).indices
            q.mul_(-g)
            if kind == "logsumexp":
                return torch.logsumexp(q, 1, keepdim=True)
            q.exp_()
            if kind == "gaussian":
                return q @ b
            q *= b[:, 0]
            return q.sum(1, keepdim=True) * part - q @ y

        return lambda: torch.cat([block(part) for part in blocks(x, y)])

    return prepare, torch.__version__


def run(np, torch, prepare, version, job):
    dtype = np.dtype({"float32": "<f4", "float64": "<f8"}[job["dtype"]])
    inputs = []
    for entry in job["inputs"]:
        array = np.fromfile(entry["path"], dtype=dtype)
        shape = (-1,) if entry["category"] == "Pm" else (entry["rows"], entry["dim"])
        inputs.append(torch.from_numpy(array.reshape(shape)).cuda())
    call = prepare(job, inputs)

    def timed():
        torch.cuda.synchronize()
        start = time.perf_counter()
        result = call().cpu()
        return time.perf_counter() - start, result

    first, result = timed()
    seconds, begun = [], time.perf_counter()
    while len(seconds) < job["repeats"]:
        seconds.append(timed()[0])
        if time.perf_counter() - begun > job["limit"]:
            break
    sample = result.reshape(result.shape[0], -1)[: job["sample"]].numpy().astype("<f8")
    np.ascontiguousarray(sample).tofile(job["output"])
    return {"seconds": seconds, "first": first, "version": version}


def main():
    protocol = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def answer(message):
        protocol.write(json.dumps(message) + "\n")
        protocol.flush()

    missing, tools = None, None
    try:
        import numpy as np
        import torch

        if not torch.cuda.is_available():
            missing = "PyTorch sees no card"
        else:
            tools = {"keops": open_keops, "torch": open_torch}[sys.argv[1]](torch)
    except Exception as error:  # a broken install raises more than ImportError
        missing = f"{type(error).__name__}: {error}"
    for line in sys.stdin:
        if not line.strip():
            continue
        if missing is not None:
            answer({"missing": missing})
            continue
        try:
            answer(run(np, torch, *tools, json.loads(line)))
        except Exception as error:
            answer({"error": f"{type(error).__name__}: {error}"})


if __name__ == "__main__":
    main()
