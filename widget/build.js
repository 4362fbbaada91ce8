/**
 * Build src/ into dist/, or into another directory: `npm run build -- --outdir=/tmp/dist`.
 *
 * The bytes do not depend on the directory (the source map speaks of dist/ in any case), so that
 * the test run can build elsewhere and compare.
 */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

import { build, transform } from "esbuild";
import { minify } from "terser";
import uglify from "uglify-js";

const { values } = parseArgs({ options: { outdir: { type: "string" } } });
const here = fileURLToPath(new URL(".", import.meta.url));
const outdir = values.outdir ?? join(here, "dist");

const { STYLE } = await import("./src/style.js");
const privates = [...new Set(STYLE.match(/--(?!ticker-)\w+/g))];

/**
 * Properties that are ours alone, under names that no page registers with `@property`.
 *
 * @param {string} text
 */
const hidden = (text) => text.replace(/--(?!ticker-)\w+/g, (name) => `--_${privates.indexOf(name).toString(36)}`);

/** The style sheet is a template literal in a module, where esbuild would not minify it. */
const minifyStyle = {
  name: "minify-style",
  setup(/** @type {import("esbuild").PluginBuild} */ { onLoad }) {
    onLoad({ filter: /src\/style\.js$/ }, async () => {
      const { code } = await transform(STYLE, { loader: "css", minify: true, target: "es2022" });
      // It leaves the blanks in values of custom properties, which mean nothing in ours.
      const style = hidden(code.trim().replace(/([,:]) /g, "$1"));
      return { contents: `export const STYLE = ${JSON.stringify(style)};` };
    });
    onLoad({ filter: /src\/(item|line|ticker)\.js$/ }, async ({ path }) => ({
      contents: hidden(await readFile(path, "utf8")),
    }));
  },
};

const result = await build({
  absWorkingDir: here,
  entryPoints: { ticker: "src/main.js", page: "src/page.js" },
  outdir: "dist",
  bundle: true,
  minifySyntax: true,
  minifyWhitespace: true,
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
  // They take another 4 % off, as sent: a widget's bytes are counted on every page that shows it.
  const options = { passes: 3, pure_getters: true, unsafe: true };
  const short = await minify(
    { [name]: text.replace('"use strict";', "") },
    { ecma: 2020, compress: { ...options, unsafe_arrows: true }, sourceMap: { content: map } },
  );
  const shorter = uglify.minify(
    { [name]: short.code ?? "" },
    { compress: { ...options, varify: false, reduce_vars: false }, sourceMap: { content: `${short.map}`, filename: name, url: `${name}.map` } },
  );
  if (shorter.error) throw shorter.error;
  await writeFile(join(outdir, name), `${shorter.code}\n`);
  await writeFile(join(outdir, `${name}.map`), `${shorter.map}`);
}
