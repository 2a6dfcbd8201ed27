// A server may be there and yet be cut off from the others of its cluster: it pings, and answers no request. Then a connection
// of ours is taken to another one.
import type { NatsConnection, ReconnectToServerHandler } from "@nats-io/transport-node";

/** So many requests in a row, over so many ms, tell. */
const cutOff = { requests: 3, ms: 2_000 } as const;

export class Leaving {
  #unanswered = 0;
  #since = 0;
  #left: string | undefined;

  /** Chooses where to connect: not where we have just left, if there is another. For the client's options. */
  readonly choose: ReconnectToServerHandler = ([next, other]) => {
    const isLeft = next?.listen === this.#left;
    this.#left = undefined;
    return isLeft ? (other ?? null) : null;
  };

  answered(): void {
    this.#unanswered = 0;
  }

  /** Leaves the server when enough has gone unanswered. */
  unanswered(nc: NatsConnection): void {
    if (this.#unanswered === 0) this.#since = performance.now();
    this.#unanswered++;
    if (this.#unanswered < cutOff.requests || performance.now() - this.#since < cutOff.ms) return;
    this.#unanswered = 0;
    if (nc.isClosed() || nc.info === undefined) return;
    this.#left = nc.getServer();
    nc.reconnect().catch(() => {});
  }
}
