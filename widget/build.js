/**
 * Build src/ into dist/, or into another directory: `npm run build -- --outdir=/tmp/dist`.
 *
 * The bytes do not depend on the directory (the source map speaks of dist/ in any case), so that
 * the test run can build elsewhere and compare.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";

import { build, transform } from "esbuild";
import { minify } from "terser";

const { values } = parseArgs({ options: { outdir: { type: "string" } } });
const here = fileURLToPath(new URL(".", import.meta.url));
const outdir = values.outdir ?? join(here, "dist");

/** The style sheet is a template literal in a module, where esbuild would not minify it. */
const minifyStyle = {
  name: "minify-style",
  setup(/** @type {import("esbuild").PluginBuild} */ { onLoad }) {
    onLoad({ filter: /src\/style\.js$/ }, async ({ path }) => {
      const { STYLE } = await import(pathToFileURL(path).href);
      const { code } = await transform(STYLE, { loader: "css", minify: true, target: "es2022" });
      // It leaves the blanks in values of custom properties, which mean nothing in ours.
      const style = code.trim().replace(/([,:]) /g, "$1");
      return { contents: `export const STYLE = ${JSON.stringify(style)};` };
    });
  },
};

const result = await build({
  absWorkingDir: here,
  entryPoints: { ticker: "src/main.js", page: "src/page.js" },
  outdir: "dist",
  bundle: true,
  minify: true,
  format: "iife",
  target: "es2022",
  charset: "utf8",
  sourcemap: "external",
  write: false,
  plugins: [minifyStyle],
});

await mkdir(outdir, { recursive: true });
/** @type {Map<string, string>} */
const texts = new Map(result.outputFiles.map(({ path, text }) => [basename(path), text]));
for (const [name, text] of texts) {
  const map = texts.get(`${name}.map`);
  if (!map) continue;
  // It takes another 3 % off, as sent: a widget's bytes are counted on every page that shows it.
  const shorter = await minify(
    { [name]: text },
    { ecma: 2020, compress: { passes: 2, pure_getters: true }, sourceMap: { content: map, filename: name, url: `${name}.map` } },
  );
  await writeFile(join(outdir, name), `${shorter.code}\n`);
  await writeFile(join(outdir, `${name}.map`), `${shorter.map}`);
}
