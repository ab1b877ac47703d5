// The functions that the engine calls: threads claim items of a list until there are none. They do
// little themselves and are compiled without optimisation (COLD), in a third of the time.

import { CALL, CONTROL } from "./layout.ts";

/** Names of the functions that libraries export, by what these are for. */
export const ENTRIES = { fold: "pf_run", mirror: "pf_mirror", combine: "pf_combine" } as const;

/**
 * Options of the compiler, beside the machine's and how hard it tries. Products and sums are fused
 * where the loop IR says so and nowhere else, so that every schedule gives the same bits.
 */
export const OPTIONS = [
  ...["-std=gnu11", "-shared", "-fPIC", "-w"],
  ...["-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math", "-fwrapv"],
] as const;

/**
 * How hard the compiler tries: never a bit of the result. The loops come unrolled and ordered as
 * they should run, so that of what -O2 has beyond -O1 only the order of instructions and of blocks
 * counts: a quarter less time to compile for the same speed (14 rows, gcc 12, Zen 4, 2026-11-23).
 * Lists of candidates are branches and loops: 50-smallest is a tenth faster with all of -O2.
 * Constants are propagated already; where gcc does so, vectors wider than the machine's (float64
 * beside float32) become scalars in memory: sums of sines take four times as long. Other passes
 * that find nothing here are a tenth of what compiling takes; without them loops in float64 get
 * registers that cost 2 %.
 */
const SOME = [
  ...["-O1", "-fschedule-insns2", "-fno-tree-ccp"],
  ...["-freorder-blocks-and-partition", "-freorder-blocks-algorithm=stc"],
] as const;
export const EFFORTS = {
  quick: [
    ...SOME,
    ...["-fno-tree-dominator-opts", "-fno-tree-pta"],
    ...["-fno-dse", "-fno-dce", "-fno-ipa-pure-const", "-fno-ipa-reference", "-fno-ipa-profile"],
  ],
  some: SOME,
  thorough: ["-O2"],
} as const satisfies Record<string, readonly string[]>;

export type Effort = keyof typeof EFFORTS;

const claimed = (counter: number): string =>
  `__atomic_fetch_add(&control[${counter}], 1, __ATOMIC_RELAXED)`;
const ABORTED = `__atomic_load_n(&control[${CONTROL.abort}], __ATOMIC_RELAXED)`;
const done = (counter: number): string =>
  `__atomic_fetch_add(&control[${counter}], 1, __ATOMIC_RELEASE);`;

/** Packs columns first; no thread goes on before all are packed. */
export const PACK_FIRST = (taskWords: number, itemWords: number): readonly string[] => [
  `for (int k; (k = ${claimed(CONTROL.nextPack)}) < packCount;) {`,
  `  const double* item = packs + (word)k * ${itemWords};`,
  `  if (!${ABORTED})`,
  `    pack(tasks + (word)item[0] * ${taskWords}, (word)item[1], (word)item[2], (word)item[3],`,
  `         scratch);`,
  `  ${done(CONTROL.donePack)}`,
  "}",
  `while (__atomic_load_n(&control[${CONTROL.donePack}], __ATOMIC_ACQUIRE) < packCount) {`,
  "#if defined(__x86_64__) || defined(__i386__)",
  "  __builtin_ia32_pause();",
  "#endif",
  "}",
];

/** A function that runs items: `body` does one, `before` comes first. */
export function claimLoop(
  kind: keyof typeof ENTRIES,
  before: readonly string[],
  taskWords: number,
  itemWords: number,
  body: readonly string[],
): string[] {
  const word = (at: keyof typeof CALL): string => `(word)call[${CALL[at]}]`;
  const isPacking = before.length > 0;
  return [
    "#if defined(_WIN32)",
    "__declspec(dllexport)",
    "#endif",
    `COLD void ${ENTRIES[kind]}(const double* call) {`,
    `  const double* const tasks = (const double*)${word("tasks")};`,
    ...isPacking
      ? [
        `  const double* const packs = (const double*)${word("packs")};`,
        `  const int packCount = (int)call[${CALL.packCount}];`,
      ]
      : [],
    `  const double* const items = (const double*)${word("items")};`,
    `  const int count = (int)call[${CALL.count}];`,
    `  int* const control = (int*)${word("control")};`,
    `  char* const scratch = aligned((void*)${word("scratch")});`,
    `  const int thread = (int)call[${CALL.thread}];`,
    ...before.map((line) => line.startsWith("#") ? line : `  ${line}`),
    `  for (int k; !${ABORTED} && (k = ${claimed(CONTROL.next)}) < count;) {`,
    `    const double* item = items + (word)k * ${itemWords};`,
    `    const double* task = tasks + (word)item[0] * ${taskWords};`,
    ...body.map((line) => `    ${line}`),
    `    ${done(CONTROL.done)}`,
    `    __atomic_fetch_add(&control[${CONTROL.perThread} + thread], 1, __ATOMIC_RELAXED);`,
    "  }",
    "}",
  ];
}
