// Passes over regions: pure functions from region to region.

import {
  type Cell,
  type LocalArray,
  type Region,
  region,
  type Statement,
  type Value,
} from "./ir.ts";

/** The values that a value or a statement reads directly. */
export function operands(value: Value): readonly Value[] {
  return value.kind === "operation" ? value.args : [];
}

/** Visits every statement of a region, inner ones after the statement that holds them. */
export function visit(root: Region, see: (statement: Statement) => void): void {
  for (const statement of root.statements) {
    see(statement);
    if (statement.kind === "for" || statement.kind === "when") visit(statement.body, see);
    if (statement.kind === "when" && statement.otherwise !== undefined) {
      visit(statement.otherwise, see);
    }
  }
}

/** The cells and arrays that a statement itself touches. */
export function placesIn(s: Statement): (Cell | LocalArray)[] {
  switch (s.kind) {
    case "set":
      return [s.cell];
    case "store":
      return s.memory.kind === "array" ? [s.memory.array] : [];
    case "scatter":
      return s.parts.map(({ array }) => array);
    case "append":
      return [...s.parts.map(({ array }) => array), s.size];
    case "let":
      if (s.value.kind === "get") return [s.value.cell];
      return s.value.kind === "load" && s.value.memory.kind === "array"
        ? [s.value.memory.array]
        : [];
    case "for":
    case "when":
      return [];
  }
  s satisfies never;
  return [];
}

/** Whether a region touches one of some cells and arrays. */
export function touches(root: Region, places: ReadonlySet<Cell | LocalArray>): boolean {
  let found = false;
  visit(root, (s) => found ||= placesIn(s).some((place) => places.has(place)));
  return found;
}

/** Drops the values that nothing reads. */
export function removeDead(root: Region): Region {
  const live = new Set<Value>();
  const mark = (value: Value): void => {
    if (live.has(value)) return;
    live.add(value);
    operands(value).forEach(mark);
  };
  visit(root, (s) => {
    if (s.kind === "set" || s.kind === "store") mark(s.value);
    if (s.kind === "when") mark(s.mask);
    if (s.kind === "scatter") mark(s.index);
    if (s.kind === "append") mark(s.unless);
    if (s.kind === "scatter" || s.kind === "append") s.parts.forEach((p) => mark(p.value));
  });
  const copy = (from: Region): Region => {
    const to = region(from.kind);
    for (const s of from.statements) {
      if (s.kind === "for" || s.kind === "when") {
        const body = copy(s.body);
        if (body.statements.length > 0) to.statements.push({ ...s, body });
      } else if (s.kind !== "let" || live.has(s.value)) {
        to.statements.push(s);
      }
    }
    return to;
  };
  return copy(root);
}

/** The values that a statement reads, its inner statements included. */
export function reads(statement: Statement): Set<Value> {
  const found = new Set<Value>();
  const look = (s: Statement): void => {
    switch (s.kind) {
      case "let":
        for (const value of operands(s.value)) found.add(value);
        return;
      case "set":
      case "store":
        found.add(s.value);
        return;
      case "scatter":
        found.add(s.index);
        for (const { value } of s.parts) found.add(value);
        return;
      case "append":
        found.add(s.unless);
        for (const { value } of s.parts) found.add(value);
        return;
      case "when":
        found.add(s.mask);
        s.body.statements.forEach(look);
        return;
      case "for":
        s.body.statements.forEach(look);
        return;
    }
    s satisfies never;
  };
  look(statement);
  return found;
}

/**
 * Moves loads of records down to the first statement that reads them, to hold no register before.
 */
export function delayLoads(root: Region): Region {
  const to = region(root.kind);
  const waiting = new Map<Value, Statement>();
  for (const s of root.statements) {
    if (s.kind === "let" && s.value.kind === "load" && s.value.memory.kind === "record") {
      waiting.set(s.value, s);
      continue;
    }
    for (const value of reads(s)) {
      const load = waiting.get(value);
      if (load === undefined) continue;
      to.statements.push(load);
      waiting.delete(value);
    }
    to.statements.push(s);
  }
  return to;
}

/** Moves operations that only one `when` needs into it, so that they run where it does. */
export function sink(root: Region): Region {
  const to = region(root.kind);
  const users = new Map<Value, Statement[]>();
  for (const s of [...root.statements].reverse()) {
    const using = s.kind === "let" ? users.get(s.value) ?? [] : [];
    const [only] = using;
    const moves = s.kind === "let" && s.value.kind === "operation" && using.length === 1 &&
      only.kind === "when" && only.mask !== s.value;
    const placed: Statement = s.kind === "when" ? { ...s, body: sink(s.body) } : s;
    for (const value of reads(s)) {
      const list = users.get(value) ?? [];
      const user = moves ? only : placed;
      if (!list.includes(user)) users.set(value, [...list, user]);
    }
    if (moves) only.body.statements.unshift(s);
    else to.statements.unshift(placed);
  }
  return to;
}

/**
 * Puts the copies of a loop's body one after another instead of side by side, each value just
 * before what first needs it: a body of short chains then holds little more than its sums in
 * registers. Regions that do more than read records and set cells stay as they are.
 */
export function chainByChain(root: Region): Region {
  const { statements } = root;
  const isPlain = statements.every((s) =>
    s.kind === "set" ||
    (s.kind === "let" && (s.value.kind !== "load" || s.value.memory.kind === "record"))
  );
  if (!isPlain) return root;
  const sets = statements.filter((s) => s.kind === "set");
  const lets = new Map<Value, Statement>();
  for (const s of statements) if (s.kind === "let") lets.set(s.value, s);
  const places = sets.map(({ value }) => value);
  const [rows, columns] = (["row", "column"] as const)
    .map((axis) => 1 + Math.max(0, ...places.map((value) => value[axis])));
  // what the inner axis shares is loaded once, what the outer one shares stays
  const [outer, inner] = rows >= columns ? ["row", "column"] as const : ["column", "row"] as const;
  const ordered = [...sets].sort((a, b) =>
    a.value[outer] - b.value[outer] || a.value[inner] - b.value[inner]
  );
  const to = region(root.kind);
  const emit = (value: Value): void => {
    const s = lets.get(value);
    if (s === undefined) return;
    lets.delete(value);
    operands(value).forEach(emit);
    to.statements.push(s);
  };
  for (const s of ordered) {
    emit(s.value);
    // what a cell held is read before it changes
    for (const before of statements.slice(0, statements.indexOf(s))) {
      if (before.kind !== "let" || before.value.kind !== "get") continue;
      if (before.value.cell === s.cell) emit(before.value);
    }
    to.statements.push(s);
  }
  return to;
}
