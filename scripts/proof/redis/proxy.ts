// A proxy before a Redis server that cuts connections in the midst of a request or of an answer: the one half has passed, the
// other never will. It knows requests by the command or script that they run. Loopback only, no encryption, RESP2.
import { connect, createServer, type Server, type Socket } from "node:net";
import { MessageReader, RequestNames } from "./messages.ts";

/** Which of the two passes by half. `request`: the server never runs it. `answer`: it is done, and nobody is told. */
export type Halved = "request" | "answer";

interface Order {
  readonly name: string;
  readonly halves: Halved;
  readonly onCut: () => void;
}

/** Stands between clients and one server. */
export class HalvingProxy {
  readonly #server: Server;
  readonly #names = new RequestNames();
  readonly #passages = new Set<Passage>();
  #orders: Order[] = [];

  private constructor(target: { readonly host: string; readonly port: number }) {
    this.#server = createServer((client) => {
      const passage = new Passage(client, connect(target), (request) => this.#takeOrder(request));
      this.#passages.add(passage);
      client.once("close", () => this.#passages.delete(passage));
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
    return `redis://127.0.0.1:${typeof address === "object" ? address?.port : ""}`;
  }

  /** Cuts the next connection that runs a command or script of this name, in the midst of it; resolves when it is cut. */
  cutNext(name: string, halves: Halved): Promise<void> {
    return new Promise((onCut) => this.#orders.push({ name, halves, onCut }));
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const passage of this.#passages) passage.cut();
    await closed;
  }

  #takeOrder(request: Buffer): Order | undefined {
    const name = this.#names.nameOf(request);
    const order = this.#orders.find((one) => one.name === name);
    if (order !== undefined) this.#orders = this.#orders.filter((other) => other !== order);
    return order;
  }
}

/** One client's way to the server and back. */
class Passage {
  readonly #client: Socket;
  readonly #server: Socket;
  readonly #requests = new MessageReader();
  readonly #answers = new MessageReader();
  readonly #orderFor: (request: Buffer) => Order | undefined;
  #requested = 0;
  #answered = 0;
  /** Which answer is to pass by half: answers come in the order of the requests. */
  #halved: { readonly answer: number; readonly order: Order } | undefined;
  #isOver = false;

  constructor(client: Socket, server: Socket, orderFor: (request: Buffer) => Order | undefined) {
    this.#client = client;
    this.#server = server;
    this.#orderFor = orderFor;
    client.setNoDelay(true);
    server.setNoDelay(true);
    client.on("data", (chunk: Buffer) => this.#heardClient(chunk));
    server.on("data", (chunk: Buffer) => this.#heardServer(chunk));
    for (const socket of [client, server]) {
      // Who has failed is closed next.
      socket.on("error", () => {});
      socket.on("close", () => this.cut());
    }
  }

  cut(): void {
    this.#isOver = true;
    this.#client.destroy();
    this.#server.destroy();
  }

  #heardClient(chunk: Buffer): void {
    this.#server.cork();
    for (const request of this.#requests.read(chunk)) {
      if (this.#isOver) break;
      this.#requested++;
      // One at a time: an order whose answer is under way is carried out first.
      const order = this.#halved === undefined ? this.#orderFor(request) : undefined;
      if (order?.halves === "request") {
        this.#passHalf(this.#server, request, order);
        break;
      }
      if (order !== undefined) this.#halved = { answer: this.#requested, order };
      this.#server.write(request);
    }
    this.#server.uncork();
  }

  #heardServer(chunk: Buffer): void {
    this.#client.cork();
    for (const answer of this.#answers.read(chunk)) {
      if (this.#isOver) break;
      this.#answered++;
      if (this.#answered === this.#halved?.answer) {
        this.#passHalf(this.#client, answer, this.#halved.order);
        break;
      }
      this.#client.write(answer);
    }
    this.#client.uncork();
  }

  /** What came before in the same pipeline passes whole. */
  #passHalf(socket: Socket, message: Buffer, { onCut }: Order): void {
    this.#isOver = true;
    socket.write(message.subarray(0, message.length >> 1), () => {
      this.cut();
      onCut();
    });
  }
}
