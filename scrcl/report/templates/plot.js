// A plane of points: drawn pixel by pixel (50,000 discs take a few milliseconds), moved, zoomed,
// pointed at and encircled. What it shows is decided elsewhere.

const NOWHERE = 65535;
const FAR = 12; // CSS pixels within which a point is pointed at
const MAX_RADIUS = 60;
const CROWD = 20_000; // points

// Offsets of the pixels of a disc around its centre in rows of `width`. Those at its rim are mixed
// with what lies under them, unless it is one of a crowd, in which that is not seen and takes long.
function discOf(radius, width, crowd) {
  const inside = [], rim = [], shares = [];
  const reach = Math.ceil(radius);
  for (let y = -reach; y <= reach; y++) {
    for (let x = -reach; x <= reach; x++) {
      const cover = radius + 0.5 - Math.hypot(x, y);
      if (cover >= (crowd ? 0.5 : 1)) inside.push(y * width + x);
      else if (cover > 0.05 && !crowd) {
        rim.push(y * width + x);
        shares.push(Math.round(cover * 255));
      }
    }
  }
  return { inside: Int32Array.from(inside), rim: Int32Array.from(rim), shares: Int32Array.from(shares) };
}

// Colour `over` with a share of 0 to 255 on pixel `under`; both as in ImageData, alpha first.
function mixed(under, over, share) {
  if (under >>> 24 === 0) return ((((over >>> 24) * share) / 255) << 24) | (over & 0xffffff);
  const rest = 256 - share;
  const redBlue = (((over & 0xff00ff) * share + (under & 0xff00ff) * rest) >>> 8) & 0xff00ff;
  const green = (((over & 0x00ff00) * share + (under & 0x00ff00) * rest) >>> 8) & 0x00ff00;
  return (Math.max(under >>> 24, over >>> 24) << 24) | redBlue | green;
}

class Plot {
  // `on`: hover(cell or -1, x, y) and lasso(cells), called when the user does so.
  constructor(plane, x, y, on) {
    this.plane = plane;
    this.on = on;
    this.x = x;
    this.y = y;
    this.width = this.height = 1; // of the plane
    for (let i = 0; i < x.length; i++) {
      if (x[i] === NOWHERE) continue;
      this.width = Math.max(this.width, x[i]);
      this.height = Math.max(this.height, y[i]);
    }
    if (!plane.down) {
      this.y = y.map((value) => (value === NOWHERE ? NOWHERE : this.height - value));
    }
    this.n = x.filter((value) => value !== NOWHERE).length;
    this.encircling = false;
    this.path = [];
    this.hovered = -1;
    this.labels = [];
    this.pointers = new Map();
    this.host = element("div", { className: "plot" });
    this.under = element("canvas", { ariaHidden: "true" });
    this.canvas = element("canvas", { ariaHidden: "true" });
    this.over = element("canvas", { tabIndex: 0 });
    this.over.setAttribute("role", "img");
    this.over.setAttribute(
      "aria-label",
      `${plane.title}. Arrows move, plus and minus zoom, 0 shows all, Enter selects what is in view.`,
    );
    this.host.append(this.under, this.canvas, this.over);
    this.images = plane.slices.filter((slice) => slice.image).map((slice) => this.pictureOf(slice));
    this.under.hidden = !this.images.length; // a layer less to put together for every frame
    this.listen();
    new ResizeObserver(() => this.resize()).observe(this.host);
  }

  pictureOf(slice) {
    const [low, high] = [this.placed(slice.image_low), this.placed(slice.image_high)];
    const image = new Image();
    image.addEventListener("load", () => this.redraw());
    image.src = slice.image;
    return { image, low, high };
  }

  // From the unit of the data to that of the plane.
  placed([x, y]) {
    const [left, bottom, unit] = this.plane.frame;
    return [(x - left) / unit, (y - bottom) / unit];
  }

