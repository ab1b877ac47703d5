// What every generated source begins with: types of vectors, and functions around instructions that
// C has no name for. One text for every instruction set: the compiler's macros say which there is.
// Headers are not included: those of intrinsics take three times as long as the rest (gcc 12).

import type { FloatType } from "../../loop/mod.ts";

/** Words that generated code may not use for its own variables. */
export const PRELUDE_NAMES: readonly string[] = [
  ...["scalar", "integer", "word", "vf", "vi", "vu", "wf", "hf", "nf", "vl", "LANES"],
  ...[
    "splat",
    "splat_i",
    "splat_w",
    "madd",
    "nmadd",
    "madd_w",
    "nmadd_w",
    "root",
    "root_w",
    "inverse_root",
    "down",
  ],
  ...["pmin", "pmax", "magnitude", "magnitude_i", "magnitude_w", "choose", "choose_i", "to_float"],
  ...["promote", "demote", "any", "all", "failing", "gather", "gather_i", "scatter", "scatter_i"],
  ...["pmin_w", "pmax_w", "down_w", "iota", "aligned", "vs", "pmin_i", "dot16"],
];

/** Instructions per type: the letter that x86 has for it. */
const TYPES = {
  f32: { scalar: "float", integer: "int", letter: "s", suffix: "f", test: "d", neon: "4sf" },
  f64: { scalar: "double", integer: "long long", letter: "d", suffix: "", test: "q", neon: "2df" },
} as const;

/** Texts by type and bytes of vectors: a source is half head. */
const heads = new Map<string, string>();

/** The head of a source for vectors of so many bytes. */
export function preludeOf(float: FloatType, vectorBytes: number): string {
  const key = `${float}:${vectorBytes}`;
  let text = heads.get(key);
  if (text === undefined) heads.set(key, text = headText(float, vectorBytes));
  return text;
}

