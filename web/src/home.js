// results/index.html: find a specimen in all genera and rounds, and export all verdicts of this browser at once.

import { exported } from "./corrections.js";
import { counted, folded, h, load, save } from "./dom.js";
import { Store } from "./store.js";

const MOST = 200;
const app = document.querySelector("#app");

async function start() {
  const { runs, genera, structures } = await load(app.dataset.data, "index");
  const store = await Store.open();
  const found = h("ul", { class: "found" });
  const status = h("p", { class: "said", role: "status" });
  let names = null;
  const input = h("input", { type: "search", size: 24, placeholder: "specimen" });

  /** The names of all specimens are read when the first one is looked for. */
  const all = () => (names ??= Promise.all(runs.map(async (run) => ({ run, list: await load(run.names, "names").catch(() => []) }))));
  async function find() {
    const wanted = folded(input.value.trim());
    if (!wanted) {
      found.replaceChildren();
      status.textContent = "";
      return;
    }
    status.textContent = "Reading the names ...";
    const hits = [];
    for (const { run, list } of await all()) {
      for (const name of list) if (folded(name).includes(wanted)) hits.push({ run, name });
    }
    if (folded(input.value.trim()) !== wanted) return;
    found.replaceChildren(...hits.slice(0, MOST).map(({ run, name }) =>
      h("li", {}, h("a", { href: `${run.page}#specimen=${encodeURIComponent(name)}`, class: "name" }, name), ` ${run.genus}, round ${run.round}`)));
    status.textContent = `${counted(hits.length, "specimen")} found${hits.length > MOST ? `; the first ${MOST} are listed` : ""}`;
  }
  input.addEventListener("input", find);

  /** The verdicts that the workflow was given are read when they are exported. */
  const given = () => (rest ??= Promise.all(runs.map((run) => load(run.given, "given").then((list) => store.give(list)))));
  let rest = null;
  function count() {
    const own = [...store.records.values()].filter((r) => r.verdict);
    for (const cell of document.querySelectorAll("[data-run]")) {
      const [genus, round] = JSON.parse(cell.dataset.run);
      cell.textContent = String(own.filter((r) => r.genus === genus && r.round === round).length);
    }
  }
  store.onchange(count);
  count();
  app.replaceChildren(
    h("form", { role: "search", onsubmit: (event) => event.preventDefault() }, h("label", {}, "Find in all genera and rounds ", input)),
    h("button", { type: "button", onclick: async () => {
      try {
        await given();
      } catch (error) {
        status.textContent = `Nothing is exported: ${error.message}.`;
        rest = null;
        return;
      }
      const records = store.verdicts().filter((r) => genera.includes(r.genus)); // a browser keeps those of all projects
      if (!records.length) status.textContent = `There is no verdict to export${store.given.size ? "; delete the files that the workflow was given" : ""}.`;
      else {
        save("corrections.json", exported(records, structures, new Date().toISOString()));
        status.textContent = `${counted(records.length, "verdict")} exported as corrections.json.`;
      }
    } }, "Export the verdicts of all genera"),
    status,
    found,
  );
}

start().catch((error) => app.replaceChildren(h("p", { class: "problem" }, `Search does not work: ${error.message}.`)));
