// Ill-formed formulas: every one is an error with its code, a message and a caret under the
// character; none crashes, hangs or gives a number.

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { type ErrorCode, genred, PairfoldError } from "../../mod.ts";
import { readWith } from "./support.ts";
import { MAX_DEPTH, MAX_NESTING, MAX_PARTS } from "../../src/syntax/mod.ts";

const ALIASES = ["x=Vi(0,3)", "y=Vj(1,3)", "s=Vi(2,1)", "p=Pm(3,1)", "w=Vj(4,2)"];

/** The error that building gives. */
function errorOf(build: () => unknown): PairfoldError {
  try {
    build();
  } catch (error) {
    if (error instanceof PairfoldError) return error;
    throw error;
  }
  throw new Error("no error");
}

/** The character above the caret; empty where it stands behind the text. */
function marked(message: string): string {
  const lines = message.split("\n");
  const caret = [...(lines.at(-1) ?? "")].indexOf("^");
  assert(caret >= 0, message);
  return [...(lines.at(-2) ?? "")][caret] ?? "";
}

interface Row {
  readonly text: string;
  readonly code: ErrorCode;
  readonly message: string;
  /** The character that the caret points at. */
  readonly at: string;
  readonly aliases?: readonly string[];
}

const row = (
  text: string,
  at: string,
  message: string,
  code: ErrorCode = "syntax",
  aliases?: readonly string[],
): Row => ({ text, at, message, code, ...(aliases === undefined ? {} : { aliases }) });

