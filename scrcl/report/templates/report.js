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
