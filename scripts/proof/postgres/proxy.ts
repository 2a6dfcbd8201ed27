// A proxy before a PostgreSQL server that cuts, refuses and stalls as it is told: what a network does to a client at its
// worst. It knows statements by their text, so that it can cut in the middle of one. Loopback only, no encryption.
import { connect as connectSocket, createServer, type Server, type Socket } from "node:net";
import { asksForEncryption, isIdle, type Message, MessageReader, StatementReader } from "./messages.ts";

/** Which statements are meant, by their text. */
export type StatementMatch = (text: string) => boolean;

/** What a cut loses. `request`: the server never sees the statement. `answer`: it is done, committed, and nobody is told. */
export type Lost = "request" | "answer";

interface Order {
  readonly matches: StatementMatch;
  readonly loses: Lost;
  readonly once: boolean;
  readonly onCut: () => void;
}

const isListen: StatementMatch = (text) => /^(?:\s|--.*\n)*LISTEN\b/i.test(text);

/** Stands between clients and one server. */
export class CuttingProxy {
  readonly #target: { readonly host: string; readonly port: number };
  readonly #server: Server;
  readonly #passages = new Set<Passage>();
  #orders: Order[] = [];
  #refuses = false;
  #stalls = false;

  private constructor(target: { readonly host: string; readonly port: number }) {
    this.#target = target;
    this.#server = createServer((client) => this.#accept(client));
  }

  /** A proxy before the server of a URL, on a free port of this machine. */
  static async before(url: string): Promise<CuttingProxy> {
    const { hostname, port } = new URL(url);
    const proxy = new CuttingProxy({ host: hostname, port: Number(port) });
    await new Promise<void>((resolve, reject) => {
      proxy.#server.once("error", reject);
      proxy.#server.listen(0, "127.0.0.1", resolve);
    });
    return proxy;
  }

  /** The same URL, by way of the proxy. */
  urlFor(url: string): string {
    const address = this.#server.address();
    const through = new URL(url);
    through.hostname = "127.0.0.1";
    through.port = String(typeof address === "object" ? address?.port : "");
    return through.href;
  }

  /** Connections that are open now. */
  get connections(): number {
    return this.#passages.size;
  }

  /** Those of them that have said LISTEN. */
  get listening(): number {
    return [...this.#passages].filter(({ listens }) => listens).length;
  }

  /** Cuts every connection; answers how many. */
  cutAll(): number {
    return this.#cut(() => true);
  }

  /** Cuts the connections that have said LISTEN; answers how many. */
  cutListening(): number {
    return this.#cut(({ listens }) => listens);
  }

  /** Cuts the next connection that runs such a statement, in the middle of it; resolves when it is cut. */
  cutNext(matches: StatementMatch, loses: Lost): Promise<void> {
    return new Promise((onCut) => this.#orders.push({ matches, loses, once: true, onCut }));
  }

  /** Cuts every connection that says LISTEN, before the server sees it, until the answered function is called. */
  forbidListen(): () => void {
    const order: Order = { matches: isListen, loses: "request", once: false, onCut: () => {} };
    this.#orders.push(order);
    return () => {
      this.#orders = this.#orders.filter((other) => other !== order);
    };
  }

  /** Whether new connections are cut at once. */
  refuse(refuses: boolean): void {
    this.#refuses = refuses;
  }

  /** Whether no byte passes, in either direction; connections stay open. */
  stall(stalls: boolean): void {
    this.#stalls = stalls;
    for (const passage of this.#passages) passage.stall(stalls);
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.cutAll();
    await closed;
  }

  #accept(client: Socket): void {
    if (this.#refuses) {
      client.destroy();
      return;
    }
    const server = connectSocket(this.#target);
    const passage = new Passage(client, server, (text) => this.#takeOrder(text));
    this.#passages.add(passage);
    passage.onClosed(() => this.#passages.delete(passage));
    if (this.#stalls) passage.stall(true);
  }

  #takeOrder(text: string): Order | undefined {
    const order = this.#orders.find(({ matches }) => matches(text));
    if (order?.once === true) this.#orders = this.#orders.filter((other) => other !== order);
    return order;
  }

  #cut(which: (passage: Passage) => boolean): number {
    const chosen = [...this.#passages].filter(which);
    for (const passage of chosen) passage.cut();
    return chosen.length;
  }
}

/** One client's way to the server and back. */
class Passage {
  readonly #client: Socket;
  readonly #server: Socket;
  readonly #fromClient = new MessageReader(true);
  readonly #fromServer = new MessageReader(false);
  readonly #statements = new StatementReader();
  readonly #orderFor: (text: string) => Order | undefined;
  /** The order whose statement is under way: its answer is to be lost. */
  #order: Order | undefined;
  /** The server's answers since that statement, until it is known whether they are the end of it. */
  readonly #held: Buffer[] = [];
  #listens = false;

  constructor(client: Socket, server: Socket, orderFor: (text: string) => Order | undefined) {
    this.#client = client;
    this.#server = server;
    this.#orderFor = orderFor;
    client.setNoDelay(true);
    server.setNoDelay(true);
    client.on("data", (chunk: Buffer) => this.#heardClient(chunk));
    server.on("data", (chunk: Buffer) => this.#heardServer(chunk));
    client.on("end", () => server.end());
    server.on("end", () => client.end());
    for (const socket of [client, server]) {
      // Who has failed is closed next.
      socket.on("error", () => {});
      socket.on("close", (failed) => {
        if (failed) this.cut();
      });
    }
  }

  get listens(): boolean {
    return this.#listens;
  }

  onClosed(closed: () => void): void {
    let open = 2;
    for (const socket of [this.#client, this.#server]) {
      socket.once("close", () => {
        open--;
        if (open === 0) closed();
      });
    }
  }

  cut(): void {
    this.#client.destroy();
    this.#server.destroy();
  }

  stall(stalls: boolean): void {
    for (const socket of [this.#client, this.#server]) {
      if (stalls) socket.pause();
      else socket.resume();
    }
  }

  #heardClient(chunk: Buffer): void {
    this.#server.cork();
    for (const message of this.#fromClient.read(chunk)) {
      if (this.#client.destroyed) return;
      if (asksForEncryption(message)) this.#client.write("N");
      else this.#forward(message);
    }
    this.#server.uncork();
  }

  #forward(message: Message): void {
    const text = this.#statements.textOf(message);
    const order = text === undefined ? undefined : this.#orderFor(text);
    if (order?.loses === "request") {
      this.cut();
      order.onCut();
      return;
    }
    this.#order ??= order;
    if (text !== undefined && isListen(text)) this.#listens = true;
    this.#server.write(message.bytes);
  }

  /** An answer is lost only when it is the last one of its transaction: until then a client that waits for it goes on. */
  #heardServer(chunk: Buffer): void {
    this.#client.cork();
    for (const message of this.#fromServer.read(chunk)) {
      if (this.#client.destroyed) return;
      if (this.#order === undefined) {
        this.#client.write(message.bytes);
        continue;
      }
      this.#held.push(message.bytes);
      if (message.type !== "Z") continue;
      if (isIdle(message)) {
        this.cut();
        this.#order.onCut();
        return;
      }
      for (const bytes of this.#held.splice(0)) this.#client.write(bytes);
    }
    this.#client.uncork();
  }
}
