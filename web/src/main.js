// The review page of a genus and round.

import { VERDICTS } from "./corrections.js";
import { counted, h, key, load, save } from "./dom.js";
import { List } from "./list.js";
import { Look } from "./look.js";
import { name, Review } from "./review.js";
import { comparison, elsewhere } from "./rounds.js";
import { Store } from "./store.js";

const app = document.querySelector("#app");
const folder = app.dataset.folder;

async function start() {
  const [data, given, store] = await Promise.all([load(`${folder}data.js`, "data"), load(`${folder}given.js`, "given"), Store.open()]);
  store.give(given);
  const review = new Review(data, store, folder);
  structureRules(review.structures.length);
  const said = h("output", { "aria-live": "polite" });
  const form = filters(review);
  const places = h("nav", { "aria-label": "Genera and rounds", class: "files" });
  const grid = h("div", { id: "specimens", tabindex: -1 });
  const look = new Look(review, () => list.rows, () => remember(form, look), (row) => { update(); list.focus(row); });
  const list = new List(grid, review, (row) => look.open(row));
  const begin = () => {
    const first = list.rows.find((row) => review.can(row) && !review.looked(row)) ?? list.rows[0];
    if (first) look.open(first);
  };
  const progress = h("p", { class: "progress" }, h("progress", { "aria-label": "Specimens looked at" }), h("span", {}));
  const status = h("p", { class: "said", role: "status" });
  const warning = h("p", { class: "problem", hidden: !store.problem }, store.problem);
  app.replaceChildren(
    warning,
    comparison(review, (row, s) => look.compare(row, s)) ?? "",
    h("div", { class: "bar", role: "region", "aria-label": "Legend and filters" }, legend(review), form, said, places),
    h("div", { class: "bar stays", role: "region", "aria-label": "Verdicts" }, progress, files(review, begin, status), status),
    grid,
  );

  function update() {
    const choice = Object.fromEntries(new FormData(form));
    list.show(review.chosen(choice));
    document.body.className = choice.structure ? `only${choice.structure}` : "";
    document.body.classList.toggle("plain", !form.elements.outlines.checked);
    said.textContent = `${list.rows.length.toLocaleString("en")} of ${counted(review.rows.length, "specimen")}`;
    remember(form, look);
  }

  function count() {
    const { looked, all } = review.progress();
    progress.firstChild.max = Math.max(1, all);
    progress.firstChild.value = looked;
    progress.lastChild.textContent = `${looked.toLocaleString("en")} of ${all.toLocaleString("en")} looked at`;
    warning.hidden = !store.problem;
    warning.textContent = store.problem;
    list.refresh();
  }

  store.onchange(count);
  form.addEventListener("input", update);
  form.addEventListener("submit", (event) => event.preventDefault());
  document.addEventListener("keydown", (event) => {
    if (look.dialog.open || event.target.matches("input, select, textarea") || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "o") {
      form.elements.outlines.checked = !form.elements.outlines.checked;
      update();
    } else if (event.key === "Enter" && !event.target.matches("button, a, summary")) begin();
  });
  elsewhere(review, app.dataset.runs).then((found) => places.append(...found));
  const wanted = () => new URLSearchParams(location.hash.slice(1)).get("specimen");
  function show(name) {
    // a template of another folder may have the name of a specimen
    const named = review.rows.filter((row) => row.name === name).sort((a, b) => Boolean(a.outside) - Boolean(b.outside));
    if (named.length) look.open(named[0]);
    else if (name) status.textContent = `There is no specimen ${name} on this page.`;
  }
  const first = wanted(); // before the address is written anew
  update();
  count();
  show(first);
  addEventListener("hashchange", () => show(wanted()));
}

/** Hide the outlines of a structure, or let those of the chosen one stand out. */
function structureRules(n) {
  const sheet = new CSSStyleSheet();
  for (let s = 1; s <= n; s++) {
    sheet.insertRule(`.hide${s} .o${s}{display:none}`);
    sheet.insertRule(`.only${s} .o:not(.o${s}){opacity:.25}`);
    sheet.insertRule(`.only${s} .card tbody tr:not(.r${s}){opacity:.6}`);
    sheet.insertRule(`.card:has(.r${s}:hover) .o:not(.o${s}){opacity:.15}`);
  }
  document.adoptedStyleSheets.push(sheet);
}

