// What must be so before a version is released: pure decisions over what was read from the project.

/** The project as it is, read by `release.ts`. */
export interface ProjectState {
  /** package.json's. */
  readonly version: string;
  readonly changelog: string;
  /** Whether package.json says where the sources are: npm's provenance is checked against it. */
  readonly hasRepository: boolean;
  /** Lines of `git status --porcelain`. */
  readonly changes: readonly string[];
  /** Whether HEAD is main: the branch that is checked out or, in CI, a commit of it. */
  readonly onMain: boolean;
  /** Every `v*` tag. */
  readonly tags: readonly string[];
  /** Those of HEAD. */
  readonly tagsHere: readonly string[];
}

/** Why a version may not be released; nothing when it may. A version whose tag is here already may always go on. */
export function refusals(version: string, state: ProjectState): string[] {
  if (parse(version) === undefined) return [`${version} is no version such as 1.2.3 or 1.2.3-beta.1`];
  const answer: string[] = [];
  if (state.changes.length > 0) answer.push(`the tree is not clean: ${state.changes.join(", ")}`);
  if (!state.onMain) answer.push("HEAD is not on main");
  if (!state.hasRepository) answer.push("package.json has no `repository`, which npm's provenance is checked against");
  if (isTaggedHere(version, state)) return answer;
  if (state.tags.includes(`v${version}`)) answer.push(`the tag v${version} is on another commit`);
  const notHigher = state.tags.map((tag) => tag.slice(1)).filter((other) => parse(other) && !isHigher(version, other));
  if (notHigher.length > 0) answer.push(`${version} is not higher than ${notHigher.join(", ")}, released before`);
  if (version !== state.version && !isHigher(version, state.version)) {
    answer.push(`${version} is not higher than ${state.version}, which package.json has`);
  }
  const log = releasedChangelog(state.changelog, version, "2000-01-01");
  if ("refusal" in log) answer.push(log.refusal);
  return answer;
}

export function isTaggedHere(version: string, { tagsHere }: Pick<ProjectState, "tagsHere">): boolean {
  return tagsHere.includes(`v${version}`);
}

/** CHANGELOG.md with what was unreleased under the version; as it is when the version has its section already. */
export function releasedChangelog(
  changelog: string,
  version: string,
  date: string,
): { readonly text: string } | { readonly refusal: string } {
  const unreleased = sectionOf(changelog, "Unreleased");
  const own = sectionOf(changelog, version);
  if (unreleased === undefined) return { refusal: "CHANGELOG.md has no section [Unreleased]" };
  const news = hasEntries(unreleased);
  if (own === undefined) {
    if (!news) return { refusal: "CHANGELOG.md says nothing under [Unreleased]" };
    return { text: changelog.replace("## [Unreleased]\n", `## [Unreleased]\n\n## [${version}] - ${date}\n`) };
  }
  if (news) return { refusal: `CHANGELOG.md has entries under both [Unreleased] and [${version}]` };
  return hasEntries(own) ? { text: changelog } : { refusal: `CHANGELOG.md says nothing under [${version}]` };
}

function sectionOf(changelog: string, name: string): string | undefined {
  const sections = changelog.split(/^## /m).slice(1);
  return sections.find((section) => section.startsWith(`[${name}]`));
}

function hasEntries(section: string): boolean {
  return /^- \S/m.test(section);
}

/** Major, minor, patch, and what comes before the release itself. */
function parse(version: string): readonly [readonly number[], readonly string[]] | undefined {
  const found = /^(\d+)\.(\d+)\.(\d+)(?:-([0-9a-z]+(?:\.[0-9a-z]+)*))?$/i.exec(version);
  if (found === null) return undefined;
  return [found.slice(1, 4).map(Number), found[4]?.split(".") ?? []];
}

/** By the precedence of semver.org, section 11. */
function isHigher(version: string, than: string): boolean {
  const [numbers, before] = parse(version) ?? [[], []];
  const [otherNumbers, otherBefore] = parse(than) ?? [[], []];
  const differs = numbers.findIndex((number, index) => number !== otherNumbers[index]);
  if (differs !== -1) return (numbers[differs] ?? 0) > (otherNumbers[differs] ?? 0);
  if (before.length === 0 || otherBefore.length === 0) return before.length === 0 && otherBefore.length > 0;
  for (let index = 0; index < Math.max(before.length, otherBefore.length); index++) {
    const order = comparePart(before[index], otherBefore[index]);
    if (order !== 0) return order > 0;
  }
  return false;
}

function comparePart(one: string | undefined, other: string | undefined): number {
  if (one === undefined || other === undefined) return one === other ? 0 : one === undefined ? -1 : 1;
  const [number, otherNumber] = [Number(one), Number(other)];
  if (Number.isInteger(number) && Number.isInteger(otherNumber)) return number - otherNumber;
  if (Number.isInteger(number) !== Number.isInteger(otherNumber)) return Number.isInteger(number) ? -1 : 1;
  return one < other ? -1 : Number(one > other);
}
