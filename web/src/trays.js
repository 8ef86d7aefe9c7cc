// The page of a genus' trays: which specimens there are, by boxes that are exported for the workflow.

import { Boxes, coco } from "./boxes.js";
import { counted, h, load, save } from "./dom.js";
import { Stage, stroke } from "./stage.js";

const REACH = 14; // pixels of the screen: an edge is taken hold of within
const STILL = { mouse: 3, other: 10 }; // pixels of the screen: who moves less far taps
const COLOURS = { found: "#5aa9ff", drawn: "#4ade80", touching: "#ff7a5c", chosen: "#ffe14d" };
const app = document.querySelector("#app");

class Page {
  constructor(genus, trays) {
    this.genus = genus;
    this.trays = trays.map((tray) => {
      const { list = tray.specimens, whole = tray.whole } = this.#kept(tray);
      return { ...tray, whole, boxes: new Boxes(list, tray.width, tray.height) };
    });
    this.chosen = [];
    this.adding = this.several = false;
    this.status = h("p", { class: "said", role: "status" });
    this.names = h("div", { class: "buttons", role: "group", "aria-label": "Specimens of the tray" });
    this.select = h("select", { onchange: () => this.open(this.select.selectedIndex) }, this.trays.map(({ file }) => h("option", {}, file)));
    this.single = h("input", { type: "checkbox", onchange: () => this.toggleWhole() });
    const element = h("div", { class: "stage", role: "application", tabindex: 0, "aria-label": "The tray; keys are explained beside it" });
    const button = (text, act) => h("button", { type: "button", onclick: act }, text);
    this.buttons = {
      add: button("Add (n)", () => this.toggle()),
      several: button("Choose several (c)", () => this.toggleSeveral()),
      merge: button("Merge (m)", () => this.merge()),
      split: button("Split (s)", () => this.split()),
      remove: button("Remove (Delete)", () => this.remove()),
      undo: button("Undo (u)", () => this.undo()),
    };
    app.replaceChildren(
      element,
      h("div", { class: "side" },
        h("label", {}, "Tray ", this.select),
        h("label", {}, this.single, " one specimen, no box: the whole photograph shows it"),
        h("div", { class: "buttons" }, Object.values(this.buttons)),
        this.status,
        h("p", { class: "place" }, "Click or tap a box to choose it; Choose several keeps those chosen before, as Shift does. Drag the edge of a chosen box to change it, its inside to move it."
          + " Add, then drag round a specimen. Keys: , and . choose; i adds a box in the middle; arrows move, with Shift they resize; 0 shows the whole tray."),
        h("button", { type: "button", class: "main", onclick: () => this.export() }, "Export boxes.json"),
        h("p", { class: "place" }, "Put the file beside genera.tsv, name it in the column boxes, and call the workflow again."
          + " Until then the boxes are kept by this browser alone."),
        this.names),
    );
    this.stage = new Stage(element);
    this.stage.painters.push((context, view) => this.#paint(context, view));
    this.stage.tool = this.#tool();
    document.addEventListener("keydown", (event) => this.#key(event));
  }

  get boxes() {
    return this.tray.boxes;
  }

  async open(index) {
    this.tray = this.trays[index];
    this.single.checked = this.tray.whole;
    this.#choose([]);
    await this.stage.show([this.tray.picture], this.tray.width, this.tray.height);
  }

  /** Each tray is kept by itself, until the workflow finds other boxes on it: what is done in another tab stays. */
  #place({ file, print }) {
    return `sam2pal tray ${this.genus} ${print} ${file}`;
  }

  #kept(tray) {
    try {
      return JSON.parse(localStorage.getItem(this.#place(tray))) ?? {};
    } catch {
      return {};
    }
  }

  /** Show what is chosen now, keep the boxes, and say what was done. */
  #done(chosen, text) {
    try {
      localStorage.setItem(this.#place(this.tray), JSON.stringify({ list: this.boxes.list, whole: this.tray.whole }));
    } catch {
      text += "; this browser does not keep it: export before you leave";
    }
    this.several = false;
    this.#choose(chosen);
    this.status.textContent = `${text}. ${counted(this.boxes.list.length, "specimen")}.`;
  }

  #choose(chosen) {
    this.chosen = chosen;
    if (this.boxes.list.length) this.tray.whole = this.single.checked = false;
    const names = this.boxes.list.map((one) => h("button", {
      type: "button", "aria-pressed": String(chosen.includes(one)), onclick: (event) => this.#choose(this.#with(one, event.shiftKey)),
    }, label(one) + (one.touching ? " touching" : "")));
    const focused = [...this.names.children].indexOf(document.activeElement);
    this.names.replaceChildren(...names);
    names[focused]?.focus({ preventScroll: true });
    const { add, several, merge, split, remove, undo } = this.buttons;
    add.setAttribute("aria-pressed", String(this.adding));
    several.setAttribute("aria-pressed", String(this.several));
    merge.disabled = chosen.length < 2;
    split.disabled = chosen.length !== 1;
    remove.disabled = !chosen.length;
    undo.disabled = !this.boxes.past.length;
    if (chosen.length === 1) this.stage.reveal(...middle(chosen[0].box));
    this.status.textContent = `${counted(this.boxes.list.length, "specimen")}${chosen.length ? `; chosen: ${chosen.map(label).join(", ")}` : ""}`;
    this.stage.redraw();
  }

  #with(one, more) {
    if (!more && !this.several) return [one];
    return this.chosen.includes(one) ? this.chosen.filter((other) => other !== one) : [...this.chosen, one];
  }

