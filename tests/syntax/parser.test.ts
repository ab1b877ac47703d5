// What formula strings mean: precedence, numbers, names, aliases. Nodes are interned, so that equal
// formulas are the same object.

import { assert, assertEquals } from "@std/assert";
import { build as f, constant, type Node, print, variable, zero } from "../../src/formula/mod.ts";
import { p, read, readWith, s, t, x, y } from "./support.ts";

const two = constant(2);
const three = constant(3);

/** Formulas and what they are. */
const MEANINGS: readonly (readonly [string, Node])[] = [
  ["x+y*s", f.add(x, f.mul(y, s))],
  ["(x+y)*s", f.mul(f.add(x, y), s)],
  ["x-y-x", f.sub(f.sub(x, y), x)],
  ["x-(y-x)", f.sub(x, f.sub(y, x))],
  ["x/y*s", f.mul(f.div(x, y), s)],
  ["x/y/s", f.div(f.div(x, y), s)],
  ["x|y+x", f.dot(x, f.add(y, x))],
  ["x*s|y", f.dot(f.mul(x, s), y)],
  ["x|y|x", f.dot(f.dot(x, y), x)],
  ["(x|y)*x", f.mul(f.dot(x, y), x)],
  ["x|y<s", f.lt(f.dot(x, y), s)],
  ["x+y<=y-x", f.le(f.add(x, y), f.sub(y, x))],
  ["x>y", f.gt(x, y)],
  ["x>=y", f.ge(x, y)],
  ["x==y", f.eq(x, y)],
  ["x!=y", f.ne(x, y)],
  ["(x<y)<x", f.lt(f.lt(x, y), x)],
  ["-x*y", f.mul(f.neg(x), y)],
  ["x*-y", f.mul(x, f.neg(y))],
  ["--x", f.neg(f.neg(x))],
  ["-x|y", f.dot(f.neg(x), y)],
  ["-x**2", f.neg(f.square(x))],
  ["(-x)**2", f.square(f.neg(x))],
  ["x**2*y", f.mul(f.square(x), y)],
  ["x*y**3", f.mul(x, f.pow(y, 3))],
  ["x**-1", f.pow(x, -1)],
  ["x**--2", f.square(x)],
  ["x**1", f.pow(x, 1)],
  ["x**0", f.pow(x, 0)],
  ["x**2**3", f.pow(x, 8)],
  ["x**2**s", f.powr(x, f.powr(two, s))],
  ["x**0.5", f.sqrt(x)],
  ["x**(1/2)", f.sqrt(x)],
  ["x**-0.5", f.rsqrt(x)],
  ["x**1.5", f.powr(x, constant(1.5))],
  ["x**(3-1)", f.square(x)],
  ["x**(2*3+1)", f.pow(x, 7)],
  ["x**5000", f.powr(x, constant(5000))],
  ["x**s", f.powr(x, s)],
  ["x**-s", f.powr(x, f.neg(s))],
  ["2**x", f.powr(two, x)],
  ["2*x", f.mul(two, x)],
  ["x/3", f.div(x, three)],
  ["1-x", f.sub(constant(1), x)],
  ["-3", constant(-3)],
  ["-0.25*x", f.mul(constant(-0.25), x)],
  ["(2+3)*x", f.mul(f.add(two, three), x)],
  ["1.5e-3*x", f.mul(constant(0.0015), x)],
  ["1E2*x", f.mul(constant(100), x)],
  [".5*x", f.mul(constant(0.5), x)],
  ["5.*x", f.mul(constant(5), x)],
  ["Exp(x)", f.exp(x)],
  ["Exp(-SqDist(x,y))", f.exp(f.neg(f.sqDist(x, y)))],
  ["  Exp ( - SqDist( x ,\n\t y ) )  ", f.exp(f.neg(f.sqDist(x, y)))],
  ["((((x))))", x],
  ["Elem(x,1)", f.elem(x, 1)],
  ["Elem(x,1,)", f.elem(x, 1)],
  ["Elem(x,-0)", f.elem(x, 0)],
  ["Pow(x,-2)", f.pow(x, -2)],
  ["ExtractT(x,1,5)", f.extractT(x, 5, 1)],
  ["IntCst(-3)*x", f.mul(constant(-3), x)],
  ["IntInv(4)", constant(0.25)],
  ["RatCst(3,8)", constant(0.375)],
  ["Zero(3)+x", f.add(zero(3), x)],
  ["Var(0,3,0)|Var(1,3,1)", f.dot(x, y)],
  ["Vi(0,3)*Vj(3,1)*Pm(4,1)", f.mul(f.mul(x, t), p)],
  ["Vx(0,3)|Vy(1,3)", f.dot(x, y)],
  ["Factorize(Exp(x),x)", f.exp(x)],
  ["AutoFactorize(Exp(x))", f.exp(x)],
];

for (const [text, node] of MEANINGS) {
  Deno.test(`formula ${JSON.stringify(text)} is ${print(node)}`, () => {
    const got = read(text);
    assert(got === node, `got ${print(got)}`);
  });
}

