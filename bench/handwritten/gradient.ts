// The gradient of the Gaussian sum with respect to x: Σ_j −2s exp(−s|x_i − y_j|²) b_j (x_i − y_j),
// three sums per row.
