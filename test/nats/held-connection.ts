// A connection to a NATS server, as a user may give one, whose deliveries can be held back and whose requests are counted:
// what a slow network does, at a moment of the test's choice.
import { connect, type Msg, type NatsConnection, type SubscriptionOptions } from "@nats-io/transport-node";

export class HeldConnection {
  /** To give to the engine. */
  readonly nc: NatsConnection;
  readonly #raw: NatsConnection;
  /** Bodies of the requests that were made. */
  readonly #asked: string[] = [];
  #held: (() => void)[] = [];
  #isHolding = false;

  private constructor(raw: NatsConnection) {
    this.#raw = raw;
    const own: Pick<NatsConnection, "subscribe" | "request"> = {
      subscribe: (subject, options) => raw.subscribe(subject, this.#withHolding(options)),
      request: (subject, data, options) => {
        if (data !== undefined) this.#asked.push(typeof data === "string" ? data : new TextDecoder().decode(data));
        return raw.request(subject, data, options);
      },
    };
    this.nc = new Proxy(raw, {
      get: (target, name) => {
        const value: unknown = name in own ? Reflect.get(own, name) : Reflect.get(target, name);
        return typeof value === "function" && !(name in own) ? value.bind(target) : value;
      },
    });
  }

  static async to(url: string): Promise<HeldConnection> {
    return new HeldConnection(await connect({ servers: url }));
  }

  /** From now on what comes to subscriptions is held back. */
  hold(): void {
    this.#isHolding = true;
  }

  /** So many messages are held back. */
  get heldCount(): number {
    return this.#held.length;
  }

  /** What was held back never comes. */
  drop(): void {
    this.#held = [];
  }

  /** What was held back comes now, and what comes later at once. */
  release(): void {
    this.#isHolding = false;
    for (let deliver = this.#held.shift(); deliver !== undefined; deliver = this.#held.shift()) deliver();
  }

  /** How many requests there were since that hold a text. */
  countAsked(text: string): number {
    return this.#asked.filter((body) => body.includes(text)).length;
  }

  /** Connects anew; resolves when it is done. */
  async reconnect(): Promise<void> {
    const back = this.#back();
    await this.#raw.reconnect();
    await back;
  }

  close(): Promise<void> {
    return this.#raw.close();
  }

  async #back(): Promise<void> {
    for await (const { type } of this.#raw.status()) if (type === "reconnect") return;
  }

  #withHolding(options: SubscriptionOptions | undefined): SubscriptionOptions {
    const { callback, ...others } = options ?? {};
    if (callback === undefined) return others;
    return {
      ...others,
      callback: (error: Error | null, message: Msg) => {
        const deliver = () => callback(error as Error, message);
        if (this.#isHolding || this.#held.length > 0) this.#held.push(deliver);
        else deliver();
      },
    };
  }
}
