// One specimen at a time, large: judge its structures, or mend their outlines.

import { VERDICTS } from "./corrections.js";
import { counted, h, key } from "./dom.js";
import { Editor, TOOLS } from "./editor.js";
import { confidence, remarks, sign } from "./list.js";
import { Mask } from "./mask.js";
import { trace } from "./rings.js";
import { Stage, stroke } from "./stage.js";
import { FACTS, MISSING } from "./store.js";

const JUDGED = Object.entries(VERDICTS).filter(([, { key }]) => key);

export class Look {
  row = null;
  s = 0;
  editor = null;
  outlines = true;
  earlier = false;
  #rings = [];
  #before = [];
  #turn = 0;
  #queue = Promise.resolve();

  /**
   * @param rows gives the specimens in the order of the list
   * @param opened is called whenever a specimen is shown
   * @param closed is called with the last one
   */
  constructor(review, rows, opened, closed) {
    Object.assign(this, { review, rows, opened, closed });
    this.said = h("p", { class: "said", role: "status" });
    this.stageElement = h("div", {
      class: "stage", role: "application", tabindex: 0,
      "aria-label": "Photograph; the keys are listed under Keys",
    });
    this.title = h("h2", { tabindex: -1 });
    this.place = h("p", { class: "place" });
    this.note = h("p", { class: "problem", hidden: true });
    this.compared = h("label", { hidden: !review.data.before },
      h("input", { type: "checkbox", onchange: (event) => this.#earlier(event.target.checked) }), ` As in round ${review.data.before} (l)`);
    this.lines = h("label", {}, h("input", { type: "checkbox", checked: true, onchange: (event) => this.#outlines(event.target.checked) }), " Outlines (o)");
    this.list = h("div", { class: "structures", role: "radiogroup", "aria-label": "Structure" });
    this.judging = h("div", { class: "buttons", role: "group", "aria-label": "Verdict" });
    this.editing = h("div", { class: "editing", hidden: true });
    this.dialog = h(
      "dialog",
      { class: "look", "aria-label": "One specimen" },
      this.stageElement,
      h(
        "div",
        { class: "side" },
        this.#row([["← Previous", () => this.step(-1)], ["Next →", () => this.step(1)], ["Close (Esc)", () => this.close()]]),
        this.title, this.place, this.note, this.list, this.judging, this.editing, this.said, this.lines, this.compared,
        this.#row([["Zoom in (+)", () => this.stage.zoom(1.5)], ["Zoom out (−)", () => this.stage.zoom(1 / 1.5)], ["Whole (0)", () => this.stage.fit()]]),
        keys(),
      ),
    );
    document.body.append(this.dialog);
    this.dialog.addEventListener("keydown", (event) => this.#key(event));
    // where no element has the focus, as after a click in some browsers
    document.addEventListener("keydown", (event) => this.dialog.open && event.target === document.body && this.#key(event));
    this.dialog.addEventListener("cancel", (event) => {
      event.preventDefault();
      this.#escape();
    });
    addEventListener("beforeunload", (event) => this.editor?.dirty && event.preventDefault());
    review.store.onchange((elsewhere) => {
      if (!this.dialog.open || this.editor) return;
      this.#verdicts();
      if (elsewhere) this.#trace(this.#turn);
    });
  }

  #row(buttons) {
    return h("div", { class: "buttons" }, buttons.map(([text, f]) => h("button", { type: "button", onclick: f }, text)));
  }

  say(text) {
    this.said.textContent = text;
  }

  /**
   * Do something of the specimen that is shown now and its structure, after all that was begun before is done: a key may
   * come before the last verdict is written and the next structure chosen.
   */
  #inTurn(f) {
    const { row, s } = this;
    const done = this.#queue.then(() => f(row, row === this.row ? this.s : s));
    this.#queue = done.catch(() => {});
    return done;
  }

  async open(row, s = null) {
    if (!this.#leave()) return;
    const turn = ++this.#turn;
    this.row = row;
    const { review } = this;
    if (!this.dialog.open) this.dialog.showModal();
    this.stage ??= this.#makeStage();
    const open = review.open(row);
    this.s = s ?? open.find((i) => !review.settled(row, i)) ?? open[0] ?? 0;
    this.title.textContent = row.name;
    this.opened(row);
    const rows = this.rows();
    this.listed = rows.includes(row) ? `${rows.indexOf(row) + 1} of ${counted(rows.length, "specimen")} in the list` : "Not in the list";
    this.asked = row.next ? `; to correct next, place ${row.next.rank}: ${row.next.reason}` : "";
    this.note.hidden = true;
    this.#rings = this.#before = [];
    this.#verdicts();
    const turned = row.orientation >= 5;
    const size = turned ? [row.height, row.width] : [row.width, row.height];
    const addresses = [row.photograph, row.shown && review.picture(row)].filter(Boolean);
    const shown = await this.stage.show(addresses, ...size);
    if (turn !== this.#turn) return;
    const small = row.photograph && row.shown && shown === 1;
    const note = row.problem || (small ? "The photograph itself is not where it was; this is its small picture." : "") || (shown < 0 && "The photograph cannot be shown.") || (row.outside && "Not among the specimens of this genus' folder: it cannot be judged here.");
    this.note.hidden = !note;
    this.note.textContent = note || "";
    await this.#trace(turn);
    this.title.focus({ preventScroll: true });
    const next = rows[rows.indexOf(row) + 1];
    if (next?.photograph) new Image().src = next.photograph;
  }

  #makeStage() {
    const stage = new Stage(this.stageElement);
    stage.painters.push((context, view) => {
      if (!this.outlines) return;
      const shown = this.earlier && !this.editor ? this.#before : this.#rings;
      shown.forEach((rings, s) => {
        if (!rings || (this.editor && s === this.s)) return;
        stroke(context, view, rings, this.review.structures[s], s === this.s && !this.editor ? 3 : 1.5);
      });
    });
    return stage;
  }

  /** Counts of the mask that stands for a structure: what a person made, else the round's; as stored on disk. */
  async counts(s) {
    const found = this.review.verdict(this.row, s);
    if (MISSING.has(found?.verdict)) return "";
    if (found?.fact) return found.record.counts;
    return (await this.#masks(this.row))?.[s] ?? "";
  }

  /** Counts of the masks of the round by structure; null, and said why, if they cannot be read. */
  async #masks(row) {
    try {
      return (await this.review.detail(row)).masks;
    } catch (error) {
      this.note.hidden = false;
      this.note.textContent = error.message;
      return null;
    }
  }

  async #trace(turn) {
    const { row } = this;
    const rings = [];
    for (let s = 0; s < this.review.structures.length; s++) {
      const counts = await this.counts(s);
      if (turn !== this.#turn) return;
      rings.push(ringsOf(row, counts));
    }
    if (this.earlier) await this.#traceBefore(turn);
    if (turn !== this.#turn) return;
    this.#rings = rings;
    this.stage.redraw();
  }

  async #traceBefore(turn) {
    const { row } = this;
    try {
      const { masks } = await this.review.before(row);
      if (turn === this.#turn) this.#before = masks.map((counts) => ringsOf(row, counts));
    } catch (error) {
      this.note.hidden = false;
      this.note.textContent = error.message;
    }
  }

  /** Show the masks of the earlier round, or those of this one. */
  async #earlier(wanted) {
    this.earlier = this.compared.firstChild.checked = wanted;
    if (wanted) await this.#traceBefore(this.#turn);
    this.stage.redraw();
    this.say(wanted ? `As in round ${this.review.data.before}` : `As in round ${this.review.data.round}`);
  }

  #outlines(wanted) {
    this.outlines = this.lines.firstChild.checked = wanted;
    this.stage.redraw();
  }

  /** Open a specimen at a structure that changed. */
  async compare(row, s) {
    await this.open(row, s);
    this.say(`Key l shows the masks of round ${this.review.data.before}.`);
  }

  #verdicts() {
    const { review, row } = this;
    this.place.textContent = `${this.listed}; ${review.title(row)}${this.asked}`;
    const had = this.list.contains(document.activeElement);
    this.list.replaceChildren(
      ...review.structures.map((style, s) => {
        const mark = row.marks[s];
        const found = review.verdict(row, s);
        const score = confidence(mark);
        return h(
          "button",
          { type: "button", role: "radio", "aria-checked": String(s === this.s), tabindex: s === this.s ? 0 : -1, onclick: () => this.choose(s) },
          key(style), h("span", {}, style.name), h("span", { class: "n" }, score),
          h("span", { class: "remarks" }, remarks(mark, found).join(", ")), ...sign(found),
        );
      }),
    );
    if (had) this.list.children[this.s].focus();
    const can = review.can(row);
    const mark = row.marks[this.s];
    const buttons = JUDGED.map(([verdict, { sign: symbol, verb, key: letter }]) => {
      const pointless = !MISSING.has(verdict) && (!mark || mark.unknown) && !review.verdict(row, this.s)?.fact;
      return h(
        "button",
        { type: "button", class: verdict, disabled: !can || pointless, onclick: () => this.judge(verdict) },
        h("span", { "aria-hidden": "true" }, `${symbol} `), `${verb} (${letter})`,
      );
    });
    buttons.push(
      h("button", { type: "button", disabled: !can || !review.verdict(row, this.s), onclick: () => this.takeBack() }, "Take verdict back (t)"),
      h("button", { type: "button", disabled: !can, onclick: () => this.edit() }, "Edit outline (e)"),
      h("button", { type: "button", disabled: !can, onclick: () => this.rest() }, "Accept the rest (Shift+A)"),
      h("button", { type: "button", disabled: !review.past.length, onclick: () => this.undo() }, "Undo (u)"),
    );
    const pressed = this.judging.contains(document.activeElement) && document.activeElement.textContent;
    this.judging.replaceChildren(...buttons);
    if (pressed) (buttons.find((b) => b.textContent === pressed && !b.disabled) ?? this.title).focus({ preventScroll: true });
  }

  choose(s) {
    this.s = s;
    this.#verdicts();
    this.stage.redraw();
    this.say(this.review.structures[s].name);
  }

  async step(by) {
    const rows = this.rows();
    const next = rows[rows.indexOf(this.row) + by];
    if (next) await this.open(next);
    else this.say(by > 0 ? "This is the last specimen of the list." : "This is the first specimen of the list.");
  }

  judge(verdict) {
    return this.#inTurn((row, s) => this.#judge(row, s, verdict));
  }

  async #judge(row, s, verdict) {
    const { review } = this;
    const mark = row.marks[s];
    const made = review.verdict(row, s)?.fact;
    if (!review.can(row)) return;
    if (!MISSING.has(verdict) && (!mark || mark.unknown) && !made) {
      return this.say(`${review.structures[s].name}: there is no mask to judge; draw it (e), or say that it is absent (n)`);
    }
    let counts = "";
    if (verdict === "accepted" && !made) {
      const masks = await this.#masks(row);
      if (!masks) return;
      counts = masks[s] ?? nothing(row);
    }
    if (MISSING.has(verdict)) counts = nothing(row);
    const record = await review.judge(row, s, verdict, counts);
    const told = effect(record); // is to be read, so the specimen stays
    this.say(`${review.structures[s].name}: ${VERDICTS[record.verdict].title}${told}`);
    if (row !== this.row) return; // another key came while it was written
    if (s === this.s && !told && !this.#next()) this.step(1);
    if (row !== this.row) return;
    this.#verdicts();
    await this.#trace(this.#turn);
  }

  /** Choose the structure that needs a look next, if there is one. */
  #next() {
    const { review, row, s } = this;
    const open = review.open(row).filter((i) => !review.settled(row, i));
    const after = open.find((i) => i > s) ?? open[0];
    this.s = after ?? s;
    return after !== undefined;
  }

  rest() {
    return this.#inTurn((row) => this.#rest(row));
  }

  async #rest(row) {
    const { review } = this;
    if (!review.can(row)) return;
    const masks = await this.#masks(row);
    if (!masks) return;
    const left = review.open(row).filter((s) => row.marks[s] && !review.settled(row, s));
    for (const s of left) await review.judge(row, s, "accepted", masks[s] ?? nothing(row));
    review.together(left.length);
    this.say(`${row.name}: ${counted(left.length, "mask")} accepted`);
    if (this.row === row) this.step(1);
    if (this.row === row) this.#verdicts();
  }

  /** As if the verdict had never been given. */
  takeBack() {
    return this.#inTurn((row, s) => this.#takeBack(row, s));
  }

  async #takeBack(row, s) {
    const { review } = this;
    if (!review.can(row)) return;
    if (!review.verdict(row, s)) return this.say(`${review.structures[s].name}: there is no verdict to take back`);
    const held = await review.takeBack(row, s);
    const given = held.some((r) => review.store.given.has(r.key)) ? ". Export, and replace the file that the workflow was given." : "";
    this.say(`${review.structures[s].name}: taken back${given}`);
    if (row !== this.row) return;
    this.#verdicts();
    await this.#trace(this.#turn);
  }

  async undo() {
    const last = await this.#inTurn(() => this.review.undo());
    if (!last) return this.say("There is nothing to undo.");
    await this.open(last.row, last.s);
    const what = last.replaced.length > 1 ? counted(last.replaced.length, "verdict") : this.review.structures[last.s].name;
    this.say(`${what} of ${last.row.name}: undone`);
  }

  ///// mending /////

  edit() {
    return this.#inTurn((row, s) => this.#edit(row, s));
  }

  async #edit(row, s) {
    const { review } = this;
    if (this.editor || row !== this.row || !review.can(row)) return;
    const counts = await this.counts(s);
    if (this.editor || row !== this.row || s !== this.s) return; // another key came while it was read
    const mask = counts ? Mask.of(row.width, row.height, counts) : new Mask(row.width, row.height);
    const style = review.structures[s];
    this.judging.hidden = this.list.hidden = true;
    this.editing.hidden = false;
    this.editor = new Editor(this.stage, mask.upright(row.orientation), style, (text) => this.say(text), () => this.#tools());
    this.#tools();
    this.stageElement.focus({ preventScroll: true });
    this.say(`Editing ${style.name}`);
  }

  #tools() {
    const { editor } = this;
    if (!editor) return;
    const button = (text, f, attributes = {}) => h("button", { type: "button", onclick: f, ...attributes }, text);
    const focused = this.editing.contains(document.activeElement) ? document.activeElement.textContent : "";
    this.editing.replaceChildren(
      h("h3", {}, key(editor.style), `Editing: ${editor.style.name}`),
      h("div", { class: "buttons", role: "group", "aria-label": "Tool" },
        Object.entries(TOOLS).map(([name, { title, key: letter }]) =>
          button(`${title} (${letter})`, () => editor.choose(name), { "aria-pressed": String(editor.tool === name) }))),
      h("p", { class: "remark" }, TOOLS[editor.tool].help),
      h("div", { class: "buttons" },
        ["brush", "eraser"].includes(editor.tool)
          ? [button("Smaller ([)", () => editor.resize(0.8)), button("Larger (])", () => editor.resize(1.25))]
          : editor.tool === "vertices"
            ? button("Remove vertex (Del)", () => editor.remove(), { disabled: !editor.vertex })
            : button("Close outline (Enter)", () => editor.finish()),
        button("Undo (u)", () => editor.undo(), { disabled: !editor.past.length && !editor.points.length }),
        button("Redo (y)", () => editor.redo(), { disabled: !editor.future.length }),
        button("Clear", () => editor.clear())),
      h("div", { class: "buttons" },
        button("Save (Enter)", () => this.save(), { class: "corrected" }),
        button("Mark absent (n)", () => this.#absent()),
        button("Cancel (Esc)", () => this.stop())),
    );
    if (focused) [...this.editing.querySelectorAll("button")].find((b) => b.textContent === focused)?.focus();
  }

  async #absent() {
    if (!this.#lost()) return;
    this.#stopped();
    await this.judge("absent");
  }

  async save() {
    const { editor, review, row, s } = this;
    if (editor.points.length > 2) editor.finish();
    const empty = !editor.mask.measure().area;
    const counts = editor.mask.stored(row.orientation).counts();
    if (empty && !confirm(`Nothing is outlined. Is the ${editor.style.name} absent from this specimen?`)) return;
    this.#stopped();
    await review.judge(row, s, empty ? "absent" : "corrected", counts);
    if (row !== this.row) return;
    this.#next();
    this.#verdicts();
    await this.#trace(this.#turn);
    this.say(`${review.structures[s].name}: ${empty ? "absent" : "corrected"}`);
    this.stageElement.focus({ preventScroll: true });
  }

  /** Whether the person lets go of what was drawn and not saved, if there is any. */
  #lost() {
    return !this.editor.dirty || confirm("Leave this outline without saving?");
  }

  stop() {
    if (!this.#lost()) return false;
    this.#stopped();
    this.#verdicts();
    this.say("Not saved");
    this.title.focus({ preventScroll: true });
    return true;
  }

  #stopped() {
    this.editor.close();
    this.editor = null;
    this.editing.hidden = true;
    this.judging.hidden = this.list.hidden = false;
  }

  #leave() {
    return !this.editor || this.stop();
  }