Deno.test("the comparison of nodes tells formulas apart", () => {
  assert(read("x+y*s") !== read("(x+y)*s"));
  assert(read("x-y") !== read("y-x"));
  assert(read("Elem(x,1)") !== read("Elem(x,2)"));
});

Deno.test("printed formulas read as themselves", () => {
  const texts = ["x+y*s-(x-y)/s", "-x**2|y*(x+y)", "(x<y)*(x|y)", "x-(y-x)-y/(x/y)"];
  for (const text of texts) {
    const node = read(text);
    const names = ["x", "y", "s", "t", "p"];
    const again = print(node, (v) => names[v.slot]).replaceAll("^", "**");
    assert(read(again) === node, `${text} prints as ${again}`);
  }
});

Deno.test("numbers of the text are parameters, but for 0, ±1, 2, ½ and half powers", async () => {
  const { readKeops } = await import("../../src/syntax/mod.ts");
  const numbers: number[] = [];
  readKeops("0*x+1*x-1*x+2*x/0.5+3*x+3*y+x**4+x**1.5-7*Elem(x,2)", null, ["x=Vi(3)", "y=Vj(3)"], {
    input: (position) => position,
    parameter: (value) => variable(10 + numbers.push(value), "p", 1),
  });
  assertEquals(numbers, [3, 3, 7]);
});

/** Aliases, a formula, and what it is. */
const ALIASED: readonly (readonly [readonly string[], string, Node])[] = [
  [["x=Vi(0,3)", "y=Vj(1,3)"], "x|y", f.dot(x, y)],
  [["x=Vi(3)", "y=Vj(3)"], "x|y", f.dot(x, y)],
  [[" x = Vi( 0 , 3 ) ", "y\t=\nVj(3)"], "x|y", f.dot(x, y)],
  [["y=Vj(1,3)", "x=Vi(0,3)"], "x|y", f.dot(x, y)],
  [["y=Vj(1,3)", "x=Vi(0,3)", "p=Pm(1)"], "x|y", f.dot(x, y)],
  [["x=Var(0,3,0)", "y=Var(1,3,1)"], "x|y", f.dot(x, y)],
  [["x=Vx(0,3)", "y=Vy(1,3)"], "x|y", f.dot(x, y)],
  [["Vi(0,3)", "Vj(3)"], "Var(0,3,0)|Var(1,3,1)", f.dot(x, y)],
  [[], "Var(0,3,0)|Var(1,3,1)", f.dot(x, y)],
  [["x=Vi(0,3)"], "x|Var(1,3,1)", f.dot(x, y)],
  [["x=Vi(0,3)", "u=Vi(0,3)", "y=Vj(1,3)"], "x|u+y", f.dot(x, f.add(x, y))],
  [["x=Vi(0,3)", "x=Vi(0,3)"], "x", x],
  [["Sum=Vi(0,3)", "Exp=Vj(1,3)"], "Exp(Sum(Sum*Exp))", f.exp(f.sum(f.mul(x, y)))],
  [["Vi=Vi(0,3)", "Var=Vj(1,3)"], "Vi|Var", f.dot(x, y)],
  [["x_1=Vi(0,3)", "_y2=Vj(1,3)"], "x_1|_y2", f.dot(x, y)],
  [["e1=Vi(0,3)", "E5=Vj(1,3)"], "e1|E5", f.dot(x, y)],
];

for (const [aliases, text, node] of ALIASED) {
  Deno.test(`aliases ${JSON.stringify(aliases)}: ${text} is ${print(node)}`, () => {
    assert(read(text, aliases) === node);
  });
}

Deno.test("without a cotangent, the gradient's is one more input of the other axis", () => {
  const { formula, inputs } = readWith("Grad(Exp(x*y),x)", ["x=Vi(3)", "y=Vj(3)"]);
  const e = variable(2, "j", 3);
  assert(formula === read("Grad(Exp(x*y),x,e)", ["x=Vi(3)", "y=Vj(3)", "e=Vj(3)"]));
  assertEquals(inputs.map((input) => input.variable).indexOf(e), 2);
  const named = readWith("Grad(x*y,y)", ["x=Vi(3)", "y=Vj(3)", "e=Vi(3)"]);
  assertEquals(named.inputs.map(({ name }) => name), ["x", "y", "e"]);
});

Deno.test("inputs come by position, with their first names", () => {
  const { inputs } = readWith("x|Var(2,3,1)", ["u=Vj(1,4)", "x=Vi(0,3)", "z=Vi(0,3)"]);
  assertEquals(inputs.map(({ name }) => name), ["x", "u", null]);
  assertEquals(inputs.map(({ variable: v }) => [v.slot, v.axis, v.dim]), [
    [0, "i", 3],
    [1, "j", 4],
    [2, "j", 3],
  ]);
});

Deno.test("the weight is read with the same names and may add inputs", () => {
  const { weight, inputs } = readWith("x|y", ["x=Vi(3)", "y=Vj(3)"], "y*Var(2,1,2)");
  assert(weight === f.mul(y, variable(2, "p", 1)));
  assertEquals(inputs.length, 3);
});
