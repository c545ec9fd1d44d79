// Native dialogs: buttons that open and close them, and a question that gives a promise.
import { announce } from './notices.js';

export function open(id) {
  const dialog = document.getElementById(id);
  if (!dialog || dialog.open) return dialog;
  dialog.showModal();
  // The first thing in a dialog is its close button; whoever opens a form wants to write.
  dialog.querySelector('input:not([type=hidden]), select, textarea')?.focus();
  return dialog;
}

// Asks for confirmation, and for a reason if `reason` labels one; `word` must be typed for what has grave consequences.
// Resolves to {reason}, or null when it was cancelled.
export function ask({ title, text = '', confirm = 'Confirm', reason = '', optional = false, danger = false, word = '' }) {
  const dialog = document.getElementById('confirm');
  const field = dialog.querySelector('[data-confirm-reason]');
  const input = field.querySelector('textarea');
  const button = dialog.querySelector('[type=submit]');
  dialog.querySelector('h2').textContent = title;
  dialog.querySelector('[data-confirm-text]').textContent = text;
  dialog.querySelector('[data-confirm-label]').textContent = reason;
  field.hidden = !reason;
  input.disabled = !reason;
  input.required = !optional;
  input.value = '';
  input.setCustomValidity('');
  const typed = dialog.querySelector('[data-confirm-word]');
  const wordInput = typed.querySelector('input');
  typed.hidden = !word;
  typed.querySelector('span').textContent = `Type ${word} to confirm`;
  wordInput.disabled = !word;
  wordInput.value = '';
  wordInput.dataset.word = word;
  refuseOther({ target: wordInput });
  button.textContent = confirm;
  button.className = danger ? 'danger' : 'primary';
  dialog.returnValue = '';
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => {
      resolve(dialog.returnValue === 'yes' ? { reason: input.value.trim() } : null);
    }, { once: true });
  });
}

function refuseBlank(event) {
  // `required` takes spaces for a reason.
  const { value, disabled, required } = event.target;
  const blank = value.trim() === '' && !disabled && required;
  event.target.setCustomValidity(blank ? 'Write something here.' : '');
}

function refuseOther({ target }) {
  const other = !target.disabled && target.value.trim() !== target.dataset.word;
  target.setCustomValidity(other ? `Type ${target.dataset.word}.` : '');
}

export function start() {
  document.addEventListener('click', (event) => {
    const opener = event.target.closest('[data-opens]');
    if (opener) open(opener.dataset.opens);
    if (event.target.closest('[data-closes]')) event.target.closest('dialog')?.close();
    for (const menu of document.querySelectorAll('details[data-menu][open]')) {
      if (!menu.contains(event.target)) menu.open = false;
    }
  });
  document.addEventListener('keydown', (event) => {
    const menu = event.key === 'Escape' && document.querySelector('details[data-menu][open]');
    if (!menu) return;
    menu.open = false;
    menu.querySelector('summary').focus();
  });
  const input = document.querySelector('#confirm textarea');
  input.addEventListener('input', refuseBlank);
  document.querySelector('[data-confirm-word] input').addEventListener('input', refuseOther);
  // A form that htmx brought back with errors: the reader is taken to their list.
  document.addEventListener('htmx:afterSettle', (event) => {
    const errors = event.detail.elt.querySelector?.('[data-errors]');
    if (!errors) return;
    errors.focus();
    announce(errors.querySelector('strong').textContent, { urgent: true });
  });
}
