// Who may import whom under src: the picture in ARCHITECTURE.md as a checker over parsed modules.
// It sees static, type-only, re-exporting, dynamic and `import("x").T` imports; what it cannot resolve is a violation.
import { posix } from "node:path";
import { parseSync } from "oxc-parser";

export interface Violation {
  readonly file: string;
  readonly line: number;
  readonly rule: Rule;
  readonly message: string;
}

export type Rule = "direction" | "package" | "lazy-engine" | "unresolved" | "cycle" | "barrel" | "syntax" | "layer";

interface ImportSite {
  /** Absent when the specifier is computed. */
  readonly specifier: string | undefined;
  readonly line: number;
  readonly typeOnly: boolean;
  readonly dynamic: boolean;
}

interface Module {
  readonly file: string;
  readonly imports: readonly ImportSite[];
  readonly barrel: boolean;
  readonly syntaxErrors: readonly string[];
}

interface LayerRules {
  /** Layers it may import, besides its own. */
  readonly layers: readonly string[];
  readonly nodeBuiltins: boolean;
  /** Exact package names, or scopes ending in "/". */
  readonly packages: readonly string[];
  readonly typeOnlyPackages?: readonly string[];
  readonly computedImports?: boolean;
}

type Node = { readonly type: string; readonly start: number; readonly [key: string]: unknown };

const drivers: Readonly<Record<string, readonly string[]>> = {
  memory: [],
  sqlite: [],
  postgres: ["pg"],
  redis: ["ioredis"],
  nats: ["@nats-io/"],
};

const none = { nodeBuiltins: false, packages: [] } as const;
const layers: Readonly<Record<string, LayerRules>> = {
  index: { layers: ["core", "runtime"], ...none },
  connect: { layers: ["index", "core", "runtime"], nodeBuiltins: true, packages: [] },
  core: { layers: [], ...none, typeOnlyPackages: ["@standard-schema/spec"] },
  runtime: { layers: ["core"], ...none },
  remote: { layers: ["core"], nodeBuiltins: true, packages: [] },
  world: { layers: ["core"], ...none },
  http: { layers: ["core", "runtime"], nodeBuiltins: true, packages: ["hono", "@hono/", "zod"] },
  cli: {
    layers: ["index", "connect", "core", "runtime"],
    nodeBuiltins: true,
    packages: ["commander"],
    computedImports: true, // the file of handlers that the user names
  },
  testing: { layers: ["core", "runtime", "world", "engines/memory"], nodeBuiltins: true, packages: [] },
  bullmq: { layers: ["public"], nodeBuiltins: true, packages: ["bullmq", "ioredis"] },
  compat: { layers: ["public"], nodeBuiltins: true, packages: [] },
};

/** Layers whose files are named where they are used, each by itself. */
const barrelless: readonly string[] = ["core", "runtime", "world"];

/** Files by path relative to the project's root ("src/core/job.ts"), and the package's own entries by subpath ("./sqlite"). */
export function checkImportDirections(
  files: ReadonlyMap<string, string>,
  packageName: string,
  entries: Readonly<Record<string, string>>,
): { readonly modules: number; readonly violations: readonly Violation[] } {
  const modules = [...files]
    .filter(([file]) => /\.[cm]?tsx?$/.test(file))
    .map(([file, text]) => parseModule(file, text));
  const violations: Violation[] = [];
  const graph = new Map<string, readonly string[]>();
  for (const module of modules) {
    const { file } = module;
    for (const message of module.syntaxErrors) violations.push({ file, line: 1, rule: "syntax", message });
    const layer = layerOf(file);
    if (layer === undefined) {
      violations.push({ file, line: 1, rule: "layer", message: "this folder has no import rules; give it some" });
      continue;
    }
    if (module.barrel && barrelless.includes(layer)) {
      violations.push({ file, line: 1, rule: "barrel", message: `only re-exports; ${layer} has no barrels` });
    }
    const targets: string[] = [];
    for (const site of module.imports) {
      const target = resolve(file, site.specifier, packageName, entries, files);
      if (target !== undefined) targets.push(target);
      const broken = judge(file, layer, site, target, new Set(Object.values(entries)), packageName);
      if (broken !== undefined) violations.push({ file, line: site.line, ...broken });
    }
    graph.set(file, targets);
  }
  violations.push(...findCycles(graph));
  return { modules: modules.length, violations };
}

