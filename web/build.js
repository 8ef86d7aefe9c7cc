// Bundles src/ into the library, where the result is committed; run by `make web`.
import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { build } from "esbuild";

const PAGE = "../scripts/sam2pal/review/page";

const common = { bundle: true, minify: true, format: "iife", target: ["es2022"], legalComments: "none", charset: "utf8" };
await build({ ...common, entryPoints: { app: "src/main.js", home: "src/home.js", trays: "src/trays.js" }, outdir: PAGE });
await build({ bundle: true, minify: true, entryPoints: ["src/app.css"], outfile: `${PAGE}/app.css` });
// a file of its own, which both pages load
copyFileSync("node_modules/openseadragon/build/openseadragon/openseadragon.min.js", `${PAGE}/openseadragon.js`);
const { name, version, license } = JSON.parse(readFileSync("node_modules/openseadragon/package.json", "utf8"));
const text = readFileSync("node_modules/openseadragon/LICENSE.txt", "utf8");
writeFileSync(`${PAGE}/LICENSE`, `openseadragon.js is ${name} ${version} (${license}):\n\n${text.trim()}\n`);