const ROWS: readonly Row[] = [
  // nothing, or half of something
  row("", "", "got the end; expected a formula"),
  row("   ", "", "got the end; expected a formula"),
  row("x+", "", "got the end; expected a name, a number or an opening bracket"),
  row("x y", "y", 'got "y"; expected an operator or the end'),
  row("2x", "2", 'got "2x"; expected a number, or a name that starts with a letter'),
  row("x*/y", "/", 'got "/"; expected a name, a number'),
  row("*x", "*", 'got "*"; expected a name, a number'),
  row("+x", "+", "there is no plus before one"),
  row("x**", "", "got the end"),
  row("x***y", "*", 'got "*"; expected a name'),
  row("()", ")", 'got ")"; expected a name'),
  row("x,y", ",", 'got ","; expected an operator or the end'),
  // brackets
  row("(x+y", "", 'got the end; expected an operator or ")"'),
  row("x+y)", ")", 'got ")"; expected an operator or the end'),
  row("Exp(x", "", 'got the end; expected an operator or a comma or ")"'),
  row("Exp(x]", "]", 'got "]"; expected an operator or a comma or ")"'),
  row("(x+y]", "]", 'got "]"; expected an operator or ")"'),
  row("Exp(x,,y)", ",", 'got ","; expected a name'),
  row("x[0]", "[", "a component is Elem(x, 0)"),
  row("{x}", "{", 'got "{"; expected a name, a number, a bracket'),
  // what other languages write
  row("x^2", "^", "a power is written x**2"),
  row("x//y", "/", 'got "//"; expected'),
  row("x%y", "%", 'got "%"; expected'),
  row("x@y", "@", 'got "@"; expected'),
  row("x && y", "&", 'got "&&"; expected'),
  row("x||y", "|", 'got "||"; expected'),
  row("x === y", "=", 'got "==="; expected'),
  row("x = y", "=", "== compares"),
  row("!x", "!", 'got "!"; expected'),
  row("~x", "~", 'got "~"; expected'),
  row("x.dim", ".", 'got "."; expected'),
  row("'x'", "'", 'got "\'"; expected'),
  row("x; y", ";", 'got ";"; expected'),
  row("x # y", "#", 'got "#"; expected'),
  row("x ≤ y", "≤", 'got "≤"; expected'),
  row("é+x", "é", 'got "é"; expected'),
  row("x+𝒙", "𝒙", 'got "𝒙"; expected'),
  row("x\u0000", " ", 'got " "; expected'),
  // host expressions and keywords
  row("lambda: x", "l", "this is a keyword of Python"),
  row("x if s else y", "i", 'got "if"; expected an operator or the end'),
  row("not x", "n", "this is a keyword of Python"),
  row("x and y", "a", 'got "and"; expected an operator or the end'),
  row("None", "N", "this is a keyword of Python"),
  row("True*x", "T", "this is a keyword of Python"),
  row("__import__('os')", "'", "expected a name, a number"),
  row("exec(x)", "e", 'got the unknown function "exec"'),
  row("x.__class__", ".", 'got "."; expected'),
  row("Elem(x,m=1)", "=", "arguments have no names"),
  row("Exp(*x)", "*", 'got "*"; expected a name'),
  row("[x for x in y]", "f", 'got "for"'),
  // chained comparisons
  row("x<y<x", "<", "chained ones need parentheses"),
  row("x==y==s", "=", "chained ones need parentheses"),
  row("0<=x<1", "<", "chained ones need parentheses"),
  // numbers
  row("1e999*x", "1", "expected one that is at most 1.8e308"),
  row("007*x", "0", "expected no leading zeros"),
  row("0x10*x", "0", 'got "0x10"; expected a number'),
  row("1_000*x", "1", 'got "1_000"; expected a number'),
  row("1.2.3*x", ".", "expected an operator or the end"),
  row("1..2", ".", "expected an operator or the end"),
  row("2j*x", "2", 'got "2j"; expected a number'),
  row("1e*x", "1", 'got "1e"; expected a number'),
  // names
  row("z+x", "z", 'got the unknown name "z"; expected one of x, y, s, p, w'),
  row("X+y", "X", "did you mean x?"),
  row("Exp", "E", "got the function Exp; expected Exp(x)"),
  row("Exp+x", "E", "got the function Exp; expected Exp(x)"),
  row("x(y)", "x", "x is no function; expected an operator"),
  row("3(x)", "(", 'got "("; expected an operator'),
  row("(x)(y)", "(", 'got "("; expected an operator'),
  row("SqDsit(x,y)", "S", "did you mean SqDist?"),
  row("Sqdist(x,y)", "S", "did you mean SqDist?"),
  row("exp(x)", "e", "did you mean Exp?"),
  row("Relu(x)", "R", "did you mean ReLU?"),
  row("Sqaure(x)", "S", "did you mean Square?"),
  row(
    "Quaternion(x)",
    "Q",
    'got the unknown function "Quaternion"; expected a function of KeOps\n',
  ),
  row("Sum_Reduction(x,1)", "S", 'expected it as genred\'s option "reduction"'),
  row("LogSumExp(x)", "L", 'expected it as genred\'s option "reduction"'),
  row("i+x", "i", 'got the unknown name "i"'),
  // arguments
  row("Exp()", "E", "Exp: got 0 arguments; expected 1: Exp(x)"),
  row("Exp(x,y)", "E", "Exp: got 2 arguments; expected 1: Exp(x)"),
  row("SqDist(x)", "S", "SqDist: got 1 argument; expected 2: SqDist(a, b)"),
  row("Concat(x,y,s)", "C", "Concat: got 3 arguments; expected 2"),
  row("x+Elem(x)", "E", "Elem: got 1 argument; expected 2: Elem(x, m)"),
  row("Elem(x,y)", "y", 'Elem: got "y" for m; expected an integer'),
  row("Elem(x,1.5)", "1", "Elem: got the number 1.5 for m; expected an integer"),
  row("Elem(x,1.0)", "1", "Elem: got the number 1 for m; expected an integer"),
  row("Elem(x,1+1)", "+", "Elem: got an operation for m; expected an integer"),
  row("Elem(x,[1])", "[", "Elem: got a list for m; expected an integer"),
  row("Elem(x,99999999999999999999)", "9", "for m; expected an integer"),
  row("Pow(x,0.5)", "0", "Pow: got the number 0.5 for m; expected an integer"),
  row("[1,2]", "[", "got a list; expected a formula"),
  row("(x,y)", "(", "got a tuple; expected a formula"),
  row("x*[1,2,3]", "[", "got a list; expected a formula"),
  row("Exp([1])", "[", "got a list; expected a formula"),
  row("Ind(1,2)", "I", 'got the unknown function "Ind"'),
  row("Grad(x,x+y,x)", "+", "Grad: got an operation for v; expected an input: a name, or Var(…)"),
  row("Grad(x,3,x)", "3", "for v; expected an input"),
  row("Grad(x*y)", "G", "Grad: got 1 argument; expected 2 to 3: Grad(f, v, cotangent)"),
  row("Grad(x*p,p)", "G", "Grad: got no cotangent for a parameter; expected Grad(f,v,e)"),
  row("IntInv(0)", "I", "got the denominator 0"),
  // dims
  row(
    "x+w",
    "+",
    "add: got dims 3 (x_i) and 2 (y_j); expected equal dims, or one of them 1",
    "dim",
  ),
  row("x|w", "|", "dot: got dims 3 (x_i) and 2 (y_j)", "dim"),
  row("s*(x-w)", "-", "sub: got dims 3 (x_i) and 2 (y_j)", "dim"),
  row("SqDist(x,w)", "S", "sqDist: got dims", "dim"),
  row("(x<w)*s", "<", "lt: got dims", "dim"),
  row("x**w", "*", "powr: got dims", "dim"),
  row("Elem(x,3)", "E", "elem: got m 3; expected an integer from 0 to 2", "dim"),
  row("Elem(x,-1)", "E", "elem: got m -1; expected an integer from 0 to 2", "dim"),
  row("Extract(x,2,2)", "E", "extract: got dim 2", "dim"),
  row("ElemT(x,5,1)", "E", "elemT: got dim of the argument 3", "dim"),
  row("SumT(x,4)", "S", "sumT: got dim of the argument 3", "dim"),
  row("SumT(s,0)", "S", "sumT: got dim 0", "dim"),
  row("SumT(s,1000000000)", "S", "got a value of dim 1000000000; expected at most 16384", "dim"),
  row("Zero(0)", "Z", "got 0; expected an integer of at least 1", "dim"),
  row("Pow(x,5000)", "P", "pow: got exponent 5000", "dim"),
  row("Grad(x*y,x)", "G", "Vj: got dim 3 for position 2, which has dim 1 already", "dim"),
  row("Grad(x*y,x,w)", "G", "got a cotangent of dim 2", "dim"),
  // inputs
  row("Var(0,4,0)", "V", "Var: got dim 4 for position 0, which has dim 3 already", "dim"),
  row("Var(0,3,1)", "V", "Var: got Vj for position 0, which is Vi already"),
  row("Var(0,3,3)*x", "V", "got category 3; expected 0 (Vi), 1 (Vj) or 2 (Pm)"),
  row("Var(-1,3,0)*x", "V", "got position -1; expected one from 0"),
  row("Var(5,0,0)", "V", "got dim 0; expected an integer from 1 to 16384", "dim"),
  row("Var(0,3)", "V", "Var: got 2 numbers; expected 3: Var(position,dim,category)"),
  row("Var(x,3,0)", "x", 'Var: got "x" for numbers; expected an integer'),
  row("Vi(3)*x", "V", "Vi: got 1 numbers; expected 2: Vi(position,dim)"),
  row("Vi", "V", 'got the unknown name "Vi"'),
];

