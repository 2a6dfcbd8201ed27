// A child process as the runner sees it: the methods of its Desk, called over IPC. Ended by its own handle only.
import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Config } from "../runner/subject.ts";
import type { Desk, Plant } from "./desk.ts";

/** The program of a child process. */
export const childFile = fileURLToPath(new URL("../child.ts", import.meta.url));

/** What a child is told when it starts. */
export interface Role {
  /** Path of the subject's file. */
  readonly file: string;
  readonly config: Config;
  readonly folder: string;
  /** The run's store on a server, and an empty one to warm up on; absent where the subject needs no server. */
  readonly url?: string;
  readonly warmUrl?: string;
  readonly plant: Plant | undefined;
  /** Jobs it drains elsewhere before anything is measured; 0 for a cold start. */
  readonly warmJobs: number;
}

/** From the runner to a child. */
export interface Call {
  readonly call: number;
  readonly name: string;
  readonly args: readonly unknown[];
}

/** From a child to the runner. */
export type Answer =
  | { readonly call: number; readonly value: unknown }
  | { readonly call: number; readonly error: string }
  | { readonly handled: number };

type Calls = {
  readonly [Name in keyof Desk as Desk[Name] extends (...args: never[]) => unknown ? Name : never]: Desk[Name];
};

export class Actor {
  readonly #process: ChildProcess;
  readonly #waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  readonly #ended: Promise<void>;
  #calls = 0;
  #handled = 0;

  private constructor(process: ChildProcess) {
    this.#process = process;
    process.on("message", (answer: Answer) => this.#take(answer));
    this.#ended = new Promise((resolve) => {
      process.once("exit", (code, signal) => {
        const error = new Error(`the child process ended with ${signal ?? `code ${code}`}`);
        for (const { reject } of this.#waiting.values()) reject(error);
        this.#waiting.clear();
        resolve();
      });
    });
  }

  /** Starts a process and opens the subject in it. */
  static async start(role: Role, child: string, execArgv: readonly string[] = []): Promise<Actor> {
    const flags = ["--conditions=source", "--disable-warning=ExperimentalWarning", "--expose-gc", ...execArgv];
    const actor = new Actor(
      fork(child, [JSON.stringify(role)], {
        execArgv: flags,
        serialization: "advanced",
        stdio: ["ignore", "ignore", "inherit", "ipc"],
        env: { ...process.env, TZ: "UTC", NODE_ENV: "production" },
      }),
    );
    try {
      await actor.#ask("open", []);
      return actor;
    } catch (error) {
      // Nobody else knows of it, and its channel would keep the runner.
      actor.#process.kill("SIGKILL");
      await actor.#ended;
      throw error;
    }
  }

  /** Handlers run in it so far, as it last said. */
  get handled(): number {
    return this.#handled;
  }

  get running(): boolean {
    return this.#process.exitCode === null && this.#process.signalCode === null;
  }

  /** Calls a method of the child's Desk. */
  async call<Name extends keyof Calls>(
    name: Name,
    ...args: Parameters<Calls[Name]>
  ): Promise<Awaited<ReturnType<Calls[Name]>>> {
    return (await this.#ask(name, args)) as Awaited<ReturnType<Calls[Name]>>;
  }

  /** Closes the subject and waits for the process to end; one that does not is killed after `patienceMs`. */
  async end(patienceMs = 20_000): Promise<void> {
    if (!this.running) return;
    const timer = setTimeout(() => this.#process.kill("SIGKILL"), patienceMs);
    await this.#ask("close", []).catch(() => this.#process.kill("SIGKILL"));
    if (this.#process.connected) this.#process.disconnect();
    await this.#ended;
    clearTimeout(timer);
  }

  #ask(name: string, args: readonly unknown[]): Promise<unknown> {
    const call = this.#calls++;
    return new Promise((resolve, reject) => {
      if (!this.running) {
        reject(new Error(`the child process is gone: ${name} was not called`));
        return;
      }
      this.#waiting.set(call, { resolve, reject });
      const message: Call = { call, name, args };
      this.#process.send(message, (error) => {
        if (error !== null) reject(error);
      });
    });
  }

  #take(answer: Answer): void {
    if ("handled" in answer) {
      this.#handled = answer.handled;
      return;
    }
    const waiting = this.#waiting.get(answer.call);
    this.#waiting.delete(answer.call);
    if ("error" in answer) waiting?.reject(new Error(answer.error));
    else waiting?.resolve(answer.value);
  }
}
