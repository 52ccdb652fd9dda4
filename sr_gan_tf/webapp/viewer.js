// <sr-viewer pictures='[{"label": "before", "src": "/shelf/..."}, ...]' mode="slider|grid">
// Pictures of one scene, zoomed and moved together: two of them under a slider, or all side by side.
// Keys: arrows move the border or the zoomed picture, + - 0 zoom. Wheel, drag, pinch and double click as well.
(() => {
  if (customElements.get("sr-viewer")) return;
  const make = (tag, attributes = {}, ...children) => {
    const element = Object.assign(document.createElement(tag), attributes);
    element.append(...children);
    return element;
  };
  class Viewer extends HTMLElement {
    connectedCallback() {
      if (this.ready) return;
      this.ready = true;
      this.pictures = JSON.parse(this.getAttribute("pictures"));
      this.mode = this.getAttribute("mode") || "slider";
      Object.assign(this, { zoom: 1, x: 0.5, y: 0.5, at: 50, width: 0, height: 0, pointers: new Map() });
      this.shown = make("output", { className: "sr-zoom", ariaLive: "polite" }, "fit");
      const button = (text, label, action) => {
        const one = make("button", { type: "button", title: label, ariaLabel: label }, text);
        one.addEventListener("click", action);
        return one;
      };
      this.tools = make("div", { className: "sr-tools", role: "group", ariaLabel: "Zoom" },
        button("−", "Zoom out", () => this.zoomBy(1 / 1.5)), this.shown, button("+", "Zoom in", () => this.zoomBy(1.5)),
        button("Fit", "Whole picture", () => this.fit()), button("1:1", "One pixel per screen pixel", () => this.oneToOne()));
      this.area = make("div", { className: `sr-area sr-${this.mode}` });
      for (const [index, { label, src }] of this.pictures.entries()) {
        const image = make("img", { alt: label, draggable: false });
        image.addEventListener("load", () => this.loaded(image));
        image.addEventListener("error", () => { pane.classList.add("sr-broken"); });
        const pane = make("div", { className: `sr-pane sr-pane-${index}`, role: "group", ariaLabel: label, tabIndex: this.mode === "grid" ? 0 : -1 }, image, make("span", { className: "sr-tag" }, label));
        this.area.append(pane);
        image.src = src;
      }
      if (this.mode === "slider") {
        this.handle = make("div", { className: "sr-handle", tabIndex: 0 }, make("span", {}, "‹ ›"));
        for (const [name, value] of Object.entries({ role: "slider", "aria-label": `Border between ${this.pictures[0].label} and ${this.pictures[1].label}`, "aria-valuemin": 0, "aria-valuemax": 100, "aria-valuenow": 50 })) this.handle.setAttribute(name, value);
        this.handle.addEventListener("keydown", (event) => this.slideByKey(event));
        this.area.append(this.handle);
      }
      this.replaceChildren(this.tools, this.area);
      this.listen();
      this.observer = new ResizeObserver(() => this.place());
      this.observer.observe(this.area);
    }
    disconnectedCallback() { this.observer && this.observer.disconnect(); }
    get panes() { return [...this.area.querySelectorAll(".sr-pane")]; }
    loaded(image) { // the largest picture sets the size of the scene
      if (image.naturalWidth > this.width) { this.width = image.naturalWidth; this.height = image.naturalHeight; }
      if (this.mode === "slider") this.area.style.aspectRatio = `${this.width} / ${this.height}`;
      this.place();
    }
    frame() { const pane = this.panes[0]; return [pane.clientWidth, pane.clientHeight]; }
    scale() { const [width, height] = this.frame(); return Math.min(width / this.width, height / this.height) * this.zoom; }
    place() { // (x, y), 0 to 1, is the point of the scene at the center of every pane
      if (!this.width) return;
      this.zoom = Math.min(64, Math.max(1, this.zoom));
      const [width, height] = this.frame(), scale = this.scale();
      if (!width || !height) return;
      const keep = (value, length, room) => { const margin = room / 2 / scale / length; return margin >= 0.5 ? 0.5 : Math.min(1 - margin, Math.max(margin, value)); };
      this.x = keep(this.x, this.width, width); this.y = keep(this.y, this.height, height);
      for (const image of this.area.querySelectorAll("img")) {
        Object.assign(image.style, { width: `${this.width}px`, height: `${this.height}px`, transform: `translate(${width / 2 - this.x * this.width * scale}px, ${height / 2 - this.y * this.height * scale}px) scale(${scale})`, imageRendering: scale >= 3 ? "pixelated" : "auto" });
      }
      this.area.style.setProperty("--at", `${this.at}%`);
      if (this.handle) this.handle.setAttribute("aria-valuenow", Math.round(this.at));
      this.area.classList.toggle("sr-zoomed", this.zoom > 1);
      this.shown.textContent = this.zoom === 1 ? "fit" : `${Math.round(scale * devicePixelRatio * 100)} %`;
    }
    fit() { this.zoom = 1; this.place(); }
    oneToOne() { this.zoom *= 1 / devicePixelRatio / this.scale(); this.place(); }
    zoomBy(factor, clientX, clientY) { // the point under the pointer stays there
      const before = this.scale(), zoom = Math.min(64, Math.max(1, this.zoom * factor)), after = before * zoom / this.zoom;
      if (clientX !== undefined) {
        const box = this.box || this.panes[0].getBoundingClientRect(), dx = clientX - box.left - box.width / 2, dy = clientY - box.top - box.height / 2;
        this.x += (dx / before - dx / after) / this.width; this.y += (dy / before - dy / after) / this.height;
      }
      this.zoom = zoom;
      this.place();
    }
    move(dx, dy) { const scale = this.scale(); this.x -= dx / scale / this.width; this.y -= dy / scale / this.height; this.place(); }
    slide(clientX) { const box = this.area.getBoundingClientRect(); this.at = Math.min(100, Math.max(0, ((clientX - box.left) / box.width) * 100)); this.place(); }
    slideByKey(event) {
      const step = { ArrowLeft: -2, ArrowRight: 2, PageDown: -10, PageUp: 10, Home: -100, End: 100 }[event.key];
      if (step === undefined) return;
      event.preventDefault(); event.stopPropagation();
      this.at = Math.min(100, Math.max(0, this.at + step));
      this.place();
    }
    listen() {
      const area = this.area;
      let drag = null;
      area.addEventListener("pointerdown", (event) => {
        if (event.button > 0) return;
        area.setPointerCapture(event.pointerId);
        this.pointers.set(event.pointerId, event);
        this.box = (event.target.closest(".sr-pane") || this.panes[0]).getBoundingClientRect();
        drag = this.handle && (event.target.closest(".sr-handle") || this.zoom === 1) ? "border" : "move";
        if (drag === "border") this.slide(event.clientX);
      });
      area.addEventListener("pointermove", (event) => {
        const before = this.pointers.get(event.pointerId);
        if (!before) return;
        if (this.pointers.size === 2) {
          const other = [...this.pointers].find(([id]) => id !== event.pointerId)[1], length = (point) => Math.hypot(point.clientX - other.clientX, point.clientY - other.clientY);
          this.zoomBy(length(event) / Math.max(1, length(before)), (event.clientX + other.clientX) / 2, (event.clientY + other.clientY) / 2);
          drag = "move";
        } else if (drag === "border") this.slide(event.clientX); else this.move(event.clientX - before.clientX, event.clientY - before.clientY);
        this.pointers.set(event.pointerId, event);
      });
      for (const name of ["pointerup", "pointercancel"]) area.addEventListener(name, (event) => this.pointers.delete(event.pointerId));
      area.addEventListener("wheel", (event) => {
        if (this.zoom <= 1 && event.deltaY > 0 && !event.ctrlKey) return; // the page scrolls on
        event.preventDefault();
        this.box = (event.target.closest(".sr-pane") || this.panes[0]).getBoundingClientRect();
        this.zoomBy(Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.0022)), event.clientX, event.clientY);
      }, { passive: false });
      area.addEventListener("dblclick", (event) => { this.box = (event.target.closest(".sr-pane") || this.panes[0]).getBoundingClientRect(); if (this.zoom > 1) this.fit(); else this.zoomBy(4, event.clientX, event.clientY); });
      this.addEventListener("keydown", (event) => {
        if (event.ctrlKey || event.metaKey || event.altKey) return;
        const pan = { ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60], ArrowDown: [0, -60] }[event.key];
        const action = { "+": () => this.zoomBy(1.5), "=": () => this.zoomBy(1.5), "-": () => this.zoomBy(1 / 1.5), 0: () => this.fit(), 1: () => this.oneToOne() }[event.key];
        if (pan && this.zoom > 1) this.move(...pan); else if (action) action(); else return;
        event.preventDefault();
      });
    }
  }
  customElements.define("sr-viewer", Viewer);
})();