for (const { text, code, message, at, aliases } of ROWS) {
  Deno.test(`ill-formed ${JSON.stringify(text)}: ${code}, ${message.trim()}`, () => {
    const error = errorOf(() => genred(text, aliases ?? ALIASES));
    assertEquals(error.code, code, error.message);
    assertStringIncludes(error.message, message);
    assertEquals(marked(error.message), at, error.message);
  });
}

/** Ill-formed lists of aliases, of a formula that is x. */
const ALIAS_ROWS: readonly (readonly [readonly string[], ErrorCode, string])[] = [
  [["x=Vi(0,3)", "x=Vi(1,3)"], "syntax", 'got the name "x" for a second input'],
  [["x=Vi(0,3)", "x=Pm(1,1)"], "syntax", 'got the name "x" for a second input'],
  [["x=Vi(0,3)", "y=Vi(0,4)"], "dim", "Vi: got dim 4 for position 0, which has dim 3 already"],
  [["x=Vi(0,3)", "y=Vj(0,3)"], "syntax", "Vj: got Vj for position 0, which is Vi already"],
  [["x=Vi(3)", "y=Vj(0,3)"], "syntax", "which is Vi already"],
  [["x=Vi(0,3)", "y=Vj(2,3)"], "syntax", "got an input at position 2 and none at 1"],
  [["x=Vi(1,3)"], "syntax", "got an input at position 1 and none at 0"],
  [["x=Vk(0,3)"], "syntax", 'got "Vk"; expected Vi, Vj, Pm or Var; did you mean Vi?'],
  [["x=vi(0,3)"], "syntax", "did you mean Vi?"],
  [["x=3"], "syntax", "got the number 3; expected Vi(0,3), or its like"],
  [["x"], "syntax", 'got the end; expected "=" or "("'],
  [["x Vi(0,3)"], "syntax", 'got "Vi"; expected "=" or "("'],
  [["x=Vi(0,3"], "syntax", 'got the end; expected a comma or ")"'],
  [["x=Vi(0,3)+1"], "syntax", 'got "+"; expected the end'],
  [["x=Vi()"], "syntax", "expected an integer from 0"],
  [["x=Vi(0,3,0)"], "syntax", "Vi: got 3 numbers; expected Vi(position,dim) or Vi(dim)"],
  [["x=Var(0,3)"], "syntax", "Var: got 2 numbers; expected 3"],
  [["x=Var(0,3,4)"], "syntax", "got category 4"],
  [["x=Vi(0,2+1)"], "syntax", 'got "+"; expected a comma or ")"'],
  [["x=Vi(0,-3)"], "syntax", 'got "-"; expected an integer from 0'],
  [["x=Vi(0,1.5)"], "syntax", "got the number 1.5; expected an integer from 0"],
  [["x=Vi(0,0)"], "dim", "got dim 0; expected an integer from 1"],
  [["x=Vi(0,1000000000)"], "dim", "got dim 1000000000; expected an integer from 1"],
  [["lambda=Vi(0,3)"], "syntax", "not a keyword of Python"],
  [["=Vi(0,3)"], "syntax", 'got "="; expected a name'],
  [["x==Vi(0,3)"], "syntax", 'got "=="; expected "=" or "("'],
  [["1x=Vi(0,3)"], "syntax", 'got "1x"; expected a number'],
  [[""], "syntax", "got the end; expected a name"],
];

