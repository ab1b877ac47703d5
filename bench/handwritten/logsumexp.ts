// log Σ_j exp(−s|x_i − y_j|²). Everything is kept in powers of two: the exponent of a term relative
// to the shift m is one fused operation, z = −s·log₂e·q − m, and the sum needs one exponential per
// pair. The shift follows the largest exponent only when a term exceeds it by LIMIT; the test is
// one comparison with the largest z of all row vectors, the branch is taken once per row or so.
