"use strict";
const table = document.getElementById("layers");
if (table) {
  const body = table.tBodies[0];
  const heads = Array.from(table.tHead.rows[0].cells);
  const rows = Array.from(body.rows);

  const valueOf = (row, column) => {
    const text = row.cells[column].dataset.value;
    if (text === undefined) return null;
    return heads[column].classList.contains("number") ? Number(text.replace("inf", "Infinity")) : text;
  };
  const compare = (a, b) => (typeof a === "number" ? a - b : a.localeCompare(b, "en", { numeric: true }));
  const sortBy = (column, direction) => {
    const sign = direction === "ascending" ? 1 : -1;
    const ordered = rows.map((row, place) => ({ row, place, value: valueOf(row, column) }));
    ordered.sort((a, b) => {
      if (a.value === null || b.value === null) return (a.value === null) - (b.value === null) || a.place - b.place;
      return sign * compare(a.value, b.value) || a.place - b.place;
    });
    body.append(...ordered.map((each) => each.row));
    heads.forEach((head, place) => head.setAttribute("aria-sort", place === column ? direction : "none"));
  };
  heads.forEach((head, column) => {
    head.querySelector("button").addEventListener("click", () => {
      const opposite = { ascending: "descending", descending: "ascending" };
      sortBy(column, opposite[head.getAttribute("aria-sort")] || head.dataset.worst);
    });
  });

  const field = document.getElementById("filter");
  const shown = document.getElementById("shown");
  const filter = () => {
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
      count += row.hidden ? 0 : 1;
    }
    shown.textContent = count === rows.length ? `${count} layers` : `${count} of ${rows.length} layers`;
  };
  field.addEventListener("input", filter);
  field.closest("p").hidden = false;
  filter();
}

const openDetails = () => {
  const named = location.hash.length > 1 && document.getElementById(location.hash.slice(1));
  if (named && named.tagName === "DETAILS") {
    named.open = true;
    named.scrollIntoView();
  }
};
window.addEventListener("hashchange", openDetails);
openDetails();