function legend(review) {
  return h("div", { class: "legend" }, review.structures.map((style, s) =>
    h("label", {},
      h("input", { type: "checkbox", checked: true, onchange: (event) => document.querySelector("#app").classList.toggle(`hide${s + 1}`, !event.target.checked) }),
      key(style), style.name, style.parent && h("small", {}, ` in ${style.parent}`))));
}

function filters({ data, rows, structures }) {
  const option = ([value, text]) => h("option", { value }, text);
  const select = (label, field, options) => h("label", {}, `${label} `, h("select", { name: field }, options.filter(Boolean).map(option)));
  const form = h(
    "form",
    {},
    select("Structure", "structure", [["", "all"], ...structures.map(({ name: text }, s) => [s + 1, text])]),
    select("Show", "show", [
      ["", "everything"], ["any", "masks with any warning"], ["low", "low confidence"], ["absent", "absent"], ["outside", "outside: cut by the edge, or beyond it"], ["hidden", "hidden"],
      rows.some((row) => row.marks.some((mark) => mark?.doubts)) && ["doubtful", "doubtful by its shape"],
      ...data.flags.map(({ value, title }) => [value, title]),
      data.evaluated && ["iou50", "IoU below 0.5"], data.evaluated && ["iou75", "IoU below 0.75"],
      ["by_hand", "drawn by hand"], ["=problem", "photograph cannot be shown"], ["=unreadable", "unreadable"], ["=no_specimen", "no specimen found"],
    ]),
    select("Verdict", "verdict", [
      ["", "any or none"], ["unlooked", "not looked at"], ["looked", "looked at"],
      ...Object.entries(VERDICTS).map(([value, { title }]) => [value, title]), ["old", "mask changed since"],
    ]),
    select("Sort", "sort", [
      ["", "first to look at"], rows.some((row) => row.next) && ["next", "what to correct next"],
      data.before && ["change", `changed most since round ${data.before}`], ["score", "lowest confidence"], data.evaluated && ["iou", "lowest IoU"], ["name", "name"],
    ]),
    h("label", {}, "Find ", h("input", { type: "search", name: "find", size: 12, placeholder: "specimen" })),
    h("label", {}, h("input", { type: "checkbox", name: "outlines", checked: true }), " Outlines (o)"),
  );
  for (const [field, value] of new URLSearchParams(location.hash.slice(1))) {
    const element = form.elements[field];
    if (element && field !== "outlines") element.value = value;
  }
  return form;
}

/** Keep in the address what is chosen and which specimen is shown, for whoever loads the page again. */
function remember(form, look) {
  const state = new URLSearchParams([...new FormData(form)].filter(([field, value]) => value && field !== "outlines"));
  if (look.dialog.open) state.set("specimen", look.row.name);
  try {
    history.replaceState(null, "", state.size ? `#${state}` : location.pathname + location.search);
  } catch {
    // a browser that refuses it for files on disk
  }
}

function files(review, begin, status) {
  const say = (text) => { status.textContent = text; };
  const input = h("input", {
    type: "file", accept: ".json,application/json", class: "unseen", tabindex: -1, "aria-label": "File of corrections",
    onchange: async () => {
      const [file] = input.files;
      if (!file) return;
      try {
        say(await review.import(await file.text()));
      } catch (error) {
        say(`${file.name}: ${error.message}.`);
      }
      input.value = "";
    },
  });
  return h(
    "div",
    { class: "files" },
    h("button", { type: "button", class: "main", onclick: begin }, "Look through (Enter)"),
    h("button", { type: "button", onclick: () => {
      const { blob, number, others } = review.export();
      const left = others ? ` ${counted(others, "verdict")} on photographs that are not here left out.` : "";
      const file = review.store.given.size ? "; delete the file of this genus that the workflow was given" : "";
      if (!number) return say(`There is no verdict to export${file}.${left}`);
      save("corrections.json", blob);
      say(`${counted(number, "verdict")} exported as corrections.json.${left}`);
    } }, "Export corrections.json"),
    h("button", { type: "button", onclick: () => input.click() }, "Import"),
    input,
    h("label", {}, "Your name ", h("input", { type: "text", size: 14, autocomplete: "name", value: name(), oninput: (event) => name(event.target.value) })),
  );
}

start().catch((error) => app.replaceChildren(h("p", { class: "problem" }, `The page cannot be shown: ${error.message}.`)));
