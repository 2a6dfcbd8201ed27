// Redis' wire protocol, version 2, as far as a proxy reads it: requests and answers out of a stream of bytes, and the name of
// the command or script that a request runs. Format: https://redis.io/docs/latest/develop/reference/protocol-spec/
import { createHash } from "node:crypto";

const crlf = "\r\n";

/** Where the value that begins at `from` ends; undefined while it is not all there. */
function endOf(bytes: Buffer, from: number): number | undefined {
  const line = bytes.indexOf(crlf, from);
  if (line < 0) return undefined;
  const next = line + crlf.length;
  const type = String.fromCharCode(bytes[from] ?? 0);
  if (type !== "$" && type !== "*") return next;
  const length = Number(bytes.toString("latin1", from + 1, line));
  if (length < 0) return next;
  if (type === "$") {
    const end = next + length + crlf.length;
    return end <= bytes.length ? end : undefined;
  }
  let end: number | undefined = next;
  for (let item = 0; item < length && end !== undefined; item++) end = endOf(bytes, end);
  return end;
}

/** Puts the values of one direction together: each is one request, or one answer. */
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

/** Names requests: a script by its first line, as "jobs.claim", another command by its own name in lower case. */
export class RequestNames {
  readonly #scripts = new Map<string, string>();

  nameOf(request: Buffer): string {
    const [command = "", script = ""] = textsOf(request, 2);
    const name = command.toLowerCase();
    if (name === "evalsha") return this.#scripts.get(script) ?? name;
    if (name !== "eval") return name;
    const own = /^-- (\S+)/.exec(script)?.[1] ?? name;
    this.#scripts.set(createHash("sha1").update(script).digest("hex"), own);
    return own;
  }
}

/** The first texts of a request. */
function textsOf(request: Buffer, count: number): string[] {
  const texts: string[] = [];
  let at = request.indexOf(crlf) + crlf.length;
  while (texts.length < count && at < request.length) {
    const line = request.indexOf(crlf, at);
    const from = line + crlf.length;
    const to = from + Number(request.toString("latin1", at + 1, line));
    texts.push(request.toString("utf8", from, to));
    at = to + crlf.length;
  }
  return texts;
}
