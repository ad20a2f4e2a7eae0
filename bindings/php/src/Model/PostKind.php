<?php

declare(strict_types=1);

namespace SocialChannel\Model;

use SocialChannel\Internal\Document;

/**
 * A kind of post and its media. A null limit is unknown.
 */
final readonly class PostKind implements \JsonSerializable
{
    use Document;

    public function __construct(
        /** As in `Post::$kind`. */
        public string $name,
        /** The label to display. */
        public string $label,
        /** Fewest media items. */
        public int $minMedia,
        /** Most media items. */
        public int $maxMedia,
        /** @var list<string> For example `video/mp4`. */
        public array $contentTypes,
        /** The maximum size of each item, in bytes. */
        public ?int $maxSize,
        /** Milliseconds. */
        public ?int $maxDurationMs,
        /** The platform fetches the bytes: every item must have a `publicUrl`. */
        public bool $needsPublicUrl,
    ) {
    }
}
