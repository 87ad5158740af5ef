// raise.js -- gives a run that waits for a budget more to spend.

import { el, show, toast, announce } from './dom.js';
import * as api from './api.js';

const words = {
  steps: 'steps', calls: 'calls (reads and questions)', tokens: 'tokens of a model', risk: 'points of risk', children: 'runs it may start',
  wall_ms: 'milliseconds', money_minor: 'money (minor units)',
};

// What the run said it is short of; null: it does not wait for a budget.
export function shortOf(run) {
  if (run.waiting_on !== 'budget') return null;
  const wait = run.journal.filter((step) => step.name === 'budget.wait').pop();
  const out = (wait && wait.out) || {};
  return { budget: out.budget in words ? out.budget : 'calls', message: out.message || 'a limit is met' };
}

export function openRaise(run, onDone) {
  const opener = document.activeElement;
  const short = shortOf(run);
  const failure = el('p', { class: 'failure', role: 'alert' });
  const what = el('select', { id: 'raise-what' },
    Object.entries(words).map(([key, name]) => el('option', { value: key, selected: key === short.budget }, name)));
  const amount = el('input', { id: 'raise-amount', type: 'number', min: '1', step: '1', required: true });
  const reason = el('textarea', { id: 'raise-reason', rows: '3', maxlength: '1000' });
  const confirm = el('button', { class: 'primary', type: 'submit', id: 'raise-confirm' }, 'Give it more');
  const form = el('form', { method: 'dialog', novalidate: true, onsubmit: submit },
    el('h2', { id: 'raise-title' }, 'Give this run more?'),
    el('p', { class: 'quiet' }, 'It stands still: ', short.message, '. What you give is added to its limit and recorded under your name.'),
    el('label', { for: 'raise-what' }, 'More'), what,
    el('label', { for: 'raise-amount' }, 'How many'), amount,
    el('label', { for: 'raise-reason' }, 'Reason'), reason,
    failure,
    el('div', { class: 'buttons' }, el('button', { type: 'button', onclick: () => dialog.close() }, 'Cancel'), confirm));
  const dialog = el('dialog', { class: 'decision', 'aria-labelledby': 'raise-title', onclose: closed }, form);

  async function submit(event) {
    event.preventDefault();
    if (!/^[1-9][0-9]*$/.test(amount.value)) {
      failure.textContent = 'How many must be a whole number above zero.';
      amount.focus();
      return;
    }
    if (reason.value.trim() === '') {
      failure.textContent = 'It needs a reason, for those who ask later.';
      reason.focus();
      return;
    }
    confirm.disabled = true;
    failure.textContent = '';
    try {
      await api.raiseRun(run.id, { [what.value]: Number(amount.value), reason: reason.value.trim() });
      dialog.close();
      toast('Recorded. The run goes on.', 'good');
      announce('Recorded. The run goes on.');
      onDone();
    } catch (problem) {
      show(failure, problem.message + '. ', problem.hint);
      confirm.disabled = false;
    }
  }

  function closed() {
    dialog.remove();
    if (opener && document.contains(opener)) opener.focus();
  }

  document.body.append(dialog);
  dialog.showModal();
  amount.focus();
}