  toggle() {
    this.adding = !this.adding;
    this.several = false;
    this.#choose([]);
    this.status.textContent = this.adding ? "Drag round a specimen. Add or Escape ends it." : "";
  }

  toggleSeveral() {
    this.several = !this.several;
    this.adding = false;
    this.#choose(this.chosen);
  }

  toggleWhole() {
    const all = this.boxes.list;
    this.tray.whole = this.single.checked;
    this.#done(all.length ? this.boxes.remove(all) : [], this.tray.whole ? "The whole photograph is one specimen" : "No specimen");
  }

  merge() {
    if (this.chosen.length > 1) this.#done(this.boxes.merge(this.chosen), `${this.chosen.length} boxes merged`);
    else this.status.textContent = "Choose two boxes or more, then merge them.";
  }

  split() {
    if (this.chosen.length === 1) this.#done(this.boxes.split(this.chosen[0]), "Box split; drag the edges of the halves");
  }

  remove() {
    if (this.chosen.length) this.#done(this.boxes.remove(this.chosen), `${counted(this.chosen.length, "specimen")} removed`);
  }

  undo() {
    if (this.boxes.past.length) this.#done(this.boxes.undo(), "Taken back");
  }

  export() {
    save("boxes.json", new Blob([coco(this.trays)], { type: "application/json" }));
    const number = this.trays.reduce((sum, { whole, boxes }) => sum + boxes.list.length + whole, 0);
    this.status.textContent = `${counted(number, "specimen")} of ${counted(this.trays.length, "tray")} exported as boxes.json.`;
  }

