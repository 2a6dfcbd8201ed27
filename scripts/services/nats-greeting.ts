// What a NATS server tells of itself, without a client: its greeting on the wire, and its pages for monitoring.
import { createConnection } from "node:net";

/** Far longer than a server that is alive takes. */
const answersWithinMs = 5_000;

/** Of the INFO line, what is of use here. */
export interface NatsGreeting {
  readonly server_name: string;
  /** As in "2.15.1". */
  readonly version: string;
  /** Whether JetStream is on, with what it kept loaded. */
  readonly jetstream?: boolean;
}

/** The line that the server sends first, before any encryption and login. Fails where nobody listens, or answers. */
export async function greetingOf(host: string, port: number): Promise<NatsGreeting> {
  return await new Promise((resolve, reject) => {
    const socket = createConnection({ host, port });
    let text = "";
    const fail = (error: Error) => {
      socket.destroy();
      reject(error);
    };
    socket.setTimeout(answersWithinMs, () => fail(new Error(`${host}:${port} does not answer`)));
    socket.once("error", fail);
    socket.once("close", () => fail(new Error(`${host}:${port} closed the connection`)));
    socket.setEncoding("utf8").on("data", (part: string) => {
      text += part;
      const [, information] = /^INFO (.*)\r\n/.exec(text) ?? [];
      if (information === undefined) return;
      resolve(JSON.parse(information) as NatsGreeting);
      socket.destroy();
    });
  });
}

/** A page of a server's monitoring, as in "/varz". Fails where it does not answer with that page. */
export async function monitorPage(origin: string, path: string): Promise<unknown> {
  const response = await fetch(`${origin}${path}`, { signal: AbortSignal.timeout(answersWithinMs) });
  const body = await response.text();
  if (!response.ok) throw new Error(`${origin}${path}: ${response.status} ${body}`);
  return JSON.parse(body);
}
