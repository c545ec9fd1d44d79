// Single keys: an element with data-key="a" is clicked by that key (a field is focused) and shows it as <kbd>.
// Outside of fields only, never with Ctrl, Alt or Meta, and off when the reader turns them off (WCAG 2.1.4).
import { open } from './dialogs.js';
import { announce } from './notices.js';
import { element, kept, onContent, within } from './page.js';

const OFF = 'interlock-keys-off';
const FIELDS = 'input, select, textarea';
// A letter does nothing in them.
const PRESSED_ONLY = new Set(['button', 'checkbox', 'radio', 'submit', 'reset', 'range', 'color', 'file', 'image']);

export function enabled() {
  return kept.get(OFF) === null;
}

// A field in which letters mean something: a select jumps to the option of a letter.
export function takesText(target) {
  if (!(target instanceof Element)) return false;
  if (target.closest('[contenteditable]:not([contenteditable=false])')) return true;
  return target.matches(FIELDS) && !PRESSED_ONLY.has(target.type);
}

// The open dialog on top, else the page.
function scope() {
  return [...document.querySelectorAll('dialog:modal')].at(-1) ?? document.body;
}

function usable() {
  return [...scope().querySelectorAll('[data-key]')].filter(
    (one) => !one.disabled && one.ariaDisabled !== 'true' && one.checkVisibility({ visibilityProperty: true }),
  );
}

function print(root) {
  const on = enabled();
  for (const one of within(root, '[data-key]')) {
    const place = labelOf(one);
    const shown = place.querySelector(':scope > kbd[data-printed]');
    if (on && !shown) {
      place.append(' ', element('kbd', { textContent: name(one.dataset.key), ariaHidden: 'true' }));
      place.lastChild.dataset.printed = '';
      one.setAttribute('aria-keyshortcuts', one.dataset.key);
    } else if (!on && shown) {
      shown.remove();
      one.removeAttribute('aria-keyshortcuts');
    }
  }
}

// Where a field's key is printed: a field has no content of its own.
function labelOf(one) {
  return one.matches(FIELDS) ? one.labels?.[0] ?? one : one;
}

function name(key) {
  return { ' ': 'Space', ArrowDown: '↓', ArrowUp: '↑', ArrowLeft: '←', ArrowRight: '→' }[key] ?? key;
}

function says(one) {
  const place = labelOf(one).cloneNode(true);
  for (const extra of place.querySelectorAll('kbd, select, textarea, .note')) extra.remove();
  return one.dataset.keyLabel ?? one.ariaLabel ?? place.textContent.replace(/\s+/g, ' ').trim();
}

function list() {
  const rows = usable().map((one) => [name(one.dataset.key), says(one)]);
  rows.push(['p', 'Show or blur personal data'], ['?', 'This list'], ['Ctrl K', 'Go to a page, an action or an id']);
  const body = document.querySelector('[data-keys-list]');
  body.replaceChildren(...rows.map(([key, text]) => element(
    'tr', {}, element('td', {}, element('kbd', { textContent: key })), element('td', { textContent: text }),
  )));
  open('keys');
}

function press(event) {
  const repeated = event.repeat || event.isComposing || event.defaultPrevented;
  if (repeated || event.ctrlKey || event.altKey || event.metaKey || !enabled() || takesText(event.target)) return;
  // These already press the button on which the focus is.
  if ((event.key === 'Enter' || event.key === ' ') && event.target.closest('a, button, summary, input')) return;
  const found = usable().find((one) => one.dataset.key === event.key);
  if (found) {
    event.preventDefault();
    found.focus();
    if (!takesText(found)) found.click();
  } else if (event.key === '?' && scope() === document.body) {
    event.preventDefault();
    list();
  }
}

export function start() {
  onContent(print);
  document.addEventListener('keydown', press);
  const box = document.querySelector('[data-keys-switch]');
  if (!box) return;
  box.checked = enabled();
  box.addEventListener('change', () => {
    if (box.checked) kept.remove(OFF);
    else kept.set(OFF, '1');
    print(document);
    announce(box.checked ? 'Single-key shortcuts are on.' : 'Single-key shortcuts are off.');
  });
}