  resize() {
    const box = this.host.getBoundingClientRect();
    if (!box.width || !box.height) return;
    this.ratio = Math.min(window.devicePixelRatio || 1, 2);
    const [width, height] = [Math.round(box.width * this.ratio), Math.round(box.height * this.ratio)];
    const first = !this.scale;
    for (const canvas of [this.under, this.canvas, this.over]) {
      canvas.width = width;
      canvas.height = height;
    }
    if (first || !this.moved) this.fit();
    this.redraw();
  }

  fit() {
    const margin = 16 * this.ratio;
    const { width, height } = this.canvas;
    this.scale = Math.min((width - 2 * margin) / this.width, (height - 2 * margin) / this.height);
    this.left = (width - this.width * this.scale) / 2;
    this.top = (height - this.height * this.scale) / 2;
    this.whole = this.scale;
    this.moved = false;
    this.redraw();
  }

  // Pixels of the screen, as numbers of the canvas.
  move(dx, dy) {
    this.left += dx;
    this.top += dy;
    this.moved = true;
    this.redraw();
  }

  zoom(factor, x = this.canvas.width / 2, y = this.canvas.height / 2) {
    const scale = Math.min(Math.max(this.scale * factor, this.whole / 2), this.whole * 200);
    this.left = x - ((x - this.left) * scale) / this.scale;
    this.top = y - ((y - this.top) * scale) / this.scale;
    this.scale = scale;
    this.moved = true;
    this.redraw();
  }

  get radius() {
    const { diameter, frame } = this.plane;
    if (diameter) {
      return Math.min(Math.max((diameter / frame[2] / 2) * this.scale, this.ratio), MAX_RADIUS);
    }
    const usual = 0.3 * Math.sqrt((this.canvas.width * this.canvas.height) / Math.max(this.n, 1));
    const grown = Math.sqrt(this.scale / this.whole);
    return Math.min(Math.max(usual, 0.9 * this.ratio), 5 * this.ratio) * Math.min(grown, 4);
  }

  // `colors`: of each cell, as in ImageData. `order`: cells from the lowest to the highest.
  show(colors, order, labels) {
    const there = order.filter((i) => this.x[i] !== NOWHERE);
    this.inOrder = {
      x: Uint16Array.from(there, (i) => this.x[i]),
      y: Uint16Array.from(there, (i) => this.y[i]),
      colors: Int32Array.from(there, (i) => colors[i]),
    };
    this.labels = labels;
    this.redraw();
  }

  redraw() {
    if (this.asked) return;
    this.asked = true;
    requestAnimationFrame(() => {
      this.asked = false;
      if (!this.inOrder || !this.scale) return;
      this.drawImages();
      this.drawPoints();
      this.drawOver();
    });
  }

  drawImages() {
    if (!this.images.length) return;
    const context = this.under.getContext("2d");
    context.clearRect(0, 0, this.under.width, this.under.height);
    for (const { image, low, high } of this.images) {
      if (!image.complete) continue;
      const size = [(high[0] - low[0]) * this.scale, (high[1] - low[1]) * this.scale];
      context.drawImage(image, this.left + low[0] * this.scale, this.top + low[1] * this.scale, ...size);
    }
  }

  drawPoints() {
    const radius = this.radius;
    const reach = Math.ceil(radius);
    const pad = 2 * reach + 1; // so that discs at the border need no care
    const { width, height } = this.canvas;
    const [wide, high] = [width + 2 * pad, height + 2 * pad];
    if (!this.pixels || this.pixels.width !== wide || this.pixels.height !== high) {
      this.pixels = new ImageData(wide, high);
      this.words = new Int32Array(this.pixels.data.buffer);
      this.disc = null;
    }
    if (!this.disc || this.disc.radius !== radius) {
      this.disc = Object.assign(discOf(radius, wide, this.n > CROWD && radius < 3), { radius });
    }
    const { words, scale, left, top } = this;
    const { x, y, colors } = this.inOrder;
    const { inside, rim, shares } = this.disc;
    words.fill(0);
    for (let i = 0; i < x.length; i++) {
      const column = Math.round(x[i] * scale + left) | 0;
      const row = Math.round(y[i] * scale + top) | 0;
      if (column < -reach || row < -reach || column > width + reach || row > height + reach) continue;
      const at = (row + pad) * wide + column + pad;
      const color = colors[i];
      for (let j = 0; j < inside.length; j++) words[at + inside[j]] = color;
      for (let j = 0; j < rim.length; j++) words[at + rim[j]] = mixed(words[at + rim[j]], color, shares[j]);
    }
    this.canvas.getContext("2d").putImageData(this.pixels, -pad, -pad);
  }

