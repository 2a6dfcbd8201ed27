// Following a journal: every message of its subject, once and in order, through lost connections and consumers that vanish.
// A consumer of the server's pushes them; gaps and silence make a new one, from where the last one ended.
import type { ConsumerConfig } from "@nats-io/jetstream";
import type { Msg, Subscription } from "@nats-io/transport-node";
import type { Millis } from "../../core/clock.ts";
import type { Way } from "./connecting.ts";

export interface TailMessage {
  readonly seq: number;
  readonly data: Uint8Array;
  header(name: string): string;
}

export interface TailOptions {
  readonly way: Way;
  readonly stream: string;
  readonly subject: string;
  readonly onMessage: (message: TailMessage) => void;
  /** For tests: how often an idle server says that it is there, in ms. */
  readonly heartbeatMs?: Millis | undefined;
}

/** An idle server says so often, in ms, that it is there; one that is silent for twice that is asked anew. */
const heartbeatMs = 2_000;
/** A consumer that nobody listens to is gone after this, in ms. */
const inactiveMs = 30_000;
const retryMs = { first: 50, max: 1_000 } as const;
const nanosPerMs = 1_000_000;

export class Tail {
  readonly #options: TailOptions;
  /** The last message that was handed on. */
  #seq = 0;
  #turn: Turn | undefined;
  #failures = 0;
  #retry: NodeJS.Timeout | undefined;
  #isRunning = false;

  constructor(options: TailOptions) {
    this.#options = options;
  }

  /** Hands on every message beyond one, from now on. */
  start(after: number): void {
    this.#isRunning = true;
    this.#seq = after;
    this.restart();
  }

  stop(): void {
    this.#isRunning = false;
    clearTimeout(this.#retry);
    this.#turn?.end();
    this.#turn = undefined;
  }

  /** Messages up to one are known, by whichever way. */
  passOver(seq: number): void {
    if (seq > this.#seq) this.#seq = seq;
  }

  /** Asks the server anew, as what it sends cannot be counted on. */
  restart(): void {
    if (!this.#isRunning) return;
    clearTimeout(this.#retry);
    this.#turn?.end();
    const turn = new Turn(this.#options, this.#seq, {
      handOn: (message) => {
        this.#failures = 0;
        if (message.seq <= this.#seq) return;
        this.#seq = message.seq;
        this.#options.onMessage(message);
      },
      broken: () => {
        if (this.#turn === turn) this.#retryLater();
      },
    });
    this.#turn = turn;
    try {
      turn.begin();
    } catch {
      // The user has closed the connection, or is about to.
      if (!this.#options.way.nc.isClosed()) this.#retryLater();
    }
  }

  #retryLater(): void {
    this.#turn?.end();
    const delay = Math.min(retryMs.max, retryMs.first * 2 ** Math.min(10, this.#failures++));
    clearTimeout(this.#retry);
    if (!this.#options.way.nc.isClosed()) this.#retry = setTimeout(() => this.restart(), delay);
  }
}

interface TurnEvents {
  handOn(message: TailMessage): void;
  broken(): void;
}

/** One consumer, from its making to its end. */
class Turn {
  readonly #options: TailOptions;
  readonly #events: TurnEvents;
  readonly #after: number;
  readonly #inbox: string;
  #subscription: Subscription | undefined;
  #consumer: string | undefined;
  /** Deliveries of this consumer so far. */
  #delivered = 0;
  #heard = performance.now();
  #watch: NodeJS.Timeout | undefined;
  #isOver = false;

  constructor(options: TailOptions, after: number, events: TurnEvents) {
    this.#options = options;
    this.#after = after;
    this.#events = events;
    const { driver, inboxPrefix } = options.way;
    this.#inbox = driver.createInbox(inboxPrefix);
  }

  begin(): void {
    const { way, stream, subject } = this.#options;
    const beatMs = this.#options.heartbeatMs ?? heartbeatMs;
    this.#subscription = way.nc.subscribe(this.#inbox, {
      callback: (error, msg) => {
        if (this.#isOver) return;
        if (error) this.#break();
        else this.#receive(msg);
      },
    });
    this.#watch = setInterval(() => {
      if (way.nc.isClosed()) this.end();
      else if (performance.now() - this.#heard > 2 * beatMs + 500) this.#break();
    }, beatMs);
    this.#watch.unref();
    const wanted: Partial<ConsumerConfig> = {
      deliver_subject: this.#inbox,
      filter_subject: subject,
      ack_policy: "none",
      replay_policy: "instant",
      deliver_policy: "by_start_sequence",
      opt_start_seq: this.#after + 1,
      flow_control: true,
      idle_heartbeat: beatMs * nanosPerMs,
      inactive_threshold: inactiveMs * nanosPerMs,
      mem_storage: true,
      num_replicas: 1,
    };
    way.jsm.consumers.add(stream, wanted).then(
      ({ name }) => {
        this.#consumer = name;
        this.#heard = performance.now();
        if (this.#isOver) this.#forget();
      },
      () => this.#break(),
    );
  }

  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearInterval(this.#watch);
    this.#subscription?.unsubscribe();
    this.#forget();
  }

  #break(): void {
    if (this.#isOver) return;
    this.end();
    this.#events.broken();
  }

  /** It would vanish by itself, later. */
  #forget(): void {
    const { way, stream } = this.#options;
    if (this.#consumer === undefined || way.nc.isClosed()) return;
    way.jsm.consumers.delete(stream, this.#consumer).catch(() => {});
    this.#consumer = undefined;
  }

  #receive(msg: Msg): void {
    this.#heard = performance.now();
    if (this.#options.way.nc.isClosed()) return;
    if (msg.headers !== undefined && msg.headers.code === 100) {
      this.#receiveStatus(msg);
      return;
    }
    // $JS.ACK.<stream>.<consumer>.<deliveries of it>.<stream sequence>.<consumer sequence>.<time>.<pending>, with two more
    // words after ACK where there are domains.
    const words = msg.reply?.split(".") ?? [];
    const from = words.length > 9 ? 5 : 3;
    const seq = Number(words[from + 2]);
    const delivery = Number(words[from + 3]);
    if (!Number.isInteger(seq) || delivery !== this.#delivered + 1) {
      this.#break();
      return;
    }
    this.#delivered = delivery;
    this.#events.handOn({ seq, data: msg.data, header: (name) => msg.headers?.get(name) ?? "" });
  }

  #receiveStatus(msg: Msg): void {
    // A flow control request wants an answer; a heartbeat may say that the consumer waits for one.
    if (msg.reply !== undefined && msg.reply !== "") {
      msg.respond();
      return;
    }
    const stalled = msg.headers?.get("Nats-Consumer-Stalled");
    if (stalled !== undefined && stalled !== "") this.#options.way.nc.publish(stalled);
    const last = msg.headers?.get("Nats-Last-Consumer");
    if (last !== undefined && last !== "" && Number(last) > this.#delivered) this.#break();
  }
}
