// NATS' client protocol as far as a proxy reads it: whole messages out of a stream of bytes, and what a message is about.
// Format: https://docs.nats.io/reference/reference-protocols/nats-protocol

const crlf = "\r\n";

/** What one message of the wire says of itself. */
export interface About {
  /** The operation in upper case: "PUB", "HPUB", "MSG", "HMSG", "PING", ... */
  readonly operation: string;
  /** Of operations that carry a payload. */
  readonly subject?: string;
  /** Where the answer is to go. */
  readonly reply?: string;
}

/** How many words follow the operation: without and with a reply. The last word is the length of all that follows. */
const wordsWithoutReply: Readonly<Record<string, number>> = { PUB: 2, HPUB: 3, MSG: 3, HMSG: 4 };

/** Puts the messages of one direction together. */
export class MessageReader {
  #rest: Buffer = Buffer.alloc(0);

  read(chunk: Buffer): Buffer[] {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    const messages: Buffer[] = [];
    let from = 0;
    for (;;) {
      const end = endOf(bytes, from);
      if (end === undefined) break;
      messages.push(bytes.subarray(from, end));
      from = end;
    }
    this.#rest = bytes.subarray(from);
    return messages;
  }
}

/** What a whole message is about. */
export function aboutOf(message: Buffer): About {
  const words = lineWords(message, 0, message.indexOf(crlf));
  const operation = (words[0] ?? "").toUpperCase();
  const least = wordsWithoutReply[operation];
  const subject = words[1];
  if (least === undefined || subject === undefined) return { operation };
  // A reply stands before the lengths; a server's message has the subscription's number before it.
  const replyAt = operation.endsWith("PUB") ? 2 : 3;
  const reply = words.length - 1 > least ? words[replyAt] : undefined;
  return { operation, subject, ...(reply === undefined ? {} : { reply }) };
}

/** Where the message that begins at `from` ends; undefined while it is not all there. */
function endOf(bytes: Buffer, from: number): number | undefined {
  const line = bytes.indexOf(crlf, from);
  if (line < 0) return undefined;
  const next = line + crlf.length;
  const words = lineWords(bytes, from, line);
  if (wordsWithoutReply[(words[0] ?? "").toUpperCase()] === undefined) return next;
  const end = next + Number(words.at(-1)) + crlf.length;
  return end <= bytes.length ? end : undefined;
}

function lineWords(bytes: Buffer, from: number, to: number): string[] {
  return bytes.toString("latin1", from, to).split(/[ \t]+/);
}
