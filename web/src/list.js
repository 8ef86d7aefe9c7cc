// The cards of all specimens in a grid, of which only those near the window are in the document.

import { VERDICTS } from "./corrections.js";
import { h, key, line, svg } from "./dom.js";
import { Mask } from "./mask.js";
import { trace } from "./rings.js";
import { FACTS, MISSING } from "./store.js";

const WIDTH = 270, GAP = 12, MARGIN = 600;
const FINE = 600; // pixels of the longer side, as which a person's mask is drawn on a card

export class List {
  rows = [];
  #cards = new Map();
  #frame = 0;

  /** @param open called with a row that is to be looked at */
  constructor(element, review, open) {
    Object.assign(this, { element, review, open });
    this.height = 420 + 26 * review.structures.length + (review.rows.some((row) => row.next) ? 60 : 0);
    element.classList.add("grid");
    const soon = () => (this.#frame ||= requestAnimationFrame(() => { this.#frame = 0; this.draw(); }));
    addEventListener("scroll", soon, { passive: true });
    const observer = new ResizeObserver(soon);
    observer.observe(element);
    observer.observe(document.body); // what opens or closes above moves the list
  }

  show(rows) {
    this.rows = rows;
    for (const card of this.#cards.values()) card.remove();
    this.#cards.clear();
    this.draw();
  }

  /** Draw the cards of some rows again, or all that are shown. */
  refresh(row) {
    for (const [place, card] of this.#cards) {
      if (row && this.rows[place] !== row) continue;
      this.#verdicts(card, this.rows[place]);
    }
  }

  #layout() {
    const wide = this.element.clientWidth;
    const columns = Math.max(1, Math.floor((wide + GAP) / (WIDTH + GAP)));
    return { columns, width: (wide - GAP * (columns - 1)) / columns, step: this.height + GAP };
  }

  draw() {
    const { columns, width, step } = this.#layout();
    this.element.style.height = `${Math.ceil(this.rows.length / columns) * step}px`;
    const top = -this.element.getBoundingClientRect().top;
    const first = Math.max(0, Math.floor((top - MARGIN) / step)) * columns;
    const after = Math.min(this.rows.length, Math.ceil((top + innerHeight + MARGIN) / step) * columns);
    for (const [place, card] of this.#cards) {
      if (place >= first && place < after) continue;
      if (card.contains(document.activeElement)) continue;
      card.remove();
      this.#cards.delete(place);
    }
    let previous = null;
    for (let place = first; place < after; place++) {
      let card = this.#cards.get(place);
      if (!card) {
        card = this.#card(this.rows[place], place);
        this.#cards.set(place, card);
        previous ? previous.after(card) : this.element.prepend(card);
      }
      Object.assign(card.style, {
        width: `${width}px`,
        height: `${this.height}px`,
        left: `${(place % columns) * (width + GAP)}px`,
        top: `${Math.floor(place / columns) * step}px`,
      });
      previous = card;
    }
  }

  /** Bring a specimen into view and put the focus on it. */
  focus(row) {
    const place = this.rows.indexOf(row);
    if (place < 0) return;
    const { columns, step } = this.#layout();
    const top = this.element.getBoundingClientRect().top + scrollY + Math.floor(place / columns) * step;
    if (top < scrollY + 60 || top + step > scrollY + innerHeight) scrollTo(0, top - 80);
    this.draw();
    const card = this.#cards.get(place);
    (card?.querySelector(".picture") ?? card?.querySelector("h3"))?.focus({ preventScroll: true });
  }

  #card(row, place) {
    const { review } = this;
    const group = review.data.groups[row.group];
    const card = h(
      "article",
      { class: `card ${group.name}`, "aria-setsize": this.rows.length, "aria-posinset": place + 1, dataset: { name: row.name } },
      h("h3", { tabindex: -1 }, h("span", { class: "rank" }, String(row.rank + 1)), " ", h("span", { class: "name" }, row.name)),
      h("p", { class: "tag" }),
    );
    if (row.w) {
      const picture = h("button", { type: "button", class: "picture", "aria-label": `Look at ${row.name}`, onclick: () => this.open(row) });
      if (row.shown) picture.append(h("img", { src: review.picture(row), width: row.w, height: row.h, alt: "", decoding: "async" }));
      card.append(picture);
    }
    if (row.problem) card.append(h("p", { class: "problem" }, row.problem));
    if (row.path) card.append(h("p", { class: "path" }, row.path));
    const next = row.next && `To correct next, place ${row.next.rank}: ${row.next.reason}`;
    for (const text of [next, row.reason, row.outside && "Not among the specimens of this genus' folder.", row.view && `Matched in the view: ${row.view}`]) {
      if (text) card.append(h("p", { class: "remark" }, text));
    }
    if (row.marks.length) card.append(table(review, row));
    this.#verdicts(card, row);
    return card;
  }

