// Where two plain values differ, for people.

/** The places in which two values differ, the first so many. */
export function differences(a: unknown, b: unknown, most = 12): readonly string[] {
  const found: string[] = [];
  compare(a, b, "", found, most);
  return found;
}

function compare(a: unknown, b: unknown, path: string, found: string[], most: number): void {
  if (found.length >= most || Object.is(a, b)) return;
  if (
    typeof a !== "object" ||
    typeof b !== "object" ||
    a === null ||
    b === null ||
    Array.isArray(a) !== Array.isArray(b)
  ) {
    found.push(`${path || "answer"}: ${shown(a)} in memory, ${shown(b)} in the other`);
    return;
  }
  const [left, right] = [a as Record<string, unknown>, b as Record<string, unknown>];
  for (const name of new Set([...Object.keys(left), ...Object.keys(right)])) {
    compare(left[name], right[name], path === "" ? name : `${path}.${name}`, found, most);
  }
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? "nothing";
  return text.length > 300 ? `${text.slice(0, 300)}...` : text;
}