  // Where labels are written: within the picture, and lines above or below where another one is.
  placesOfLabels(context) {
    const { width, height } = this.over;
    const line = 14 * this.ratio;
    const found = [];
    for (const { text, x, y } of this.labels) {
      let [across, down] = [x * this.scale + this.left, y * this.scale + this.top];
      if (across < 0 || across > width || down < 0 || down > height) continue;
      const half = context.measureText(text).width / 2 + 3 * this.ratio;
      across = Math.max(Math.min(across, width - half), half);
      const isFree = (at) =>
        at >= line / 2 && at <= height - line / 2 &&
        found.every((other) => Math.abs(other.y - at) >= line || Math.abs(other.x - across) >= half + other.half);
      down = [0, 1, -1, 2, -2, 3, -3].map((lines) => down + lines * line).find(isFree) ?? down;
      found.push({ text, x: across, y: down, half });
    }
    return found;
  }

  drawOver() {
    const context = this.over.getContext("2d");
    const { ratio } = this;
    context.clearRect(0, 0, this.over.width, this.over.height);
    context.font = `600 ${12 * ratio}px system-ui, sans-serif`;
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.lineJoin = "round";
    const write = (text, x, y) => {
      context.lineWidth = 3.5 * ratio;
      context.strokeStyle = "#fffc";
      context.strokeText(text, x, y);
      context.fillStyle = "#111";
      context.fillText(text, x, y);
    };
    for (const { text, x, y } of this.placesOfLabels(context)) write(text, x, y);
    if (this.plane.slices.length > 1) {
      for (const slice of this.plane.slices) {
        const [[left, top], [right]] = [this.placed(slice.low), this.placed(slice.high)];
        write(slice.name, ((left + right) / 2) * this.scale + this.left, top * this.scale + this.top - 6 * ratio);
      }
    }
    if (this.hovered >= 0 && this.x[this.hovered] !== NOWHERE) {
      context.beginPath();
      const [x, y] = this.onScreen(this.hovered);
      context.arc(x, y, Math.max(this.radius, 3 * ratio) + 2 * ratio, 0, 2 * Math.PI);
      context.lineWidth = 2 * ratio;
      context.strokeStyle = "#111";
      context.stroke();
    }
    if (this.path.length > 1) {
      context.beginPath();
      this.path.forEach(([x, y], i) => (i ? context.lineTo(x, y) : context.moveTo(x, y)));
      context.closePath();
      context.fillStyle = "#0b5cad22";
      context.fill();
      context.lineWidth = 1.5 * ratio;
      context.strokeStyle = "#0b5cad";
      context.stroke();
    }
  }

  onScreen(i) {
    return [this.x[i] * this.scale + this.left, this.y[i] * this.scale + this.top];
  }

  // The cell nearest to a place of the canvas, -1 if none is near.
  nearest(x, y) {
    let [best, least] = [-1, (Math.max(FAR * this.ratio, this.radius) / this.scale) ** 2];
    const [px, py] = [(x - this.left) / this.scale, (y - this.top) / this.scale];
    for (let i = 0; i < this.x.length; i++) {
      if (this.x[i] === NOWHERE) continue;
      const distance = (this.x[i] - px) ** 2 + (this.y[i] - py) ** 2;
      if (distance < least) [best, least] = [i, distance];
    }
    return best;
  }

