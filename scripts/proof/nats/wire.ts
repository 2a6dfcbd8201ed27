// A wire between two servers that can be cut as a network is: nobody is told, what is sent meanwhile waits as TCP's resending
// would have it, and once the wire is mended it arrives. Loopback only.
import { connect, createServer, type Server, type Socket } from "node:net";

/** Passes connections of one server to another's port, while it is whole. */
export class Wire {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** Connections of the time when it was cut: who made them never got an answer. */
  readonly #unanswered = new Set<Socket>();
  #isCut = false;

  private constructor(port: number) {
    this.#server = createServer((near) => {
      near.on("error", () => {});
      if (this.#isCut) this.#unanswered.add(near);
      else this.#join(near, connect(port, "127.0.0.1"));
    });
  }

  /** A wire to a port of this machine. */
  static async to(port: number): Promise<Wire> {
    const wire = new Wire(port);
    await new Promise<void>((resolve, reject) => {
      wire.#server.once("error", reject);
      wire.#server.listen(0, "127.0.0.1", resolve);
    });
    return wire;
  }

  /** Its near end, as "host:port". */
  get address(): string {
    const address = this.#server.address();
    return `127.0.0.1:${typeof address === "object" ? address?.port : ""}`;
  }

  cut(): void {
    this.#isCut = true;
    for (const socket of this.#sockets) socket.pause();
  }

  mend(): void {
    this.#isCut = false;
    for (const socket of this.#unanswered) socket.destroy();
    this.#unanswered.clear();
    for (const socket of this.#sockets) socket.resume();
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const socket of [...this.#sockets, ...this.#unanswered]) socket.destroy();
    await closed;
  }

  #join(near: Socket, far: Socket): void {
    far.on("error", () => {});
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#sockets.add(socket);
      socket.setNoDelay(true);
      socket.on("data", (data) => {
        if (!other.write(data)) socket.pause();
      });
      socket.on("drain", () => {
        if (!this.#isCut) other.resume();
      });
      socket.on("close", () => {
        this.#sockets.delete(socket);
        other.destroy();
      });
    }
  }
}