  #tool() {
    return {
      press: (x, y, event) => {
        const one = this.chosen.length === 1 && this.chosen[0];
        const held = one && !this.adding ? this.#edges(one.box, x, y) : null;
        this.held = { x, y, one, edges: held, moved: false, more: event.originalEvent?.shiftKey };
      },
      drag: (x, y, event) => {
        if (!this.held) return;
        const far = Math.hypot(x - this.held.x, y - this.held.y) * this.stage.view().scale;
        if (!this.held.moved && !this.adding && far < (STILL[event.pointerType] ?? STILL.other)) return;
        this.held.moved = true;
        if (this.adding) this.shown = between(this.held.x, this.held.y, x, y);
        else if (this.held.edges) this.shown = pulled(this.held.one.box, this.held.edges, x - this.held.x, y - this.held.y);
        else this.stage.pan(-event.delta.x, -event.delta.y);
        this.stage.redraw();
      },
      release: () => {
        const { held, shown } = this;
        this.held = this.shown = null;
        if (!held) return;
        if (shown && this.#within(shown) * this.stage.view().scale > 4) {
          if (this.adding) this.#done(this.boxes.add(shown), "Specimen added");
          else this.#done(this.boxes.move(held.one, shown), "Box changed");
        } else if (shown && !this.adding) this.status.textContent = "Nothing changed: the box would lie beyond the photograph, or be too small.";
        else if (!held.moved && !this.adding) {
          const hit = this.boxes.list.filter(({ box }) => inside(box, held.x, held.y)).sort((a, b) => a.box[2] * a.box[3] - b.box[2] * b.box[3])[0];
          this.#choose(hit ? this.#with(hit, held.more) : this.several ? this.chosen : []);
        }
        this.stage.redraw();
      },
      cancel: () => { this.held = this.shown = null; },
    };
  }

  /** The shorter side of what lies on the photograph of a box; below 0 if nothing does. */
  #within([left, top, width, height]) {
    const across = Math.min(left + width, this.tray.width) - Math.max(left, 0);
    return Math.min(across, Math.min(top + height, this.tray.height) - Math.max(top, 0));
  }

  /** Which edges of a box a point takes hold of: [left, top, right, bottom]; all from within, null from without. */
  #edges([left, top, width, height], x, y) {
    const reach = REACH / this.stage.view().scale;
    if (!inside([left - reach, top - reach, width + 2 * reach, height + 2 * reach], x, y)) return null;
    const held = [
      Math.abs(x - left) <= Math.min(reach, width / 3), Math.abs(y - top) <= Math.min(reach, height / 3),
      Math.abs(x - left - width) <= Math.min(reach, width / 3), Math.abs(y - top - height) <= Math.min(reach, height / 3),
    ];
    if (held.some(Boolean)) return held;
    return inside([left, top, width, height], x, y) ? [true, true, true, true] : null;
  }

  #key(event) {
    if (event.target.matches("select") || event.ctrlKey || event.metaKey || event.altKey) return;
    const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const acts = {
      n: () => this.toggle(), c: () => this.toggleSeveral(), m: () => this.merge(), s: () => this.split(), Delete: () => this.remove(), Backspace: () => this.remove(),
      u: () => this.undo(), 0: () => this.stage.fit(), "+": () => this.stage.zoom(1.5), "-": () => this.stage.zoom(1 / 1.5),
      Escape: () => { this.adding = this.several = false; this.#choose([]); }, ",": () => this.#step(-1), ".": () => this.#step(1),
      i: () => this.#insert(),
    };
    const arrow = arrows[event.key];
    if (arrow && this.chosen.length === 1) this.#shift(arrow, event.shiftKey);
    else if (acts[event.key]) acts[event.key]();
    else return;
    event.preventDefault();
  }

  #step(by) {
    const { list } = this.boxes;
    const at = this.chosen.length ? list.indexOf(this.chosen.at(-1)) + by : by < 0 ? list.length - 1 : 0;
    if (list.length) this.#choose([list.at(at % list.length)]);
  }

  #shift([dx, dy], resize) {
    const [one] = this.chosen;
    const step = Math.max(1, 4 / this.stage.view().scale);
    const edges = resize ? [false, false, true, true] : [true, true, true, true];
    this.#done(this.boxes.move(one, pulled(one.box, edges, dx * step, dy * step)), resize ? "Box resized" : "Box moved");
  }

  #insert() {
    const { clientWidth, clientHeight } = this.stage.element;
    const [x, y] = this.stage.fromScreen(clientWidth / 2, clientHeight / 2);
    const side = Math.min(this.tray.width, this.tray.height) / 10;
    this.#done(this.boxes.add([x - side / 2, y - side / 2, side, side]), "Specimen added");
  }

  #paint(context, view) {
    const draw = ([left, top, width, height], colour, wide) =>
      stroke(context, view, [[[left, top], [left + width, top], [left + width, top + height], [left, top + height]].map(([x, y]) => ({ x, y }))], { colour }, wide);
    for (const one of this.boxes.list) {
      const chosen = this.chosen.includes(one);
      if (chosen && this.shown && this.held?.edges) continue;
      const colour = chosen ? COLOURS.chosen : COLOURS[one.touching ? "touching" : one.source];
      draw(one.box, colour, chosen ? 3 : 2);
      const [x, y] = this.stage.toScreen(one.box[0], one.box[1]);
      context.font = "13px system-ui, sans-serif";
      // no wider than its box, so that it covers no other; what would be too small shows when one comes closer
      const size = chosen ? 13 : Math.min(13, Math.floor((13 * one.box[2] * view.scale) / (context.measureText(label(one)).width + 6)));
      if (size < 7) continue;
      context.font = `${size}px system-ui, sans-serif`;
      context.fillStyle = "#101010";
      context.fillRect(x, y - size - 4, context.measureText(label(one)).width + 6, size + 3);
      context.fillStyle = colour;
      context.fillText(label(one), x + 3, y - 4);
    }
    if (this.shown) draw(this.shown, COLOURS.chosen, 3);
  }
}

const label = ({ name }) => name.split("#").at(-1) || "new";
const middle = ([left, top, width, height]) => [left + width / 2, top + height / 2];
const inside = ([left, top, width, height], x, y) => x >= left && y >= top && x <= left + width && y <= top + height;
const between = (x, y, u, v) => [Math.min(x, u), Math.min(y, v), Math.abs(x - u), Math.abs(y - v)];

/** A box whose edges [left, top, right, bottom] went along by dx, dy. */
function pulled([left, top, width, height], edges, dx, dy) {
  return between(left + edges[0] * dx, top + edges[1] * dy, left + width + edges[2] * dx, top + height + edges[3] * dy);
}

async function start() {
  const { genus, trays } = await load(app.dataset.data, "trays");
  if (!trays.length) {
    app.replaceChildren(h("p", {}, "There is no tray."));
    return;
  }
  const page = new Page(genus, trays);
  await page.open(0);
}

start().catch((error) => app.replaceChildren(h("p", { class: "problem" }, `The page cannot be shown: ${error.message}.`)));
