// What has changed between two values of a row, field by field: a job that is claimed says a few fields, not its input.

/** The fields that have other values now, and those that have none any more. */
export type RowChange = readonly [fields: Readonly<Record<string, unknown>>, gone?: readonly string[]];

/** The difference between two values of a row; undefined when there is none. Values are equal when they are the same, or say the same as JSON. */
export function rowChange(before: object, after: object): RowChange | undefined {
  const old = before as Readonly<Record<string, unknown>>;
  const fields: Record<string, unknown> = {};
  const gone: string[] = [];
  let isChanged = false;
  for (const [name, value] of Object.entries(after)) {
    if (value === undefined || isSame(old[name], value)) continue;
    fields[name] = value;
    isChanged = true;
  }
  const present = after as Readonly<Record<string, unknown>>;
  for (const name of Object.keys(old)) {
    if (old[name] !== undefined && present[name] === undefined) gone.push(name);
  }
  if (gone.length > 0) return [fields, gone];
  return isChanged ? [fields] : undefined;
}

/** The row as it is after a change. */
export function changedRow<Row extends object>(before: Row, [fields, gone]: RowChange): Row {
  if (gone === undefined) return { ...before, ...fields };
  const row: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(before)) if (!gone.includes(name)) row[name] = value;
  return Object.assign(row, fields) as Row;
}

function isSame(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  return JSON.stringify(a) === JSON.stringify(b);
}
