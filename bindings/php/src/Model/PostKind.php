<?php

declare(strict_types=1);

namespace SocialChannel\Model;

use SocialChannel\Internal\Document;

/**
 * A kind of post, and the media it takes. Null means that no limit is known.
 */
final readonly class PostKind implements \JsonSerializable
{
    use Document;

    public function __construct(
        /** As in `Post::$kind`. */
        public string $name,
        /** For people. */
        public string $label,
        /** Fewest media items. */
        public int $minMedia,
        /** Most media items. */
        public int $maxMedia,
        /** @var list<string> For example `video/mp4`. */
        public array $contentTypes,
        /** Bytes, of each item. */
        public ?int $maxSize,
        /** Milliseconds. */
        public ?int $maxDurationMs,
        /** The platform fetches the bytes: every item must have a `publicUrl`. */
        public bool $needsPublicUrl,
    ) {
    }
}
