// Drawing one mask: vertices, new outlines, pieces, holes, brush and eraser. The mask is a bitmap of the
// photograph's size all the time, so what is seen is what is kept.

import { h } from "./dom.js";
import { Mask } from "./mask.js";
import { Outline } from "./rings.js";
import { stroke } from "./stage.js";

const REACH = 22; // pixels of the screen: a vertex is taken hold of within 44

export const TOOLS = {
  vertices: { title: "Vertices", key: "v", help: "drag a vertex; click the outline to add one; Delete removes it. Keys: , and . choose, arrows move, i adds" },
  anew: { title: "Draw anew", key: "d", help: "drag around the structure, or click point by point and close with Enter; replaces the mask" },
  piece: { title: "Add piece", key: "p", help: "as Draw anew, and adds to the mask" },
  hole: { title: "Cut hole", key: "h", help: "as Draw anew, and takes away from the mask" },
  brush: { title: "Brush", key: "b", help: "paint pixels; [ and ] change the size. Keys: arrows move, Space paints" },
  eraser: { title: "Eraser", key: "x", help: "takes pixels away; [ and ] change the size. Keys: arrows move, Space erases" },
};

export class Editor {
  /** @param say tells a screen reader; @param changed is called after every change */
  constructor(stage, mask, style, say, changed) {
    Object.assign(this, { stage, mask, style, say, changed });
    this.radius = Math.max(1, Math.round(Math.max(mask.width, mask.height) / 150));
    this.cursor = null;
    this.points = [];
    this.past = [];
    this.future = [];
    this.last = mask.counts();
    this.first = this.last;
    this.vertex = null;
    this.paint = (context, view) => this.#paint(context, view);
    stage.painters.push(this.paint);
    this.choose(mask.measure().area ? "vertices" : "anew");
  }

  close() {
    this.stage.tool = null;
    this.stage.painters.splice(this.stage.painters.indexOf(this.paint), 1);
    this.stage.redraw();
  }

  get dirty() {
    return this.last !== this.first || this.points.length > 2;
  }

  choose(name) {
    this.tool = name;
    this.points = [];
    this.vertex = null;
    this.outline = new Outline(this.mask);
    const own = { vertices: this.#vertices(), brush: this.#brush(1), eraser: this.#brush(0) };
    this.stage.tool = own[name] ?? this.#lasso();
    this.changed();
    this.stage.redraw();
  }

  resize(factor) {
    const { width, height } = this.mask;
    const next = this.radius * factor;
    this.radius = Math.min(Math.max(width, height) / 4, Math.max(0.5, factor > 1 ? Math.ceil(next) : Math.floor(next)));
    this.say(`brush of radius ${this.radius} pixels`);
    this.stage.redraw();
  }

  undo() {
    if (!this.points.length) return this.#go(this.past, this.future);
    this.points.pop();
    this.changed();
    this.stage.redraw();
  }

  redo() {
    this.#go(this.future, this.past);
  }

  clear() {
    this.mask.data.fill(0);
    this.#commit("nothing outlined");
  }

  #go(from, to) {
    if (!from.length) return;
    to.push(this.last);
    this.last = from.pop();
    const { width, height } = this.mask;
    this.mask.data = Mask.of(width, height, this.last).data;
    this.outline = new Outline(this.mask);
    this.vertex = null;
    this.changed();
    this.stage.redraw();
  }

