// docs/errors.md against core/errors.ts, both ways: codes, classes, statuses, exit codes and what to do.
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import * as errors from "../../src/core/errors.ts";

interface Listed {
  readonly className: string;
  readonly status: number;
  readonly exitCode: number;
  readonly mend: string;
}

type ErrorClass = new (first: unknown, second?: unknown) => errors.PunctualError;

/** The table's rows by code: | `CODE` | `Class` | status | exit code | when | what to do | */
function readTable(): Map<string, Listed> {
  const text = readFileSync(new URL("../../docs/errors.md", import.meta.url), "utf8");
  const rows = new Map<string, Listed>();
  for (const line of text.split("\n")) {
    const [code, className, status, exitCode, , mend] = line.split("|").slice(1, -1).map(plain);
    if (code === undefined || !/^[A-Z][A-Z_]+$/.test(code)) continue;
    expect(rows.has(code), `${code} is listed once`).toBe(false);
    rows.set(code, {
      className: className ?? "",
      status: Number(status),
      exitCode: Number(exitCode),
      mend: mend ?? "",
    });
  }
  return rows;
}

/** A cell's text without Markdown's code marks. */
function plain(cell: string): string {
  return cell.replaceAll("`", "").trim();
}

/** Which class carries which code, asked of the classes themselves. */
function readClasses(): Map<string, string> {
  const classes = new Map<string, string>();
  for (const [name, value] of Object.entries(errors)) {
    if (typeof value !== "function" || !(value.prototype instanceof errors.PunctualError)) continue;
    const error = new (value as unknown as ErrorClass)(name === "RetryAt" ? new Date(0) : "message", {
      field: "field",
    });
    classes.set(error.code, name);
  }
  return classes;
}

describe("docs/errors.md", () => {
  const listed = readTable();
  const classes = readClasses();

  it("lists the codes of the catalogue, and no others", () => {
    expect([...listed.keys()].sort()).toEqual(Object.keys(errors.errorCatalogue).sort());
  });

  it("gives each code its class, HTTP status, exit code and what to do", () => {
    for (const [code, { status, exitCode, mend }] of Object.entries(errors.errorCatalogue)) {
      expect(listed.get(code), code).toEqual({ className: classes.get(code), status, exitCode, mend });
    }
  });

  it("knows every error class", () => {
    expect([...classes.keys()].sort()).toEqual([...listed.keys()].sort());
  });
});
