// A proxy before a Redis server that cuts and deafens as it is told: what a network, or another proxy, does to a client.
import { connect, createServer, type Server, type Socket } from "node:net";

/** What happens to a connection whose request contains a text. */
interface Order {
  readonly text: string;
  /** "request": the server never sees it. "answer": it is done, and nobody is told. "later": what comes after the answer. */
  readonly loses: "request" | "answer" | "later";
}

/** Stands between clients and one server. */
export class RedisProxy {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #orders: Order[] = [];
  #refuses = false;
  #connections = 0;

  private constructor(url: string) {
    const { hostname, port } = new URL(url);
    this.#server = createServer((client) => {
      this.#connections++;
      if (this.#refuses) client.destroy();
      else this.#join(client, connect(Number(port), hostname));
    });
  }

  static async before(url: string): Promise<RedisProxy> {
    const proxy = new RedisProxy(url);
    await new Promise<void>((resolve) => proxy.#server.listen(0, "127.0.0.1", resolve));
    return proxy;
  }

  /** The server's URL, by way of the proxy. */
  get url(): string {
    const address = this.#server.address();
    return `redis://127.0.0.1:${typeof address === "object" ? address?.port : ""}`;
  }

  /** How many connections there have been. */
  get connections(): number {
    return this.#connections;
  }

  /** Cuts the connection of the next request that contains the text. */
  cutNext(text: string, loses: "request" | "answer"): void {
    this.#orders.push({ text, loses });
  }

  /** Lets each connection that subscribes be told so, and hear nothing. */
  deafen(): void {
    this.#orders.push({ text: "subscribe", loses: "later" });
  }

  /** What is heard again is heard on new connections. */
  undeafen(): void {
    this.#orders = this.#orders.filter(({ loses }) => loses !== "later");
  }

  /** Whether new connections are cut at once. */
  refuse(refuses: boolean): void {
    this.#refuses = refuses;
  }

  cutAll(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.cutAll();
    await closed;
  }

  #join(client: Socket, server: Socket): void {
    let losesAnswer = false;
    let answers = Number.POSITIVE_INFINITY;
    for (const [socket, other] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => {
        this.#sockets.delete(socket);
        other.destroy();
      });
    }
    client.on("data", (data) => {
      const order = this.#orders.find(({ text }) => data.includes(text));
      if (order?.loses === "later") answers = 1;
      else if (order !== undefined) {
        this.#orders = this.#orders.filter((one) => one !== order);
        if (order.loses === "request") return void client.destroy();
        losesAnswer = true;
      }
      server.write(data);
    });
    server.on("data", (data) => {
      if (losesAnswer) return void client.destroy();
      if (answers-- > 0) client.write(data);
    });
  }
}
