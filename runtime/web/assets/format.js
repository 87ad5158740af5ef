// format.js -- numbers, times and names as people read them.

const moneyFormats = new Map();

function moneyFormat(currency) {
  if (!moneyFormats.has(currency)) {
    let format = null;
    try {
      format = new Intl.NumberFormat(undefined, { style: 'currency', currency, currencyDisplay: 'code' });
    } catch { format = null; }
    moneyFormats.set(currency, format);
  }
  return moneyFormats.get(currency);
}

// Amounts arrive as whole minor units; the currency says how many decimals they have.
export function money(minor, currency) {
  if (minor === null || minor === undefined) return '';
  const format = currency ? moneyFormat(currency) : null;
  if (!format) return String(minor) + (currency ? ' ' + currency : '');
  const digits = format.resolvedOptions().maximumFractionDigits;
  return format.format(Number(minor) / 10 ** digits);
}

export function plainMoney(minor, currency) {
  if (minor === null || minor === undefined || Number(minor) === 0) return '';
  const format = currency ? moneyFormat(currency) : null;
  const digits = format ? format.resolvedOptions().maximumFractionDigits : 2;
  return new Intl.NumberFormat(undefined, { minimumFractionDigits: digits, maximumFractionDigits: digits })
    .format(Number(minor) / 10 ** digits);
}

const units = [[86400, 'd'], [3600, 'h'], [60, 'min']];

export function span(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  for (const [size, name] of units) {
    if (whole >= size) {
      const first = Math.floor(whole / size);
      const rest = Math.floor((whole % size) / (size === 86400 ? 3600 : 60));
      if (size === 86400 && rest > 0 && first < 4) return `${first} d ${rest} h`;
      if (size === 3600 && rest > 0 && first < 10) return `${first} h ${rest} min`;
      return `${first} ${name}`;
    }
  }
  return 'less than a minute';
}

export function age(text, now) { return span((now - Date.parse(text)) / 1000); }

export function moment(text) {
  if (!text) return '';
  return new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' }).format(new Date(text));
}

// "invoice.release" -> "Release invoice"; people read verbs first.
export function actionName(action) {
  const [noun, verb] = String(action).split('.');
  if (!verb) return String(action);
  const words = (verb.includes('_') ? `${verb} (${noun})` : `${verb} ${noun}`).replaceAll('_', ' ');
  return words.charAt(0).toUpperCase() + words.slice(1);
}

export function label(key) {
  const words = String(key).replace(/_minor$/, '').replace(/[_.]/g, ' ').replace(/\b(iban|bic|vat|id|url|po|ap|gl)\b/g, (word) => word.toUpperCase());
  return words.charAt(0).toUpperCase() + words.slice(1);
}

export function principal(text) {
  if (!text) return '';
  const [kind, name] = String(text).includes(':') ? String(text).split(/:(.*)/s) : ['', text];
  return kind === 'agent' ? `agent ${name}` : name;
}

export const tiers = [
  { name: 'Note', hint: 'annotates only' },
  { name: 'Reversible', hint: 'reversible, no ledger effect' },
  { name: 'Ledger', hint: 'changes the ledger' },
  { name: 'Money', hint: 'money leaves, bank data or a write-off' },
  { name: 'Never', hint: 'not for agents' },
];

export const statusWords = {
  requested: 'Waiting', approved: 'Approved', rejected: 'Rejected', expired: 'Expired',
  consumed: 'Executed', void: 'Void',
};

export const statusHints = {
  approved: 'approved; the run will execute exactly this',
  consumed: 'approved and executed',
  void: 'something it was bound to changed, so it no longer counts',
  expired: 'nobody answered in time, and no answer means no',
};
