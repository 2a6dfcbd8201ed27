// A proxy before a NATS server that cuts connections in the midst of a message: the one half has passed, the other never
// will. It knows messages by their subjects. It can also hold a request back until its sender is long gone. Loopback only,
// no encryption.
import { connect, createServer, type Server, type Socket } from "node:net";
import { aboutOf, MessageReader } from "./messages.ts";

/**
 * Which message passes by half. `request`: the server never sees it. `answer`: it is done, and nobody is told. `delivery`:
 * what a subscriber was being sent.
 */
export type Halved = "request" | "answer" | "delivery";

interface Order {
  /** What the subject begins with. */
  readonly subject: string;
  /** `held`: the connection is cut, and the request passes when it is let through. */
  readonly does: Halved | "held";
  readonly onDone: (held: HeldRequest) => void;
  /** So many messages of this kind pass whole before. */
  passes: number;
}

/** A request that its sender has sent, and that the server has not got yet. */
export interface HeldRequest {
  /** Lets it through, whole; resolves when it is the operating system's. */
  release(): Promise<void>;
}

/** Stands between clients and one server. */
export class HalvingProxy {
  readonly #server: Server;
  readonly #passages = new Set<Passage>();
  #orders: Order[] = [];
  #isShut = false;

  private constructor(target: { readonly host: string; readonly port: number }) {
    this.#server = createServer((client) => {
      if (this.#isShut) return void client.destroy();
      const passage = new Passage(client, connect(target), (what) => this.#takeOrder(what));
      this.#passages.add(passage);
      void passage.ended.then(() => this.#passages.delete(passage));
    });
  }

  /** A proxy before a server, on a free port of this machine. */
  static async before(target: { readonly host: string; readonly port: number }): Promise<HalvingProxy> {
    const proxy = new HalvingProxy(target);
    await new Promise<void>((resolve, reject) => {
      proxy.#server.once("error", reject);
      proxy.#server.listen(0, "127.0.0.1", resolve);
    });
    return proxy;
  }

  get url(): string {
    const address = this.#server.address();
    return `nats://127.0.0.1:${typeof address === "object" ? address?.port : ""}`;
  }

  /**
   * Cuts the next connection that has a message on such a subject, in the midst of it, when so many of them have passed whole;
   * resolves when it is cut.
   */
  cutNext(subject: string, halves: Halved, passes = 0): Promise<void> {
    return new Promise((resolve) => this.#orders.push({ subject, does: halves, onDone: () => resolve(), passes }));
  }

  /** Cuts the connection of the next request on such a subject, and keeps the request; resolves when it is so. */
  holdNext(subject: string): Promise<HeldRequest> {
    return new Promise((onDone) => this.#orders.push({ subject, does: "held", onDone, passes: 0 }));
  }

  /** Ends every connection there is, and every new one at once, until it is opened. */
  shut(): void {
    this.#isShut = true;
    this.cutAll();
  }

  open(): void {
    this.#isShut = false;
  }

  /** Ends every connection there is. */
  cutAll(): void {
    for (const passage of this.#passages) passage.cut();
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.cutAll();
    await closed;
  }

  #takeOrder({ subject, does }: Sought): Order | undefined {
    const order = this.#orders.find((one) => does.includes(one.does) && subject.startsWith(one.subject));
    if (order !== undefined && order.passes-- > 0) return undefined;
    if (order !== undefined) this.#orders = this.#orders.filter((other) => other !== order);
    return order;
  }
}

interface Sought {
  readonly subject: string;
  readonly does: readonly Order["does"][];
}

/** One client's way to the server and back. */
class Passage {
  /** Resolves when both ends are closed. */
  readonly ended: Promise<unknown>;
  readonly #client: Socket;
  readonly #server: Socket;
  readonly #toServer = new MessageReader();
  readonly #toClient = new MessageReader();
  readonly #takeOrder: (what: Sought) => Order | undefined;
  /** The answers that are to pass by half, by the subjects that they are sent to. */
  readonly #halved = new Map<string, Order>();
  #isOver = false;

  constructor(client: Socket, server: Socket, takeOrder: (what: Sought) => Order | undefined) {
    this.#client = client;
    this.#server = server;
    this.#takeOrder = takeOrder;
    client.setNoDelay(true);
    server.setNoDelay(true);
    client.on("data", (chunk: Buffer) => this.#heardClient(chunk));
    server.on("data", (chunk: Buffer) => this.#heardServer(chunk));
    const closed = [client, server].map((socket) => {
      // Who has failed is closed next.
      socket.on("error", () => {});
      return new Promise<void>((resolve) => socket.on("close", () => resolve()));
    });
    client.on("close", () => !this.#isOver && this.cut());
    server.on("close", () => this.cut());
    this.ended = Promise.all(closed);
  }

  cut(): void {
    this.#isOver = true;
    this.#client.destroy();
    this.#server.destroy();
  }

  #heardClient(chunk: Buffer): void {
    this.#server.cork();
    for (const message of this.#toServer.read(chunk)) {
      if (this.#isOver) break;
      const { operation, subject = "", reply } = aboutOf(message);
      const does = reply === undefined ? (["request"] as const) : (["request", "answer", "held"] as const);
      const order = operation.endsWith("PUB") ? this.#takeOrder({ subject, does }) : undefined;
      if (order?.does === "request") this.#passHalf(this.#server, message, order);
      else if (order?.does === "held") this.#hold(message, order);
      else {
        if (order !== undefined && reply !== undefined) this.#halved.set(reply, order);
        this.#server.write(message);
      }
    }
    this.#server.uncork();
  }

  #heardServer(chunk: Buffer): void {
    this.#client.cork();
    for (const message of this.#toClient.read(chunk)) {
      if (this.#isOver) break;
      const { operation, subject = "" } = aboutOf(message);
      const order = operation.endsWith("MSG")
        ? (this.#halved.get(subject) ?? this.#takeOrder({ subject, does: ["delivery"] }))
        : undefined;
      if (order !== undefined) this.#passHalf(this.#client, message, order);
      else this.#client.write(message);
    }
    this.#client.uncork();
  }

  /** What came before on the same connection passes whole. */
  #passHalf(socket: Socket, message: Buffer, { onDone }: Order): void {
    this.#isOver = true;
    socket.write(message.subarray(0, message.length >> 1), () => {
      this.cut();
      onDone({ release: async () => {} });
    });
  }

  /** The server goes on believing in the connection. */
  #hold(message: Buffer, { onDone }: Order): void {
    this.#isOver = true;
    this.#client.destroy();
    onDone({ release: () => new Promise((resolve) => this.#server.end(message, () => resolve())) });
  }
}
