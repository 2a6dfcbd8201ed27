// The real timers, taken when the kit is loaded: Jest's and Vitest's fake timers replace the global ones later.
import process from "node:process";
import { clearTimeout, setImmediate, setTimeout } from "node:timers";

// Constants of our own: in CommonJS an imported name is looked up in its module, which fake timers change too.
const immediate = setImmediate;
const start = setTimeout;
const cancel = clearTimeout;
// Where Jest fakes timers before it loads anything, its `process` is fake too: a turn of the event loop serves instead.
const tick: (callback: () => void) => unknown =
  "clock" in process.nextTick ? immediate : process.nextTick.bind(process);

/** Resolves with a later turn of the event loop. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => immediate(resolve));
}

/** Calls back after so many real milliseconds, without keeping the process alive; the answer cancels it. */
export function afterReal(ms: number, callback: () => void): () => void {
  const timer = start(callback, ms);
  timer.unref();
  return () => cancel(timer);
}

/** Calls back with the next turn of the event loop. */
export function laterImmediate(callback: () => void): void {
  immediate(callback);
}

/** Resolves once every promise that needs no turn of the event loop has settled. A fraction of a turn's cost. */
export function afterMicrotasks(): Promise<void> {
  return new Promise((resolve) => tick(resolve));
}

/** Whether somebody's `setImmediate` is still to come; absent where the runtime does not tell. */
export const pendingImmediates: (() => boolean) | undefined =
  typeof process.getActiveResourcesInfo === "function"
    ? () => process.getActiveResourcesInfo().includes("Immediate")
    : undefined;
