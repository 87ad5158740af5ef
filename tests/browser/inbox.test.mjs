// inbox.test.mjs SERVER CHROMIUM OUT -- a controller's minutes in the inbox, in a real browser.
// Screenshots go to OUT; every check names what a person would see.

import { spawn } from 'node:child_process';
import { strict as assert } from 'node:assert';
import { createRequire } from 'node:module';

const { chromium } = createRequire(import.meta.url)('playwright-core');
const [serverPath, chromiumPath, out] = process.argv.slice(2);
const FLAGS = ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu', '--disable-background-networking',
  '--disable-component-update', '--disable-default-apps', '--disable-extensions', '--disable-sync', '--mute-audio', '--no-first-run'];

const server = spawn(serverPath, [], { stdio: ['pipe', 'pipe', 'inherit'] });
const port = await new Promise((resolve, reject) => {
  let text = '';
  server.stdout.on('data', (part) => {
    text += part;
    const ready = text.match(/READY (\d+)/);
    if (ready) resolve(Number(ready[1]));
  });
  server.on('exit', (code) => { if (code === 77) process.exit(77); reject(new Error('the server ended with ' + code)); });
});
const base = `http://127.0.0.1:${port}/`;
const browser = await chromium.launch({ executablePath: chromiumPath, headless: true, args: FLAGS });
const problems = [];
let done = 0;

async function step(name, body) {
  try {
    await body();
    done++;
    console.log('ok   ' + name);
  } catch (error) {
    problems.push(name);
    console.log('FAIL ' + name + '\n     ' + String(error && error.message).split('\n').slice(0, 6).join('\n     '));
  }
}

async function newPage(options) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 860 }, locale: 'en-GB', timezoneId: 'Europe/Berlin', ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(8000);
  page.on('console', (message) => {
    const text = message.text();
    if (message.type() === 'error' && !/status of (401|409|403|503)/.test(text)) problems.push('console: ' + text);
  });
  page.on('pageerror', (error) => problems.push('script: ' + error.message));
  return page;
}

async function signIn(page, name = 'controller') {
  await page.goto(base);
  await page.fill('#tenant', 'northwind');
  await page.fill('#name', name);
  await page.fill('#password', 'correct horse battery');
  await page.keyboard.press('Enter');
  await page.waitForSelector('#list a.row');
}

const shot = (page, name) => page.screenshot({ path: `${out}/${name}.png` });
const rows = (page) => page.$$eval('#list a.row', (list) => list.map((row) => row.querySelector('.who').textContent));
const focusedId = (page) => page.evaluate(() => document.activeElement.dataset.id || document.activeElement.id);

const page = await newPage();

await step('a wrong password is refused without saying which part was wrong', async () => {
  await page.goto(base);
  await page.waitForSelector('.signin');
  await shot(page, '01-sign-in');
  await page.fill('#tenant', 'northwind');
  await page.fill('#name', 'controller');
  await page.fill('#password', 'wrong password here');
  await page.click('button[type=submit]');
  await page.waitForFunction(() => /is wrong/.test(document.querySelector('.failure')?.textContent || ''));
  assert.equal(await page.evaluate(() => document.activeElement.id), 'password');
});

await step('signing in shows what waits, riskiest first, with a count', async () => {
  await signIn(page);
  assert.deepEqual(await rows(page), ['Hallmann Maschinenbau GmbH', 'Kawamura Sensor K.K.', 'Papierhaus Lindner KG', 'Elektro Brandt e.K.',
    'journal:9931', 'Nordkabel <b>AS</b> & Sons', 'Büromarkt Süd']);
  assert.equal(await page.textContent('.badge'), '7');
  assert.match(await page.title(), /^\(7\) Approvals/);
  assert.match(await page.textContent('#list a.row .amount'), /EUR.48,600\.00|48,600\.00.EUR/);
  assert.match(await page.textContent('#list li:nth-child(2) .amount'), /JPY.1,250,000$/);
  await page.waitForSelector('#live.up');
  await shot(page, '02-list');
});

await step('search and risk filters narrow the list', async () => {
  await page.keyboard.press('/');
  await page.keyboard.type('papierhaus');
  assert.deepEqual(await rows(page), ['Papierhaus Lindner KG']);
  await page.keyboard.press('Escape');
  assert.equal((await rows(page)).length, 7);
  await page.click('.filter[data-tier="3"]');
  assert.equal((await rows(page)).length, 2);
  await page.click('.filter[data-tier=""]');
});

