// Differences between two texts, line by line, as rows of a table.
import { element } from './page.js';

// Lines around a difference that say where it is.
const CONTEXT = 3;
// Beyond it the table of lengths takes seconds; the rest is shown as replaced.
const MOST_CELLS = 4_000_000;

// [sign, text] for every line: " " in both, "-" only before, "+" only after.
export function compared(before, after) {
  const [one, two] = [before.split('\n'), after.split('\n')];
  let start = 0;
  while (start < one.length && start < two.length && one[start] === two[start]) start += 1;
  let end = 0;
  while (end < one.length - start && end < two.length - start && one.at(-1 - end) === two.at(-1 - end)) end += 1;
  const same = (text) => [' ', text];
  return [
    ...one.slice(0, start).map(same),
    ...middle(one.slice(start, one.length - end), two.slice(start, two.length - end)),
    ...one.slice(one.length - end).map(same),
  ];
}

// The longest common subsequence.
function middle(one, two) {
  if (one.length * two.length > MOST_CELLS) return [...one.map((text) => ['-', text]), ...two.map((text) => ['+', text])];
  const width = two.length + 1;
  const lengths = new Uint32Array((one.length + 1) * width);
  for (let i = one.length - 1; i >= 0; i -= 1) {
    for (let j = two.length - 1; j >= 0; j -= 1) {
      const next = (i + 1) * width + j;
      lengths[i * width + j] = one[i] === two[j] ? lengths[next + 1] + 1 : Math.max(lengths[next], lengths[i * width + j + 1]);
    }
  }
  const rows = [];
  let [i, j] = [0, 0];
  while (i < one.length || j < two.length) {
    if (i < one.length && j < two.length && one[i] === two[j]) {
      rows.push([' ', one[i]]);
      i += 1;
      j += 1;
    } else if (j >= two.length || (i < one.length && lengths[(i + 1) * width + j] >= lengths[i * width + j + 1])) {
      rows.push(['-', one[i]]);
      i += 1;
    } else {
      rows.push(['+', two[j]]);
      j += 1;
    }
  }
  return rows;
}

// A table of what differs; equal lines far from a difference are left out.
export function table(before, after) {
  const rows = compared(before, after);
  const near = rows.map((_, at) => rows.slice(Math.max(0, at - CONTEXT), at + CONTEXT + 1).some(([sign]) => sign !== ' '));
  if (!near.includes(true)) return element('p', { textContent: 'The texts are equal.' });
  const body = element('tbody');
  rows.forEach(([sign, text], at) => {
    if (near[at]) {
      const kind = { '+': 'line-added', '-': 'line-removed', ' ': 'line-same' }[sign];
      body.append(element('tr', { className: kind }, element('td', { className: 'line-sign', textContent: sign === '-' ? '−' : sign }), element('td', { textContent: text })));
    } else if (at > 0 && near[at - 1]) {
      body.append(element('tr', { className: 'line-gap' }, element('td', { colSpan: 2, textContent: '…' })));
    }
  });
  return element('div', { className: 'table-wrap source', tabIndex: 0, role: 'region', ariaLabel: 'Differences by line' }, element('table', { className: 'lines' }, body));
}
