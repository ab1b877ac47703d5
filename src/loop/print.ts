// The loop IR as text, for people and for tests.

import type { Memory, Place, Region, Statement, Value } from "./ir.ts";
import { type Kernel, regionsOf } from "./kernel.ts";

const INFIX: Readonly<Record<string, string>> = {
  add: "+",
  sub: "-",
  mul: "*",
  div: "/",
  lt: "<",
  le: "<=",
  eq: "==",
  and: "&",
  or: "|",
  maskAnd: "&",
  maskOr: "|",
  shl: "<<",
  shr: ">>",
};

/** Prints regions with numbers of their own, so that equal kernels print equally. */
class Printer {
  readonly #numbers = new Map<number, number>();
  readonly lines: string[] = [];

  #name(prefix: string, id: number): string {
    let number = this.#numbers.get(id);
    if (number === undefined) this.#numbers.set(id, number = this.#numbers.size);
    return `${prefix}${number}`;
  }

  #use(value: Value): string {
    return value.kind === "constant" ? constantText(value.value) : this.#name("v", value.id);
  }

  #memory(memory: Memory, place: Place): string {
    const name = memory.kind === "record"
      ? memory.section
      : memory.kind === "array"
      ? memory.array.name
      : memory.kind === "held"
      ? memory.kind
      : `${memory.kind}${memory.slot}`;
    const counters = place.terms.map(({ counter, step }) =>
      this.#name("d", counter.id) + (step === 1 ? "" : ` * ${step}`)
    );
    const offset = place.offset === 0 && counters.length > 0 ? [] : [String(place.offset)];
    return `${name}[${[...counters, ...offset].join(" + ")}]`;
  }

  #definition(value: Value): string {
    switch (value.kind) {
      case "constant":
        return constantText(value.value);
      case "index":
        return value.axis === "row" ? "i" : "j";
      case "count":
        return "count";
      case "counter":
        return this.#name("d", value.counter.id);
      case "get":
        return value.cell.name;
      case "load":
        return this.#memory(value.memory, value.place);
      case "operation": {
        const args = value.args.map((a) => this.#use(a));
        const infix = INFIX[value.operation];
        if (infix !== undefined) return `${args[0]} ${infix} ${args[1] ?? value.attribute}`;
        return `${value.operation}(${args.join(", ")})`;
      }
    }
    value satisfies never;
  }

  #statement(s: Statement, indent: string): void {
    const line = (text: string): void => void this.lines.push(indent + text);
    switch (s.kind) {
      case "let":
        if (s.value.kind !== "constant") {
          line(`${this.#use(s.value)}: ${s.value.type} = ${this.#definition(s.value)}`);
        }
        return;
      case "set":
        line(`${s.cell.name} := ${this.#use(s.value)}`);
        return;
      case "store":
        line(`${this.#memory(s.memory, s.place)} := ${this.#use(s.value)}`);
        return;
      case "scatter":
        for (const { array, value } of s.parts) {
          line(`${array.name}[${this.#use(s.index)}] := ${this.#use(value)}`);
        }
        return;
      case "append":
        line(`unless ${this.#use(s.unless)} {`);
        for (const { array, value } of s.parts) {
          line(`  ${array.name}[${s.size.name}] := ${this.#use(value)}`);
        }
        line(`  ${s.size.name} := ${s.size.name} + 1`);
        line("}");
        return;
      case "for":
        line(`for ${this.#name("d", s.counter.id)} in 0..${s.count} {`);
        this.region(s.body, indent + "  ");
        line("}");
        return;
      case "when":
        line(
          `if ${s.test === "any" ? "any" : "not all"} ${this.#use(s.mask)}` +
            (s.columns === undefined ? " {" : `, each of ${s.columns} columns {`),
        );
        this.region(s.body, indent + "  ");
        line("}");
        return;
    }
    s satisfies never;
  }

  region(region: Region, indent: string): void {
    for (const s of region.statements) this.#statement(s, indent);
  }
}

function constantText(value: number): string {
  return Object.is(value, -0) ? "-0" : String(value);
}

/** Prints one region. */
export function printRegion(region: Region, indent = ""): string {
  const printer = new Printer();
  printer.region(region, indent);
  return printer.lines.join("\n");
}

/** Prints all sections of a kernel. */
export function printKernel(kernel: Kernel): string {
  const printer = new Printer();
  for (const [name, region] of regionsOf(kernel)) {
    if (region.statements.length === 0) continue;
    const every = name === "close" ? ` (every ${kernel.block} columns)` : "";
    printer.lines.push(`${name}${every}:`);
    printer.region(region, "  ");
  }
  return printer.lines.join("\n");
}
