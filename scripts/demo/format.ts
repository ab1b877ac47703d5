// Numbers for people.

/** A whole number with commas. */
export function count(value: number): string {
  return value.toLocaleString("en-US");
}

/** A number with four digits that count. */
export function short(value: number): string {
  return String(Number(value.toPrecision(4)));
}

/** A coordinate with the decimals that a cloud of this extent needs, however large it is itself. */
export function coordinate(value: number, extent: number): string {
  const decimals = extent > 0 ? 4 - Math.floor(Math.log10(extent)) : 4;
  return decimals > 12 || Math.abs(value) >= 1e12
    ? value.toExponential(4)
    : value.toFixed(Math.max(0, decimals));
}

/** A time as a person says it. */
export function duration(seconds: number): string {
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 120) return `${whole} s`;
  if (whole < 7200) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.round(whole % 3600 / 60)} min`;
}

/** Words on lines of at most 100 columns, the later ones indented. */
export function wrap(text: string): string {
  const lines = [""];
  for (const word of text.split(" ")) {
    const last = lines.length - 1;
    const longer = lines[last] === "" ? word : `${lines[last]} ${word}`;
    if (longer.length <= 100) lines[last] = longer;
    else lines.push(`  ${word}`);
  }
  return lines.join("\n");
}
