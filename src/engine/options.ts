// Whether what was chosen of an engine is of the kinds that there are. Enters: what its user passed.
// Leaves: nothing, or a PairfoldError that says what was got.

import { checkOptions, PairfoldError, shown } from "../error.ts";

/** A kind of choices: what is one, and how messages call it. */
interface Kind {
  readonly is: (value: unknown) => boolean;
  readonly wanted: string;
}

const isText = (value: unknown): boolean => typeof value === "string";

const KINDS = {
  amount: { is: (value) => typeof value === "number" && value >= 0, wanted: "a number from 0" },
  flag: { is: (value) => typeof value === "boolean", wanted: "true or false" },
  path: { is: isText, wanted: "a path" },
  command: { is: isText, wanted: "a command" },
  word: { is: isText, wanted: "a word" },
  words: {
    is: (value) => Array.isArray(value) && value.every(isText),
    wanted: "an array of strings",
  },
  url: { is: (value) => value instanceof URL, wanted: "a URL" },
  vector: { is: (value) => value === 16 || value === 32 || value === 64, wanted: "16, 32 or 64" },
  options: { is: (value) => typeof value === "object" && value !== null, wanted: "an object" },
} as const satisfies Readonly<Record<string, Kind>>;

/** The kinds of some of an engine's choices. */
export type ChoiceKinds<O> = Readonly<Partial<Record<keyof O, keyof typeof KINDS>>>;

/**
 * Refuses choices of other kinds; what is left out has a default. Throws `PairfoldError`: `dtype`
 * for what holds no options, else `device`.
 */
export function checkChoices<O extends object>(
  engine: string,
  options: O,
  kinds: ChoiceKinds<O>,
): void {
  checkOptions(engine, options);
  for (const name of Object.keys(kinds) as (keyof O & string)[]) {
    const value = options[name];
    if (value === undefined) continue;
    const { is, wanted }: Kind = KINDS[kinds[name]!];
    if (is(value)) continue;
    throw new PairfoldError("device", `${engine}: got ${name} ${shown(value)}; expected ${wanted}`);
  }
}
