// Builds the page: bundles, content hashes, index.html, licences and a manifest.
// Runs under Deno in a folder that holds the sources, node_modules and geo/ (scripts/stack/web_page.py).
import * as esbuild from "esbuild";
import fs from "node:fs";
import path from "node:path";
import zlib from "node:zlib";
import { PAGES } from "./src/entries.ts";

const OUT = "dist";
const FONT = /plus-jakarta-sans-latin-wght-normal/;
fs.rmSync(OUT, { recursive: true, force: true });

const shared = {
  bundle: true,
  minify: true,
  target: ["es2022"],
  jsx: "automatic",
  jsxImportSource: "preact",
  legalComments: "none",
  metafile: true,
  logLevel: "warning",
};
const built = await esbuild.build({
  ...shared,
  entryPoints: ["src/app.tsx"],
  outdir: `${OUT}/assets`,
  splitting: true,
  format: "esm",
  entryNames: "[name]-[hash]",
  chunkNames: "[name]-[hash]",
  assetNames: "[name]-[hash]",
  publicPath: "/assets/",
  loader: { ".woff2": "file", ".png": "file", ".json": "json", ".geo": "file" },
});
// report.js and report.css: each whole, to be written into a file that is opened without the API.
const report = await esbuild.build({ ...shared, entryPoints: ["src/report.tsx"], outdir: OUT, format: "iife" });

const outputs = built.metafile.outputs;
const names = Object.keys(outputs);
const entry = names.find((name) => outputs[name].entryPoint === "src/app.tsx");
const font = names.find((name) => FONT.test(name));
const address = (name) => `/${path.relative(OUT, name)}`;

/** The entry and everything it imports statically: what the browser loads before it shows a page. */
function firstLoad(name, seen = new Set()) {
  if (seen.has(name)) return seen;
  seen.add(name);
  for (const part of outputs[name].imports) {
    if (part.kind === "import-statement" && outputs[part.path]) firstLoad(part.path, seen);
  }
  return seen;
}

const head = [
  `<link rel="preload" href="${address(font)}" as="font" type="font/woff2" crossorigin>`,
  `<link rel="stylesheet" href="${address(outputs[entry].cssBundle)}">`,
  `<script type="module" src="${address(entry)}"></script>`,
].join("\n");
fs.writeFileSync(`${OUT}/index.html`, fs.readFileSync("index.html", "utf8").replace("<!-- head -->", head));

fs.copyFileSync("favicon.svg", `${OUT}/favicon.svg`);

const packages = Object.keys(JSON.parse(fs.readFileSync("package.json", "utf8")).dependencies).sort();
const licence = (name) => {
  const folder = `node_modules/${name}`;
  const file = fs.readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
  return `${name}\n\n${file ? fs.readFileSync(`${folder}/${file}`, "utf8").trim() : "no licence file"}\n`;
};
fs.writeFileSync(`${OUT}/assets/licenses.txt`, packages.map(licence).join(`\n${"-".repeat(72)}\n\n`));

const first = new Set([...firstLoad(entry), outputs[entry].cssBundle, `${OUT}/index.html`]);
const manifest = { pages: PAGES.map((page) => page.path), first_load_gzip_bytes: 0, font_bytes: fs.statSync(font).size, files: {} };
for (const name of [...names, ...Object.keys(report.metafile.outputs), `${OUT}/index.html`, `${OUT}/favicon.svg`, `${OUT}/assets/licenses.txt`].sort()) {
  const content = fs.readFileSync(name);
  const isText = /\.(js|css|html|geo|svg|txt)$/.test(name);
  const packed = isText ? zlib.gzipSync(content, { level: 9 }) : null;

  if (first.has(name)) manifest.first_load_gzip_bytes += packed.length;
  manifest.files[path.relative(OUT, name)] = { bytes: content.length, gzip_bytes: packed ? packed.length : null };
}
fs.writeFileSync(`${OUT}/manifest.json`, `${JSON.stringify(manifest, null, 1)}\n`);
await esbuild.stop();
