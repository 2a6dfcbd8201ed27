// Runs the command line as users do: child processes with a working directory of their own.
import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { sqlite } from "../../src/engines/sqlite/index.ts";
import { createScheduler, type Handler, type Scheduler } from "../../src/index.ts";

const main = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));

/** The sources are stripped of their types once, not once per process. */
const compileCache = fileURLToPath(new URL("../../.reports/compile-cache", import.meta.url));

/** For modules that a test writes: what they import the product from. */
export const source = (path: string): string => new URL(`../../src/${path}`, import.meta.url).href;

/** Nothing on this machine takes longer; a test that waits so long has failed. */
const limitMs = 12_000;

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
}

/** A folder with a store, and the command line run in it. */
export class Workplace {
  readonly folder = mkdtempSync(join(tmpdir(), "punctual-cli-"));
  readonly file = join(this.folder, "punctual.db");
  readonly #serving: Serving[] = [];

  /** Writes a file and answers its path. */
  write(name: string, text: string): string {
    const path = join(this.folder, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
    return path;
  }

  /** Runs one command to its end. */
  async run(args: readonly string[], options: RunOptions = {}): Promise<Ended> {
    return await new Serving(this.folder, args, options).ended;
  }

  /** Runs a command that must succeed, and reads the JSON it prints. */
  async json<T>(...args: readonly string[]): Promise<T> {
    const { code, stdout, stderr } = await this.run([...args, "--json"]);
    if (code !== 0) throw new Error(`punctual ${args.join(" ")} ended with ${code}\n${stderr}`);
    return JSON.parse(stdout) as T;
  }

  /** Starts a command that goes on. */
  start(args: readonly string[], options: RunOptions = {}): Serving {
    const serving = new Serving(this.folder, args, options);
    this.#serving.push(serving);
    return serving;
  }

  /** Uses the API on the same store, in this process. */
  async with<T>(use: (scheduler: Scheduler) => Promise<T>, handlers: readonly Handler[] = []): Promise<T> {
    await using scheduler = createScheduler({ engine: sqlite(this.file), handlers });
    return await use(scheduler as unknown as Scheduler);
  }

  /** Ends what still runs and removes the folder. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const serving of this.#serving) serving.kill("SIGKILL");
    await Promise.all(this.#serving.map(({ ended }) => ended));
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** A running command. */
export class Serving {
  readonly ended: Promise<Ended>;
  readonly #child: ChildProcess;
  #stdout = "";
  #stderr = "";
  #onOutput: () => void = () => {};

  constructor(folder: string, args: readonly string[], { env = {}, input = "" }: RunOptions) {
    const { PUNCTUAL_URL, DATABASE_URL, NATS_URL, REDIS_URL, NODE_OPTIONS, DEBUG, ...inherited } = process.env;
    this.#child = spawn(process.execPath, ["--conditions=source", main, ...args], {
      cwd: folder,
      env: { ...inherited, NODE_COMPILE_CACHE: compileCache, ...env },
      stdio: ["pipe", "pipe", "pipe"],
    });
    // A command that does not read its input may have left before it is written.
    this.#child.stdin?.on("error", () => {});
    this.#child.stdin?.end(input);
    this.#child.stdout?.on("data", (chunk: Buffer) => {
      this.#stdout += chunk.toString();
      this.#onOutput();
    });
    this.#child.stderr?.on("data", (chunk: Buffer) => {
      this.#stderr += chunk.toString();
      this.#onOutput();
    });
    this.ended = new Promise((resolve, reject) => {
      this.#child.on("error", reject);
      this.#child.on("close", (code) => {
        resolve({ code, stdout: this.#stdout, stderr: this.#stderr });
        this.#onOutput();
      });
    });
  }

  get stdout(): string {
    return this.#stdout;
  }

  get stderr(): string {
    return this.#stderr;
  }

  /** Reads no further, as `| head` does. */
  leave(): void {
    this.#child.stdout?.destroy();
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Resolves once what was printed contains a match; rejects when the process ends or takes too long without. */
  async until(pattern: RegExp): Promise<void> {
    const found = () => pattern.test(this.#stdout) || pattern.test(this.#stderr);
    await new Promise<void>((resolve, reject) => {
      const settle = (error?: Error) => {
        clearTimeout(timer);
        this.#onOutput = () => {};
        if (error === undefined) resolve();
        else reject(error);
      };
      const fail = (why: string) =>
        settle(new Error(`${why} before ${pattern} was printed\n${this.#stdout}\n${this.#stderr}`));
      const timer = setTimeout(() => fail(`${limitMs} ms went by`), limitMs);
      this.#onOutput = () => {
        if (found()) settle();
        else if (this.#child.exitCode !== null || this.#child.signalCode !== null) fail("the process ended");
      };
      this.#onOutput();
    });
  }

  /** Sends a signal again and again until the process has ended. */
  async insist(signal: NodeJS.Signals): Promise<Ended> {
    const timer = setInterval(() => this.kill(signal), 50);
    try {
      return await this.ended;
    } finally {
      clearInterval(timer);
    }
  }
}

/** What a failed command says with --json. */
export function failureIn({ stderr }: Ended): { code: string; message: string; field?: string; mend: string } {
  return (JSON.parse(stderr) as { error: { code: string; message: string; field?: string; mend: string } }).error;
}