function layerOf(file: string): string | undefined {
  const [, first = "", second = "", third] = file.split("/");
  if (second === "") return ["index.ts", "connect.ts"].includes(first) ? first.replace(".ts", "") : undefined;
  if (first === "engines") return third === undefined ? undefined : `engines/${second}`;
  return first !== "index" && first !== "connect" && first in layers ? first : undefined;
}

function rulesOf(layer: string): LayerRules {
  const engine = layer.startsWith("engines/") ? layer.slice("engines/".length) : undefined;
  if (engine !== undefined) {
    return { layers: ["core", "remote", "world"], nodeBuiltins: true, packages: drivers[engine] ?? [] };
  }
  return layers[layer] ?? { layers: [], ...none };
}

function resolve(
  file: string,
  specifier: string | undefined,
  packageName: string,
  entries: Readonly<Record<string, string>>,
  files: ReadonlyMap<string, string>,
): string | undefined {
  if (specifier === undefined) return undefined;
  if (specifier === packageName) return entries["."];
  if (specifier.startsWith(`${packageName}/`)) return entries[`./${specifier.slice(packageName.length + 1)}`];
  if (!specifier.startsWith(".")) return undefined;
  const path = posix.normalize(posix.join(posix.dirname(file), specifier));
  return files.has(path) ? path : undefined;
}

function judge(
  file: string,
  layer: string,
  site: ImportSite,
  target: string | undefined,
  publicFiles: ReadonlySet<string>,
  packageName: string,
): { readonly rule: Rule; readonly message: string } | undefined {
  const rules = rulesOf(layer);
  const { specifier } = site;
  if (specifier === undefined) {
    return rules.computedImports ? undefined : { rule: "unresolved", message: "a computed import cannot be checked" };
  }
  if (target === undefined) return judgePackage(layer, rules, site, specifier, packageName);
  const targetLayer = layerOf(target);
  if (targetLayer === layer && layer !== "compat") return undefined;
  if (targetLayer === undefined) return { rule: "direction", message: `${layer} must not import ${target}` };
  if (layer === "connect" && targetLayer.startsWith("engines/")) {
    if (site.dynamic && target === `src/${targetLayer}/index.ts`) return undefined;
    return { rule: "lazy-engine", message: `connect names ${target}, but only by import() of an engine's index.ts` };
  }
  const allowed =
    rules.layers.includes(targetLayer) ||
    (rules.layers.includes("public") && targetLayer !== "compat" && publicFiles.has(target));
  if (allowed) return undefined;
  return { rule: "direction", message: `${layer} must not import ${target} (from ${file})` };
}

