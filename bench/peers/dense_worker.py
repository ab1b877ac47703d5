"""Times what people have without KeOps: PyTorch and NumPy on dense blocks, scipy's and scikit-learn's
exact neighbours, on inputs that a Deno script has written to files.

    python dense_worker.py torch|numpy|scikit-learn|scipy

Enters, on stdin: one JSON object per line, one job each,

    {"operation": "gaussian" | "neighbours", "rows": M, "columns": N, "dim": D, "weights": width of b,
     "k": K, "scale": s, "dtype": "float32" | "float64", "threads": 2,
     "x": path of M * D numbers, "y": N * D, "b": N * weights, "output": path to write}

gaussian is sum_j exp(-s |x_i - y_j|^2) b_j, with the squared distances from a matrix product, in
blocks of rows that fit into a cache of some 256 MiB; neighbours are the indices of the K nearest y.

Leaves, on stdout: one JSON object per line, one per job,

    {"seconds", "version"}     or     {"error": text}     or     {"missing": text}

"missing" says that no job will work: the library is not there, or has no such operation. Results are
written to `output`: numbers in the job's dtype, indices as int32. The parent sets OMP_NUM_THREADS and
OPENBLAS_NUM_THREADS. Nothing else is ever written to stdout.
"""

import json
import os
import sys
import time

BLOCK = 1 << 26


class Missing(Exception):
    """The library cannot do what the job asks for."""


def row_blocks(job):
    step = max(1, BLOCK // job["columns"])
    for start in range(0, job["rows"], step):
        yield start, min(job["rows"], start + step)


class Numpy:
    def __init__(self, np, threads):
        self.np, self.version = np, np.__version__

    def gaussian(self, job, x, y, b):
        np, scale = self.np, x.dtype.type(job["scale"])
        x2, y2 = (x * x).sum(1), (y * y).sum(1)
        result = np.empty((len(x), b.shape[1]), x.dtype)
        for start, end in row_blocks(job):
            q = x[start:end] @ y.T
            q *= -2
            q += x2[start:end, None]
            q += y2
            np.maximum(q, 0, out=q)
            q *= -scale
            np.exp(q, out=q)
            np.matmul(q, b, out=result[start:end])
        return result

    def neighbours(self, job, x, y, b):
        np = self.np
        x2, y2 = (x * x).sum(1), (y * y).sum(1)
        result = np.empty((len(x), job["k"]), np.int32)
        for start, end in row_blocks(job):
            q = x[start:end] @ y.T
            q *= -2
            q += x2[start:end, None]
            q += y2
            near = np.argpartition(q, min(job["k"], len(y) - 1), axis=1)[:, : job["k"]]
            order = np.argsort(np.take_along_axis(q, near, 1), axis=1)
            result[start:end] = np.take_along_axis(near, order, 1)
        return result


class Torch:
    def __init__(self, np, threads):
        import torch

        torch.set_num_threads(threads)
        torch.set_grad_enabled(False)
        self.torch, self.version = torch, torch.__version__

    def _squares(self, x, y, start, end, x2, y2):
        q = self.torch.addmm(y2[None, :], x[start:end], y.T, alpha=-2)
        q += x2[start:end, None]
        return q.clamp_(min=0)

    def gaussian(self, job, x, y, b):
        x, y, b = map(self.torch.from_numpy, (x, y, b))
        x2, y2 = (x * x).sum(1), (y * y).sum(1)
        result = self.torch.empty((len(x), b.shape[1]), dtype=x.dtype)
        for start, end in row_blocks(job):
            q = self._squares(x, y, start, end, x2, y2).mul_(-job["scale"]).exp_()
            self.torch.mm(q, b, out=result[start:end])
        return result.numpy()

    def neighbours(self, job, x, y, b):
        x, y = map(self.torch.from_numpy, (x, y))
        x2, y2 = (x * x).sum(1), (y * y).sum(1)
        blocks = [
            self._squares(x, y, start, end, x2, y2).topk(job["k"], largest=False)[1].int()
            for start, end in row_blocks(job)
        ]
        return self.torch.cat(blocks).numpy()


class Scipy:
    def __init__(self, np, threads):
        import scipy
        from scipy.spatial import cKDTree

        self.tree, self.threads, self.version = cKDTree, threads, scipy.__version__

    def neighbours(self, job, x, y, b):
        return self.tree(y).query(x, job["k"], workers=self.threads)[1].reshape(len(x), -1)


class ScikitLearn:
    def __init__(self, np, threads):
        import sklearn
        from sklearn.neighbors import NearestNeighbors

        self.model, self.threads, self.version = NearestNeighbors, threads, sklearn.__version__

    def neighbours(self, job, x, y, b):
        model = self.model(n_neighbors=job["k"], algorithm="brute", n_jobs=self.threads)
        return model.fit(y).kneighbors(x, return_distance=False)


LIBRARIES = {"torch": Torch, "numpy": Numpy, "scipy": Scipy, "scikit-learn": ScikitLearn}


def main():
    protocol = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    name, library, known = sys.argv[1], None, {}

    def read(np, job, key, columns):
        path = job[key]
        if path not in known:
            if len(known) > 8:
                known.clear()
            known[path] = np.fromfile(path, dtype=job["dtype"]).reshape(-1, columns)
        return known[path]

    for line in sys.stdin:
        try:
            job = json.loads(line)
            if library is None:
                import numpy as np

                library = LIBRARIES[name](np, job["threads"])
            operation = getattr(library, job["operation"], None)
            if operation is None:
                raise Missing(f"{name} has no {job['operation']}")
            arrays = [read(np, job, *of) for of in
                      (("x", job["dim"]), ("y", job["dim"]), ("b", job["weights"]))]
            start = time.perf_counter()
            result = operation(job, *arrays)
            seconds = time.perf_counter() - start
            if result.dtype.kind == "i":
                result = result.astype("<i4")
            result.tofile(job["output"])
            message = {"seconds": seconds, "version": library.version}
        except (ImportError, Missing) as error:
            message = {"missing": str(error).splitlines()[0]}
        except Exception as error:
            message = {"error": f"{type(error).__name__}: {error}".splitlines()[0]}
        protocol.write(json.dumps(message) + "\n")
        protocol.flush()


if __name__ == "__main__":
    main()