  /** Draw the outlines that stand, if they are not those that are drawn. */
  async #outlines(card, row) {
    const { structures, data } = this.review;
    const [picture, made] = [card.querySelector(".picture"), structures.map((_, s) => this.review.verdict(row, s)).map((found) => found?.fact && found.record)];
    const drawn = JSON.stringify([made.map((record) => record?.at), Boolean(row.told)]);
    if (!picture || card.drawn === drawn) return;
    card.drawn = drawn;
    let detail;
    try {
      detail = await this.review.detail(row);
    } catch (error) {
      picture.after(h("p", { class: "problem" }, error.message));
      return;
    }
    if (card.drawn !== drawn) return;
    const groups = structures.map((style, s) => {
      const d = made[s] ? outline(row, made[s], data.units) : detail.paths[s];
      return d && svg("g", { class: `o o${s + 1}` }, ...line(d, style));
    });
    if (detail.windows) groups.unshift(svg("path", { class: "window", d: detail.windows }));
    picture.querySelector("svg")?.remove();
    picture.append(svg("svg", { viewBox: `0 0 ${row.w * data.units} ${row.h * data.units}`, "aria-hidden": "true" }, ...groups));
  }

  #verdicts(card, row) {
    for (const cell of card.querySelectorAll("[data-verdict]")) {
      const s = Number(cell.dataset.verdict);
      const [found, mark] = [this.review.verdict(row, s), row.marks[s]];
      cell.replaceChildren(...remarks(mark, found).flatMap((text) => [h("b", {}, text), " "]), ...(mark?.truth ? [h("i", {}, `${mark.truth} `)] : []), ...sign(found));
    }
    card.querySelector(".tag").textContent = this.review.title(row);
    this.#outlines(card, row);
    card.classList.toggle("looked", this.review.looked(row));
  }
}

/** The `d` of a person's mask on the picture of a card; empty if there is none. */
function outline(row, { verdict, counts }, units) {
  if (MISSING.has(verdict) || !counts) return "";
  const step = Math.max(1, Math.floor(Math.max(row.width, row.height) / FINE));
  const rings = trace(Mask.reduced(row.width, row.height, counts, step).upright(row.orientation));
  const [width, height] = row.orientation >= 5 ? [row.height, row.width] : [row.width, row.height];
  const place = ({ x, y }) => `${Math.round((x * step * row.w * units) / width)} ${Math.round((y * step * row.h * units) / height)}`;
  return rings.map((ring) => `M${ring.map(place).join("L")}z`).join("");
}

/** The verdict as a sign and in words. */
export function sign(found) {
  if (!found) return [];
  const { title, sign: mark } = VERDICTS[found.verdict];
  const of = found.fact && !FACTS.has(found.verdict) ? ", drawn by hand" : "";
  const more = of + (found.old ? "; the mask has changed since" : (found.round ? ` in round ${found.round}` : "") + (found.given ? ", as given to the workflow" : ""));
  return [h("span", { class: `verdict ${found.verdict}${found.old ? " old" : ""}` }, h("span", { "aria-hidden": "true" }, `${mark} `), `${title}${more}`)];
}

function table(review, row) {
  const { evaluated } = review.data;
  const head = ["structure", "confidence", evaluated && "IoU", "remarks, verdict"].filter(Boolean);
  const body = review.structures.map((style, s) => {
    const mark = row.marks[s];
    const score = confidence(mark) || "–";
    const [first, ...rest] = style.name.split(/(?<=[_-])/); // where a long name may be broken
    return h(
      "tr",
      { class: `r${s + 1}` },
      h("th", { scope: "row" }, h("span", {}, key(style), first), rest.map((part) => [h("wbr"), part])),
      h("td", { class: "n" }, score),
      evaluated && h("td", { class: "n" }, mark?.iou === undefined ? "" : mark.iou.toFixed(2)),
      h("td", { dataset: { verdict: s } }),
    );
  });
  return h(
    "table",
    {},
    h("thead", {}, h("tr", {}, head.map((text) => h("th", { scope: "col", class: ["confidence", "IoU"].includes(text) ? "n" : null }, text)))),
    h("tbody", {}, body),
  );
}

/** Of a mask, who drew it, or nothing where there is none. */
export function confidence(mark) {
  if (mark?.hand) return mark.hand;
  return mark?.score === undefined || mark.state === "absent" ? "" : mark.score.toFixed(2);
}

/** @param found the verdict on it, if there is one */
export function remarks(mark, found) {
  if (found?.fact && (!mark || mark.unknown)) return [];
  if (mark?.back) return ["taken back; shown again after the next call"];
  if (!mark || mark.unknown) return ["not annotated"];
  const doubts = mark.doubts && `doubtful: ${mark.doubts.join(", ").replaceAll("_", " ")}`;
  return [mark.low && "low", mark.state, doubts, ...(mark.flags ?? []).map((flag) => flag.replaceAll("_", " "))].filter(Boolean);
}