for (const [aliases, code, message] of ALIAS_ROWS) {
  Deno.test(`ill-formed aliases ${JSON.stringify(aliases)}: ${message}`, () => {
    const error = errorOf(() => genred("x", aliases));
    assertEquals(error.code, code, error.message);
    assertStringIncludes(error.message, message);
  });
}

Deno.test("errors show their line, and name what they are in", () => {
  const error = errorOf(() => genred("x +\n  Exq(y)\n + s", ALIASES));
  assertEquals(
    error.message,
    'PairfoldError[syntax]: genred: got the unknown function "Exq"; expected a function of ' +
      "KeOps; did you mean Exp?\n  formula, line 2:\n      Exq(y)\n      ^",
  );
  const alias = errorOf(() => genred("x", ["x=Vi(0,3)", "y=Vj(1,)"]));
  assertStringIncludes(alias.message, "alias 2, line 1:\n    y=Vj(1,)\n           ^");
  const weight = errorOf(() => readWith("s", ALIASES, "y*q"));
  assertStringIncludes(weight.message, "weight, line 1:\n    y*q\n      ^");
});

/** Long and deep texts, and what is wrong with them; built when they are needed. */
const LARGE: Readonly<Record<string, readonly [() => string, string]>> = {
  "100 000 opening brackets": [() => "(".repeat(1e5), `more than ${MAX_NESTING} brackets`],
  "100 000 brackets": [
    () => `${"(".repeat(1e5)}x${")".repeat(1e5)}`,
    `more than ${MAX_NESTING} brackets`,
  ],
  "100 000 calls": [
    () => `${"Exp(".repeat(1e5)}x${")".repeat(1e5)}`,
    `more than ${MAX_NESTING} brackets`,
  ],
  "100 000 lists": [() => "[".repeat(1e5), `more than ${MAX_NESTING} brackets`],
  "a million minus signs": [() => `${"-".repeat(1e6)}x`, `more than ${MAX_NESTING} brackets`],
  "300 000 powers": [() => `${"x**".repeat(3e5)}x`, `more than ${MAX_NESTING} brackets`],
  "a sum of 500 000": [() => `${"x+".repeat(5e5)}x`, `more than ${MAX_DEPTH} operations`],
  "a product of 500 000": [() => `${"x*".repeat(5e5)}x`, `more than ${MAX_DEPTH} operations`],
  "500 000 arguments": [() => `Concat(${"x,".repeat(5e5)}x)`, `more than ${MAX_PARTS} names`],
  "a list of 500 000": [() => `Kron(x,x,[${"1,".repeat(5e5)}],[1])`, `more than ${MAX_PARTS}`],
  "a number of a million digits": [() => "9".repeat(1e6), "at most 1.8e308"],
  "a name of a million letters": [() => "x".repeat(1e6), 'got the unknown name "xxxxxxxx'],
  "a function of a million letters": [() => `${"F".repeat(1e6)}(x)`, "unknown function"],
  "a million spaces and no formula": [() => " ".repeat(1e6), "got the end"],
  "a million lines and a mistake": [() => `${"\n".repeat(1e6)}?`, "line 1000001"],
  "a million letters of nothing": [() => "?".repeat(1e6), 'got "?"'],
  "25 gradients inside one another": [
    () => `${"Grad(".repeat(25)}Exp(x*y)*Sin(x)${",x,y)".repeat(25)}`,
    "Grad: got a derivative of",
  ],
};

