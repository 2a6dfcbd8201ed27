// Waiting for a locked database without holding up the event loop, and the driver's errors as those of the catalogue.
import { setImmediate, setTimeout } from "node:timers/promises";
import { NotWrittenError, PunctualError, StoppedError, StoreCorruptError } from "../../core/errors.ts";
import { isBusy, isCorrupt, isError, isNested, sqliteCode } from "./database.ts";

/** A call gives up after waiting this long for others' transactions, in ms. */
const busyMsMax = 10_000;

/** At first it is tried at every turn of the event loop, for so long in ms: a batch of others' takes one or two. */
const eagerMs = 2;

/** The longest pause between two tries, in ms; short, so that nobody starves between busy writers. */
const busyPauseMsMax = 1;

/** What a try came to. */
type Tried<T> = { readonly answer: T } | { readonly busy: unknown };

/** Does it, again and again while the database is locked, and lets the event loop go on in between. */
export async function patiently<T>(work: () => T, whyBusy: () => string = () => ""): Promise<T> {
  let startedAt: number | undefined;
  for (;;) {
    const tried = attempt(work);
    if ("answer" in tried) return tried.answer;
    startedAt ??= performance.now();
    const waitedMs = performance.now() - startedAt;
    if (waitedMs > busyMsMax) {
      throw new NotWrittenError(`the database stayed locked for ${busyMsMax} ms${whyBusy()}`, { cause: tried.busy });
    }
    if (waitedMs < eagerMs) await setImmediate();
    else await setTimeout(1 + Math.random() * busyPauseMsMax);
  }
}

/** Does it once. @throws NotWrittenError or StoreCorruptError for what the driver throws, a lock apart. */
export function attempt<T>(work: () => T): Tried<T> {
  try {
    return { answer: work() };
  } catch (error) {
    if (isBusy(error) || isNested(error)) return { busy: error };
    throw translate(error, "the store failed");
  }
}

/** A table or column that is gone does not come back by waiting. */
function isSchemaFault(error: unknown): boolean {
  return isError(error) && /no such (?:table|column): \w*punctual_|has no column named/.test(error.message);
}

/** A driver's error as one of the catalogue; whatever transaction it met has been rolled back. */
export function translate(error: unknown, what: string): unknown {
  if (isError(error) && "code" in error && error.code === "ERR_INVALID_STATE") {
    return new StoppedError(`${what}: ${error.message}`, { mend: "Pass a database that is open.", cause: error });
  }
  if (error instanceof PunctualError || sqliteCode(error) === undefined) return error;
  const message = `${what}: ${isError(error) ? error.message : String(error)}`;
  return isCorrupt(error) || isSchemaFault(error)
    ? new StoreCorruptError(message, { cause: error })
    : new NotWrittenError(message, { cause: error });
}
