// A consumer in a real browser: registering a device with separate consents, then seeing, taking,
// changing and erasing what is held; and what is said of a recall. The second walk has no script.

import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { chromium } from 'playwright-core';
import { base, heading, links, look, press, program, send, shots, watched } from './walk.mjs';

const PHONE = '13800138000';
const walks = {
  'zh-CN': {
    script: true,
    titles: { registered: '登记成功', mine: '我的登记信息', erased: '已删除' },
    recall: ['移动电源召回', '电芯绝缘膜有缺陷', '请停止充电和使用'],
  },
  en: {
    script: false,
    titles: { registered: 'Registered', mine: 'My registration', erased: 'Erased' },
    recall: ['Recall of', 'The insulation', 'Stop charging'],
  },
};

let browser;
let scratch;
before(async () => {
  if (shots) mkdirSync(shots, { recursive: true });
  browser = await chromium.launch(program);
  if (links.sign_in && links.genuine) scratch = await scratchOf(links.genuine.split('/').pop());
});
after(() => browser?.close());

/** What stands under the coating of a label, as the brand's people read it. */
async function scratchOf(code) {
  const context = await browser.newContext();
  try {
    const page = await watched(context);
    await page.goto(new URL(links.sign_in, base).href);
    await send(page, 'main form');
    const get = async (path) => {
      const reply = await context.request.get(new URL(path, base).href);
      assert.ok(reply.ok(), `${path}: ${await reply.text()}`);
      return reply;
    };
    const { items } = await (await get('/api/v1/batches')).json();
    for (const batch of items.filter((one) => one.scratch)) {
      const lines = (await (await get(`/api/v1/batches/${batch.id}/codes`)).text()).split('\n');
      const line = lines.find((one) => one.startsWith(code));
      if (line) return line.trim().split(',').pop();
    }
    return assert.fail('the label has no scratch code');
  } finally {
    await context.close();
  }
}

for (const [lang, { script, titles, recall }] of Object.entries(walks)) {
  const fresh = async () => watched(await browser.newContext({
    locale: lang, viewport: { width: 390, height: 844 }, javaScriptEnabled: script,
  }), { script });
  const claim = async (page, code) => {
    await page.locator('#phone').fill(PHONE);
    await page.locator('#scratch').fill(code);
    await send(page, 'main form');
  };

  test(`a registration and its end, ${lang}`, async (t) => {
    if (!scratch) return t.skip('no such link');
    assert.match(scratch, /^\d{6}$/);
    const page = await fresh();
    await page.goto(new URL(links.register, base).href);
    const today = await page.locator('#purchased_on').getAttribute('max');
    await page.locator('#phone').fill(PHONE);
    await page.locator('#purchased_on').fill(today);
    await page.locator('#proof-scratch').check();
    await page.locator('#scratch').fill(scratch);
    await page.locator('#consent').check();
    await page.locator('#marketing').check();
    await send(page, 'main form');
    assert.equal(await heading(page), titles.registered);
    await look(page, 'person-registered', { lang });

    await page.goto(new URL(links.register, base).href);
    await press(page, 'a[href$="/my-data"]');
    assert.equal(await heading(page), titles.mine);
    await look(page, 'person-claim', { lang });
    await claim(page, scratch === '000000' ? '000001' : '000000');
    await look(page, 'person-claim-refused', { lang, status: 422 });
    await claim(page, scratch);
    assert.equal(await heading(page), titles.mine);
    await look(page, 'person-data', { lang });
    const text = await page.locator('main').innerText();
    assert.ok(text.includes(PHONE), 'what is held is shown');

    const [file] = await Promise.all([
      page.waitForEvent('download'),
      page.locator('[name=act][value=export] ~ button').click(),
    ]);
    const held = JSON.parse(await readFile(await file.path(), 'utf8'));
    assert.equal(held.phone, `+86${PHONE}`);
    const agreed = held.consents.filter((one) => !one.withdrawn_at).map((one) => one.purpose);
    assert.deepEqual(agreed.sort(), ['marketing', 'registration']);

    assert.equal(await page.locator('#marketing').isChecked(), true);
    await page.locator('#marketing').uncheck();
    await send(page, '[aria-labelledby=agree-h] form');
    assert.equal(await page.locator('#marketing').isChecked(), false, 'it is withdrawn');
    await page.locator('.said').waitFor();
    await look(page, 'person-data-saved', { lang });

    await page.locator('#phone').fill('12');
    await send(page, '[aria-labelledby=correct-h] form');
    await look(page, 'person-data-refused', { lang, status: 422 });
    assert.equal(await page.locator('#phone').inputValue(), '12');
    assert.ok((await page.locator('.facts').innerText()).includes(PHONE), 'it is held as before');

    await page.locator('#sure').check();
    await send(page, '[aria-labelledby=erase-h] form');
    assert.equal(await heading(page), titles.erased);
    await look(page, 'person-erased', { lang });
    await page.goto(new URL(`${links.genuine}/my-data`, base).href);
    await claim(page, scratch);
    assert.equal(page.seen.documents.at(-1).response.status(), 422, 'nothing is registered');
    await page.context().close();
  });

  test(`what is said of a recall, ${lang}`, async (t) => {
    if (!links.recalled) return t.skip('no such link');
    const page = await fresh();
    await page.goto(new URL(links.recalled, base).href);
    const card = await page.locator('[aria-labelledby=recall-h]').innerText();
    for (const words of recall) assert.ok(card.includes(words), `${words} in ${card}`);
    await look(page, 'person-recall', { lang });
    await page.context().close();
  });
}