  async close() {
    if (!this.#leave()) return;
    this.#turn++;
    this.dialog.close();
    this.closed(this.row);
  }

  ///// keys /////

  #escape() {
    this.editor ? this.stop() : this.close();
  }

  #key(event) {
    if (event.key === "Escape") { // browsers close a dialog by a repeated one whatever `cancel` says
      event.preventDefault();
      return this.#escape();
    }
    if (event.altKey || event.metaKey || (event.key === " " && event.target.matches("input"))) return;
    const used = event.ctrlKey ? this.#control(event) : this.editor ? this.#editorKey(event) : this.#lookKey(event);
    if (used) event.preventDefault();
  }

  #control(event) {
    if (event.key !== "z" && event.key !== "y") return false;
    if (this.editor) event.key === "z" ? this.editor.undo() : this.editor.redo();
    else if (event.key === "z") this.undo();
    return true;
  }

  #view(event) {
    const own = { "+": () => this.stage.zoom(1.5), "=": () => this.stage.zoom(1.5), "-": () => this.stage.zoom(1 / 1.5), 0: () => this.stage.fit() }[event.key];
    own?.();
    return Boolean(own);
  }

  #lookKey(event) {
    const arrow = { ArrowLeft: [-80, 0], ArrowRight: [80, 0], ArrowUp: [0, -80], ArrowDown: [0, 80] }[event.key];
    if (arrow && event.shiftKey) return this.stage.pan(...arrow), true;
    const n = this.review.structures.length;
    const own = {
      ArrowRight: () => this.step(1), ArrowLeft: () => this.step(-1), j: () => this.step(1), k: () => this.step(-1),
      ArrowDown: () => this.choose((this.s + 1) % n), ArrowUp: () => this.choose((this.s + n - 1) % n),
      A: () => this.rest(), t: () => this.takeBack(), u: () => this.undo(), e: () => this.edit(),
      l: () => this.review.data.before && this.#earlier(!this.earlier),
      o: () => this.#outlines(!this.outlines),
      ...Object.fromEntries(JUDGED.map(([verdict, { key: letter }]) => [letter, () => this.judge(verdict)])),
    }[event.key];
    // a key that is held down goes on to the next specimen, and judges nothing that was not seen
    if (!event.repeat || arrow || "jk".includes(event.key)) own?.();
    return Boolean(own) || this.#view(event);
  }

  #editorKey(event) {
    const { editor } = this;
    const onButton = event.target.matches("button, summary");
    if (event.key === "Enter" && !onButton) {
      if (editor.points.length) editor.finish();
      else this.save();
      return true;
    }
    if (onButton && (event.key === "Enter" || event.key === " ")) return false;
    const tool = Object.entries(TOOLS).find(([, { key: letter }]) => letter === event.key);
    if (tool) return editor.choose(tool[0]), true;
    const own = { u: () => editor.undo(), y: () => editor.redo(), n: () => this.#absent() }[event.key];
    own?.();
    return Boolean(own) || editor.key(event) || this.#view(event);
  }
}

