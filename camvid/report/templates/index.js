"use strict";
(() => {
  const table = document.getElementById("clips");
  if (!table) return;
  const body = table.tBodies[0];
  const rows = Array.from(body.rows);
  const texts = rows.map((row) => row.textContent.toLowerCase());
  const search = document.getElementById("search");
  const camera = document.getElementById("camera");
  const kinds = Array.from(document.querySelectorAll("input[name=kind]"));
  const shown = document.getElementById("shown");
  const noneShown = document.getElementById("none-shown");

  function filter() {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const allowed = new Set(kinds.filter((box) => box.checked).map((box) => box.value));
    let count = 0;
    rows.forEach((row, n) => {
      const visible = allowed.has(row.dataset.kind)
        && (!camera.value || row.dataset.camera === camera.value)
        && words.every((word) => texts[n].includes(word));
      row.hidden = !visible;
      count += visible;
    });
    shown.textContent = `${count} of ${rows.length} listed clips`;
    noneShown.hidden = count > 0;
  }

  // Cells that hold no number sort last in either direction.
  function compare(column, numeric, sign) {
    return (a, b) => {
      const x = a.cells[column].dataset.value;
      const y = b.cells[column].dataset.value;
      if (!numeric) return sign * x.localeCompare(y, "en", { numeric: true });
      if (x === "" || y === "") return (x === "") - (y === "");
      return sign * (Number(x) - Number(y));
    };
  }

  const heads = Array.from(table.tHead.rows[0].cells);
  heads.forEach((head, column) => {
    if (!head.dataset.sort) return;
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const numeric = head.dataset.sort === "number";
      const first = numeric ? "descending" : "ascending";
      const second = numeric ? "ascending" : "descending";
      const order = head.getAttribute("aria-sort") === first ? second : first;
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", order);
      body.append(...rows.slice().sort(compare(column, numeric, order === "ascending" ? 1 : -1)));
    });
  });

  search.addEventListener("input", filter);
  camera.addEventListener("change", filter);
  kinds.forEach((box) => box.addEventListener("change", filter));
  filter(); // a browser may restore the controls on reload
})();
