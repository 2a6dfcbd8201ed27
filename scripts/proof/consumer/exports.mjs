// The names that each subpath exports, by import.
const subpaths = process.argv.slice(2);
const found = {};
for (const subpath of subpaths) found[subpath] = Object.keys(await import(subpath)).sort();
console.log(JSON.stringify(found));