await step('j, k and Enter open the detail with everything a decider must see', async () => {
  await page.evaluate(() => document.activeElement.blur());
  await page.keyboard.press('j');
  await page.keyboard.press('j');
  await page.keyboard.press('k');
  assert.equal(await focusedId(page), '9007199254740993');
  await page.keyboard.press('Enter');
  await page.waitForSelector('.detail[data-id="9007199254740993"]');
  const text = await page.textContent('.detail');
  for (const wanted of ['Release payment', 'Hallmann Maschinenbau GmbH', 'keeps the 2 % discount', 'money_leaves', 'large_payment', 'Controller',
    'Treasurer', 'DE89370400440532013000', 'Trade payables', '48,600.00', '47,628.00', 'IBAN unchanged since', 'asked', 'F21', 'expires in']) {
    assert.ok(text.includes(wanted), 'missing: ' + wanted);
  }
  assert.equal((await page.textContent('.hash')).length, 64);
  await page.waitForFunction(() => document.activeElement.id === 'detail-title');
  await shot(page, '03-detail');
});

await step('what suppliers write stays text', async () => {
  await page.goto(base + '#/approvals/9007199254740995');
  await page.waitForSelector('.detail[data-id="9007199254740995"]');
  assert.equal(await page.$('.detail .subject b'), null);
  assert.ok((await page.textContent('.detail')).includes("<script>document.title='owned'</script>"));
  assert.doesNotMatch(await page.title(), /owned/);
  await shot(page, '04-hostile-text');
});

await step('a opens the confirm step, Escape leaves it, a and Enter approve', async () => {
  await page.keyboard.press('a');
  await page.waitForSelector('dialog[open]');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'confirm');
  await shot(page, '05-confirm');
  await page.keyboard.press('Escape');
  await page.waitForSelector('dialog', { state: 'detached' });
  await page.keyboard.press('a');
  await page.waitForSelector('dialog[open]');
  await page.keyboard.press('Enter');
  await page.waitForSelector('dialog', { state: 'detached' });
  await page.waitForFunction(() => document.querySelector('.badge')?.textContent === '6');
  assert.ok(!(await rows(page)).includes('Nordkabel <b>AS</b> & Sons'));
  assert.match(await page.textContent('.detail .state'), /Approved/);
  assert.match(await page.textContent('.timeline'), /controller \(Controller\) approved through inbox/);
  assert.equal(await page.$('#approve'), null);
});

await step('the first of two approvals is recorded and says what is missing', async () => {
  await page.goto(base + '#/approvals/9007199254740993');
  await page.waitForSelector('#approve');
  await page.click('#approve');
  await page.click('#confirm');
  await page.waitForFunction(() => /Another approval is still needed/.test(document.querySelector('.toast')?.textContent || ''));
  await page.waitForSelector('.obstacle');
  assert.match(await page.textContent('.obstacle'), /decided here already/);
});

await step('a rejection needs a reason', async () => {
  await page.goto(base + '#/approvals/9007199254741005');
  await page.waitForSelector('.detail[data-id="9007199254741005"]');
  await page.keyboard.press('r');
  await page.waitForSelector('dialog[open]');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'comment');
  await page.click('#confirm');
  assert.match(await page.textContent('dialog .failure'), /needs a reason/);
  await page.fill('#comment', 'Invoice 4701 is the same delivery.');
  await shot(page, '06-reject');
  await page.click('#confirm');
  await page.waitForSelector('dialog', { state: 'detached' });
  await page.waitForFunction(() => /Rejected/.test(document.querySelector('.detail .state')?.textContent || ''));
  assert.match(await page.textContent('.timeline'), /same delivery/);
});

await step('nobody gets buttons for their own request', async () => {
  await page.goto(base + '#/approvals/9007199254741003');
  await page.waitForSelector('.detail[data-id="9007199254741003"]');
  assert.match(await page.textContent('.obstacle'), /your own request/);
  assert.equal(await page.$('#approve'), null);
});

await step('a new approval appears by itself', async () => {
  await page.goto(base + '#/approvals');
  await page.waitForFunction(() => document.querySelectorAll('#list a.row').length === 5);
  await page.waitForTimeout(2500); // what was decided before has been told by now
  const start = Date.now();
  server.stdin.write('new\n');
  await page.waitForFunction(() => document.querySelector('#list a.row .who')?.textContent === 'Werft Ostsee AG');
  assert.equal(await page.textContent('.badge'), '6');
  assert.ok(Date.now() - start < 4000);
});

