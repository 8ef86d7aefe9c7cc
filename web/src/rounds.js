// Other rounds and genera, and what the round of this page changed since an earlier one.

import { counted, h, line, load, svg } from "./dom.js";

const MOST = 12; // masks of which there are pictures
const LISTED = 20; // measurements

/** A choice of all genera and rounds that have a page; empty where the page of all results is not there. */
export async function elsewhere({ data }, address) {
  if (!address) return [];
  let runs;
  try {
    ({ runs } = await load(address, "index"));
  } catch {
    return [];
  }
  const root = `${address.split("/").slice(0, -2).join("/")}/`;
  const select = h("select", { name: "elsewhere" }, runs.map(({ genus, round, page }) =>
    h("option", { value: root + page, selected: genus === data.genus && round === data.round }, `${genus}, ${round}`)));
  const open = h("button", { type: "button", onclick: () => { location.href = select.value; } }, "Open");
  return [h("label", {}, "Genus and round ", select), open];
}

/** How much a measurement changed: 2 and 1/2 are as much. */
const factor = ({ from, to }) => Math.abs(Math.log(to / from));

/** Masks of the round with what changed, those that changed most first. */
function changed(review, value) {
  const found = [];
  for (const row of review.rows) {
    row.marks.forEach((mark, s) => mark?.change && found.push({ row, s, mark, ...mark.change }));
  }
  return found.filter((one) => value(one) > 0).sort((a, b) => value(b) - value(a) || a.row.rank - b.row.rank);
}

/** What the round changed, in pictures and numbers; made when it is opened. */
export function comparison(review, open) {
  const { before } = review.data;
  if (!before) return null;
  const box = h("details", { class: "comparison" }, h("summary", {}, `What changed since round ${before}`));
  box.addEventListener("toggle", () => {
    if (box.children.length > 1) return;
    const masks = changed(review, (one) => 1 - one.overlap);
    const measures = changed(review, (one) => (one.measure ? factor(one) : 0)).slice(0, LISTED);
    const scored = changed(review, () => 1).filter(({ iou, mark }) => iou !== undefined && mark.iou !== undefined);
    const by = (way) => scored.filter(({ iou, mark }) => way * (mark.iou - iou) > 0.05).length;
    box.append(
      h("p", {}, `${counted(masks.length, "mask")} changed.`,
        scored.length > 0 && ` Of ${counted(scored.length, "mask")} with truth ${by(1)} gained more than 0.05 of IoU and ${by(-1)} lost as much.`),
      h("div", { class: "pairs" }, masks.slice(0, MOST).map((one) => pair(review, one, open))),
    );
    if (measures.length) box.append(h("h3", {}, "Measurements that changed most"), table(review, measures, open));
  });
  return box;
}

const title = (review, { row, s }) => `${row.name}, ${review.structures[s].name}`;

function pair(review, one, open) {
  const { row, s, mark, overlap, iou } = one;
  const both = h("div", { class: "both" }, ["before", "after"].map((when) => {
    const picture = h("div", { class: "picture" }, row.shown && h("img", { src: review.picture(row), alt: "", loading: "lazy" }));
    const asked = when === "before" ? review.before(row) : review.detail(row);
    asked.then(
      ({ paths }) => paths[s] && picture.append(svg("svg", { viewBox: `0 0 ${row.w * review.data.units} ${row.h * review.data.units}`, "aria-hidden": "true" }, ...line(paths[s], review.structures[s]))),
      (error) => picture.append(h("p", { class: "problem" }, error.message)),
    );
    return h("figure", {}, picture, h("figcaption", {}, when));
  }));
  const said = `overlap ${overlap.toFixed(2)}${iou !== undefined && mark.iou !== undefined ? `, IoU ${iou.toFixed(2)} to ${mark.iou.toFixed(2)}` : ""}`;
  return h("section", { class: "pair" }, h("button", { type: "button", onclick: () => open(row, s) }, title(review, one)), both, h("p", { class: "remark" }, said));
}

function table(review, rows, open) {
  const round = (value) => value.toLocaleString("en", { maximumFractionDigits: 1 });
  return h("div", { class: "wide", tabindex: 0, role: "region", "aria-label": "Measurements that changed most" },
    h("table", { class: "stats" },
      h("thead", {}, h("tr", {}, ["Mask", "Measure", "Before", "After", "Unit", "Ratio"].map((text) => h("th", { scope: "col" }, text)))),
      h("tbody", {}, rows.map((one) =>
        h("tr", {},
          h("th", { scope: "row" }, h("button", { type: "button", onclick: () => open(one.row, one.s) }, title(review, one))),
          h("td", {}, one.measure), h("td", {}, round(one.from)), h("td", {}, round(one.to)), h("td", {}, one.unit), h("td", {}, (one.to / one.from).toFixed(2)))))));
}
