"""Values and gradients of whole energies in PyTorch, dense, on inputs that gradients.ts has written.

Enters: one argument, the path of a JSON file,

    {"energy": "sinkhorn" | "likelihood" | "lddmm", "dtype": "float32" | "float64",
     "inputs": {name: path of a .npy file, ...}, "by": [names], "settings": {name: number},
     "threads": 2, "repeats": 3, "folder": where results go}

Leaves: gradients by each of `by` as folder/name.npy, and one line of JSON on stdout,

    {"value", "seconds": [one per repeat, of value and gradient], "torch": version}

or {"error": text} with status 0 where torch or numpy is missing. Inputs are converted to `dtype`.
The energies are written from their definitions, with nothing in common with energies.ts.
"""

import json
import math
import sys
import time


def sq_dist(x, y):
    return ((x[:, None, :] - y[None, :, :]) ** 2).sum(-1)


def sinkhorn(torch, inputs, settings):
    """Debiased entropic transport, cost |x - y|^2 / 2, by damped symmetric steps, unrolled."""
    eps = settings["epsilon"]

    def transport(x, a, y, b):
        cost = sq_dist(x, y) / 2
        f, g = torch.zeros_like(a), torch.zeros_like(b)
        for _ in range(int(settings["steps"])):
            forth = -eps * torch.logsumexp((g[None, :] - cost) / eps + torch.log(b)[None, :], 1)
            back = -eps * torch.logsumexp((f[:, None] - cost) / eps + torch.log(a)[:, None], 0)
            f, g = (f + forth) / 2, (g + back) / 2
        return (a * f).sum() + (b * g).sum()

    x, y = inputs["x"], inputs["y"]
    a, b = inputs["a"].reshape(-1), inputs["b"].reshape(-1)
    return transport(x, a, y, b) - (transport(x, a, x, a) + transport(y, b, y, b)) / 2


def likelihood(torch, inputs, settings):
    """-log N(y; 0, amplitude^2 exp(-|x - x'|^2 / 2 scale^2) + noise^2), by Cholesky."""
    x, y = inputs["x"], inputs["y"]
    scale, amplitude, noise = torch.exp(inputs["theta"])
    n = y.shape[0]
    matrix = amplitude**2 * torch.exp(-sq_dist(x, x) / (2 * scale**2))
    matrix = matrix + noise**2 * torch.eye(n, dtype=y.dtype)
    factor = torch.linalg.cholesky(matrix)
    white = torch.linalg.solve_triangular(factor, y[:, None], upper=False)
    half_log = torch.log(torch.diagonal(factor)).sum()
    return (white**2).sum() / 2 + half_log + n * math.log(2 * math.pi) / 2


def lddmm(torch, inputs, settings):
    """Energy of a geodesic, and the distance of its end to a target; midpoint rule."""
    target = inputs["target"]
    q, p = inputs["q"], inputs["p"]

    def kernel(x, y, scale):
        return torch.exp(-sq_dist(x, y) / (2 * scale**2))

    def velocities(q, p):
        """dH/dp and -dH/dq of H = 1/2 sum k(q_i, q_j) <p_i, p_j>, written out."""
        matrix = kernel(q, q, settings["sigma"])
        pull = matrix * (p @ p.T) / settings["sigma"] ** 2
        return matrix @ p, pull.sum(1)[:, None] * q - pull @ q

    start = (p * velocities(q, p)[0]).sum() / 2
    steps = int(settings["steps"])
    for _ in range(steps):
        dq, dp = velocities(q, p)
        dq, dp = velocities(q + dq / (2 * steps), p + dp / (2 * steps))
        q, p = q + dq / steps, p + dp / steps
    width = settings["width"]
    apart = (
        kernel(q, q, width).mean()
        + kernel(target, target, width).mean()
        - 2 * kernel(q, target, width).mean()
    )
    return start + settings["weight"] * apart


def main():
    try:
        import numpy as np
        import torch
    except Exception as error:  # a broken install raises more than ImportError
        print(json.dumps({"error": f"torch: {type(error).__name__}: {error}"}))
        return
    with open(sys.argv[1], encoding="utf-8") as file:
        job = json.load(file)
    torch.set_num_threads(job["threads"])
    dtype = {"float32": torch.float32, "float64": torch.float64}[job["dtype"]]
    energy = {"sinkhorn": sinkhorn, "likelihood": likelihood, "lddmm": lddmm}[job["energy"]]

    seconds = []
    for _ in range(1 + job["repeats"]):
        inputs = {
            name: torch.from_numpy(np.load(path)).to(dtype).requires_grad_(name in job["by"])
            for name, path in job["inputs"].items()
        }
        start = time.perf_counter()
        value = energy(torch, inputs, job["settings"])
        value.backward()
        seconds.append(time.perf_counter() - start)
    for name in job["by"]:
        np.save(f"{job['folder']}/{name}.npy", inputs[name].grad.numpy())
    print(json.dumps({"value": value.item(), "seconds": seconds[1:], "torch": torch.__version__}))


if __name__ == "__main__":
    main()
