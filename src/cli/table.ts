// Tables for people: aligned columns of plain text, cut to the terminal's width where there is a terminal.

/** A column of a table. */
export interface Column<Row> {
  readonly title: string;
  /** What a row says; undefined and "" are shown as nothing. */
  readonly cell: (row: Row) => string | number | undefined;
  /** Left out when no row says anything. */
  readonly optional?: true;
  /** Never shortened: ids are there to be copied. */
  readonly whole?: true;
}

/** Shortened columns keep so many characters; where even these do not fit, the last columns are left out. */
const widthMin = 12;
const gap = "  ";

/** Lines of aligned columns under their titles; numbers to the right. No line is longer than `width`, if there is one. */
export function table<Row>(rows: readonly Row[], columns: readonly Column<Row>[], width?: number): string {
  const filled = columns
    .map((column) => fillColumn(column, rows))
    .filter(({ column, cells }) => column.optional !== true || cells.some((cell) => cell !== ""));
  const shown = width === undefined ? filled : narrowed(filled, width);
  const lines = Array.from({ length: rows.length + 1 }, (_, line) => {
    const cells = shown.map(({ column, cells, isNumber, width }) => {
      const text = cut(line === 0 ? column.title : (cells[line - 1] ?? ""), width);
      const pad = " ".repeat(width - lengthOf(text));
      return isNumber ? pad + text : text + pad;
    });
    const text = cells.join(gap).trimEnd();
    return width === undefined ? text : cut(text, width);
  });
  return lines.join("\n");
}

interface Filled<Row> {
  readonly column: Column<Row>;
  readonly cells: readonly string[];
  readonly isNumber: boolean;
  readonly width: number;
}

function fillColumn<Row>(column: Column<Row>, rows: readonly Row[]): Filled<Row> {
  const values = rows.map((row) => column.cell(row));
  const cells = values.map((value) => plain(String(value ?? "")));
  const width = Math.max(...[column.title, ...cells].map(lengthOf));
  return { column, cells, isNumber: values.some((value) => typeof value === "number"), width };
}

/** Leaves out the last columns as long as the rest cannot fit, then takes what is too much from the widest. */
function narrowed<Row>(columns: readonly Filled<Row>[], width: number): readonly Filled<Row>[] {
  const isWhole = ({ column }: Filled<Row>) => column.whole === true;
  const leastOf = (one: Filled<Row>) => (isWhole(one) ? one.width : Math.min(one.width, widthMin));
  const lineOf = (widths: readonly number[]) => widths.reduce((sum, each) => sum + each + gap.length, -gap.length);
  const kept = [...columns];
  while (kept.length > 1 && lineOf(kept.map(leastOf)) > width) kept.pop();
  const widths = kept.map((one) => one.width);
  for (let excess = lineOf(widths) - width; excess > 0; excess--) {
    const flexible = kept.map((one, index) => (isWhole(one) ? 0 : (widths[index] ?? 0)));
    const widest = flexible.indexOf(Math.max(...flexible));
    if ((flexible[widest] ?? 0) <= widthMin) break;
    widths[widest] = (widths[widest] ?? 0) - 1;
  }
  return kept.map((one, index) => ({ ...one, width: widths[index] ?? 0 }));
}

/** Lines of names and values, the values aligned; those that are undefined are left out. */
export function fields(pairs: readonly (readonly [name: string, value: string | number | undefined])[]): string {
  const given = pairs.filter(([, value]) => value !== undefined);
  const width = Math.max(0, ...given.map(([name]) => name.length));
  return given.map(([name, value]) => `${name.padEnd(width)}${gap}${plain(String(value))}`).join("\n");
}

/** A text on one line without control characters: what others stored must not steer the terminal. */
export function plain(text: string): string {
  return text.replace(/\s*\n\s*/g, " ").replace(/\p{Cc}/gu, "\u{fffd}");
}

function cut(text: string, width: number): string {
  const characters = [...text];
  return characters.length <= width ? text : `${characters.slice(0, Math.max(0, width - 1)).join("")}…`;
}

function lengthOf(text: string): number {
  return [...text].length;
}