for (const [what, [text, message]] of Object.entries(LARGE)) {
  Deno.test(`${what}: an error at once`, () => {
    const start = performance.now();
    const error = errorOf(() => genred(text(), ALIASES));
    const elapsed = performance.now() - start;
    assertEquals(error.code, "syntax");
    assertStringIncludes(error.message, message);
    assert(error.message.length < 1000, `a message of ${error.message.length} letters`);
    assert(elapsed < 5000, `${elapsed} ms`);
  });
}

Deno.test("what is just allowed runs: long sums, deep calls, a million spaces", async () => {
  const aliases = ["x=Vi(0,1)", "y=Vj(1,1)"];
  const run = async (text: string): Promise<number> => {
    return await genred(text, aliases, { dtype: "float64" })([[0.5]], [[2]]).item();
  };
  const terms = MAX_DEPTH - 1;
  assertEquals(await run(Array(terms).fill("x").join("+")), terms / 2);
  const roots = MAX_NESTING - 1;
  const root = await run(`${"Sqrt(".repeat(roots)}x${")".repeat(roots)}`);
  assert(Math.abs(root - 1) < 1e-12);
  assertEquals(await run(`x${" ".repeat(1e6)}+y`), 2.5);
  assertEquals(await run(`${"(".repeat(MAX_NESTING)}x${")".repeat(MAX_NESTING)}`), 0.5);
  assertEquals(await run(`${"-".repeat(MAX_NESTING)}x`), 0.5);
});
