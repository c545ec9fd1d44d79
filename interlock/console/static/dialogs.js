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

// Asks for confirmation, and for a reason if `reason` labels one. Resolves to {reason}, or null when it was cancelled.
export function ask({ title, text = '', confirm = 'Confirm', reason = '', danger = false }) {
  const dialog = document.getElementById('confirm');
  const field = dialog.querySelector('[data-confirm-reason]');
  const input = field.querySelector('textarea');
  const button = dialog.querySelector('[type=submit]');
  dialog.querySelector('h2').textContent = title;
  dialog.querySelector('[data-confirm-text]').textContent = text;
  dialog.querySelector('[data-confirm-label]').textContent = reason;
  field.hidden = !reason;
  input.disabled = !reason;
  input.value = '';
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
  const blank = event.target.value.trim() === '' && !event.target.disabled;
  event.target.setCustomValidity(blank ? 'Write something here.' : '');
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
  // A form that htmx brought back with errors: the reader is taken to their list.
  document.addEventListener('htmx:afterSettle', (event) => {
    const errors = event.detail.elt.querySelector?.('[data-errors]');
    if (!errors) return;
    errors.focus();
    announce(errors.querySelector('strong').textContent, { urgent: true });
  });
}
