// A rate limit and what it has counted, as two columns of JSON: a foreign hand may have left anything there.
import type { RateLimit, RateWindow } from "./queue.ts";
import { has, isNumber, listOf } from "./shape.ts";

const isWindow = listOf((slice) => listOf(isNumber)(slice) && (slice as readonly unknown[]).length === 2);
const isRate = has({ count: isNumber, periodMs: isNumber });

/** The limit; one that cannot be read must not be taken for none. */
export function readRate(text: string | null): RateLimit | "unreadable" | undefined {
  if (text === null) return undefined;
  const rate = parsedJson(text);
  return isRate(rate) ? (rate as RateLimit) : "unreadable";
}

/** What it has counted; a window that cannot be read has counted nothing: it must not stop anyone. */
export function readWindow(text: string | null): RateWindow {
  const window = text === null ? [] : parsedJson(text);
  return isWindow(window) ? (window as RateWindow) : [];
}

/** The value of a JSON text; undefined when it is none. */
export function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
