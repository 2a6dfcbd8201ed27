// The names that each subpath exports, by require.
const subpaths = process.argv.slice(2);
console.log(
  JSON.stringify(Object.fromEntries(subpaths.map((subpath) => [subpath, Object.keys(require(subpath)).sort()]))),
);
