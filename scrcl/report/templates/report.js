"use strict";
// Tables that can be sorted by a click on a head, and searched. Without this they are plain tables.
for (const table of document.querySelectorAll("table")) {
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  if (body.rows.length < 2) continue;
  const key = (row, column) => {
    const cell = row.cells[column];
    const value = cell.dataset.value;
    return value === undefined ? cell.textContent : Number(value.replace("inf", "Infinity"));
  };
  heads.forEach((head, column) => {
    if (head.textContent === "") return;
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const ascending = head.getAttribute("aria-sort") !== "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", ascending ? "ascending" : "descending");
      const rows = [...body.rows].sort((a, b) => {
        const [x, y] = [key(a, column), key(b, column)];
        const order = typeof x === "number" && typeof y === "number"
          ? (x > y) - (x < y) : String(x).localeCompare(String(y), "en", { numeric: true });
        return ascending ? order : -order;
      });
      body.append(...rows);
    });
  });
  if (!table.hasAttribute("data-searchable")) continue;
  const label = document.createElement("label");
  const input = document.createElement("input");
  label.className = "search";
  input.type = "search";
  input.placeholder = "cluster or gene";
  label.append("Show only", input);
  table.parentElement.previousElementSibling.before(label);
  input.addEventListener("input", () => {
    const wanted = input.value.trim().toLowerCase();
    for (const row of body.rows) {
      const names = [...row.cells].filter((cell, i) => cell.dataset.value === undefined || i === 0);
      row.hidden = wanted !== "" && !names.some((cell) => {
        const text = cell.textContent.toLowerCase();
        return cell.dataset.value === undefined ? text.includes(wanted) : text === wanted;
      });
    }
  });
}

// What is wider than the window scrolls sideways: its edge is shaded where there is more, and it can
// be reached by the keyboard. It is named by what it holds.
for (const scroller of document.querySelectorAll(".wide")) {
  const inner = scroller.firstElementChild;
  const edges = document.createElement("div");
  edges.className = "edges";
  scroller.after(edges);
  const look = () => {
    const hidden = scroller.scrollWidth - scroller.clientWidth;
    edges.classList.toggle("before", scroller.scrollLeft > 1);
    edges.classList.toggle("after", hidden - scroller.scrollLeft > 1);
    edges.style.setProperty("--high", `${scroller.offsetHeight}px`);
    if (hidden > 1) {
      scroller.tabIndex = 0;
      scroller.setAttribute("role", "region");
      scroller.setAttribute("aria-label", inner.alt || inner.getAttribute("aria-label"));
    } else if (!scroller.classList.contains("long")) {
      for (const name of ["tabindex", "role", "aria-label"]) scroller.removeAttribute(name);
    }
  };
  scroller.addEventListener("scroll", look, { passive: true });
  const observer = new ResizeObserver(look);
  observer.observe(scroller);
  observer.observe(inner);
}
