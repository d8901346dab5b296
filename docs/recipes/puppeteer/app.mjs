// The application under test: a page that subscribes, a worker that shows what it is sent, and a server that keeps
// subscriptions, sends to them with npm web-push, and forgets those that are gone.

import http from 'node:http';
import webPush from 'web-push';

const key = webPush.generateVAPIDKeys();

const page = `<!doctype html><title>App</title><script type="module">
  await navigator.serviceWorker.register('/worker.js');
  const { pushManager } = await navigator.serviceWorker.ready;
  const subscription = await pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: '${key.publicKey}' });
  await fetch('/subscriptions', { method: 'POST', body: JSON.stringify(subscription) });
  document.title = 'subscribed';
</script>`;

const worker = `addEventListener('push', (event) => {
  event.waitUntil(registration.showNotification(event.data.text()));
});`;

export class App {
  subscriptions = new Map();

  async start() {
    const files = { '/': ['text/html', page], '/worker.js': ['text/javascript', worker] };
    this.server = http.createServer(async (request, answer) => {
      if (request.method === 'POST') {
        const subscription = JSON.parse(Buffer.concat(await request.toArray()));
        this.subscriptions.set(subscription.endpoint, subscription);
        return answer.writeHead(201).end();
      }
      const [type, text] = files[request.url] ?? ['text/plain', 'nothing here'];
      answer.writeHead(request.url in files ? 200 : 404, { 'content-type': type }).end(text);
    });
    await new Promise((resolve) => this.server.listen(0, 'localhost', resolve));
    this.url = `http://localhost:${this.server.address().port}`;
    return this;
  }

  async notify(text, proxy) {
    const vapidDetails = { subject: 'mailto:app@example.com', ...key };
    for (const [endpoint, subscription] of this.subscriptions) {
      await webPush.sendNotification(subscription, text, { TTL: 60, vapidDetails, proxy }).catch((error) => {
        if (![404, 410].includes(error.statusCode)) throw error;
        this.subscriptions.delete(endpoint);
      });
    }
  }

  stop() {
    this.server.close();
    this.server.closeAllConnections();
  }
}
