/**
 * Build src/ into dist/, or into another directory: `npm run build -- --outdir=/tmp/dist`. With `--modules=DIRECTORY`
 * build there what the package has in place of the scripts: ES modules for bundlers, with names that can be read.
 *
 * The bytes do not depend on the directory (the source map speaks of dist/ in any case), so that
 * the test run can build elsewhere and compare.
 */
import { createHash } from "node:crypto";
import { mkdir, readFile, readdir, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { brotliCompressSync } from "node:zlib";

import { build, transform } from "esbuild";
import { minify } from "terser";
import uglify from "uglify-js";

const { values } = parseArgs({ options: { outdir: { type: "string" }, modules: { type: "string" } } });
const here = fileURLToPath(new URL(".", import.meta.url));
const outdir = values.outdir ?? join(here, "dist");

/** The modules with style sheets, by their paths. @type {Map<string, Record<string, string>>} */
const styles = new Map();
for (const name of (await readdir(join(here, "src"), { recursive: true })).sort()) {
  const path = join(here, "src", name);
  if (basename(path) === "style.js") styles.set(path, await import(path));
}
const privates = [...new Set([...styles.values()].flatMap((each) => `${Object.values(each)}`.match(/--(?!ticker-)\w+/g)))].sort();

/**
 * Properties that are ours alone, under names that no page registers with `@property`.
 *
 * @param {string} text
 */
const hidden = (text) => text.replace(/--(?!ticker-)\w+/g, (name) => `--_${privates.indexOf(name).toString(36)}`);

/** @param {string} text of a style sheet */
async function shorten(text) {
  const { code } = await transform(text, { loader: "css", minify: true, target: "es2022" });
  // It leaves blanks around slashes, and in values of custom properties, which mean nothing in ours.
  return hidden(code.trim().replace(/ (\/) |([,:]) /g, "$1$2"));
}

/** The style sheets are template literals in modules, where esbuild would not minify them. */
const minifyStyles = {
  name: "minify-styles",
  setup(/** @type {import("esbuild").PluginBuild} */ { onLoad }) {
    onLoad({ filter: /src\/(.*\/)?style\.js$/ }, async ({ path }) => {
      const source = await readFile(path, "utf8");
      const place = (/** @type {string} */ name) => source.indexOf(`export const ${name} `);
      const texts = Object.entries(styles.get(path) ?? {}).filter(([, text]) => typeof text === "string");
      texts.sort(([one], [other]) => place(one) - place(other));
      const short = await Promise.all(texts.map(([, text]) => shorten(text)));
      const [names, all] = [texts.map(([name]) => name), JSON.stringify(short.join("|"))];
      if (short.some((each) => each.includes("|"))) throw Error(`${path}: a bar separates the style sheets of a script`);
      // In one piece they take less, as sent: they are unlike the script around them.
      return { contents: names[1] ? `export const [${names}] = ${all}.split("|");` : `export const ${names} = ${all};` };
    });
    onLoad({ filter: /src\/(item|line|ticker|board\/.*)\.js$/ }, async ({ path }) => ({
      contents: hidden(await readFile(path, "utf8")),
    }));
  },
};

const common = /** @type {const} */ ({
  absWorkingDir: here,
  bundle: true,
  minifySyntax: true,
  minifyWhitespace: true,
  target: "es2022",
  charset: "utf8",
  write: false,
});

/** The hash of what scripts of one page share: another version has connections of its own. */
const { outputFiles } = await build({ ...common, entryPoints: ["src/stream.js", "src/fetched.js"], outdir: "dist", format: "esm" });
const version = createHash("sha256").update(outputFiles.map(({ text }) => text).join()).digest("hex").slice(0, 8);

const tellVersion = {
  name: "tell-version",
  setup(/** @type {import("esbuild").PluginBuild} */ { onLoad }) {
    onLoad({ filter: /src\/version\.js$/ }, () => ({ contents: `export const VERSION = "${version}";` }));
  },
};

if (values.modules) {
  await build({
    ...common,
    minifyWhitespace: false,
    entryPoints: ["src/modules/ticker.js", "src/modules/board.js"],
    inject: ["src/modules/server.js"],
    splitting: true,
    chunkNames: "shared",
    outdir: values.modules,
    format: "esm",
    plugins: [tellVersion, minifyStyles],
    write: true,
  });
  process.exit();
}

const result = await build({
  ...common,
  entryPoints: { ticker: "src/main.js", board: "src/boards.js", page: "src/page.js" },
  outdir: "dist",
  format: "iife",
  sourcemap: "external",
  plugins: [tellVersion, minifyStyles],
});

await mkdir(outdir, { recursive: true });
/** @type {Map<string, string>} */
const texts = new Map(result.outputFiles.map(({ path, text }) => [basename(path), text]));
for (const [name, text] of texts) {
  const map = texts.get(`${name}.map`);
  if (!map) continue;
  // They take another 4 % off, as sent: a widget's bytes are counted on every page that shows it.
  const options = { passes: 3, pure_getters: true, unsafe: true };
  const ways = [];
  const both = [true, false];
  const first = both.flatMap((mangle) => both.map((unsafe_methods) => ({ mangle, unsafe_methods })));
  const second = both.flatMap((inline) => both.map((join_vars) => ({ inline, join_vars })));
  // The page's own script is not counted by the byte, and is the longest.
  const few = name === "page.js" ? 1 : undefined;
  for (const { mangle, unsafe_methods } of first.slice(0, few)) {
    const short = await minify(
      { [name]: text.replace('"use strict";', "") },
      { ecma: 2020, mangle, compress: { ...options, unsafe_arrows: true, unsafe_methods }, sourceMap: { content: map } },
    );
    for (const way of second.slice(0, few)) {
      const shorter = uglify.minify(
        { [name]: short.code ?? "" },
        { compress: { ...options, ...way, varify: false, reduce_vars: false }, sourceMap: { content: `${short.map}`, filename: name, url: `${name}.map` } },
      );
      if (shorter.error) throw shorter.error;
      ways.push({ ...shorter, size: brotliCompressSync(`${shorter.code}\n`).length });
    }
  }
  // Which way gives the least differs from script to script.
  const [least] = ways.sort((one, other) => one.size - other.size);
  await writeFile(join(outdir, name), `${least?.code}\n`);
  await writeFile(join(outdir, `${name}.map`), `${least?.map}`);
}