function headText(float: FloatType, vectorBytes: number): string {
  const { scalar, integer, letter, suffix, test } = TYPES[float];
  const p = `p${letter}`;
  const wide = vectorBytes === 64 ? "512" : vectorBytes === 32 ? "256" : "";
  const isa = vectorBytes === 64 ? "__AVX512F__" : vectorBytes === 32 ? "__AVX__" : "__SSE2__";
  const root = vectorBytes === 64
    ? `__builtin_ia32_sqrt${p}512_mask(x, x, -1, 4)`
    : `__builtin_ia32_sqrt${p}${wide}(x)`;
  const rounds = vectorBytes === 64 ? "__AVX512F__" : vectorBytes === 32 ? "__AVX__" : "__SSE4_1__";
  const down = vectorBytes === 64
    ? `__builtin_ia32_rndscale${p}_mask(x, 9, x, -1, 4)`
    : `__builtin_ia32_round${p}${wide}(x, 9)`;
  const bits = vectorBytes === 64
    ? `__builtin_ia32_ptestm${test}512(m, m, -1)`
    : `__builtin_ia32_movmsk${p}${wide}((vf)m)`;
  // the second operand wins unless the first is less (greater): also where one is NaN
  const extremum = (which: "min" | "max"): string =>
    vectorBytes === 64
      ? `__builtin_ia32_${which}${p}512_mask(b, a, a, -1, 4)`
      : `__builtin_ia32_${which}${p}${wide}(b, a)`;
  const builtin = (call: string): string => /^\w+/.exec(call)?.[0] ?? "";
  const lanes = vectorBytes / (float === "f32" ? 4 : 8);
  const all = 2 ** lanes - 1;
  return `#ifndef __has_builtin
#define __has_builtin(x) 0
#endif
#define INLINE static inline __attribute__((always_inline))
#define APART static __attribute__((noinline, noclone))
#if defined(__GNUC__) && !defined(__clang__)
#define COLD __attribute__((optimize("O0")))
#else
#define COLD
#endif
typedef ${scalar} scalar;
typedef ${integer} integer;
typedef ${integer} __attribute__((may_alias)) integer_a;
typedef long long word;
enum { LANES = ${lanes} };
typedef scalar vf __attribute__((vector_size(${vectorBytes})));
typedef integer vi __attribute__((vector_size(${vectorBytes})));
typedef unsigned ${integer} vu __attribute__((vector_size(${vectorBytes})));
typedef union { vi v; long long h[${vectorBytes / 8}]; } vl;

INLINE vf splat(scalar x) { return x - (vf){0}; }
INLINE vi splat_i(integer x) { return x - (vi){0}; }

${
    fusedText("madd", "vf", float, vectorBytes)
  }INLINE vf nmadd(vf a, vf b, vf c) { return madd(-a, b, c); }

#if !defined(PLAIN) && __has_builtin(__builtin_elementwise_sqrt)
INLINE vf root(vf x) { return __builtin_elementwise_sqrt(x); }
#elif !defined(PLAIN) && defined(${isa}) && __has_builtin(${builtin(root)})
INLINE vf root(vf x) { return ${root}; }
#else
INLINE vf root(vf x) {
  for (int k = 0; k < LANES; ++k) x[k] = __builtin_sqrt${suffix}(x[k]);
  return x;
}
#endif

#if !defined(PLAIN) && __has_builtin(__builtin_elementwise_floor)
INLINE vf down(vf x) { return __builtin_elementwise_floor(x); }
#elif !defined(PLAIN) && defined(${rounds}) && __has_builtin(${builtin(down)})
INLINE vf down(vf x) { return ${down}; }
#else
INLINE vf down(vf x) {
  for (int k = 0; k < LANES; ++k) x[k] = __builtin_floor${suffix}(x[k]);
  return x;
}
#endif

// a sum of disjoint bits, which gcc 12 makes one blend of; of an "or" it makes two exclusive ones
INLINE vf choose(vi m, vf a, vf b) { return (vf)((m & (vi)a) + (~m & (vi)b)); }
INLINE vi choose_i(vi m, vi a, vi b) { return (m & a) + (~m & b); }
${inverseRootText(float, vectorBytes)}
#if !defined(PLAIN) && defined(${isa}) && __has_builtin(${builtin(extremum("min"))})
INLINE vf pmin(vf a, vf b) { return ${extremum("min")}; }
INLINE vf pmax(vf a, vf b) { return ${extremum("max")}; }
#else
INLINE vf pmin(vf a, vf b) { return choose((vi)(b < a), b, a); }
INLINE vf pmax(vf a, vf b) { return choose((vi)(a < b), b, a); }
#endif
INLINE vf magnitude(vf x) { return (vf)((vi)x & (integer)((unsigned ${integer})-1 >> 1)); }
INLINE vi magnitude_i(vi x) { return choose_i(x < 0, -x, x); }
INLINE vi iota(void) { vi r; for (int k = 0; k < LANES; ++k) r[k] = k; return r; }

// one bit per lane whose mask holds
#if !defined(PLAIN) && defined(${isa}) && __has_builtin(${builtin(bits)})
INLINE unsigned holding(vi m) { return (unsigned)${bits}; }
INLINE int any(vi m) { return holding(m) != 0; }
INLINE int all(vi m) { return holding(m) == ${all}u; }
#else
INLINE unsigned holding(vi m) {
  unsigned bits = 0;
  for (int k = 0; k < LANES; ++k) bits |= (unsigned)(m[k] & 1) << k;
  return bits;
}
INLINE int any(vi m) {
  const vl u = {m};
  long long r = u.h[0];
  for (int k = 1; k < ${vectorBytes / 8}; ++k) r |= u.h[k];
  return r != 0;
}
INLINE int all(vi m) { return !any(~m); }
#endif

${float === "f32" ? wideText(vectorBytes) : MAGIC}
// element 0 of so many rows
APART vf gather(const scalar* from, const word* rows, word dim) {
  vf r;
  for (int k = 0; k < LANES; ++k) r[k] = from[rows[k] * dim];
  return r;
}
APART vi gather_i(const int* from, const word* rows, word dim) {
  vi r;
  for (int k = 0; k < LANES; ++k) r[k] = from[rows[k] * dim];
  return r;
}
// the first lanes to rows that follow one another
APART void scatter(scalar* to, word dim, word lanes, vf x) {
  scalar e[LANES];
  __builtin_memcpy(e, &x, sizeof e);
  if (lanes > LANES) lanes = LANES;
  for (word k = 0; k < lanes; ++k) to[k * dim] = e[k];
}
APART void scatter_i(int* to, word dim, word lanes, vi x) {
  integer e[LANES];
  __builtin_memcpy(e, &x, sizeof e);
  if (lanes > LANES) lanes = LANES;
  for (word k = 0; k < lanes; ++k) to[k * dim] = (int)e[k];
}
INLINE char* aligned(void* p) { return (char*)(((word)p + 127) & ~127ll); }
`;
}

