// Pages of a whole store as values: every engine makes them alike out of its ways to read each kind.
import { isFinished, type Job } from "./job.ts";
import { decodeCursor, encodeCursor } from "./page.ts";
import {
  positionOf,
  type TransferItem,
  type TransferKind,
  type TransferName,
  type TransferPage,
  type TransferPosition,
  type TransferRequest,
  transferKinds,
} from "./transfer.ts";

/** Reads the items of one kind beyond a name (from the first when there is none), in order, `limit` at most. */
export type ReadKind<Items = readonly TransferItem[]> = (
  kind: TransferKind,
  after: TransferName | undefined,
  limit: number,
) => Items;

/** Makes a page out of an engine's ways to read each kind. @throws InvalidInputError for a cursor that is none */
export function readPageOf(request: TransferRequest, read: ReadKind): TransferPage {
  const page = pageOf(request);
  let step = page.next();
  while (step.done !== true) step = page.next(read(...step.value));
  return step.value;
}

/** The same where reading takes time. @throws InvalidInputError for a cursor that is none */
export async function readPageFrom(
  request: TransferRequest,
  read: ReadKind<Promise<readonly TransferItem[]>>,
): Promise<TransferPage> {
  const page = pageOf(request);
  let step = page.next();
  while (step.done !== true) step = page.next(await read(...step.value));
  return step.value;
}

/** The page, made of what it is given for each part that it asks for. */
function* pageOf(request: TransferRequest): Generator<Parameters<ReadKind>, TransferPage, readonly TransferItem[]> {
  let after = request.cursor === undefined ? undefined : decodePlace(request.cursor);
  const items: TransferItem[] = [];
  for (const kind of transferKinds.slice(after === undefined ? 0 : transferKinds.indexOf(after.kind))) {
    const found = yield [kind, after?.kind === kind ? after.name : undefined, request.limit - items.length];
    items.push(...found.map(plainItem));
    const last = items.at(-1);
    if (items.length >= request.limit && last !== undefined) return { items, next: encodePlace(positionOf(last)) };
    after = undefined;
  }
  return { items };
}

function encodePlace({ kind, name }: TransferPosition): string {
  return encodeCursor([kind, ...name]);
}

function decodePlace(cursor: string): TransferPosition {
  for (const length of [2, 3]) {
    try {
      const [first, ...name] = decodeCursor(cursor, length);
      const kind = transferKinds.find((each) => each === first);
      if (kind !== undefined) return { kind, name };
    } catch {
      // It may be of the other length.
    }
  }
  // Refuses it in the words of every listing.
  return { kind: "queue", name: decodeCursor(cursor, 0) };
}

/** The item without what engines may or may not keep: empty members, and the lease of a job that is over. */
function plainItem(item: TransferItem): TransferItem {
  return item.kind === "job" ? { ...item, job: plainJob(item.job) } : item;
}

function plainJob(job: Job): Job {
  const { started, cancelRequested, successor, ...rest } = job;
  const flags = {
    ...(cancelRequested === true ? { cancelRequested } : {}),
    ...(successor === true ? { successor } : {}),
  };
  if (!isFinished(job.state)) return { ...rest, ...flags, ...(started === undefined ? {} : { started }) };
  const { worker: _worker, claimedAt: _claimedAt, leaseUntil: _leaseUntil, ...ended } = rest;
  return { ...ended, ...flags };
}