await step('a decision in one window shows in the other', async () => {
  const second = await newPage();
  await signIn(second);
  await second.goto(base + '#/approvals/9007199254742001');
  await page.goto(base + '#/approvals/9007199254742001');
  await page.waitForSelector('#approve');
  await second.waitForSelector('#approve');
  await second.click('#approve');
  await second.click('#confirm');
  await page.waitForFunction(() => /Approved/.test(document.querySelector('.detail .state')?.textContent || ''));
  await second.context().close();
});

await step('the keyboard help lists the keys', async () => {
  await page.keyboard.press('?');
  await page.waitForSelector('dialog[open]');
  assert.match(await page.textContent('dialog'), /approve \(asks once more\)/);
  await page.keyboard.press('Escape');
});

await step('runs tell their story', async () => {
  await page.click('nav a[href="#/runs"]');
  await page.waitForSelector('.grid tbody tr a');
  assert.equal((await page.$$('.grid tbody tr')).length, 3);
  await page.click('.grid tbody tr:last-child a');
  await page.waitForSelector('.story .step');
  const text = await page.textContent('.story');
  for (const wanted of ['Looked up', 'invoice.get', 'Asked the model', 'worth more than the float', 'Acted', 'waiting']) assert.ok(text.includes(wanted), wanted);
  await shot(page, '07-run');
});

await step('exceptions are a table', async () => {
  await page.click('nav a[href="#/exceptions"]');
  await page.waitForSelector('.grid tbody tr .chip');
  assert.match(await page.textContent('.grid'), /Discount is lost after 24 November/);
  await shot(page, '08-exceptions');
});

await step('an auditor reads and cannot decide', async () => {
  const auditor = await newPage();
  await signIn(auditor, 'clerk');
  await auditor.goto(base + '#/approvals/9007199254740997');
  await auditor.waitForSelector('.obstacle');
  assert.match(await auditor.textContent('.obstacle'), /read, not to decide/);
  await auditor.context().close();
});

await step('it works on a phone of 360 px', async () => {
  const phone = await newPage({ viewport: { width: 360, height: 740 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true });
  await signIn(phone);
  const overflow = () => phone.evaluate(() => Math.max(document.documentElement.scrollWidth, window.innerWidth) - 360);
  assert.ok(await overflow() <= 0, 'the list is wider than the screen');
  await shot(phone, '09-phone-list');
  await phone.tap('#list a.row');
  await phone.waitForSelector('.detail');
  assert.ok(await overflow() <= 0, 'the detail is wider than the screen');
  assert.equal(await phone.isVisible('#list'), false);
  await shot(phone, '10-phone-detail');
  await phone.goto(base + '#/approvals/9007199254740997');
  await phone.waitForSelector('#approve');
  await phone.tap('#approve');
  await phone.waitForSelector('dialog[open]');
  await shot(phone, '11-phone-confirm');
  await phone.keyboard.press('Escape');
  await phone.tap('.back');
  await phone.waitForSelector('#list a.row', { state: 'visible' });
  await phone.context().close();
});

await step('dark mode and print are readable', async () => {
  const dark = await newPage({ colorScheme: 'dark' });
  await signIn(dark);
  await dark.goto(base + '#/approvals/9007199254740993');
  await dark.waitForSelector('.detail');
  await shot(dark, '12-dark');
  await dark.emulateMedia({ media: 'print', colorScheme: 'light' });
  assert.equal(await dark.isVisible('.top'), false);
  assert.equal(await dark.isVisible('.detail h2'), true);
  await shot(dark, '13-print');
  await dark.context().close();
});

await step('signing out ends the session on the server too', async () => {
  const before = await page.context().cookies();
  await page.click('text=Sign out');
  await page.waitForSelector('.signin');
  const cookie = before.find((one) => one.name === 'reeve_session');
  assert.ok(cookie.httpOnly && cookie.sameSite === 'Strict');
  const answer = await fetch(base + 'v1/me', { headers: { cookie: `reeve_session=${cookie.value}` } });
  assert.equal(answer.status, 401);
});

await browser.close();
server.stdin.end();
const code = await new Promise((resolve) => server.on('exit', resolve));
if (code !== 0) problems.push('the server ended with ' + code);
console.log(problems.length === 0 ? `all ${done} steps passed` : 'problems:\n  ' + problems.join('\n  '));
process.exit(problems.length === 0 ? 0 : 1);
