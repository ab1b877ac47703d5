// What no tensor can be made of, and what has no text to show in a message: a PairfoldError that
// names it, never the host's own error.

import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import {
  arange,
  cuda,
  type ErrorCode,
  full,
  hvp,
  jvp,
  linspace,
  native,
  ones,
  PairfoldError,
  stopGradient,
  tensor,
  Vi,
  Vj,
  wasm,
} from "pairfold";

/** Values that strings are not made of, and that TypeScript would refuse where they stand here. */
const ODD: Readonly<Record<string, unknown>> = {
  "an object without a prototype": Object.create(null),
  "a symbol": Symbol("odd"),
  "an array of symbols": [Symbol("odd")],
  "a bigint": 3n,
  "null": null,
  "a function": () => 1,
};

/** Refuses with a code and a message that has some words. */
function checkRefusal(body: () => unknown, code: ErrorCode, words: string): void {
  const error = assertThrows(body, PairfoldError);
  assertEquals(error.code, code);
  assertStringIncludes(error.message, words);
}

Deno.test("integers are never rounded: whatever makes a tensor refuses fractions in int32", () => {
  const dtype = "int32";
  const makers: Readonly<Record<string, () => unknown>> = {
    full: () => full([2], 1.5, { dtype }),
    arange: () => arange(0, 1, 0.25, { dtype }),
    linspace: () => linspace(0, 1, 3, { dtype }),
    tensor: () => tensor([1.5], undefined, { dtype }),
    "full: NaN": () => full([2], NaN, { dtype }),
    "full: too large": () => full([2], 2 ** 31, { dtype }),
  };
  for (const make of Object.values(makers)) {
    checkRefusal(make, "dtype", "expected a 32-bit integer");
  }
});

Deno.test("rules give the numbers that they say, in every type", async () => {
  for (const dtype of ["float32", "float64", "int32"] as const) {
    assertEquals(await full([2, 1], -7, { dtype }).array(), [[-7], [-7]]);
    assertEquals(await ones([3], { dtype }).array(), [1, 1, 1]);
    assertEquals(await arange(3, 9, 2, { dtype }).array(), [3, 5, 7]);
    assertEquals(await linspace(4, 0, 3, { dtype }).array(), [4, 2, 0]);
    assertEquals(await linspace(4, 9, 1, { dtype }).array(), [4]);
  }
});

Deno.test("a shape in a typed array is named as what it is", () => {
  const shape = new Int32Array([2, 3]) as unknown as number[];
  checkRefusal(
    () => tensor(new Float32Array(6), shape),
    "shape",
    "shape Int32Array 2,3; expected an array",
  );
  checkRefusal(() => full(shape, 1), "shape", "expected an array of integers");
});

Deno.test("arrays without their buffer are refused", () => {
  const transferred = new Float32Array(6);
  structuredClone(transferred.buffer, { transfer: [transferred.buffer] });
  const buffer = new ArrayBuffer(24, { maxByteLength: 48 });
  const shrunk = new Float32Array(buffer, 0, 6);
  buffer.resize(8);
  for (const array of [transferred, shrunk]) {
    for (const copy of [true, false]) {
      checkRefusal(() => tensor(array, undefined, { copy }), "dtype", "without its buffer");
    }
    checkRefusal(() => Vi(array, 3), "dtype", "without its buffer");
  }
});

for (const [name, odd] of Object.entries(ODD)) {
  Deno.test(`${name} as shape, number, device, k, axis or options is an error of ours`, async () => {
    const any = odd as never;
    const folded = Vi([[0], [1]]).sub(Vj([[2]]));
    assertThrows(() => full(any, 1), PairfoldError);
    assertThrows(() => full([2], any), PairfoldError);
    assertThrows(() => tensor([1, 2], any ?? 5), PairfoldError);
    await assertRejects(
      async () => await folded.sum("j", { device: any ?? "?" }).data(),
      PairfoldError,
    );
    assertThrows(() => folded.kMin(any, "j"), PairfoldError);
    assertThrows(() => folded.sum(any), PairfoldError);
    assertThrows(() => arange(any, 3), PairfoldError);
    assertThrows(() => linspace(any, 1, 3), PairfoldError);
    if (typeof odd !== "object" || odd === null) {
      assertThrows(() => full([2], 1, any), PairfoldError);
      assertThrows(() => arange(0, 3, 1, any), PairfoldError);
      assertThrows(() => folded.sum("j", any), PairfoldError);
      assertThrows(() => folded.dense(any), PairfoldError);
    }
  });
}

/** Methods of tensors that take axes, shapes or options, and functions that take options. */
const CALLS: Readonly<Record<string, (odd: never) => unknown>> = {
  sum: (odd) => tensor([1]).sum(odd),
  "sum's options": (odd) => tensor([1]).sum(0, odd),
  "var's options": (odd) => tensor([1]).var(0, odd),
  "norm's options": (odd) => tensor([1]).norm(0, odd),
  "argMin's options": (odd) => tensor([1]).argMin(0, odd),
  softmax: (odd) => tensor([1]).softmax(odd),
  cumSum: (odd) => tensor([1]).cumSum(odd),
  squeeze: (odd) => tensor([1]).squeeze(odd),
  flip: (odd) => tensor([1]).flip(odd),
  reshape: (odd) => tensor([1]).reshape(odd),
  broadcastTo: (odd) => tensor([1]).broadcastTo(odd),
  astype: (odd) => tensor([1]).astype(odd),
  round: (odd) => tensor([1]).round(odd),
  "data's options": (odd) => tensor([1]).data(odd),
  "array's options": (odd) => tensor([1]).array(odd),
  "item's options": (odd) => tensor([1]).item(odd),
  "tensor's options": (odd) => tensor([1], [1], odd),
  "the tangents of jvp": (odd) => jvp((x) => x, [tensor([1])], odd),
  "the arguments of hvp": (odd) => hvp((x) => x.sum(), odd, [tensor([1])]),
  stopGradient: (odd) => stopGradient(odd),
};