/** What a verdict on a mask that a person made does to it. */
function effect({ verdict, source }) {
  if (source !== "corrected" || FACTS.has(verdict)) return "";
  const unused = "it is no template; accept (a) takes it back, edit (e) mends it";
  return verdict === "needs_correction" ? `. The outline drawn by hand is still measured, but ${unused}.` : `. The outline drawn by hand is not measured in any round, and ${unused}.`;
}

const ringsOf = (row, counts) => (counts ? trace(Mask.of(row.width, row.height, counts).upright(row.orientation)) : null);

const nothing = (row) => new Mask(row.width, row.height).counts();

function keys() {
  const lines = [
    ["← →", "previous, next specimen"], ["↑ ↓", "structure"],
    ...JUDGED.map(([, { key: letter, verb }]) => [letter, verb]),
    ["Shift+A", "accept the rest of this specimen"], ["t", "take a verdict of any session back"], ["u", "undo"], ["e", "edit the outline"], ["o", "outlines on or off"], ["l", "masks of the earlier round, if there is one"],
    ["+ − 0", "zoom in, out, whole photograph"], ["Shift+arrows", "move the photograph"], ["Esc", "close"],
  ];
  return h("details", {}, h("summary", {}, "Keys"), h("dl", {}, lines.map(([a, b]) => [h("dt", {}, a), h("dd", {}, b)])));
}
