// What every walk through the pages holds them to.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

export const base = process.env.BASE_URL ?? 'http://127.0.0.1:8080';
export const links = JSON.parse(process.env.DOSSIER_LINKS ?? '{}');
export const shots = process.env.DOSSIER_SHOTS;
/** One TCP window: what a page may weigh on the wire. */
const PAGE_BYTES_MAX = 14 * 1024;

export const program = {
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  headless: true,
  args: [
    '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
    '--disable-background-networking', '--disable-component-update', '--disable-sync',
  ],
};

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

export async function violations(page) {
  await page.evaluate(axe);
  const found = await page.evaluate(() => globalThis.axe.run(document, {
    runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa'],
  }));
  return found.violations.map((rule) => `${rule.id}: ${rule.nodes.map((n) => n.html).join(' | ')}`);
}

export const overflow = (page) => page.evaluate(() =>
  document.documentElement.scrollWidth - document.documentElement.clientWidth);

/** A page whose console, requests and documents are watched. */
export async function watched(context, { script = true } = {}) {
  const page = await context.newPage();
  page.script = script;
  page.seen = { complaints: [], foreign: [], documents: [] };
  page.on('console', (message) => {
    if (message.type() === 'error') page.seen.complaints.push(message.text());
  });
  page.on('pageerror', (error) => page.seen.complaints.push(String(error)));
  page.on('request', (request) => {
    const url = request.url();
    const own = [base, process.env.PEOPLE_URL].some((origin) => origin && url.startsWith(origin));
    if (!own && !url.startsWith('data:')) page.seen.foreign.push(url);
  });
  page.on('response', (response) => {
    const html = (response.headers()['content-type'] ?? '').startsWith('text/html');
    const moved = response.status() >= 300 && response.status() < 400;
    if (html && !moved && response.request().isNavigationRequest()) {
      page.seen.documents.push({ response, body: response.body().catch(() => Buffer.alloc(0)) });
    }
  });
  return page;
}

/** Holds the page as it stands to the rules of all pages, on a telephone and on a desk. */
export async function look(page, name, { lang, status = 200 }) {
  const { response, body } = page.seen.documents.at(-1);
  assert.equal(response.status(), status, `${name}: status`);
  const policy = response.headers()['content-security-policy'] ?? '';
  assert.match(policy, /default-src 'none'/, `${name}: a content security policy`);
  assert.doesNotMatch(policy, /unsafe-/, `${name}: no loop-hole in it`);
  const weight = gzipSync(await body).length;
  assert.ok(weight > 500 && weight <= PAGE_BYTES_MAX, `${name} weighs ${weight} bytes`);
  assert.equal(await page.locator('html').getAttribute('lang'), lang, name);
  assert.equal(await page.locator('h1').count(), 1, `${name}: one heading`);
  assert.ok(await page.locator('.btn.p').count() <= 1, `${name}: one filled button`);
  for (const [width, height] of [[390, 844], [1280, 900]]) {
    await page.setViewportSize({ width, height });
    if (shots) {
      await page.screenshot({ path: join(shots, `${name}-${lang}-${width}.png`), fullPage: true });
    }
    const folded = page.locator('details:not([open])');
    const opened = await folded.evaluateAll((all) => all.map((d) => { d.open = true; return d; }).length);
    // axe is a script itself; the same pages are held to it in the walks that have one.
    if (page.script) assert.deepEqual(await violations(page), [], `${name}: axe at ${width}`);
    assert.equal(await overflow(page), 0, `${name}: sideways scrolling at ${width}`);
    if (width === 390 && shots && opened > 0) {
      await page.screenshot({ path: join(shots, `${name}-${lang}-open.png`), fullPage: true });
    }
  }
  await page.setViewportSize({ width: 320, height: 640 });
  assert.equal(await overflow(page), 0, `${name}: sideways scrolling at 320`);
  await page.setViewportSize({ width: 390, height: 844 });
  // The browser itself logs one line for a page that answers with an error.
  const expected = (line) => status >= 400 && line.includes(`status of ${status}`);
  assert.deepEqual(page.seen.complaints.filter((line) => !expected(line)), [], `${name}: console`);
  assert.deepEqual(page.seen.foreign, [], `${name}: nothing is loaded from elsewhere`);
  page.seen.complaints.length = 0;
}

/** Presses something and waits for the page that answers. */
export async function press(page, what) {
  await Promise.all([page.waitForNavigation({ waitUntil: 'load' }), page.locator(what).click()]);
}

/** Sends the one form that is found there, by its first button. */
export const send = (page, form) => press(page, `${form} >> button[type=submit] >> nth=0`);

export const heading = async (page) => (await page.locator('h1').innerText()).trim();
