// Makes a JPEG or WebP of a picture that a post does not take as it is: of another format, too large, or lying on its
// side. The person asks for it, and sees the result before anything is sent.

import "./compressor.js";

const { Compressor } = globalThis;
/** What browsers can write, best first: every network and browser knows JPEG. */
const FORMATS = [["image/jpeg", "JPEG"], ["image/webp", "WebP"]];
/** The longer and the shorter side: 1080p, the least that networks name as their limit. They make larger ones smaller anyway. */
const [LONG, SHORT] = [1920, 1080];
/** Too little for anybody to see, and a third of the bytes of the best. */
const QUALITY = 0.92;
const UNKNOWN = "this browser does not know its format";

/** Type and name of the format that pictures are made of; undefined if the post takes none that a browser can write. */
export function format(types) {
  return FORMATS.find(([type]) => types.includes(type));
}

/** What stands against a picture, if one made of it would be taken, and whether it may be used all the same; null if nothing does. */
export async function obstacle(file, types, largest) {
  if (!file.type.startsWith("image/") || !format(types)) return null;
  if (!types.includes(file.type)) return { why: "is of another format", usable: false };
  if (largest && file.size > largest) return { why: "is too large", usable: false };
  if (file.type === "image/jpeg" && turned(new DataView(await file.slice(0, 256 << 10).arrayBuffer()))) return { why: "lies on its side without its EXIF data, which some networks ignore", usable: true };
  const [width, height] = await pixels(file);
  return scale(width, height) < 1 ? { why: `has ${width} × ${height} pixels, more than some networks take`, usable: true } : null;
}

/** Nothing of a picture that cannot be drawn: the check says what is wrong with it. */
async function pixels(file) {
  const picture = await createImageBitmap(file).catch(() => null);
  if (!picture) return [0, 0];
  const { width, height } = picture;
  picture.close();
  return [width, height];
}

function scale(width, height) {
  return Math.min(1, LONG / Math.max(width, height), SHORT / Math.min(width, height));
}

/** The picture in a format of the post, upright, of at most so many bytes, of no more than 1080p. */
export async function fit(file, types, largest) {
  const [type, name] = format(types);
  const [width, height] = await pixels(file);
  if (!width) throw new Error(UNKNOWN);
  for (let factor = scale(width, height); ; factor *= 0.8) {
    const made = await compress(file, type, Math.max(1, Math.round(width * factor)), Math.max(1, Math.round(height * factor)));
    // Safari writes a PNG where it is asked for a WebP.
    if (made.type !== type) throw new Error(`this browser cannot write ${name}`);
    if (!largest || made.size <= largest || width * factor <= 1) return made;
  }
}

function compress(file, mimeType, width, height) {
  return new Promise((success, failed) => {
    new Compressor(file, {
      width, height, mimeType, quality: QUALITY, success,
      // The browser turns it; the library would make a `data:` address of it for that, which the pages do not allow.
      checkOrientation: false,
      // Not the picture that came, if it was the smaller file: that one lies on its side.
      strict: false,
      error: () => failed(new Error(UNKNOWN)),
    });
  });
}

/** Whether the EXIF data of a JPEG tell the reader to turn it (their tag 0x0112). Of one tag; libraries for all of them are larger than this page. */
function turned(bytes) {
  if (bytes.byteLength < 4 || bytes.getUint16(0) !== 0xffd8) return false;
  for (let at = 2; at + 4 <= bytes.byteLength && bytes.getUint8(at) === 0xff; at += 2 + bytes.getUint16(at + 2)) {
    // Other data may stand in segments of the same kind before it.
    if (bytes.getUint8(at + 1) === 0xe1 && orientation(bytes, at + 4) > 1) return true;
    // From here on there is the picture itself.
    if (bytes.getUint8(at + 1) === 0xda) return false;
  }
  return false;
}

function orientation(bytes, start) {
  const tiff = start + 6;
  if (tiff + 8 > bytes.byteLength || bytes.getUint32(start) !== 0x45786966) return 1;
  const little = bytes.getUint16(tiff) === 0x4949;
  const tags = tiff + bytes.getUint32(tiff + 4, little);
  if (tags + 2 > bytes.byteLength) return 1;
  const count = bytes.getUint16(tags, little);
  for (let tag = tags + 2; tag < tags + 2 + 12 * count && tag + 12 <= bytes.byteLength; tag += 12) {
    if (bytes.getUint16(tag, little) === 0x0112) return bytes.getUint16(tag + 8, little);
  }
  return 1;
}
