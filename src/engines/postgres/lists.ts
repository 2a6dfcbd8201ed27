// Lists as PostgreSQL writes arrays: one text parameter, whatever the driver.

/** A list of texts. */
export function textArray(values: readonly (string | null)[]): string {
  let text = "{";
  for (const [index, value] of values.entries()) {
    if (index > 0) text += ",";
    text += value === null ? "NULL" : `"${value.replace(/["\\]/g, "\\$&")}"`;
  }
  return `${text}}`;
}

/** A list of numbers, booleans, or texts that need no quotes (ids). */
export function plainArray(values: readonly (number | boolean | string | null)[]): string {
  return `{${values.map((value) => value ?? "NULL").join(",")}}`;
}
