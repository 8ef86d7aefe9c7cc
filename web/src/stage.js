// The photograph with zoom and pan, and a canvas over it for outlines and tools. The page loads OpenSeadragon first.

import { h } from "./dom.js";

const GESTURES = { clickToZoom: false, dblClickToZoom: false, flickEnabled: false };

export class Stage {
  /** Draws over the photograph: called with the context in units of the screen's pixels, after every change. */
  painters = [];
  /** What a press and a drag do instead of panning: {press, drag, release, cancel, hover}(x, y, event). */
  tool = null;
  width = 1;
  height = 1;
  #pen = false;
  #drawing = ""; // the kind of pointer that draws
  #frame = 0;

  constructor(element) {
    this.element = element;
    this.viewer = new OpenSeadragon({
      element,
      drawer: "canvas",
      showNavigationControl: false,
      keyboardNavEnabled: false,
      animationTime: 0,
      visibilityRatio: 0.2,
      minZoomImageRatio: 0.7,
      maxZoomPixelRatio: 32,
      crossOriginPolicy: false,
      gestureSettingsMouse: GESTURES,
      gestureSettingsTouch: GESTURES,
      gestureSettingsPen: GESTURES,
      gestureSettingsUnknown: GESTURES,
    });
    this.canvas = h("canvas", { class: "over" });
    this.viewer.container.append(this.canvas);
    const focusable = this.viewer.canvas;
    focusable.removeAttribute("tabindex");
    for (const name of ["update-viewport", "resize", "open", "animation"]) {
      this.viewer.addHandler(name, () => this.redraw());
    }
    new ResizeObserver(() => this.redraw()).observe(element);
    this.#tools(focusable);
  }

  #tools(focusable) {
    const on = (name, f) => this.viewer.addHandler(name, f);
    const draws = (event) => {
      if (event.pointerType === "pen") this.#pen = true;
      // beside a pen, fingers move the photograph and a resting hand draws nothing
      return this.tool && !(this.#pen && event.pointerType === "touch");
    };
    const call = (what, event) => this.tool?.[what]?.(...this.fromScreen(event.position.x, event.position.y), event);
    on("canvas-press", (event) => {
      if (!draws(event)) return;
      if (this.#drawing) {
        if (event.pointerType === "touch") return; // a second finger, to zoom
        this.tool.cancel?.(); // a hand lay there before the pen
      }
      this.#drawing = event.pointerType;
      call("press", event);
    });
    on("canvas-drag", (event) => {
      if (!this.#drawing) return;
      event.preventDefaultAction = true;
      if (event.pointerType === this.#drawing) call("drag", event);
    });
    on("canvas-release", (event) => {
      if (!this.#drawing || event.pointerType !== this.#drawing) return;
      this.#drawing = "";
      call("release", event);
    });
    const cancel = () => {
      if (this.#drawing) this.tool?.cancel?.();
      this.#drawing = "";
    };
    on("canvas-pinch", cancel);
    focusable.addEventListener("pointercancel", (event) => event.pointerType === this.#drawing && cancel());
    focusable.addEventListener("pointermove", (event) => {
      if (!this.tool || this.#drawing) return;
      const box = focusable.getBoundingClientRect();
      this.tool.hover?.(...this.fromScreen(event.clientX - box.left, event.clientY - box.top), event);
    });
  }

  /**
   * Show a photograph of width x height pixels.
   * @param addresses the first that can be shown is; whose number is given, or -1 for none
   */
  async show(addresses, width, height) {
    this.width = width;
    this.height = height;
    for (const [i, url] of [...addresses, blank(width, height)].entries()) {
      const shown = await new Promise((done) => {
        const end = (value) => {
          this.viewer.removeHandler("open", opened);
          this.viewer.removeHandler("open-failed", failed);
          done(value);
        };
        const opened = () => end(true);
        const failed = () => end(false);
        this.viewer.addHandler("open", opened);
        this.viewer.addHandler("open-failed", failed);
        this.viewer.open({ type: "image", url, buildPyramid: false, crossOriginPolicy: false });
      });
      if (shown) {
        this.fit();
        return i < addresses.length ? i : -1;
      }
    }
    return -1;
  }

  fit() {
    this.viewer.viewport?.goHome(true);
    this.redraw();
  }

  zoom(factor) {
    this.viewer.viewport?.zoomBy(factor).applyConstraints(true);
    this.redraw();
  }

  pan(x, y) {
    const { viewport } = this.viewer;
    viewport?.panBy(viewport.deltaPointsFromPixels(new OpenSeadragon.Point(x, y)), true);
    this.redraw();
  }

  /** Bring a point of the photograph into view. */
  reveal(x, y) {
    const [sx, sy] = this.toScreen(x, y);
    const { clientWidth: w, clientHeight: high } = this.element;
    if (sx < 20 || sy < 20 || sx > w - 20 || sy > high - 20) this.pan(sx - w / 2, sy - high / 2);
  }

  /** Pixels of the screen a pixel of the photograph, and where its corner lies. */
  view() {
    const { viewport } = this.viewer;
    if (!viewport) return { scale: 1, x: 0, y: 0 };
    const bounds = viewport.getBounds(true);
    const across = viewport.getContainerSize().x / bounds.width;
    return { scale: across / this.width, x: -bounds.x * across, y: -bounds.y * across };
  }

  toScreen(x, y) {
    const view = this.view();
    return [view.x + x * view.scale, view.y + y * view.scale];
  }

  fromScreen(x, y) {
    const view = this.view();
    return [(x - view.x) / view.scale, (y - view.y) / view.scale];
  }

  redraw() {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      const { clientWidth: w, clientHeight: high } = this.element;
      const ratio = devicePixelRatio || 1;
      const [cw, ch] = [Math.round(w * ratio), Math.round(high * ratio)];
      if (this.canvas.width !== cw || this.canvas.height !== ch) Object.assign(this.canvas, { width: cw, height: ch });
      const context = this.canvas.getContext("2d");
      context.setTransform(1, 0, 0, 1, 0, 0);
      context.clearRect(0, 0, cw, ch);
      context.setTransform(ratio, 0, 0, ratio, 0, 0);
      if (this.viewer.isOpen()) for (const paint of this.painters) paint(context, this.view());
    });
  }
}

/** Stroke rings of points [{x, y}] of the photograph: a dark casing, and the colour over it. */
export function stroke(context, view, rings, { colour, dashes }, wide = 2) {
  const path = new Path2D();
  for (const ring of rings) {
    ring.forEach(({ x, y }, i) => path[i ? "lineTo" : "moveTo"](view.x + x * view.scale, view.y + y * view.scale));
    path.closePath();
  }
  context.lineJoin = "round";
  context.setLineDash([]);
  context.strokeStyle = "#101010";
  context.lineWidth = wide * 2;
  context.stroke(path);
  context.setLineDash((dashes || "").split(" ").filter(Boolean).map((n) => n * wide));
  context.strokeStyle = colour;
  context.lineWidth = wide;
  context.stroke(path);
  context.setLineDash([]);
}

function blank(width, height) {
  const scale = 1000 / Math.max(width, height);
  const canvas = h("canvas", { width: Math.max(1, Math.round(width * scale)), height: Math.max(1, Math.round(height * scale)) });
  const context = canvas.getContext("2d");
  context.fillStyle = "#dcdcda";
  context.fillRect(0, 0, canvas.width, canvas.height);
  return canvas.toDataURL();
}
