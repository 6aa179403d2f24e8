
"use strict";
for (const map of document.querySelectorAll("svg[data-names]")) {
  const names = JSON.parse(map.dataset.names);
  const [left, top, side] = map.dataset.grid.split(" ").map(Number);
  const cursor = map.querySelector(".cursor");
  const told = document.getElementById(map.dataset.told);
  const cells = new Map();
  for (const cell of map.querySelectorAll("rect[data-at]")) {
    cells.set(cell.dataset.at, cell.firstElementChild.textContent);
  }
  let row = 0, column = 0;
  const show = () => {
    cursor.setAttribute("x", left + column * side);
    cursor.setAttribute("y", top + row * side);
    map.classList.add("is-read");
    told.textContent = cells.get(row + " " + column) ?? names[row] + " taken for " + names[column] + ": never";
  };
  map.addEventListener("pointermove", (event) => {
    const box = map.getBoundingClientRect(), scale = map.viewBox.baseVal.width / box.width;
    const x = Math.floor(((event.clientX - box.left) * scale - left) / side);
    const y = Math.floor(((event.clientY - box.top) * scale - top) / side);
    if (x >= 0 && y >= 0 && x < names.length && y < names.length && (x !== column || y !== row)) {
      [row, column] = [y, x];
      show();
    }
  });
  map.addEventListener("focus", show);
  map.addEventListener("keydown", (event) => {
    const [down, right] = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key] ?? [0, 0];
    if (down === 0 && right === 0) return;
    event.preventDefault();
    row = Math.min(Math.max(row + down, 0), names.length - 1);
    column = Math.min(Math.max(column + right, 0), names.length - 1);
    show();
  });
}
