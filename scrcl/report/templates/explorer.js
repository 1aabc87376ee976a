// The explorer: what is shown of the cells, and what is done with them. It draws what the page holds
// and works out nothing about clusters: every cut of the tree is there as Python made it.

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

// "#rrggbb" as ImageData holds it, alpha first.
function word(color, alpha = 255) {
  const [red, green, blue] = [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16));
  return (alpha << 24) | (blue << 16) | (green << 8) | red;
}

// The same order in every browser at every start (mulberry32).
function shuffled(n) {
  const order = Uint32Array.from({ length: n }, (_, i) => i);
  let state = 1;
  const random = () => {
    state = (state + 0x6d2b79f5) | 0;
    let mix = Math.imul(state ^ (state >>> 15), 1 | state);
    mix = (mix + Math.imul(mix ^ (mix >>> 7), 61 | mix)) ^ mix;
    return ((mix ^ (mix >>> 14)) >>> 0) / 4294967296;
  };
  for (let i = n - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}

const counted = (n, one, many) => `${n.toLocaleString("en")} ${n === 1 ? one : many}`;
const short = (value) => (Number.isFinite(value) ? String(Number(value.toPrecision(4))) : "-");
const field = (value) => (/[",\r\n]|^\s|\s$/.test(value) ? `"${value.replaceAll('"', '""')}"` : value);
const csv = (rows) => rows.map((row) => row.map((value) => field(String(value))).join(",")).join("\n") + "\n";

function download(name, text) {
  const address = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  element("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

class Explorer {
  constructor(data, root) {
    this.data = data;
    this.at = Object.fromEntries([...root.querySelectorAll("[data-x]")].map((node) => [node.dataset.x, node]));
    this.cut = data.tree ? data.tree.own : null; // number of clusters; null: those of the run
    this.by = "cluster";
    this.names = new Map(); // what the user calls a cluster, by the node of the tree that it is
    this.only = new Set(); // groups that are shown in colour; none: all
    this.selected = null; // cells, as 0 and 1
    this.expression = new Map(); // gene to its unpacked values
  }

  async unpack() {
    const { data } = this;
    this.cells = await wordsOf(data.cells);
    this.n = this.cells.length;
    this.own = await codesOf(data.clusters.codes);
    this.ownConfidence = data.clusters.confidence && (await bytesOf(data.clusters.confidence));
    if (data.tree) {
      this.leaves = await codesOf(data.tree.leaves);
      for (const cut of data.tree.cuts) {
        [cut.of, cut.confidence] = await Promise.all([bytesOf(cut.of), bytesOf(cut.confidence)]);
      }
    }
    for (const column of data.columns) {
      if (column.categories) column.codes = await codesOf(column.codes);
      else column.values = await numbersOf(column.values);
    }
    this.plots = [];
    for (const plane of data.planes) {
      const xy = await codesOf(plane.xy);
      const on = {
        hover: (cell, x, y) => this.hover(cell, x, y),
        lasso: (cells) => this.select(cells),
      };
      this.plots.push(new Plot(plane, xy.subarray(0, this.n), xy.subarray(this.n), on));
    }
    this.shuffle = shuffled(this.n);
    this.genes = new Map(data.genes.map((gene) => [gene.name.toLowerCase(), gene]));
    data.clusters.given.forEach((name, i) => name && this.names.set(this.keys()[i], name));
  }

  // ---------------------------------------------------------------- what the cells are

  get isCut() {
    return this.cut !== null;
  }

  // Which node of the tree each cluster is, or which cluster of the run: a name stays with it.
  keys() {
    if (this.isCut) return this.data.tree.cuts[this.cut - 1].nodes.map((node) => `n${node}`);
    return this.data.clusters.names.map((name) => `c${name}`);
  }

  clusters() {
    if (this.clustered && this.clustered.cut === this.cut) return this.clustered;
    let [codes, colors, names] = [this.own, this.data.clusters.colors, this.data.clusters.names];
    let sure = this.ownConfidence && ((i) => this.ownConfidence[i] / 255);
    if (this.isCut) {
      const { of, confidence, colors: own } = this.data.tree.cuts[this.cut - 1];
      codes = this.leaves.map((leaf) => (leaf === NOWHERE ? NOWHERE : of[leaf]));
      [colors, names] = [own, own.map((_, i) => String(i))];
      sure = (i) => (this.leaves[i] === NOWHERE ? NaN : confidence[this.leaves[i]] / 255);
    }
    const sizes = names.map(() => 0);
    for (const code of codes) if (code !== NOWHERE) sizes[code]++;
    this.clustered = { cut: this.cut, codes, colors, categories: names, sizes, sure };
    return this.clustered;
  }

  nameOf(cluster) {
    const key = this.keys()[cluster];
    return this.names.get(key) || this.inherited().get(key) || "";
  }

  // A name on both sides of a split is that of what was split, unless that has one of its own.
  inherited() {
    const found = new Map();
    if (!this.data.tree) return found;
    const called = (key) => this.names.get(key) || found.get(key);
    for (const { nodes, split } of [...this.data.tree.cuts].reverse()) {
      if (!split) continue;
      const [left, right] = split.sides.map((side) => called(`n${nodes[side]}`));
      if (left && left === right && left !== this.data.unclear) found.set(`n${split.of}`, left);
    }
    return found;
  }

  labelOf(cluster) {
    const number = this.clusters().categories[cluster];
    const name = this.nameOf(cluster);
    return name ? `${number} ${name}` : number;
  }

  // What the cells are coloured by: groups (categories, colors, codes) or numbers (value, limits).
  async shown() {
    const { by, data } = this;
    if (by === "cluster") return this.clusters();
    if (by === "confidence") return { value: this.clusters().sure, limits: [0, 1] };
    if (by.startsWith("gene:")) {
      const gene = this.genes.get(by.slice(5).toLowerCase());
      const codes = await this.valuesOf(gene);
      return { value: (i) => (codes[i] * gene.top) / data.steps, limits: [0, gene.bright], gene };
    }
    const column = data.columns[Number(by.slice(7))];
    if (!column.categories) return { value: (i) => column.values[i], limits: column.limits };
    const sizes = column.categories.map(() => 0);
    for (const code of column.codes) if (code !== NOWHERE) sizes[code]++;
    return { ...column, sizes };
  }

  async valuesOf(gene) {
    if (!this.expression.has(gene.name)) {
      this.expression.set(gene.name, await sparseOf(gene.values, this.n));
    }
    return this.expression.get(gene.name);
  }

  // ---------------------------------------------------------------- drawing

  async update({ legend = true } = {}) {
    const shown = await this.shown();
    this.now = shown;
    const { n } = this;
    const colors = new Int32Array(n);
    const [missing, faded] = [word(this.data.missing), word(this.data.missing, 150)];
    const isLit = (i) => !this.selected || this.selected[i];
    let rank; // where a cell lies in the order of drawing: 0 lowest, 255 highest
    if (shown.codes) {
      const words = shown.colors.map((color) => word(color));
      const lit = words.map((_, code) => !this.only.size || this.only.has(code));
      rank = (i) => (shown.codes[i] !== NOWHERE && lit[shown.codes[i]] && isLit(i) ? 255 : 0);
      for (let i = 0; i < n; i++) {
        colors[i] = shown.codes[i] === NOWHERE ? missing : rank(i) ? words[shown.codes[i]] : faded;
      }
    } else {
      const scale = this.data.scale.map((color) => word(color));
      const [low, high] = shown.limits;
      const step = (i) => Math.round(Math.min(Math.max((shown.value(i) - low) / (high - low), 0), 1) * 254);
      rank = (i) => (isLit(i) && Number.isFinite(shown.value(i)) ? 1 + step(i) : 0);
      for (let i = 0; i < n; i++) {
        colors[i] = !isLit(i) ? faded : Number.isFinite(shown.value(i)) ? scale[1 + step(i)] : missing;
      }
    }
    const order = this.ordered(rank);
    for (const plot of this.plots) plot.show(colors, order, this.labels(plot, shown));
    if (legend) this.showLegend(shown);
    this.showCut();
    this.showSelection();
    this.keep();
  }

  // Cells by rank, shuffled within it (counting sort).
  ordered(rank) {
    const starts = new Uint32Array(257);
    const ranks = Uint8Array.from({ length: this.n }, (_, i) => rank(i));
    for (const value of ranks) starts[value + 1]++;
    for (let value = 0; value < 256; value++) starts[value + 1] += starts[value];
    const order = new Uint32Array(this.n);
    for (const i of this.shuffle) order[starts[ranks[i]]++] = i;
    return order;
  }

  // Names of the groups, each at the member nearest to the middle of its group (of some members).
  labels(plot, shown) {
    if (!shown.codes || shown.categories.length > 60) return [];
    const members = shown.categories.map(() => []);
    for (const i of this.shuffle) {
      const code = shown.codes[i];
      if (code !== NOWHERE && plot.x[i] !== NOWHERE && members[code].length < 400) members[code].push(i);
    }
    const middle = (values) => values.sort((a, b) => a - b)[values.length >> 1];
    return members.flatMap((own, code) => {
      if (!own.length || (this.only.size && !this.only.has(code))) return [];
      const [x, y] = [plot.x, plot.y].map((axis) => middle(own.map((i) => axis[i])));
      const away = (i) => (plot.x[i] - x) ** 2 + (plot.y[i] - y) ** 2;
      const best = own.reduce((a, b) => (away(b) < away(a) ? b : a));
      const text = shown === this.clustered ? this.labelOf(code) : shown.categories[code];
      return [{ text, x: plot.x[best], y: plot.y[best] }];
    });
  }

  // ---------------------------------------------------------------- beside the map

  showLegend(shown) {
    const isClusters = shown === this.clustered;
    this.at.legend.classList.toggle("named", isClusters);
    if (!shown.codes) {
      const bar = element("div", { className: "scale" });
      bar.style.background = `linear-gradient(to right, ${this.data.scale.filter((_, i) => i % 15 === 0).join(",")})`;
      const [low, high] = shown.limits.map(short);
      const ends = element("div", { className: "ends" }, element("span", {}, low), element("span", {}, this.by === "confidence" ? high : `${high} or more`));
      this.at.legend.replaceChildren(bar, ends);
      return;
    }
    const rows = shown.categories.map((category, code) => {
      const swatch = element("i");
      swatch.style.background = shown.colors[code];
      const toggle = element("button", { type: "button", className: "group" }, swatch, category);
      toggle.setAttribute("aria-pressed", String(this.only.has(code)));
      toggle.title = "Show only this";
      toggle.addEventListener("click", () => {
        if (!this.only.delete(code)) this.only.add(code);
        toggle.setAttribute("aria-pressed", String(this.only.has(code)));
        this.update({ legend: false });
      });
      const size = element("span", { className: "size" }, shown.sizes[code].toLocaleString("en"));
      if (!isClusters) return element("li", {}, toggle, size);
      const key = this.keys()[code];
      const name = element("input", { value: this.names.get(key) || "", placeholder: this.nameOf(code) || "name", maxLength: 80 });
      name.setAttribute("aria-label", `Name of cluster ${category}`);
      name.addEventListener("change", () => {
        if (name.value.trim()) this.names.set(key, name.value.trim());
        else this.names.delete(key);
        name.placeholder = this.nameOf(code) || "name";
        this.update({ legend: false });
      });
      return element("li", {}, toggle, name, size);
    });
    this.at.legend.replaceChildren(element("ul", {}, ...rows));
  }

  showCut() {
    const { data, cut } = this;
    this.at.names.hidden = this.by !== "cluster";
    if (!data.tree) return;
    const number = this.isCut ? cut : data.clusters.names.length;
    this.at.cut.value = number;
    this.at["cut-shown"].textContent = this.isCut ? String(cut) : `${number}, as in the run`;
    this.at.own.hidden = cut === data.tree.own;
    this.at.split.replaceChildren(...(this.isCut ? this.aboutSplit(data.tree.cuts[cut - 1].split) : []));
  }

  aboutSplit(split) {
    const { n_supported: supported, voted } = this.data.tree;
    const says = voted ? "The voters agree best on" : "The evidence supports";
    const evidence = element("span", {}, `${says} ${counted(supported, "cluster", "clusters")}. `);
    if (!split) return [evidence];
    const [left, right] = split.sides.map((side) => this.labelOf(side));
    const parent = this.names.get(`n${split.of}`) || this.inherited().get(`n${split.of}`);
    const verdict = split.supported ? "Supported." : "Not supported.";
    const parts = [
      evidence,
      `The last split is that of ${left} and ${right}${parent ? `, which together are ${parent}` : ""}. `,
      element("strong", {}, verdict),
      ` Distance ${split.distance} (one group cut in halves has ${split.null_distance}), mixing ${split.mixing}, ` +
        `${counted(split.n_genes, "gene differs", "genes differ")}.`,
      split.explained ? ` Told apart by ${split.explained} alone.` : "",
    ];
    split.genes.forEach((genes, side) => {
      if (!genes.length) return;
      parts.push(` Higher in ${[left, right][side]}: `);
      for (const gene of genes) {
        const button = element("button", { type: "button", className: "gene" }, gene);
        button.disabled = !this.genes.has(gene.toLowerCase());
        button.addEventListener("click", () => this.colorBy(`gene:${gene}`));
        parts.push(button, " ");
      }
    });
    return parts;
  }

  select(cells) {
    this.selected = cells.length ? new Uint8Array(this.n) : null;
    for (const i of cells) this.selected[i] = 1;
    this.update({ legend: false });
  }

  showSelection() {
    const { selected, at, data } = this;
    at.selection.hidden = !selected;
    if (!selected) return;
    const count = selected.reduce((sum, value) => sum + value, 0);
    at.count.textContent = `${counted(count, data.noun.slice(0, -1), data.noun)} selected.`;
    const by = at["made-of"].value;
    const groups = by === "cluster" ? this.clusters() : data.columns[Number(by)];
    const [inside, all] = [groups.categories.map(() => 0), groups.categories.map(() => 0)];
    groups.codes.forEach((code, i) => {
      if (code === NOWHERE) return;
      all[code]++;
      inside[code] += selected[i];
    });
    const share = (part, whole) => `${((100 * part) / whole).toFixed(0)}%`;
    const rows = groups.categories
      .map((name, code) => ({ name: by === "cluster" ? this.labelOf(code) : name, code }))
      .filter(({ code }) => inside[code])
      .sort((a, b) => inside[b.code] - inside[a.code])
      .map(({ name, code }) => {
        const swatch = element("i");
        swatch.style.background = groups.colors[code];
        const texts = [inside[code].toLocaleString("en"), share(inside[code], count), share(inside[code], all[code])];
        return element("tr", {}, element("td", {}, swatch, name), ...texts.map((text) => element("td", { className: "number" }, text)));
      });
    at.composition.replaceChildren(...rows);
  }

  hover(cell, x, y) {
    for (const plot of this.plots) plot.hover(cell);
    const { tip } = this.at;
    tip.hidden = cell < 0;
    if (cell < 0) return;
    const lines = this.valuesAt(cell).map(([name, value]) => element("div", {}, element("b", {}, `${name} `), value));
    tip.replaceChildren(element("div", { className: "cell" }, this.cells[cell]), ...lines);
    const box = tip.getBoundingClientRect();
    tip.style.left = `${Math.max(4, Math.min(x + 14, document.documentElement.clientWidth - box.width - 4))}px`;
    tip.style.top = `${y + 18 + box.height > window.innerHeight ? y - box.height - 12 : y + 18}px`;
  }

  valuesAt(cell) {
    const { codes, sure } = this.clusters();
    const found = [["cluster", codes[cell] === NOWHERE ? "-" : this.labelOf(codes[cell])]];
    if (sure) found.push(["confidence", short(sure(cell))]);
    if (this.now.gene) found.push([this.now.gene.name, short(this.now.value(cell))]);
    for (const column of this.data.columns.slice(0, 8)) found.push([column.name, this.valueOf(column, cell)]);
    return found;
  }

  valueOf(column, cell) {
    if (!column.categories) return short(column.values[cell]);
    return column.codes[cell] === NOWHERE ? "-" : column.categories[column.codes[cell]];
  }

  // ---------------------------------------------------------------- to take away

  downloadSelection() {
    const { codes, sure, categories } = this.clusters();
    const { columns } = this.data;
    const gene = this.now.gene;
    const head = ["cell", "cluster", "name", ...(sure ? ["confidence"] : []), ...(gene ? [gene.name] : []), ...columns.map((c) => c.name)];
    const rows = [];
    for (let i = 0; i < this.n; i++) {
      if (!this.selected[i]) continue;
      const known = codes[i] !== NOWHERE;
      rows.push([
        this.cells[i], known ? categories[codes[i]] : "", known ? this.nameOf(codes[i]) : "",
        ...(sure ? [short(sure(i))] : []), ...(gene ? [short(this.now.value(i))] : []),
        ...columns.map((column) => this.valueOf(column, i)),
      ]);
    }
    download(`${this.data.title}_selection.csv`, csv([head, ...rows]));
  }

  downloadNames() {
    const { categories, sizes } = this.clusters();
    const ofRun = !this.isCut || this.cut === this.data.tree.own ? "yes" : "no";
    const rows = categories.map((number, i) => [number, this.nameOf(i), categories.length, ofRun, sizes[i]]);
    const head = ["cluster", "name", "n_clusters", "of_run", `${this.data.noun}_shown`];
    download(`${this.data.title}_names.csv`, csv([head, ...rows]));
  }

  // What is shown and typed stays in the address of the page.
  keep() {
    const parts = new URLSearchParams();
    const by = this.by.startsWith("column:") ? `obs:${this.data.columns[Number(this.by.slice(7))].name}` : this.by;
    if (by !== "cluster") parts.set("by", by);
    if (this.data.tree && this.cut !== this.data.tree.own) parts.set("k", this.cut ?? "run");
    for (const [key, name] of this.names) parts.set(key, name);
    const wanted = parts.size ? `#${parts}` : "";
    if (wanted === this.kept) return;
    this.kept = wanted;
    try {
      history.replaceState(null, "", wanted || location.pathname + location.search);
    } catch {
      location.hash = wanted; // a browser that allows no more for a file
    }
  }

  recall() {
    const parts = new URLSearchParams(location.hash.slice(1));
    for (const [key, name] of parts) if (/^[nc]\d+$/.test(key)) this.names.set(key, name.slice(0, 80));
    const cut = Number(parts.get("k"));
    if (this.data.tree && cut >= 1 && cut <= this.data.tree.cuts.length) this.cut = Math.floor(cut);
    const by = parts.get("by") || "";
    const column = this.data.columns.findIndex(({ name }) => `obs:${name}` === by);
    if (column >= 0) this.by = `column:${column}`;
    else if (by === "confidence" && this.ownConfidence) this.by = by;
    else if (by.startsWith("gene:") && this.genes.has(by.slice(5).toLowerCase())) this.by = by;
  }

  // ---------------------------------------------------------------- controls

  colorBy(by) {
    this.by = by;
    this.only.clear();
    this.at.gene.value = by.startsWith("gene:") ? this.genes.get(by.slice(5).toLowerCase()).name : "";
    this.at.color.value = by.startsWith("gene:") ? "gene" : by;
    return this.update();
  }

  cutAt(number) {
    this.cut = number;
    this.only.clear();
    if (!["cluster", "confidence"].includes(this.by)) this.by = this.at.color.value = "cluster";
    this.at.gene.value = "";
    return this.update();
  }

  listen() {
    const { at, data } = this;
    const option = (value, text) => element("option", { value }, text);
    at.color.append(option("cluster", "cluster"));
    if (this.ownConfidence || data.tree) at.color.append(option("confidence", "confidence"));
    data.columns.forEach(({ name }, i) => at.color.append(option(`column:${i}`, name)));
    const asGene = element("option", { value: "gene", hidden: true }, "gene");
    at.color.append(asGene);
    at.color.addEventListener("change", () => this.colorBy(at.color.value));
    at.genes.append(...data.genes.map(({ name }) => option(name, "")));
    const search = () => {
      const gene = this.genes.get(at.gene.value.trim().toLowerCase());
      at["no-gene"].hidden = Boolean(gene) || !at.gene.value.trim();
      if (gene) this.colorBy(`gene:${gene.name}`);
      else if (!at.gene.value.trim() && this.by.startsWith("gene:")) this.colorBy("cluster");
    };
    at.gene.addEventListener("change", search);
    at.gene.addEventListener("input", (event) => {
      if (this.genes.has(at.gene.value.trim().toLowerCase()) || event.inputType === undefined) search();
      else at["no-gene"].hidden = true;
    });
    at.slider.hidden = at.split.hidden = !data.tree;
    if (data.tree) {
      at.cut.max = data.tree.cuts.length;
      at.cut.addEventListener("input", () => this.cutAt(Number(at.cut.value)));
      at.own.addEventListener("click", () => this.cutAt(data.tree.own));
    }
    at["made-of"].append(option("cluster", "cluster"));
    data.columns.forEach(({ name, categories }, i) => categories && at["made-of"].append(option(i, name)));
    const first = data.columns.findIndex(({ categories }) => categories);
    if (first >= 0) at["made-of"].value = first;
    at["made-of"].addEventListener("change", () => this.showSelection());
    const mode = (encircling) => {
      at.lasso.setAttribute("aria-pressed", String(encircling));
      at.move.setAttribute("aria-pressed", String(!encircling));
      for (const plot of this.plots) plot.encircle(encircling);
    };
    at.lasso.addEventListener("click", () => mode(true));
    at.move.addEventListener("click", () => mode(false));
    mode(false);
    const last = () => this.plots.find((plot) => plot === this.touched) || this.plots[0];
    for (const plot of this.plots) plot.over.addEventListener("focus", () => (this.touched = plot));
    at.nearer.addEventListener("click", () => last().zoom(1.4));
    at.farther.addEventListener("click", () => last().zoom(1 / 1.4));
    at.whole.addEventListener("click", () => this.plots.forEach((plot) => plot.fit()));
    at.view.addEventListener("click", () => this.select(last().inView()));
    at.clear.addEventListener("click", () => this.select([]));
    at.take.addEventListener("click", () => this.downloadSelection());
    at["take-names"].addEventListener("click", () => this.downloadNames());
    at.spots.parentElement.hidden = !this.plots.some((plot) => plot.images.length);
    at.spots.addEventListener("input", () => {
      for (const plot of this.plots) if (plot.images.length) plot.canvas.style.opacity = at.spots.value;
    });
    // Addresses of sections would take the place of what is kept in the address of the page.
    for (const link of document.querySelectorAll('nav a[href^="#"]')) {
      link.addEventListener("click", (event) => {
        event.preventDefault();
        document.getElementById(link.hash.slice(1)).scrollIntoView();
      });
    }
    window.addEventListener("hashchange", () => {
      if (location.hash === this.kept) return;
      this.recall();
      this.colorBy(this.by);
    });
  }

  async start() {
    await this.unpack();
    this.recall();
    this.listen();
    for (const plot of this.plots) {
      this.at.plots.append(element("figure", {}, plot.host, element("figcaption", {}, plot.plane.title)));
    }
    await this.colorBy(this.by);
  }
}

const explorerData = document.getElementById("explorer-data");
const explorer = explorerData && new Explorer(JSON.parse(explorerData.textContent), document.getElementById("explorer"));
if (explorer) {
  document.documentElement.classList.add("explored");
  explorer.start().catch((error) => {
    document.documentElement.classList.remove("explored"); // the static figures are there
    console.error(error);
  });
}
