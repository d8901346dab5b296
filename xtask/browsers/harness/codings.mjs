// Messages that npm web-push does not make: written out after RFC 8291 with nothing but Node's own cryptography.

import { createCipheriv, createECDH, hkdfSync, randomBytes } from 'node:crypto';

const bytes = (text) => Buffer.from(text, 'base64url');
const derive = (key, salt, info, length) => Buffer.from(hkdfSync('sha256', key, salt, info, length));

/**
 * aes128gcm for a subscription's keys. `padding` are octets of padding in the last record, `recordSize` is the size
 * of a record with its tag. `into` puts the body into a request of web-push.
 */
export function encrypt(keys, plaintext, { padding = 0, recordSize = 4096 } = {}) {
  const text = Buffer.from(plaintext);
  const pair = createECDH('prime256v1');
  const ours = pair.generateKeys();
  const theirs = bytes(keys.p256dh);
  const shared = pair.computeSecret(theirs);
  const info = Buffer.concat([Buffer.from('WebPush: info\0'), theirs, ours]);
  const secret = derive(shared, bytes(keys.auth), info, 32);
  const salt = randomBytes(16);
  const key = derive(secret, salt, 'Content-Encoding: aes128gcm\0', 16);
  const nonce = derive(secret, salt, 'Content-Encoding: nonce\0', 12);

  // salt (16) ‖ record size (4, big-endian) ‖ length (1) ‖ public key (65)
  const size = Buffer.alloc(4);
  size.writeUInt32BE(recordSize);
  const parts = [salt, size, Buffer.from([ours.length]), ours];
  // A record holds one octet of delimiter and 16 of tag.
  const room = recordSize - 17;
  const count = Math.max(1, Math.ceil((text.length + padding) / room));
  for (let number = 0; number < count; number += 1) {
    const last = number === count - 1;
    const content = text.subarray(number * room, (number + 1) * room);
    parts.push(seal(key, counted(nonce, number), [content, Buffer.from([last ? 2 : 1]), Buffer.alloc(last ? padding : 0)]));
  }
  const body = Buffer.concat(parts);
  return {
    body,
    into(request) {
      request.body = body;
      Object.assign(request.headers, { 'Content-Encoding': 'aes128gcm', 'Content-Length': body.length });
    },
  };
}

function counted(nonce, number) {
  const mine = Buffer.from(nonce);
  mine.writeUInt32BE((mine.readUInt32BE(8) ^ number) >>> 0, 8);
  return mine;
}

function seal(key, nonce, parts) {
  const cipher = createCipheriv('aes-128-gcm', key, nonce);
  return Buffer.concat([cipher.update(Buffer.concat(parts)), cipher.final(), cipher.getAuthTag()]);
}