  /** After a change of the mask: one step of undo. */
  #commit(text, keep = false) {
    const counts = this.mask.counts();
    if (counts !== this.last) {
      this.past.push(this.last);
      this.future = [];
      this.last = counts;
    }
    if (!keep) this.outline = new Outline(this.mask);
    if (text) this.say(text);
    this.changed();
    this.stage.redraw();
  }

  #fromOutline(text) {
    this.mask.data.fill(0);
    this.mask.fill(this.outline.flat());
    this.#commit(text, true);
  }

  ///// vertices /////

  #vertices() {
    let held = null, moved = false;
    const reach = () => REACH / this.stage.view().scale;
    return {
      press: (x, y) => {
        moved = false;
        held = this.outline.nearest(x, y, reach());
        if (!held) {
          held = this.outline.add(x, y, reach() / 2);
          moved = Boolean(held);
        }
        this.vertex = held;
        this.stage.redraw();
      },
      drag: (x, y, event) => {
        if (!held) return;
        const still = Math.hypot(event.delta?.x ?? 1, event.delta?.y ?? 1) === 0;
        if (still) return;
        moved = true;
        this.outline.move(held, x, y);
        this.stage.redraw();
      },
      release: () => {
        if (held && moved) this.#fromOutline(this.#where());
        else this.changed(); // a vertex was chosen
        held = null;
      },
      cancel: () => {
        held = null;
        this.outline = new Outline(this.mask);
      },
    };
  }

  #where() {
    const all = this.outline.vertices();
    const place = all.indexOf(this.vertex);
    return place < 0 ? "" : `vertex ${place + 1} of ${all.length} at ${Math.round(this.vertex.x)}, ${Math.round(this.vertex.y)}`;
  }

  remove() {
    if (!this.vertex) return;
    this.outline.remove(this.vertex);
    this.vertex = null;
    this.#fromOutline("vertex removed");
  }

  #next(step) {
    const all = this.outline.vertices();
    if (!all.length) return;
    const place = all.indexOf(this.vertex);
    this.vertex = all[(place < 0 ? 0 : place + step + all.length) % all.length];
    this.stage.reveal(this.vertex.x, this.vertex.y);
    this.say(this.#where());
    this.changed();
    this.stage.redraw();
  }

  #insert() {
    const ring = this.outline.rings.find((points) => points.includes(this.vertex));
    if (!ring) return;
    const own = ring.filter((p) => p.vertex);
    const after = own[(own.indexOf(this.vertex) + 1) % own.length];
    const between = (ring.indexOf(this.vertex) + 1) % ring.length;
    if (ring[between] === after) {
      ring.splice(between, 0, { x: (this.vertex.x + after.x) / 2, y: (this.vertex.y + after.y) / 2, vertex: true });
      this.vertex = ring[between];
    } else {
      let n = (ring.indexOf(after) - between + ring.length) % ring.length;
      this.vertex = ring[(between + (n >> 1)) % ring.length];
      this.vertex.vertex = true;
    }
    this.say(this.#where());
    this.stage.redraw();
  }

  ///// outlines /////

  #lasso() {
    let dragged = false, before = 0;
    const near = (x, y) => {
      const [first] = this.points;
      return this.points.length > 2 && Math.hypot(first.x - x, first.y - y) * this.stage.view().scale < REACH / 2;
    };
    return {
      press: (x, y) => {
        dragged = false;
        if (near(x, y)) return this.finish();
        before = this.points.length;
        this.points.push({ x, y });
        this.changed();
        this.stage.redraw();
      },
      drag: (x, y) => {
        const last = this.points.at(-1);
        if (!last || Math.hypot(last.x - x, last.y - y) * this.stage.view().scale < 2) return;
        dragged = true;
        this.points.push({ x, y });
        this.stage.redraw();
      },
      release: () => {
        if (dragged && this.points.length > 5) this.finish();
      },
      hover: (x, y) => {
        this.cursor = { x, y };
        if (this.points.length) this.stage.redraw();
      },
      cancel: () => {
        this.points.length = Math.min(before, this.points.length); // those of earlier clicks stay
        this.changed();
      },
    };
  }

  /** Close the outline that is being drawn. */
  finish() {
    if (this.points.length < 3) return;
    const ring = this.points.flatMap(({ x, y }) => [x, y]);
    this.points = [];
    if (this.tool === "anew") this.mask.data.fill(0);
    this.mask.fill([ring], this.tool === "hole" ? 0 : 1);
    this.#commit({ anew: "drawn anew", piece: "piece added", hole: "hole cut" }[this.tool]);
  }

  ///// brush /////

  #brush(value) {
    let last = null;
    const to = (x, y) => {
      this.mask.brush(last?.x ?? x, last?.y ?? y, x, y, this.radius, value);
      last = this.cursor = { x, y };
      this.stage.redraw();
    };
    const end = () => {
      if (last) this.#commit("");
      last = null;
    };
    return {
      press: to,
      drag: to,
      release: end,
      cancel: end,
      hover: (x, y) => {
        this.cursor = { x, y };
        this.stage.redraw();
      },
    };
  }

  ///// keys /////

  /** Whether a key was one of the editor's. */
  key(event) {
    const arrow = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (arrow) return this.#arrow(...arrow, event.shiftKey ? 10 : 1), true;
    const own = {
      "[": () => this.resize(0.8),
      "]": () => this.resize(1.25),
      ",": () => this.#next(-1),
      ".": () => this.#next(1),
      i: () => this.#insert(),
      Delete: () => this.remove(),
      Backspace: () => this.remove(),
      " ": () => this.#press(),
    }[event.key];
    own?.();
    return Boolean(own);
  }

  #arrow(dx, dy, times) {
    if (this.tool === "vertices") {
      if (!this.vertex) return this.#next(1);
      this.outline.move(this.vertex, this.vertex.x + dx * times, this.vertex.y + dy * times);
      this.stage.reveal(this.vertex.x, this.vertex.y);
      return this.#fromOutline(this.#where());
    }
    const step = (4 * times) / this.stage.view().scale;
    const from = this.#crosshair();
    const [x, y] = [from.x + dx * step, from.y + dy * step];
    this.cursor = { x: Math.min(this.mask.width, Math.max(0, x)), y: Math.min(this.mask.height, Math.max(0, y)) };
    this.stage.reveal(this.cursor.x, this.cursor.y);
    this.say(`${Math.round(this.cursor.x)}, ${Math.round(this.cursor.y)}`);
    this.stage.redraw();
  }

  #crosshair() {
    const { clientWidth, clientHeight } = this.stage.element;
    const [x, y] = this.stage.fromScreen(clientWidth / 2, clientHeight / 2);
    return this.cursor ?? { x, y };
  }

  #press() {
    const { x, y } = this.#crosshair();
    if (this.tool === "vertices") return;
    this.stage.tool.press(x, y);
    this.stage.tool.release(x, y);
    this.say(this.points.length ? `point ${this.points.length}` : "");
  }

  ///// what is seen /////

  #paint(context, view) {
    this.#bitmap(context, view);
    const screen = ({ x, y }) => [view.x + x * view.scale, view.y + y * view.scale];
    if (this.tool === "vertices") {
      stroke(context, view, this.outline.rings, this.style);
      for (const p of this.outline.vertices()) {
        const [x, y] = screen(p);
        context.beginPath();
        context.arc(x, y, p === this.vertex ? 8 : 5, 0, 2 * Math.PI);
        context.fillStyle = p === this.vertex ? "#101010" : this.style.colour;
        context.strokeStyle = p === this.vertex ? "#ffffff" : "#101010";
        context.lineWidth = 2;
        context.fill();
        context.stroke();
      }
    }
    if (this.points.length) {
      const open = this.cursor ? [...this.points, this.cursor] : this.points;
      stroke(context, view, [open], { colour: "#ffffff", dashes: "3 2" });
      const [x, y] = screen(this.points[0]);
      context.strokeRect(x - 6, y - 6, 12, 12);
    }
    if (this.cursor && this.tool !== "vertices") {
      const [x, y] = screen(this.cursor);
      const brush = this.tool === "brush" || this.tool === "eraser";
      const size = brush ? this.radius * view.scale : 7;
      for (const [colour, wide] of [["#101010", 4], ["#ffffff", 1.5]]) {
        context.strokeStyle = colour;
        context.lineWidth = wide;
        context.beginPath();
        if (brush) context.arc(x, y, size, 0, 2 * Math.PI);
        else {
          context.moveTo(x - size, y);
          context.lineTo(x + size, y);
          context.moveTo(x, y - size);
          context.lineTo(x, y + size);
        }
        context.stroke();
      }
    }
  }

  /** The pixels of the mask themselves: a tint, and a line where they end. */
  #bitmap(context, view) {
    const { clientWidth: w, clientHeight: high } = this.stage.element;
    const ratio = devicePixelRatio || 1;
    const [cw, ch] = [Math.round(w * ratio), Math.round(high * ratio)];
    this.buffer ??= h("canvas");
    if (this.buffer.width !== cw || this.buffer.height !== ch) Object.assign(this.buffer, { width: cw, height: ch });
    const own = this.buffer.getContext("2d");
    const image = own.createImageData(cw, ch);
    const pixels = new Uint32Array(image.data.buffer);
    const [r, g, b] = [1, 3, 5].map((i) => parseInt(this.style.colour.slice(i, i + 2), 16));
    const tint = (70 << 24) | (b << 16) | (g << 8) | r;
    const edge = (255 << 24) | (b << 16) | (g << 8) | r;
    const { width, height, data } = this.mask;
    const step = 1 / (view.scale * ratio);
    const [x0, y0] = [-view.x / view.scale, -view.y / view.scale];
    let above = new Uint8Array(cw), row = new Uint8Array(cw);
    const columns = Int32Array.from({ length: cw }, (_, i) => Math.floor(x0 + (i + 0.5) * step));
    for (let j = 0; j < ch; j++) {
      const y = Math.floor(y0 + (j + 0.5) * step);
      const inside = y >= 0 && y < height;
      for (let i = 0; i < cw; i++) {
        const x = columns[i];
        const value = inside && x >= 0 && x < width ? data[x * height + y] : 0;
        row[i] = value;
        const other = value !== above[i] || (i && value !== row[i - 1]);
        if (other) pixels[j * cw + i] = edge;
        else if (value) pixels[j * cw + i] = tint;
      }
      [above, row] = [row, above];
    }
    own.putImageData(image, 0, 0);
    context.drawImage(this.buffer, 0, 0, w, high);
  }
}