/**
 * 1 / √x within 1 ulp. AVX-512 has an estimate of 14 bits, which Newton's step doubles: without the
 * divider, which square root and quotient take one after the other. The estimate is the result
 * where the step is NaN: at 0, infinity and NaN.
 */
function inverseRootText(float: FloatType, vectorBytes: number): string {
  const exact = "INLINE vf inverse_root(vf x) { return 1 / root(x); }";
  const estimate = `__builtin_ia32_rsqrt14p${TYPES[float].letter}${8 * vectorBytes}_mask`;
  const isa = vectorBytes === 64 ? "__AVX512F__" : "__AVX512VL__";
  // float64 takes a step of third order first: 14, 40, 80 bits
  const refined = float === "f32" ? "estimate" : "third_order_step(x, estimate)";
  return `#if !defined(PLAIN) && defined(${isa}) && __has_builtin(${estimate})
INLINE vf third_order_step(vf x, vf r) {
  const vf e = nmadd(x * r, r, splat(1));
  return madd(r * e, madd(splat((scalar)0.375), e, splat((scalar)0.5)), r);
}
INLINE vf inverse_root(vf x) {
  const vf estimate = ${estimate}(x, x, -1);
  const vf r = ${refined};
  const vf e = nmadd(x * r, r, splat(1));
  const vf y = madd(splat((scalar)0.5) * r, e, r);
  return choose((vi)(e == e), y, estimate);
}
#else
${exact}
#endif`;
}

/** A fused product and sum, where the target has it; else a product and a sum. */
function fusedText(name: string, type: string, float: FloatType, vectorBytes: number): string {
  const { letter, suffix, neon } = TYPES[float];
  const head = `INLINE ${type} ${name}(${type} a, ${type} b, ${type} c)`;
  const x86 = vectorBytes === 64
    ? `__builtin_ia32_vfmaddp${letter}512_mask`
    : `__builtin_ia32_vfmaddp${letter}${vectorBytes === 32 ? "256" : ""}`;
  const call = vectorBytes === 64 ? `${x86}(a, b, c, -1, 4)` : `${x86}(a, b, c)`;
  const arm = `__builtin_aarch64_fmav${neon}`;
  const isArm = vectorBytes === 16 ? "defined(__aarch64__)" : "0";
  const lanes = float === "f32" ? vectorBytes / 4 : vectorBytes / 8;
  return `#if !defined(PLAIN) && __has_builtin(__builtin_elementwise_fma)
${head} { return __builtin_elementwise_fma(a, b, c); }
#elif !defined(PLAIN) && defined(${
    vectorBytes === 64 ? "__AVX512F__" : "__FMA__"
  }) && __has_builtin(${x86})
${head} { return ${call}; }
#elif !defined(PLAIN) && ${isArm} && __has_builtin(${arm})
${head} { return ${arm}(a, b, c); }
#elif defined(__FP_FAST_FMA${suffix.toUpperCase()}) || defined(__aarch64__)
${head} {
  for (int k = 0; k < ${lanes}; ++k) c[k] = __builtin_fma${suffix}(a[k], b[k], c[k]);
  return c;
}
#else
${head} { return a * b + c; }
#endif
`;
}