for (const [name, call] of Object.entries(CALLS)) {
  Deno.test(`${name}: what does not belong there is an error of ours`, async () => {
    for (const [what, odd] of Object.entries({ ...ODD, "a string": "abc", "true": true })) {
      // an object is an object of options
      if (/options/.test(name) && typeof odd === "object" && odd !== null) continue;
      await assertRejects(async () => await call(odd as never), PairfoldError, undefined, what);
    }
  });
}

Deno.test("an engine's options and schedule are refused where they are none", () => {
  const makers = { wasm, native, cuda } as const;
  for (const make of Object.values(makers)) {
    checkRefusal(() => make(null as never), "dtype", "got null as options");
  }
  for (const schedule of [null, 3, "fast", Symbol("odd")]) {
    for (const make of [wasm, native, cuda]) {
      checkRefusal(() => make({ schedule: schedule as never }), "compile", "schedule: got");
    }
  }
  for (const make of Object.values(makers)) {
    for (const schedule of [[], [Symbol("odd")], { columns: Symbol("odd") }, { columns: 4n }]) {
      checkRefusal(() => make({ schedule: schedule as never }), "compile", "schedule: got");
    }
    checkRefusal(() => make({ tune: null as never }), "device", 'tune: got "null"');
  }
});

/** Engines' choices that are numbers, by engine, and those that are something else. */
const NUMBERS = {
  wasm: ["threads", "memoryLimit", "threadedPairs", "quickOperations"],
  native: ["threads", "memoryLimit", "threadedOperations", "vectorBytes", "timeout"],
  cuda: ["ordinal", "memoryLimit", "mirrorFrom", "arrayLimit"],
} as const;
const OTHERS = {
  wasm: ["relaxedSimd", "sharedMemory", "multipleMemories", "cache"],
  native: ["cache", "compiler", "machine"],
  cuda: ["cache", "driver", "nvrtc", "library", "prebuilt", "graphs", "trials"],
} as const;

for (const [name, make] of Object.entries({ wasm, native, cuda })) {
  const engine = name as keyof typeof NUMBERS;

  /** Refuses a value, and names it. */
  const check = (choice: string, value: unknown, got: string): void => {
    const error = assertThrows(() => make({ [choice]: value }), PairfoldError, got);
    assertEquals(error.code, "device", `${choice}: ${got}`);
    assertStringIncludes(error.message, "expected ");
  };

  Deno.test(`${name}: numbers among the choices are numbers`, () => {
    for (const choice of NUMBERS[engine]) {
      check(choice, null, " null;");
      check(choice, Symbol("odd"), " Symbol(odd);");
      check(choice, [Symbol("odd")], " [Symbol(odd)];");
      check(choice, 7n, " 7;");
      check(choice, "5", " 5;");
      check(choice, NaN, " NaN;");
      check(choice, -1, " -1;");
    }
  });

  Deno.test(`${name}: the other choices are what they should be`, () => {
    for (const choice of OTHERS[engine]) {
      check(choice, null, " null;");
      check(choice, Symbol("odd"), " Symbol(odd);");
      check(choice, 7n, " 7;");
      check(choice, 1.5, " 1.5;");
      if (choice !== "trials") check(choice, [Symbol("odd")], " [Symbol(odd)];");
    }
  });
}

Deno.test("what is left out has a default, and limits may be without an end", async () => {
  const device = wasm({
    memoryLimit: Infinity,
    threadedPairs: Infinity,
    quickOperations: undefined,
    cache: undefined,
  });
  assertEquals([...await Vi([[0]]).sub(Vj([[2]])).sum("j", { device }).data()], [-2]);
});

Deno.test("messages show what has no text, and not all of what is long", () => {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  assertThrows(() => full([2], proxy as never), PairfoldError, "without a text");
  const long = new Float32Array(1e6) as unknown as number[];
  const { message } = assertThrows(() => full(long, 1), PairfoldError);
  assert(message.length < 500, `${message.length} characters`);
});

Deno.test("no folder is made for a cache that is no path", () => {
  for (const cache of [3, true, [1, 2], new Map(), null]) {
    const error = assertThrows(() => native({ cache: cache as never }), PairfoldError);
    assertEquals(error.code, "device");
    assertThrows(() => Deno.lstatSync(`${cache}`), Deno.errors.NotFound);
  }
});

Deno.test("a list of devices holds no lists, least of all itself", async () => {
  const list: unknown[] = ["wasm"];
  list.push(list);
  const fold = (): unknown => Vi([[0]]).sub(Vj([[2]])).sum("j", { device: list as never }).data();
  await assertRejects(async () => await fold(), PairfoldError, "got a list in a list");
});
