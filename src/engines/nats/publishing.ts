// Writing a change set: accepted only as the next of its journal, whole or not at all. One message where it fits, else an
// atomic batch of them (NATS ADR-50). The client's own batches lose the expectation: headers are written by hand.
import type { MsgHdrs } from "@nats-io/transport-node";
import type { Way } from "./connecting.ts";
import { headersOf, type PartName } from "./encoding.ts";

/** What the server said to a write. `refused`: by its own reasons, and will not be let in if it is sent again. */
export type Said =
  | { readonly outcome: "written"; readonly seq: number }
  /** Something else was written meanwhile, or this very set before. */
  | { readonly outcome: "overtaken" }
  | { readonly outcome: "refused"; readonly code: number; readonly text: string };

export interface Publication {
  readonly subject: string;
  readonly name: Omit<PartName, "part" | "parts">;
  readonly parts: readonly Uint8Array[];
  /** Unlike any other try's. */
  readonly batchId: string;
}

/** Error codes of JetStream: the last sequence is another than was expected (of a subject, of a stream; while others are on their way). */
const overtakenCodes: readonly number[] = [10071, 10070, 10164];

/** @throws errors of the client when no answer comes: whether it was written is not known */
export async function publish({ nc, driver }: Way, publication: Publication, timeoutMs: number): Promise<Said> {
  const { subject, name, parts, batchId } = publication;
  for (const [index, data] of parts.entries()) {
    const headers = driver.headers();
    for (const [key, value] of headersOf({ ...name, part: index + 1, parts: parts.length })) headers.set(key, value);
    if (index === 0) headers.set("Nats-Expected-Last-Subject-Sequence", `${name.after.seq}`);
    const isLast = index === parts.length - 1;
    if (parts.length > 1) setBatch(headers, batchId, index + 1, isLast);
    if (!isLast && index > 0) {
      nc.publish(subject, data, { headers });
      continue;
    }
    const answer = await nc.request(subject, data, { headers, timeout: timeoutMs });
    // The first of a batch is answered with nothing where the server takes batches.
    if (!isLast && answer.data.length === 0) continue;
    return read(answer.string());
  }
  throw new Error("a change set has no parts");
}

function setBatch(headers: MsgHdrs, id: string, sequence: number, isLast: boolean): void {
  headers.set("Nats-Batch-Id", id);
  headers.set("Nats-Batch-Sequence", `${sequence}`);
  if (isLast) headers.set("Nats-Batch-Commit", "1");
}

function read(text: string): Said {
  const answer = JSON.parse(text) as {
    readonly seq?: number;
    readonly error?: { readonly err_code?: number; readonly code?: number; readonly description?: string };
  };
  if (answer.error === undefined && answer.seq !== undefined) return { outcome: "written", seq: answer.seq };
  const code = answer.error?.err_code ?? answer.error?.code ?? 0;
  if (overtakenCodes.includes(code)) return { outcome: "overtaken" };
  return { outcome: "refused", code, text: answer.error?.description ?? text };
}
