// PostgreSQL's wire protocol as far as a proxy reads it: messages out of a stream of bytes, and the text of the statement
// that a client's message runs. Formats: https://www.postgresql.org/docs/current/protocol-message-formats.html

/** One message, whole. `type` is its letter; "" for the first message of a client, which has none. */
export interface Message {
  readonly type: string;
  readonly bytes: Buffer;
}

/** Codes of a client's first message that ask for encryption; another first message follows them. */
const encryptionRequests: readonly number[] = [80_877_103, 80_877_104];

/** Puts the messages of one direction together. */
export class MessageReader {
  #rest: Buffer = Buffer.alloc(0);
  #opening: boolean;

  /** @param opening the stream begins with a client's first message */
  constructor(opening: boolean) {
    this.#opening = opening;
  }

  read(chunk: Buffer): Message[] {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    const messages: Message[] = [];
    for (;;) {
      const lengthAt = this.#opening ? 0 : 1;
      if (this.#rest.length < lengthAt + 4) return messages;
      const end = lengthAt + this.#rest.readInt32BE(lengthAt);
      if (this.#rest.length < end) return messages;
      const bytes = this.#rest.subarray(0, end);
      const type = this.#opening ? "" : String.fromCharCode(bytes[0] ?? 0);
      messages.push({ type, bytes });
      this.#rest = this.#rest.subarray(end);
      if (this.#opening) this.#opening = asksForEncryption({ type, bytes });
    }
  }
}

/** Whether a client's first message asks for encryption. */
export function asksForEncryption({ type, bytes }: Message): boolean {
  return type === "" && bytes.length === 8 && encryptionRequests.includes(bytes.readInt32BE(4));
}

/** Whether a server's message says that it is ready, with no transaction open. */
export function isIdle({ type, bytes }: Message): boolean {
  return type === "Z" && bytes[5] === "I".charCodeAt(0);
}

/** Knows the texts of one connection's prepared statements. */
export class StatementReader {
  readonly #texts = new Map<string, string>();

  /** The text that a client's message is about to run; undefined when it runs none. */
  textOf({ type, bytes }: Message): string | undefined {
    if (type === "Q") return textAt(bytes, 5);
    if (type === "P") {
      const name = textAt(bytes, 5);
      this.#texts.set(name, textAt(bytes, 6 + Buffer.byteLength(name)));
      return undefined;
    }
    if (type !== "B") return undefined;
    const portal = textAt(bytes, 5);
    return this.#texts.get(textAt(bytes, 6 + Buffer.byteLength(portal)));
  }
}

/** The zero-terminated text at an index. */
function textAt(bytes: Buffer, from: number): string {
  return bytes.toString("utf8", from, bytes.indexOf(0, from));
}