/** 64-bit integers to floats, where few instruction sets can: by the bits of 1.5 · 2^52. */
const MAGIC = `INLINE vf to_float(vi x) {
  const double magic = 6755399441055744.0;
  return (vf)(x + (vi)splat(magic)) - magic;
}
`;

/** float64 in float32 kernels: vectors of twice the bytes, taken by halves. */
function wideText(vectorBytes: number): string {
  return `typedef double wf __attribute__((vector_size(${2 * vectorBytes})));
typedef double hf __attribute__((vector_size(${vectorBytes})));
typedef float nf __attribute__((vector_size(${vectorBytes / 2})));
typedef union { wf w; hf h[2]; } wide_halves;
typedef union { vf v; nf h[2]; } narrow_halves;
INLINE vf to_float(vi x) { return __builtin_convertvector(x, vf); }
INLINE wf splat_w(double x) { return x - (wf){0}; }
INLINE wf promote(vf x) {
  const narrow_halves n = {x};
  wide_halves w;
  for (int k = 0; k < 2; ++k) w.h[k] = __builtin_convertvector(n.h[k], hf);
  return w.w;
}
INLINE vf demote(wf x) {
  const wide_halves w = {x};
  narrow_halves n;
  for (int k = 0; k < 2; ++k) n.h[k] = __builtin_convertvector(w.h[k], nf);
  return n.v;
}
${fusedText("madd_h", "hf", "f64", vectorBytes)}INLINE wf madd_w(wf a, wf b, wf c) {
  const wide_halves x = {a}, y = {b}, z = {c};
  wide_halves w;
  for (int k = 0; k < 2; ++k) w.h[k] = madd_h(x.h[k], y.h[k], z.h[k]);
  return w.w;
}
INLINE wf nmadd_w(wf a, wf b, wf c) { return madd_w(-a, b, c); }
INLINE wf magnitude_w(wf x) {
  typedef long long wl __attribute__((vector_size(${2 * vectorBytes})));
  return (wf)((wl)x & 0x7fffffffffffffffll);
}
INLINE wf root_w(wf x) {
  for (int k = 0; k < LANES; ++k) x[k] = __builtin_sqrt(x[k]);
  return x;
}
`;
}

/** Integers of 16 bits in pairs, and the least of integers of 32: for kernels that have keys. */
export function shortsText(vectorBytes: number): string {
  const wide = vectorBytes === 64 ? "512" : vectorBytes === 32 ? "256" : "128";
  const isa = vectorBytes === 64 ? "__AVX512BW__" : vectorBytes === 32 ? "__AVX2__" : "__SSE4_1__";
  const [dot, least] = [`__builtin_ia32_pmaddwd${wide}`, `__builtin_ia32_pminsd${wide}`];
  return `typedef short vs __attribute__((vector_size(${vectorBytes})));
#if !defined(PLAIN) && __has_builtin(__builtin_elementwise_min)
INLINE vi pmin_i(vi a, vi b) { return __builtin_elementwise_min(a, b); }
#elif !defined(PLAIN) && defined(${isa}) && __has_builtin(${least}_mask)
INLINE vi pmin_i(vi a, vi b) { return ${least}_mask(a, b, a, -1); }
#elif !defined(PLAIN) && defined(${isa}) && __has_builtin(${least})
INLINE vi pmin_i(vi a, vi b) { return ${least}(a, b); }
#else
INLINE vi pmin_i(vi a, vi b) { return choose_i(b < a, b, a); }
#endif
#if !defined(PLAIN) && defined(${isa}) && __has_builtin(${dot}_mask)
INLINE vi dot16(vi a, vi b) { return ${dot}_mask((vs)a, (vs)b, a, -1); }
#elif !defined(PLAIN) && defined(${isa}) && __has_builtin(${dot})
INLINE vi dot16(vi a, vi b) { return ${dot}((vs)a, (vs)b); }
#else
INLINE vi dot16(vi a, vi b) {
  const vi x = (vi)((vu)a << 16) >> 16, y = (vi)((vu)b << 16) >> 16;
  return x * y + (a >> 16) * (b >> 16);
}
#endif
`;
}