function judgePackage(
  layer: string,
  rules: LayerRules,
  site: ImportSite,
  specifier: string,
  packageName: string,
): { readonly rule: Rule; readonly message: string } | undefined {
  if (/^[./#]/.test(specifier) || specifier === packageName || specifier.startsWith(`${packageName}/`)) {
    return { rule: "unresolved", message: `${specifier} names no file under src` };
  }
  if (specifier.startsWith("node:")) {
    return rules.nodeBuiltins ? undefined : { rule: "package", message: `${layer} must not import ${specifier}` };
  }
  const matches = (name: string): boolean =>
    specifier === name || specifier.startsWith(name.endsWith("/") ? name : `${name}/`);
  if (rules.packages.some(matches)) return undefined;
  if (site.typeOnly && rules.typeOnlyPackages?.some(matches)) return undefined;
  return { rule: "package", message: `${layer} must not import the package ${specifier}` };
}

function parseModule(file: string, text: string): Module {
  const { program, comments, errors } = parseSync(file, text);
  const imports: ImportSite[] = [];
  const lineAt = (offset: number): number => text.slice(0, offset).split("\n").length;
  const add = (node: Node, source: unknown, typeOnly: boolean, dynamic = false): void => {
    imports.push({ specifier: literalOf(source), line: lineAt(node.start), typeOnly, dynamic });
  };
  const visit = (value: unknown): void => {
    if (Array.isArray(value)) for (const item of value) visit(item);
    if (!isNode(value)) return;
    if (value.type === "ImportDeclaration") add(value, value["source"], value["importKind"] === "type");
    else if (value.type.startsWith("Export") && value["source"])
      add(value, value["source"], value["exportKind"] === "type");
    else if (value.type === "ImportExpression") add(value, value["source"], false, true);
    else if (value.type === "TSImportType") add(value, value["source"], true);
    else if (value.type === "TSExternalModuleReference") add(value, value["expression"], false);
    else if (value.type === "CallExpression" && isLoader(value["callee"])) {
      add(value, (value["arguments"] as unknown[])[0], false);
    }
    for (const child of Object.values(value)) visit(child);
  };
  visit(program);
  for (const comment of comments) {
    const reference = /^\/\s*<reference\s+(?:path|types)\s*=\s*["']([^"']*)["']/.exec(comment.value);
    if (reference)
      imports.push({ specifier: reference[1], line: lineAt(comment.start), typeOnly: true, dynamic: false });
  }
  const body = program.body as unknown as readonly Node[];
  return { file, imports, barrel: isBarrel(body), syntaxErrors: errors.map((error) => error.message) };
}

function isNode(value: unknown): value is Node {
  return typeof value === "object" && value !== null && "type" in value && typeof value.type === "string";
}

function literalOf(value: unknown): string | undefined {
  if (!isNode(value)) return undefined;
  if (value.type === "Literal" && typeof value["value"] === "string") return value["value"];
  if (value.type !== "TemplateLiteral") return undefined;
  const quasis = value["quasis"] as readonly { readonly value: { readonly cooked: string } }[];
  return quasis.length === 1 ? quasis[0]?.value.cooked : undefined;
}

/** The ways besides import to load a module by name. */
function isLoader(callee: unknown): boolean {
  if (!isNode(callee)) return false;
  if (callee.type === "Identifier") return callee["name"] === "require";
  const property = callee["property"];
  return callee.type === "MemberExpression" && isNode(property) && property["name"] === "getBuiltinModule";
}

function isBarrel(body: readonly Node[]): boolean {
  const imported = new Set<string>();
  let exports = 0;
  for (const statement of body) {
    const specifiers = (statement["specifiers"] ?? []) as readonly { readonly local: { readonly name?: string } }[];
    if (statement.type === "ImportDeclaration") for (const { local } of specifiers) imported.add(local.name ?? "");
  }
  for (const statement of body) {
    if (statement.type === "ImportDeclaration") continue;
    const specifiers = (statement["specifiers"] ?? []) as readonly { readonly local: { readonly name?: string } }[];
    const onlyImported = specifiers.length > 0 && specifiers.every(({ local }) => imported.has(local.name ?? ""));
    const reExports =
      statement.type === "ExportAllDeclaration" ||
      (statement.type === "ExportNamedDeclaration" && (Boolean(statement["source"]) || onlyImported));
    if (!reExports) return false;
    exports += 1;
  }
  return exports > 0;
}

/** One violation for each import that closes a cycle, found depth first. */
function findCycles(graph: ReadonlyMap<string, readonly string[]>): Violation[] {
  const violations: Violation[] = [];
  const finished = new Set<string>();
  const path: string[] = [];
  const visit = (file: string): void => {
    const start = path.indexOf(file);
    if (start !== -1) {
      const message = [...path.slice(start), file].join(" -> ");
      violations.push({ file, line: 1, rule: "cycle", message });
      return;
    }
    if (finished.has(file)) return;
    path.push(file);
    for (const target of graph.get(file) ?? []) visit(target);
    path.pop();
    finished.add(file);
  };
  for (const file of graph.keys()) visit(file);
  return violations;
}