  // Cells within a polygon of canvas places.
  within(path) {
    const corners = path.map(([x, y]) => [(x - this.left) / this.scale, (y - this.top) / this.scale]);
    const found = [];
    for (let i = 0; i < this.x.length; i++) {
      const [x, y] = [this.x[i], this.y[i]];
      if (x === NOWHERE) continue;
      let inside = false;
      for (let a = 0, b = corners.length - 1; a < corners.length; b = a++) {
        const [[ax, ay], [bx, by]] = [corners[a], corners[b]];
        if (ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) inside = !inside;
      }
      if (inside) found.push(i);
    }
    return found;
  }

  inView() {
    const { width, height } = this.canvas;
    return this.within([[0, 0], [width, 0], [width, height], [0, height]]);
  }

  hover(cell) {
    if (cell === this.hovered) return;
    this.hovered = cell;
    this.redraw();
  }

  encircle(on) {
    this.encircling = on;
    this.over.classList.toggle("encircling", on);
  }

  listen() {
    const at = (event) => {
      const box = this.over.getBoundingClientRect();
      return [(event.clientX - box.left) * this.ratio, (event.clientY - box.top) * this.ratio];
    };
    const point = (event) => this.on.hover(this.nearest(...at(event)), event.clientX, event.clientY);
    const over = this.over;
    over.addEventListener("pointerdown", (event) => {
      over.setPointerCapture(event.pointerId);
      this.pointers.set(event.pointerId, at(event));
      this.path = this.encircling && this.pointers.size === 1 ? [at(event)] : [];
      this.travelled = 0;
    });
    over.addEventListener("pointermove", (event) => {
      if (!this.pointers.has(event.pointerId)) return point(event);
      const [before, now] = [this.pointers.get(event.pointerId), at(event)];
      this.travelled += Math.hypot(now[0] - before[0], now[1] - before[1]);
      if (this.pointers.size === 1) {
        if (this.encircling) {
          this.path.push(now);
          this.redraw();
        } else this.move(now[0] - before[0], now[1] - before[1]);
      } else {
        const [other] = [...this.pointers].filter(([id]) => id !== event.pointerId).map(([, place]) => place);
        const gap = (place) => Math.max(Math.hypot(place[0] - other[0], place[1] - other[1]), 1);
        this.zoom(gap(now) / gap(before), ...other);
      }
      this.pointers.set(event.pointerId, now);
    });
    const end = (event) => {
      if (!this.pointers.delete(event.pointerId)) return;
      const path = this.path;
      this.path = [];
      if (event.type === "pointerup" && this.travelled < 4 * this.ratio) point(event);
      else if (event.type === "pointerup" && path.length > 2) this.on.lasso(this.within(path));
      this.redraw();
    };
    over.addEventListener("pointerup", end);
    over.addEventListener("pointercancel", end);
    over.addEventListener("pointerleave", (event) => {
      if (event.pointerType === "mouse") this.on.hover(-1);
    });
    // A wheel over the page goes on scrolling it until the plot has been clicked.
    over.addEventListener("wheel", (event) => {
      if (document.activeElement !== over && !event.ctrlKey) return;
      event.preventDefault();
      this.zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0015)), ...at(event));
    }, { passive: false });
    over.addEventListener("keydown", (event) => {
      const step = 40 * this.ratio;
      const keys = {
        ArrowLeft: () => this.move(step, 0),
        ArrowRight: () => this.move(-step, 0),
        ArrowUp: () => this.move(0, step),
        ArrowDown: () => this.move(0, -step),
        "+": () => this.zoom(1.3),
        "=": () => this.zoom(1.3),
        "-": () => this.zoom(1 / 1.3),
        0: () => this.fit(),
        Enter: () => this.on.lasso(this.inView()),
        Escape: () => this.on.lasso([]),
      };
      if (!(event.key in keys) || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      keys[event.key]();
    });
  }
}
